"""The figures of RR intervals and the regression on them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from atml.evaluation.baselines import from_dict
from atml.evaluation.baselines.logistic import regression
from atml.evaluation.baselines.rr_regression import FEATURES, METHOD
from atml.metrics import Predictions, confusion
from atml.tasks.task import Task

RATE = 250
TASK = Task(name="t", kind="multiclass", classes=("a", "b", "c"), sampling_rate=RATE, window=2500)


def beating(intervals: list[float]) -> np.ndarray:
    t = np.arange(2500) / RATE
    times = np.cumsum([0.4, *intervals])
    return sum(np.exp(-(((t - at) / 0.012) ** 2) / 2) for at in times)[None, None].astype(np.float32)


def test_the_figures_are_their_formulas() -> None:
    intervals = [0.8, 0.8, 0.6, 1.0, 0.8, 0.8, 0.8, 0.84, 0.8]
    (found,) = METHOD.measure(beating(intervals), RATE)
    rr = np.array(intervals)
    steps = np.abs(np.diff(rr / 0.8))
    expected = {
        "rate": 75.0,
        "rmssd": np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean(),
        "steady": (steps < 0.05).mean(),
        "early": 1 - np.percentile(rr / 0.8, 10),
        "late": 1 / 9,
        "extra": 1 / 8,
    }
    assert list(expected) == list(FEATURES)
    # A beat is marked to within a few samples.
    assert dict(zip(FEATURES, found, strict=True)) == pytest.approx(expected, rel=0.05, abs=0.01)


def test_too_few_beats_are_decided_as_the_average_window() -> None:
    few = METHOD.measure(beating([1.0, 1.0, 1.0]), RATE)
    assert np.isnan(few).all()
    random = np.random.default_rng(0)
    measured = random.normal(size=(60, len(FEATURES)))
    found = METHOD.fit(measured, np.arange(60) % 3, np.repeat("S", 60), TASK, lambda p: 0.0)
    average = np.array(found.means)[None]
    assert found.figures_logits(few) == pytest.approx(found.figures_logits(average), abs=1e-6)


def test_the_regression_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    y = np.repeat([0, 1, 2], (60, 30, 10))
    x = random.normal(size=(100, 4)) + 0.8 * np.eye(3, 4)[y]
    found = regression(np.column_stack([x, np.ones(100)]), y, 3)
    theirs = LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000, tol=1e-8).fit(x, y)
    assert found[:, :-1] == pytest.approx(theirs.coef_, abs=2e-3)


def test_a_class_that_is_missing_from_a_fold_is_hardly_called() -> None:
    random = np.random.default_rng(0)
    measured = random.normal(size=(40, len(FEATURES)))
    found = METHOD.fit(measured, np.arange(40) % 2, np.repeat("S", 40), TASK, lambda p: 0.0)
    assert (found.figures_logits(measured).argmax(axis=1) != 2).all()
    assert from_dict(found.to_dict()) == found


def test_the_objective_of_a_binary_task_has_its_way() -> None:
    task = Task(name="t", classes=("other", "AF"), positive=1, sampling_rate=RATE, window=2500)
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    measured = random.normal(size=(400, len(FEATURES))) + 0.5 * y[:, None]

    def leaning(weight: float) -> tuple[float, float]:
        def value(p: Predictions) -> float:
            found = confusion(p.truth(), p.decided())
            return weight * found.sensitivity + found.specificity

        found = METHOD.fit(measured, y, np.repeat("S", 400), task, value)
        called = found.figures_logits(measured).argmax(axis=1)
        return float(called[y == 1].mean()), float((called[y == 0] == 0).mean())

    eager, shy = leaning(5.0), leaning(0.2)
    assert eager[0] > shy[0] + 0.05 and shy[1] > eager[1] + 0.05
