"""A trial may be judged at the decision that suits it best; what ships never is."""

from __future__ import annotations

import dataclasses

import numpy as np

from atml import task_files
from atml.metrics import Predictions
from atml.task_files.at_best import at_best


def predictions(shift=0.0, n=600, seed=0):
    """Good predictions of which one class is called too often by ``shift`` logits."""
    random = np.random.default_rng(seed)
    y = random.choice(3, n, p=(0.9, 0.04, 0.06))
    logits = 3.0 * np.eye(3)[y] + random.normal(0, 1, (n, 3))
    logits[:, 2] += shift
    return Predictions(logits.astype(np.float32), y, random.choice(["a", "b", "c"], n), None)


def test_how_classes_were_balanced_is_of_no_account():
    definition = task_files.find("beats")
    assert definition.tuned
    value = at_best(definition)
    even, shifted = predictions(), predictions(2.5)
    assert definition.value(shifted) < definition.value(even) - 0.2
    assert abs(value(shifted) - value(even)) < 0.03
    assert value(even) >= definition.value(even)


def test_worse_predictions_stay_worse():
    value = at_best(task_files.find("beats"))
    good, bad = predictions(), predictions()
    bad = dataclasses.replace(bad, logits=bad.logits[np.random.default_rng(1).permutation(len(bad.y))])
    assert value(bad) < value(good) - 0.4


def test_other_tasks_are_judged_as_they_are():
    for name in ("afib", "defib", "rhythm"):
        definition = task_files.find(name)
        assert not definition.tuned and at_best(definition) is definition.value
