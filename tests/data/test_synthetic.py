"""The generator: the same from the same seed, and physiology that can be measured in what it draws."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import atml.data
from atml.data.synthetic import beat_shapes, rhythms
from atml.data.synthetic.generator import SUBJECTS, draw, windows
from atml.errors import DataError
from atml.tasks.task import Task

TASK = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
DEFIB = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=1000)
RHYTHMS = list(rhythms.RHYTHMS)
SHOCK = ("VT", "VFL", "VF")
KNOWN = ("N", "SBR", "AB", "B", "T", "AFIB", "SVTA", "NOD", "IVR")
WAVES = ("AFIB", "AFL", "VF", "VFL")
"""Rhythms with waves that go on whatever the beats do."""


def label(rhythm):
    return int(rhythm == "AFIB") if rhythm in KNOWN else None


def shock(rhythm):
    return int(rhythm in SHOCK)


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return atml.data.open(None, task=TASK, label=label, cache=tmp_path_factory.mktemp("cache"))


def test_it_says_what_it_is(train):
    assert train.synthetic and train.name == "synthetic" and "synthetic" in train.notes[0]


def test_its_size_and_kind(train):
    assert train.x.shape[1:] == (1, 1250) and train.x.dtype == np.float32 and isinstance(train.x, np.memmap)
    assert len(np.unique(train.subject)) == SUBJECTS["train"] == 24
    assert 24 * 45 <= len(train) <= 24 * 75
    assert np.isfinite(train.x).all() and 0.3 < train.y.mean() < 0.7
    np.testing.assert_array_equal(train.y, (train.rhythm == "AFIB").astype(int))
    assert set(train.rhythm) <= set(KNOWN)
    old = np.isin(train.rhythm, ["N", "SBR", "AB", "B", "T", "AFIB"])
    assert old.mean() > 0.8 and len(set(train.rhythm)) > 5


def test_rhythms_that_a_task_does_not_know_are_not_drawn(train):
    assert not {"VF", "ASYS", "PM", "AFL", "BI"} & set(train.rhythm)


def test_subjects_have_one_class_or_both(train):
    kinds = {tuple(np.unique(train.y[train.subject == name])) for name in np.unique(train.subject)}
    assert kinds == {(0,), (1,), (0, 1)}


def test_train_and_test_share_nobody(train, tmp_path):
    test = atml.data.open(None, task=TASK, label=label, split="test", cache=tmp_path)
    assert not set(test.subject) & set(train.subject)
    assert len(np.unique(test.subject)) == 8 and set(test.y) == {0, 1}


def test_the_same_seed_is_the_same_data_and_another_is_not(train, tmp_path):
    again = atml.data.open(None, task=TASK, label=label, cache=tmp_path)
    assert again.fingerprint == train.fingerprint
    other = atml.data.open(None, task=TASK, label=label, seed=1, cache=tmp_path)
    assert other.fingerprint != train.fingerprint
    assert atml.data.open(None, task=TASK, label=label, cache=tmp_path).fingerprint == train.fingerprint


def test_it_is_drawn_quickly():
    start = time.process_time()
    draw(TASK, "train", label=label)
    assert time.process_time() - start < 5  # about 0.4 s on an idle core


def test_it_deals_into_folds(train):
    assert len(atml.data.folds(train.y, train.subject, 5, 0)) == 5


def test_leads_differ_and_beat_together(tmp_path):
    found = atml.data.open(None, task=dataclasses.replace(TASK, leads=3), label=label, cache=tmp_path)
    assert found.x.shape[1:] == (3, 1250)
    activity = np.abs(np.diff(found.x[::5], axis=2))

    def likeness(shift):
        other = np.roll(activity[:, 1], shift, axis=0)
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(activity[:, 0], other, strict=True)])

    assert likeness(0) > 0.3 > 3 * likeness(1)  # the same strip, and the next one
    assert not np.allclose(found.x[:, 0], found.x[:, 1])


@pytest.mark.parametrize(("rate", "window"), [(100, 300), (360, 3600)])
def test_any_rate_and_window(rate, window, tmp_path):
    task = dataclasses.replace(TASK, sampling_rate=rate, window=window)
    found = atml.data.open(None, task=task, label=label, cache=tmp_path)
    assert found.x.shape[1:] == (1, window) and found.sampling_rate == rate


THREE = {"N": 0, "AFIB": 1, "SBR": 2, "SVTA": 2, "B": 2, "T": 2, "AFL": 2, "AB": 2}


@pytest.mark.parametrize("positive", [None, 1])
def test_three_classes_are_all_drawn(positive, tmp_path):
    task = dataclasses.replace(TASK, classes=("N", "AF", "O"), positive=positive)
    for split, people in SUBJECTS.items():
        found = atml.data.open(None, task=task, label=THREE.get, split=split, cache=tmp_path)
        assert set(found.rhythm.tolist()) <= set(THREE) and len(set(found.rhythm.tolist())) > 5
        assert found.y.tolist() == [THREE[name] for name in found.rhythm.tolist()]
        shares = np.bincount(found.y, minlength=3) / len(found)
        assert (shares > 0.15).all(), shares
        kinds = {tuple(np.unique(found.y[found.subject == name])) for name in np.unique(found.subject)}
        assert kinds == {(0, 1, 2), (0,), (1,), (2,)}
        assert len(np.unique(found.subject)) == people
    train = atml.data.open(None, task=task, label=THREE.get, cache=tmp_path)
    for fold in atml.data.folds(train.y, train.subject, 5, 0):
        assert set(train.y[fold.held_out].tolist()) == set(train.y[fold.train].tolist()) == {0, 1, 2}


def test_what_a_seed_draws_stays_what_it_was(train):
    # Studies keep it: a search that goes on must find the same data.
    people = [train.rhythm[train.subject == f"train{number}"].tolist() for number in range(4)]
    assert [dict(Counter(rhythms)) for rhythms in people] == [
        {"AFIB": 23, "SVTA": 43, "AB": 5},
        {"AFIB": 72},
        {"AFIB": 23, "N": 23, "AB": 5},
        {"T": 64, "N": 3},
    ]


def test_a_task_of_other_rhythms_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"knows none of N, SBR, AB, .*, VF as 'AF'; give --data"):
        atml.data.open(None, task=TASK, label=lambda rhythm: 0, cache=tmp_path)


# Physiology, on the activity itself.

SECONDS = 120.0


def strips(rhythm, count=20):
    for seed in range(count):
        random = np.random.default_rng(seed)
        who = beat_shapes.heart(random, 1)
        yield random, who, rhythms.RHYTHMS[rhythm](random, who, SECONDS, int(SECONDS * 250))


def variation(activity):
    rr = np.diff(activity.at)
    return rr.std() / rr.mean()


@pytest.mark.parametrize("rhythm", [name for name in RHYTHMS if name not in ("VF", "VFL", "ASYS")])
def test_beats_fill_the_strip_at_a_possible_rate(rhythm):
    for _, _, activity in strips(rhythm):
        assert (np.diff(activity.at) > 0).all()
        rr = np.diff(activity.at[activity.kind != beat_shapes.P_ALONE])
        assert rr.min() > 0.15 and rr.max() < 3.0
        assert activity.at[0] < 2.0 and activity.at[-1] > SECONDS - 3
        assert len(activity.at) == len(activity.kind) and activity.between.shape == (int(SECONDS * 250),)


def test_bradycardia_is_slow_and_sinus_is_not():
    assert all(np.diff(activity.at).mean() > 0.95 for _, _, activity in strips("SBR"))
    assert all(0.58 < np.diff(activity.at).mean() < 1.0 for _, _, activity in strips("N"))


def test_sinus_breathes():
    """Above the slow wave at 0.1 Hz, the spectrum of RR over time peaks at the respiratory rate."""
    for _, who, activity in strips("N"):
        if who.sway < 0.03:
            continue
        t = np.arange(0, SECONDS, 0.25)
        rr = np.interp(t, activity.at[1:], np.diff(activity.at))
        power = np.abs(np.fft.rfft((rr - rr.mean()) * np.hanning(len(rr)))) ** 2
        hz = np.fft.rfftfreq(len(rr), 0.25)
        band = hz > 0.14
        assert abs(hz[band][power[band].argmax()] - who.breath) < 0.03


def test_fibrillation_is_irregular_without_memory():
    for _, _, activity in strips("AFIB"):
        rr = np.diff(activity.at)
        assert 0.1 < variation(activity) < 0.6
        assert abs(np.corrcoef(rr[:-1], rr[1:])[0, 1]) < 0.3
    regular = np.median([variation(activity) for _, _, activity in strips("N")])
    assert np.median([variation(activity) for _, _, activity in strips("AFIB")]) > 3 * regular


def peak(activity):
    """Frequency in Hz of the strongest part of what goes on between beats, of the first lead."""
    wave = np.atleast_2d(activity.between)[0]
    power = np.abs(np.fft.rfft(wave)) ** 2
    return np.fft.rfftfreq(len(wave), 1 / 250)[power.argmax()]


@pytest.mark.parametrize(
    ("rhythm", "low", "high"),
    [("AFIB", 3.9, 9.1), ("AFL", 3.9, 5.8), ("VF", 2.9, 7.1), ("VFL", 3.3, 5.0)],
)
def test_waves_are_of_their_frequency(rhythm, low, high):
    assert all(low < peak(activity) < high for _, _, activity in strips(rhythm, 8))


@pytest.mark.parametrize("rhythm", [name for name in RHYTHMS if name not in WAVES])
def test_other_rhythms_have_nothing_between_beats(rhythm):
    assert not any(activity.between.any() for _, _, activity in strips(rhythm, 4))


def test_only_conducted_and_ventricular_beats_lack_a_p_wave():
    who = dataclasses.replace(beat_shapes.heart(np.random.default_rng(3), 1), waves=beat_shapes.LEADS[:1])
    at = np.array([1.0, 2.0, 3.0])
    for kind, has in (
        (beat_shapes.SINUS, True),
        (beat_shapes.ATRIAL, True),
        (beat_shapes.CONDUCTED, False),
        (beat_shapes.VENTRICULAR, False),
        (beat_shapes.DELAYED, True),
        (beat_shapes.ABERRANT, False),
        (beat_shapes.PACED, False),
        (beat_shapes.P_ALONE, True),
    ):
        activity = beat_shapes.Activity(at, np.full(3, kind), np.zeros(1000))
        with_p = beat_shapes.render(activity, who, 1000, 250, np.random.default_rng(0))
        without = dataclasses.replace(who, waves=who.waves * [0, 1, 1, 1, 1])
        assert (
            np.allclose(with_p, beat_shapes.render(activity, without, 1000, 250, np.random.default_rng(0)))
            != has
        )


@pytest.mark.parametrize(("rhythm", "every"), [("B", 2), ("T", 3)])
def test_ventricular_beats_come_early_every_so_often(rhythm, every):
    for _, _, activity in strips(rhythm, 5):
        early = np.flatnonzero(activity.kind == beat_shapes.VENTRICULAR)
        assert (np.diff(early) == every).all()
        rr = np.diff(activity.at)
        inner = early[(early > 0) & (early < len(rr))]
        assert (rr[inner - 1] < rr[inner]).mean() > 0.95  # early, then a pause


def test_a_beat_is_drawn_where_it_is():
    who = dataclasses.replace(
        beat_shapes.heart(np.random.default_rng(0), 1), waves=beat_shapes.LEADS[:1], times=beat_shapes.TIMES
    )
    at = np.array([0.8, 1.9, 2.6])
    activity = beat_shapes.Activity(at, np.zeros(3, int), np.zeros(1000))
    drawn = beat_shapes.render(activity, who, 1000, 250, np.random.default_rng(0))[0]
    for beat in at:
        near = slice(round(beat * 250) - 40, round(beat * 250) + 40)
        assert abs(near.start + drawn[near].argmax() - beat * 250) <= 1
        assert 0.8 < drawn[near].max() < 1.2


def test_a_strip_without_a_beat_is_what_lies_between():
    who = beat_shapes.heart(np.random.default_rng(0), 2)
    between = np.sin(np.arange(500) / 10)
    drawn = beat_shapes.render(
        beat_shapes.Activity(np.empty(0), np.empty(0, int), between), who, 500, 250, np.random.default_rng(0)
    )
    np.testing.assert_allclose(drawn, between * who.f_gain[:, None])


# Rhythms that a defibrillator is asked about.


def middle(rhythm, seed, seconds=60.0, leads=1, start=0.0):
    """A strip in mV as leads see it, noise left out."""
    random = np.random.default_rng(seed)
    who = beat_shapes.heart(random, leads)
    samples = int(seconds * 250)
    drawn = beat_shapes.render(
        rhythms.RHYTHMS[rhythm](random, who, seconds, samples), who, samples, 250, random
    )
    return drawn[:, int(start * 250) :]


def swing(x, window=1000):
    """Median over windows of 4 s of the distance from lowest to highest, in mV."""
    parts = x[0][: x.shape[1] // window * window].reshape(-1, window)
    return float(np.median(np.ptp(parts, axis=1)))


def rates(rhythm, count=60):
    found = []
    for _, _, activity in strips(rhythm, count):
        at = activity.at[activity.kind != beat_shapes.P_ALONE]
        found.append(60 / np.diff(at).mean())
    return np.array(found)


@pytest.mark.parametrize(
    ("rhythm", "low", "high"),
    [
        ("VT", 118, 255),
        ("SVTA", 148, 222),
        ("NOD", 39, 101),
        ("IVR", 24, 101),
        ("PM", 55, 100),
        ("AFL", 55, 175),
    ],
)
def test_rates(rhythm, low, high):
    found = rates(rhythm)
    assert low < found.min() and found.max() < high
    assert np.ptp(found) > 0.5 * (high - low)


def test_most_ventricular_tachycardia_is_rapid():
    assert 0.75 < (rates("VT") > 150).mean() < 1.0


def test_ventricular_fibrillation_is_coarse_at_first_and_weakens():
    early = np.array([swing(middle("VF", seed, 30.0)) for seed in range(30)])
    assert 0.6 < (early >= 0.2).mean() and early.min() > 0.1 and early.max() > 1.0
    late = np.array([swing(middle("VF", seed, 600.0, start=570.0)) for seed in range(30)])
    assert (late < early).mean() > 0.9 and np.median(late) < 0.6 * np.median(early) and late.min() > 0.07
    assert (early < 0.35).any()


def test_ventricular_fibrillation_wanders_and_flutter_does_not():
    def spread(rhythm):
        """Bandwidth in Hz of the wave of the first lead, of the median person."""
        found = []
        for _, _, activity in strips(rhythm, 12):
            power = np.abs(np.fft.rfft(activity.between[0])) ** 2
            hz = np.fft.rfftfreq(activity.between.shape[1], 1 / 250)
            near = (hz > 2) & (hz < 7)
            mean = (hz * power)[near].sum() / power[near].sum()
            found.append(np.sqrt(((hz - mean) ** 2 * power)[near].sum() / power[near].sum()))
        return np.median(found)

    assert spread("VF") > 0.6 > 0.3 > spread("VFL")


def test_leads_see_fibrillation_each_in_its_own_way():
    a, b = middle("VF", 1, 60.0, leads=2)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.9


def test_torsade_grows_and_shrinks_and_other_tachycardia_does_not():
    twisting = []
    for seed in range(40):
        x = middle("VT", seed)[0]
        size = np.ptp(x[:14750].reshape(-1, 125), axis=1)  # each half second holds a complex or two
        twisting.append(np.quantile(size, 0.05) < 0.5 * np.quantile(size, 0.95))
    assert 0.08 < np.mean(twisting) < 0.4


def test_standstill_is_below_a_tenth_of_a_millivolt_but_for_dying_beats():
    quiet = np.concatenate([np.ptp(middle("ASYS", seed)[0].reshape(-1, 1000), axis=1) for seed in range(30)])
    assert (quiet < 0.1).mean() > 0.9
    assert (quiet > 0.3).any() and (quiet == 0).mean() < 0.95


def test_what_follows_a_p_wave():
    """Milliseconds from the onset of P to R: about 170 as usual, above 220 with first-degree block."""
    for kind, low, high in ((beat_shapes.SINUS, 0.12, 0.21), (beat_shapes.DELAYED, 0.2, 0.40)):
        for seed in range(20):
            who = beat_shapes.heart(np.random.default_rng(seed), 1)
            shape = dataclasses.replace(who, waves=np.array([[1.0, 0, 0, 0, 0]]))
            activity = beat_shapes.Activity(np.array([1.0]), np.array([kind]), np.zeros(500))
            drawn = beat_shapes.render(activity, shape, 500, 250, np.random.default_rng(0))[0]
            assert low < 1.0 - drawn.argmax() / 250 < high


def width_of(kind, **more):
    """How long in s a beat's QRS is above half its height."""
    who = beat_shapes.heart(np.random.default_rng(0), 1)
    plain = np.array([[0, 0, 1.0, 0, 0]])
    shape = dataclasses.replace(
        who, waves=plain, ectopic=plain, times=beat_shapes.TIMES, widths=beat_shapes.WIDTHS
    )
    activity = beat_shapes.Activity(np.array([1.0]), np.array([kind]), np.zeros(500), **more)
    drawn = np.abs(beat_shapes.render(activity, shape, 500, 250, np.random.default_rng(0))[0])
    return (drawn > drawn.max() / 2).sum() / 250


def test_complexes_from_a_ventricle_and_through_a_blocked_branch_are_wide():
    narrow, aberrant, wide = map(
        width_of, (beat_shapes.CONDUCTED, beat_shapes.ABERRANT, beat_shapes.VENTRICULAR)
    )
    assert narrow < 0.035 < 0.05 < aberrant < wide
    assert width_of(beat_shapes.VENTRICULAR, stretch=1.5) > 1.3 * wide


def test_a_pacemaker_leaves_a_spike_before_its_beats():
    who = dataclasses.replace(beat_shapes.heart(np.random.default_rng(0), 1), waves=beat_shapes.LEADS[:1])
    for kind, spikes in ((beat_shapes.PACED, True), (beat_shapes.VENTRICULAR, False)):
        activity = beat_shapes.Activity(np.array([1.0]), np.array([kind]), np.zeros(500))
        drawn = beat_shapes.render(activity, who, 500, 250, np.random.default_rng(0))[0]
        steepest = np.abs(np.diff(drawn)).argmax() / 250
        assert (abs(steepest - 0.925) < 0.01) == spikes


def test_each_beat_has_its_own_size_in_each_lead():
    who = beat_shapes.heart(np.random.default_rng(0), 2)
    at, kind = np.array([1.0, 3.0]), np.full(2, beat_shapes.VENTRICULAR)
    size = np.array([[1.0, 0.0], [0.0, 1.0]])
    drawn = beat_shapes.render(
        beat_shapes.Activity(at, kind, np.zeros(1000), size), who, 1000, 250, np.random.default_rng(0)
    )
    first, second = np.ptp(drawn[:, :500], axis=1), np.ptp(drawn[:, 500:], axis=1)
    assert first[0] > 0.1 > first[1] and second[1] > 0.1 > second[0]


@pytest.mark.parametrize("window", [250, 1000, 2000])
def test_a_defibrillator_has_subjects_of_every_kind_at_any_window(window, tmp_path):
    task = dataclasses.replace(DEFIB, window=window)
    found = atml.data.open(None, task=task, label=shock, cache=tmp_path)
    assert found.x.shape[1:] == (1, window) and np.isfinite(found.x).all() and 0.3 < found.y.mean() < 0.7
    assert set(SHOCK) <= set(found.rhythm) and len(set(found.rhythm)) > 9
    kinds = {tuple(np.unique(found.y[found.subject == name])) for name in np.unique(found.subject)}
    assert kinds == {(0,), (1,), (0, 1)}


def features(x):
    """Of each window: size, steepness over size, share of power at 2 to 7 Hz, time near the line."""
    x = x[:, 0] - np.median(x[:, 0], axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(x, axis=1)) ** 2
    hz = np.fft.rfftfreq(x.shape[1], 1 / 250)
    heart_part = power[:, (hz > 1) & (hz < 30)].sum(1)
    level = np.quantile(np.abs(x), 0.98, axis=1)
    return np.column_stack(
        [
            np.log(level),
            np.log(np.quantile(np.abs(np.diff(x)), 0.98, axis=1) / level),
            power[:, (hz > 2) & (hz < 7)].sum(1) / heart_part,
            (np.abs(x) < 0.25 * level[:, None]).mean(1),
        ]
    )


def apart(first, second):
    """Balanced accuracy of four features and a line on people not learnt from, one rhythm or the other."""
    x, y = [], []
    for number in range(40):
        for label, rhythm in enumerate((first, second)):
            counts = {rhythm: 15}
            x.append(windows(np.random.default_rng([number, label]), DEFIB, counts)[0])
            y.append(np.full(15, label))
    x, y = features(np.concatenate(x)), np.concatenate(y)
    learnt = np.arange(len(y)) < len(y) // 2
    line = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[learnt], y[learnt])
    return balanced_accuracy_score(y[~learnt], line.predict(x[~learnt]))


def test_it_is_neither_trivial_nor_hopeless():
    assert apart("N", "VF") > 0.95
    assert apart("ASYS", "VF") > 0.8
    assert 0.6 < apart("SVTA", "VT") < 0.97
