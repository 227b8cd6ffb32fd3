"""Figures of labels that may be true at once, against scikit-learn and counts by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from atml.metrics import Predictions, macro_f1, subject_recall
from atml.metrics.label_sets import bits, truth
from atml.metrics.multilabel import (
    always_no,
    label_counts,
    label_intervals,
    label_rates,
    macro_label_four,
    prediction_label_counts,
)


def some(n: int = 200, labels: int = 5, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    true = random.random((n, labels)) < np.linspace(0.05, 0.5, labels)
    logits = (random.standard_normal((n, labels)) + 1.5 * true - 1).astype(np.float32)
    subject = np.array([f"S{at % 20:02d}" for at in range(n)])
    return Predictions(logits, bits(true), subject, None, multilabel=True)


def test_bits_and_back() -> None:
    true = np.random.default_rng(1).random((50, 12)) < 0.3
    assert (truth(bits(true), 12) == true).all()
    with pytest.raises(ValueError, match="63 labels"):
        bits(np.zeros((1, 63), bool))


def test_the_four_are_those_of_scikit_learn() -> None:
    found = some()
    four = macro_label_four(prediction_label_counts(found).pooled())
    true, called = found.truths(), found.called()
    for name, function in (("F1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert four[name] == pytest.approx(function(true, called, average="macro", zero_division=0))
    assert four["accuracy"] == pytest.approx((true == called).mean())
    assert macro_f1(found) == pytest.approx(four["F1"])


def test_a_label_that_nobody_has_counts_as_nothing_found() -> None:
    true = np.array([[True, False], [False, False]])
    four = macro_label_four(label_counts(true, true, np.array(["a", "b"])).pooled())
    assert four["F1"] == 0.5 and four["accuracy"] == 1.0


def test_always_no_is_what_calling_nothing_reaches() -> None:
    found = some()
    nothing = label_counts(found.truths(), np.zeros_like(found.truths()), found.subject)
    counts = prediction_label_counts(found).pooled()
    assert always_no(counts) == pytest.approx(macro_label_four(nothing.pooled())["accuracy"])
    assert always_no(counts) == pytest.approx((~found.truths()).mean())


def test_rates_are_told_where_there_is_something_to_tell() -> None:
    true = np.array([[True, True], [False, True]])
    called = np.array([[True, False], [True, True]])
    rates = label_rates(label_counts(true, called, np.array(["a", "b"])).pooled(), ("x", "y"))
    assert rates["sensitivity x"] == 1.0 and rates["specificity x"] == 0.0
    assert rates["sensitivity y"] == 0.5 and np.isnan(rates["specificity y"])


def test_subjects_come_worst_first() -> None:
    true = np.array([[True, False], [True, True], [False, False]])
    called = np.array([[True, False], [False, False], [False, False]])
    rows = label_counts(true, called, np.array(["good", "bad", "none"])).rows()
    assert [row.subject for row in rows] == ["bad", "good", "none"]
    assert (rows[0].f1, rows[0].right, rows[0].true, rows[0].called) == (0.0, 0, (1, 1), (0, 0))
    assert [row.f1 for row in rows[1:]] == [1.0, 1.0]


def test_intervals_hold_their_values_and_narrow_with_people() -> None:
    few, many = (
        replace(found, subject=np.array([f"S{at // 4:04d}" for at in range(len(found.y))]))
        for found in (some(100), some(2000))
    )
    wide, narrow = (
        label_intervals([prediction_label_counts(found)], tuple("abcde"))["F1"] for found in (few, many)
    )
    assert wide.low < wide.value < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_draws_without_a_label_are_left_out_of_means_over_labels_alone() -> None:
    subject = np.array([f"S{at}" for at in range(12)])
    true, called = np.zeros((12, 2), bool), np.zeros((12, 2), bool)
    true[:6, 0] = called[:6, 0] = True
    true[0, 1] = called[0, 1] = True  # one subject has it
    called[0, 0] = False  # and is the only one that is decided wrong
    found = label_intervals([label_counts(true, called, subject)], ("a", "b"))
    assert found["F1"].low > 0.5, "draws without b have at most that"
    assert found["accuracy"].high == 1.0, "decisions are right or wrong whichever labels a draw has"


def test_predictions_of_labels_stay_so() -> None:
    found = some(30)
    parts = [found.take(slice(0, 10)), found.take(slice(10, 30))]
    both = Predictions.joined(parts)
    assert both.multilabel and (both.labels() == found.labels()).all()
    lower = found.lowered(np.full(5, 100, np.float32))
    assert not lower.called().any() and (lower.labels() == 0).all()
    with pytest.raises(ValueError, match="not put together"):
        found.by_subject()
    with pytest.raises(ValueError, match="one label a window"):
        Predictions(np.zeros((1, 2), np.float32), np.array([0]), np.array(["a"])).called()


def test_the_worst_subjects_are_told_by_their_labels() -> None:
    found = some(40)
    assert subject_recall(found) == pytest.approx(prediction_label_counts(found).f1())
