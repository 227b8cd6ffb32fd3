"""How many decisions stay when a recording is changed, at the decision that ships."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from atml.data.dataset import Fold
from atml.evaluation.cross_validation_result import cross_validation_result
from atml.metrics import Predictions
from atml.tasks import targets
from atml.tasks.task import Task

TARGET = targets.of(Task(name="t", classes=("no", "yes"), positive=1, sampling_rate=50, window=100))
ROWS = np.arange(240)
FOLDS = tuple(Fold(ROWS[ROWS % 4 != k], ROWS[ROWS % 4 == k]) for k in range(4))


def run(seed: int) -> Predictions:
    """A model whose threshold lies in the wrong place: at 0 it calls nearly everything."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, len(ROWS))
    margin = 2.0 * (2 * y - 1) + random.normal(0, 0.5, len(y)) + 3.0
    logits = np.stack([0 * margin, margin], axis=1).astype(np.float32)
    noise = random.normal(0, 1.5, len(y)).astype(np.float32)
    turned = logits + np.stack([0 * noise, noise], axis=1)
    subject = np.array([f"S{row % 4}{row % 12}" for row in ROWS])
    return Predictions(logits, y, subject, 1, {"polarity": turned, "gain": 2 * logits})


def accuracy(found: Predictions) -> float:
    return float((found.decided() == found.truth()).mean())


def worst_accuracy(found: Predictions) -> float:
    return accuracy(found.at_worst())


def test_it_is_measured_at_the_cross_fitted_decision() -> None:
    runs = [dataclasses.replace(run(seed), y=run(0).y) for seed in (0, 1)]
    result = cross_validation_result(TARGET, runs, [ROWS, ROWS], FOLDS, accuracy)
    assert result.threshold is not None and result.threshold > 1.0
    assert set(result.agreement) == {"polarity", "gain"}
    by_hand = np.mean([part.agreement()["polarity"] for part in result.decided])
    assert result.agreement["polarity"] == pytest.approx(by_hand)
    as_trained = np.mean([one.agreement()["gain"] for one in runs])
    # Twice the signal moves every margin away from where the threshold was chosen, and none across 0.
    assert as_trained == 1.0 and result.agreement["gain"] < 0.95
    assert result.to_dict()["agreement"] == result.agreement


def test_nothing_else_changes_by_it_unless_the_objective_asks() -> None:
    one = run(0)
    with_them = cross_validation_result(TARGET, [one], [ROWS], FOLDS, accuracy)
    without = cross_validation_result(
        TARGET, [dataclasses.replace(one, changed=None)], [ROWS], FOLDS, accuracy
    )
    assert without.agreement == {} and without.to_dict() == {**with_them.to_dict(), "agreement": {}}
    asked = cross_validation_result(TARGET, [one], [ROWS], FOLDS, worst_accuracy, agreement=True)
    assert asked.value == pytest.approx(worst_accuracy(asked.decided[0])) and asked.value < without.value
    with pytest.raises(ValueError, match="changed windows were not predicted"):
        cross_validation_result(TARGET, [one], [ROWS], FOLDS, worst_accuracy)
