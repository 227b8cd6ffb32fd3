"""The generator: the same from the same seed, and physiology that can be measured in what it draws."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

import atml.data
from atml.data import heart
from atml.data.synthetic import SUBJECTS, draw
from atml.errors import DataError
from atml.types import Task

TASK = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
RHYTHMS = list(heart.RHYTHMS)


def label(rhythm):
    return int(rhythm == "AFIB")


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
    assert set(train.rhythm) == set(RHYTHMS)


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


def test_a_task_of_other_rhythms_is_refused(tmp_path):
    with pytest.raises(DataError, match="knows none of N, SBR, AB, B, T, AFIB as positive; give --data"):
        atml.data.open(None, task=TASK, label=lambda rhythm: 0, cache=tmp_path)


# Physiology, on the activity itself.

SECONDS = 120.0


def strips(rhythm, count=20):
    for seed in range(count):
        random = np.random.default_rng(seed)
        who = heart.heart(random, 1)
        yield random, who, heart.RHYTHMS[rhythm](random, who, SECONDS, int(SECONDS * 250))


def variation(activity):
    rr = np.diff(activity.at)
    return rr.std() / rr.mean()


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_beats_fill_the_strip_at_a_possible_rate(rhythm):
    for _, _, activity in strips(rhythm):
        rr = np.diff(activity.at)
        assert rr.min() > 0.2 and rr.max() < 3.0
        assert activity.at[0] < 1.0 and activity.at[-1] > SECONDS - 3
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


def test_only_fibrillation_has_f_waves_of_four_to_nine_hertz():
    for rhythm in RHYTHMS:
        for _, _, activity in strips(rhythm, 8):
            if rhythm != "AFIB":
                assert not activity.between.any()
                continue
            power = np.abs(np.fft.rfft(activity.between)) ** 2
            hz = np.fft.rfftfreq(len(activity.between), 1 / 250)
            assert 3.9 < hz[power.argmax()] < 9.1


def test_only_conducted_and_ventricular_beats_lack_a_p_wave():
    who = dataclasses.replace(heart.heart(np.random.default_rng(3), 1), waves=heart.LEADS[:1])
    at = np.array([1.0, 2.0, 3.0])
    for kind, has in (
        (heart.SINUS, True),
        (heart.ATRIAL, True),
        (heart.CONDUCTED, False),
        (heart.VENTRICULAR, False),
    ):
        activity = heart.Activity(at, np.full(3, kind), np.zeros(1000))
        with_p = heart.render(activity, who, 1000, 250, np.random.default_rng(0))
        without = dataclasses.replace(who, waves=who.waves * [0, 1, 1, 1, 1])
        assert (
            np.allclose(with_p, heart.render(activity, without, 1000, 250, np.random.default_rng(0))) != has
        )


@pytest.mark.parametrize(("rhythm", "every"), [("B", 2), ("T", 3)])
def test_ventricular_beats_come_early_every_so_often(rhythm, every):
    for _, _, activity in strips(rhythm, 5):
        early = np.flatnonzero(activity.kind == heart.VENTRICULAR)
        assert (np.diff(early) == every).all()
        rr = np.diff(activity.at)
        inner = early[(early > 0) & (early < len(rr))]
        assert (rr[inner - 1] < rr[inner]).mean() > 0.95  # early, then a pause


def test_a_beat_is_drawn_where_it_is():
    who = dataclasses.replace(
        heart.heart(np.random.default_rng(0), 1), waves=heart.LEADS[:1], times=heart.TIMES
    )
    at = np.array([0.8, 1.9, 2.6])
    activity = heart.Activity(at, np.zeros(3, int), np.zeros(1000))
    drawn = heart.render(activity, who, 1000, 250, np.random.default_rng(0))[0]
    for beat in at:
        near = slice(round(beat * 250) - 40, round(beat * 250) + 40)
        assert abs(near.start + drawn[near].argmax() - beat * 250) <= 1
        assert 0.8 < drawn[near].max() < 1.2


def test_a_strip_without_a_beat_is_what_lies_between():
    who = heart.heart(np.random.default_rng(0), 2)
    between = np.sin(np.arange(500) / 10)
    drawn = heart.render(
        heart.Activity(np.empty(0), np.empty(0, int), between), who, 500, 250, np.random.default_rng(0)
    )
    np.testing.assert_allclose(drawn, between * who.f_gain[:, None])
