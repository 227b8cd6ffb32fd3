import dataclasses
import json

import numpy as np
import pytest

from atml.data.dataset import Dataset, Fold
from atml.errors import ExportError, TaskFileError
from atml.evaluation import baselines
from atml.evaluation.baselines import BASELINES
from atml.evaluation.baselines.out_of_fold import decided, fit, out_of_fold
from atml.metrics import confusion, four_metrics
from atml.metrics.predictions import Predictions
from atml.tasks.task import Task

TASK = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=1000)


def balanced(predictions):
    found = confusion(predictions.truth(), predictions.decided())
    return (found.sensitivity + found.specificity) / 2


def beating(random, per_minute, seconds=4.0, width=0.012, jitter=0.02):
    """Narrow beats with a little wander and noise, ``(samples,)``; ``jitter`` is over the interval."""
    t = np.arange(round(seconds * 250)) / 250
    at, x = random.uniform(0.1, 0.5), 0.2 * np.sin(2 * np.pi * 0.3 * t) + random.normal(0, 0.02, len(t))
    while at < seconds:
        x += np.exp(-(((t - at) / width) ** 2) / 2)
        at += 60 / per_minute * (1 + random.normal(0, jitter))
    return x


def fibrillating(random, seconds=4.0):
    """Waves of 4 to 6 Hz whose phase and height wander, ``(samples,)``."""
    t = np.arange(round(seconds * 250)) / 250
    phase = 2 * np.pi * random.uniform(4, 6) * t + np.cumsum(random.normal(0, 0.05, len(t)))
    return random.uniform(0.2, 0.6) * np.sin(phase) * (1 + 0.3 * np.sin(3 * t)) + random.normal(
        0, 0.02, len(t)
    )


def draw(make, rows=240, subjects=8, seed=0):
    """A data set whose class 1 is made by ``make[1](random)``, class 0 by ``make[0]``."""
    random = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    x = np.stack([make[i](random) for i in y]).astype(np.float32)[:, None]
    return Dataset(
        x=x,
        y=y.astype(np.int64),
        subject=np.array([f"S{i}" for i in np.arange(rows) * subjects // rows]),
        rhythm=np.where(y == 1, "VF", "N"),
        sampling_rate=250,
        fingerprint="0" * 64,
        name="drawn",
    )


def shocks(**how):
    return draw((lambda r: r.uniform(0.5, 2) * beating(r, r.uniform(50, 110)), fibrillating), **how)


def fold(dataset, count=4):
    number = np.unique(dataset.subject, return_inverse=True)[1] % count
    return tuple(Fold(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in range(count))


@pytest.fixture(scope="module")
def data():
    return shocks()


@pytest.fixture(scope="module")
def fitted(data):
    return fit("peak_count", data.x, data.y, data.subject, TASK, balanced)


def test_fibrillation_is_told_from_beats(data, fitted):
    other = shocks(seed=1)
    assert (fitted.decide(other.x, 250) == other.y).mean() > 0.97
    assert 2.0 < fitted.limits["peaks_per_second"] < 10.0


def test_the_margin_decides(data, fitted):
    logits = fitted.logits(data.x, 250)
    assert logits.shape == (240, 2) and logits.dtype == np.float32
    called = Predictions(logits, data.y, data.subject).decided()
    classes = fitted.decide(data.x, 250)
    assert classes.dtype == np.int64 and (called == (classes == 1)).all() and 0 < called.sum() < 240


def test_what_is_flat_or_far_too_small_is_no_shock(data, fitted):
    shock = data.x[data.y == 1]
    assert fitted.decide(shock, 250).mean() > 0.97
    assert fitted.decide(shock * 0.01, 250).sum() == 0
    assert fitted.decide(np.zeros((3, 1, 1000), np.float32), 250).tolist() == [0, 0, 0]
    assert fitted.decide(np.full((3, 1, 1000), 7.0, np.float32), 250).tolist() == [0, 0, 0]


def test_a_positive_class_that_is_the_first(data):
    task = dataclasses.replace(TASK, classes=("shock", "no shock"), positive=0)
    found = fit("peak_count", data.x, 1 - data.y, data.subject, task, balanced)
    assert (found.decide(data.x, 250) == 1 - data.y).mean() > 0.97


def test_other_leads_have_no_say(data, fitted):
    noise = np.random.default_rng(0).normal(size=data.x.shape).astype(np.float32)
    both = np.concatenate([data.x, noise], axis=1)
    assert (fitted.logits(both, 250) == fitted.logits(data.x, 250)).all()


def test_the_objective_has_its_way():
    """Where the classes overlap, what is asked for moves the limits."""
    data = draw((lambda r: beating(r, r.uniform(60, 170)), lambda r: beating(r, r.uniform(120, 240))))

    def leaning(weight):
        def value(p):
            found = confusion(p.truth(), p.decided())
            return weight * found.sensitivity + found.specificity

        baseline = fit("peak_count", data.x, data.y, data.subject, TASK, value)
        return confusion(data.y == 1, baseline.decide(data.x, 250) == 1)

    eager, shy = leaning(20.0), leaning(0.05)
    assert eager.sensitivity > shy.sensitivity + 0.05 and shy.specificity > eager.specificity + 0.05


def test_no_point_of_the_grid_is_better():
    """Two passes over what no other beats find what trying everything would."""
    data = draw(
        (lambda r: beating(r, r.uniform(60, 170)), lambda r: beating(r, r.uniform(120, 240))), rows=80
    )
    calls = 0

    def accuracy(p):
        nonlocal calls
        calls += 1
        return four_metrics(p)["accuracy"]

    found = fit("peak_count", data.x, data.y, data.subject, TASK, accuracy)
    mine = accuracy(Predictions(found.logits(data.x, 250), data.y, data.subject))
    assert calls < 200 and 0.7 < mine < 1.0
    method = BASELINES["peak_count"]
    for setting in method.settings[::6]:
        (measured,) = method.quantities(data.x[:, 0].astype(float), 250, [setting])
        counts, shares = method.grid(4.0)
        called = (measured[:, :1, None] >= counts[:, None]) & (measured[:, 1:2, None] >= shares)
        assert (called == (data.y == 1)[:, None, None]).mean(axis=0).max() <= mine + 1e-12


def test_out_of_fold_sees_no_held_out_row(data):
    folds = fold(data)
    found = out_of_fold("peak_count", data, folds, TASK, balanced)
    assert sorted(found.rows.tolist()) == list(range(240)) and len(found.folds) == 4
    assert (found.predictions.y == data.y[found.rows]).all() and balanced(found.predictions) > 0.95
    # Other labels in a fold's held-out rows change nothing for it, and something for the others.
    flipped = data.y.copy()
    flipped[folds[0].held_out] = 1 - flipped[folds[0].held_out]
    other = out_of_fold("peak_count", dataclasses.replace(data, y=flipped), folds, TASK, balanced)
    assert other.folds[0] == found.folds[0]
    assert other.folds[1:] != found.folds[1:]


def test_the_same_data_the_same_detector_and_again_from_what_was_kept(data, monkeypatch):
    folds = fold(data)
    first, second = (out_of_fold("peak_count", data, folds, TASK, balanced) for _ in range(2))
    assert first.baseline == second.baseline and first.folds == second.folds
    kept = [baselines.from_dict(json.loads(json.dumps(b.to_dict()))) for b in (first.baseline, *first.folds)]
    monkeypatch.setattr("atml.evaluation.baselines.out_of_fold.PIECE", 7)  # of a fold of 60
    again = decided(kept[0], kept[1:], data, folds)
    assert (again.predictions.logits == first.predictions.logits).all() and (again.rows == first.rows).all()


@pytest.mark.parametrize("seconds", [1.0, 2.0, 8.0])
def test_other_windows(seconds):
    samples = round(seconds * 250)
    task = dataclasses.replace(TASK, window=samples)
    data = draw(
        (lambda r: beating(r, r.uniform(50, 90), seconds), lambda r: fibrillating(r, seconds)), rows=120
    )
    found = fit("peak_count", data.x, data.y, data.subject, task, balanced)
    assert (found.decide(data.x, 250) == data.y).mean() > 0.95


def test_irregular_intervals():
    make = (
        lambda r: beating(r, r.uniform(60, 110), 5, jitter=0.02),
        lambda r: beating(r, r.uniform(60, 110), 5, jitter=0.25),
    )
    task = dataclasses.replace(TASK, name="afib", classes=("other", "AF"), window=1250)
    data, other = draw(make), draw(make, seed=1)
    found = fit("rr_irregularity", data.x, data.y, data.subject, task, balanced)
    assert (found.decide(other.x, 250) == other.y).mean() > 0.9
    assert 0.03 < found.limits["irregularity"] < 0.2
    assert found.describe().startswith("AF if RR intervals change by at least ")


def test_irregularity_is_the_formula_and_a_bigeminy_is_regular():
    t = np.arange(2500) / 250

    def at(times):
        return sum(np.exp(-(((t - when) / 0.012) ** 2) / 2) for when in times)

    times = np.array([0.5, 1.3, 2.0, 3.2, 3.9, 5.0, 6.0])
    x = np.stack([at(times), at(np.cumsum([0.5, *[0.6, 1.0] * 5])), at([1.0, 2.0]), 0 * t])
    (measured,) = BASELINES["rr_irregularity"].quantities(x, 250, [{"fraction": 0.35}])
    rr = np.diff(times)
    steps = [np.sqrt(np.mean((rr[lag:] - rr[:-lag]) ** 2)) / rr.mean() for lag in (1, 2)]
    assert measured[0, 0] == pytest.approx(min(steps), rel=0.02)
    assert measured[1, 0] < 0.03
    assert measured[2:, 0].tolist() == [0.0, 0.0]


def test_words_and_cost(fitted):
    words = fitted.describe()
    assert (
        words.startswith("shock if at least ") and f"{fitted.limits['peaks_per_second']:.3g} peaks" in words
    )
    assert fitted.title == "counting peaks"
    assert fitted.size_bytes == 4 * 6
    assert fitted.operations(2000) == 2 * fitted.operations(1000) > 1000


def test_an_unknown_name(data):
    with pytest.raises(
        TaskFileError, match=r"no baseline 'magic'; BASELINE in an objectives file is one of peak_count"
    ):
        fit("magic", data.x, data.y, data.subject, TASK, balanced)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d | {"more": 1}, "not name, .*more"),
        (lambda d: {k: v for k, v in d.items() if k != "limits"}, "a baseline has name, version"),
        (lambda d: "text", "not 'text'"),
        (lambda d: None, "not None"),
        (lambda d: d | {"name": "magic"}, "'magic' of version 1 is none"),
        (lambda d: d | {"version": 99}, "of version 99 is none"),
        (lambda d: d | {"setting": {}}, "the setting of baseline"),
        (lambda d: d | {"setting": d["setting"] | {"more": 1.0}}, "not a number each for baseline_s"),
        (lambda d: d | {"limits": d["limits"] | {"size": float("nan")}}, "the limits of baseline"),
        (lambda d: d | {"limits": d["limits"] | {"size": "big"}}, "not a number each for peaks_per_second"),
        (lambda d: d | {"limits": d["limits"] | {"size": True}}, "the limits of baseline"),
        (lambda d: d | {"positive": 2}, "has class 2 of"),
        (lambda d: d | {"classes": 7}, "has class 1 of 7"),
    ],
)
def test_damaged_fields(fitted, change, told):
    with pytest.raises(ExportError, match=told) as caught:
        baselines.from_dict(change(fitted.to_dict()))
    assert "\n" not in str(caught.value)


def test_ten_thousand_windows_take_seconds_not_minutes(data):
    many = np.tile(data.x, (42, 1, 1))
    y, subject = np.tile(data.y, 42), np.tile(data.subject, 42)
    import time

    began = time.process_time()
    fit("peak_count", many, y, subject, TASK, balanced)
    assert time.process_time() - began < 20
