"""The subjects on whom a model does worst."""

from __future__ import annotations

import numpy as np
import pytest

from atml import task_files
from atml.metrics import Predictions, mean_subject_f_beta, subject_recall, worst_subjects


def decided(right: dict[str, tuple[float, float]], windows: int = 20) -> Predictions:
    """People by name, with the share of their other and of their AF windows that are decided right.

    None of a kind where its share is NaN.
    """
    y, called, subject = [], [], []
    for name, shares in right.items():
        for label, share in enumerate(shares):
            if share == share:
                hits = round(share * windows)
                y += [label] * windows
                called += [label] * hits + [1 - label] * (windows - hits)
                subject += [name] * windows
    return Predictions(np.eye(2, dtype=np.float32)[called], np.array(y), np.array(subject))


def test_each_class_of_a_subject_counts_alike() -> None:
    found = decided({"a": (1.0, 0.0), "b": (0.9, np.nan), "c": (0.8, 0.6), "d": (np.nan, 0.25)})
    assert subject_recall(found) == pytest.approx([0.5, 0.9, 0.7, 0.25])


def test_the_worst_share_is_rounded_up() -> None:
    people = {f"p{i}": (1.0, 1.0) for i in range(6)}
    found = decided({**people, "x": (0.5, 0.5), "y": (0.2, 0.4)})
    # A fifth of eight is two people.
    assert worst_subjects(found) == pytest.approx((0.5 + 0.3) / 2)
    assert worst_subjects(found, 0.125) == pytest.approx(0.3)
    assert worst_subjects(found, 1.0) == pytest.approx((6 + 0.5 + 0.3) / 8)
    empty = Predictions(np.empty((0, 2), np.float32), np.empty(0, np.int64), np.empty(0, np.str_))
    assert worst_subjects(empty) == 0.0


def test_several_classes() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2]]
    y, subject = np.array([0, 1, 1, 2, 0]), np.array(["a", "a", "a", "b", "c"])
    assert subject_recall(Predictions(logits, y, subject, None)) == pytest.approx([0.75, 1.0, 0.0])


@pytest.mark.parametrize("task", ["afib", "defib"])
def test_a_model_that_gives_up_on_one_person_is_no_better_for_all_the_others(task: str) -> None:
    """What the mean prefers is not what this objective prefers."""
    even = decided({f"p{i}": (0.9, 0.9) for i in range(5)})
    uneven = decided({**{f"p{i}": (1.0, 1.0) for i in range(4)}, "p4": (0.75, 0.6)})
    assert mean_subject_f_beta(uneven) > mean_subject_f_beta(even)
    value = task_files.find(task, objective="worst_subjects").value
    assert value(even) == pytest.approx(0.9) and value(uneven) == pytest.approx((0.75 + 0.6) / 2)
