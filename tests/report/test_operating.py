from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from atml.metrics.predictions import Predictions
from atml.report import operating


def predictions(seed: int = 0, n: int = 400, subjects: int = 8, skill: float = 1.0) -> Predictions:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n)
    margin = np.round(random.normal(skill * (2 * y - 1), 1.0), 1)  # rounded: there are ties
    logits = np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)
    return Predictions(logits, y, np.array([f"S{i % subjects}" for i in range(n)]))


def test_areas_are_those_of_scikit_learn() -> None:
    runs = [predictions(0), predictions(1)]
    found = operating.areas(runs, draws=50)
    assert found.roc.value == pytest.approx(np.mean([roc_auc_score(r.truth(), r.margin()) for r in runs]))
    expected = np.mean([average_precision_score(r.truth(), r.margin()) for r in runs])
    assert found.precision_recall.value == pytest.approx(expected)
    assert found.roc.low < found.roc.value < found.roc.high


def test_an_interval_is_over_subjects() -> None:
    """Windows that only repeat add no certainty."""
    few = predictions(n=80)
    often = np.tile(np.arange(80), 20)
    many = Predictions(few.logits[often], few.y[often], few.subject[often])
    a, b = (operating.areas([one]).roc for one in (few, many))
    assert (a.low, a.high) == pytest.approx((b.low, b.high))


def test_areas_of_many_levels_stay_close() -> None:
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 20_000)
    margin = random.normal(2.0 * y, 1.0).astype(np.float32)
    made = Predictions(np.stack([np.zeros_like(margin), margin], 1), y, y.astype(str))
    found = operating.areas([made], draws=2)
    assert found.roc.value == pytest.approx(roc_auc_score(y, margin), abs=1e-4)
    assert found.precision_recall.value == pytest.approx(average_precision_score(y, margin), abs=1e-3)


def test_one_class_has_no_curve() -> None:
    one = predictions()
    none = Predictions(one.logits, np.zeros_like(one.y), one.subject)
    with pytest.raises(ValueError, match="both classes"):
        operating.curve(none)
    with pytest.raises(ValueError, match="both classes"):
        operating.areas([none])


def test_curve_is_that_of_scikit_learn_and_tells_a_threshold() -> None:
    made = predictions()
    found = operating.curve(made)
    fpr, tpr, _ = roc_curve(made.truth(), made.margin(), drop_intermediate=False)
    assert np.allclose(found.sensitivity, tpr) and np.allclose(1 - found.specificity, fpr)
    for threshold in (-0.5, 0.0, 0.35, 99.0):
        called, truth = made.decided(threshold), made.truth()
        sensitivity, specificity, precision = found.at(threshold)
        assert sensitivity == pytest.approx(called[truth].mean())
        assert specificity == pytest.approx((~called[~truth]).mean())
        assert precision == pytest.approx(truth[called].mean() if called.any() else 1.0)
    thin = found.thinned(20)
    assert len(thin.sensitivity) <= 22 and (thin.sensitivity[0], thin.sensitivity[-1]) == (0, 1)
    assert set(thin.sensitivity) <= set(found.sensitivity)


def test_calibration_of_outputs_that_are_and_that_are_not() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.02, 0.98, 20_000)
    y = (random.uniform(size=len(p)) < p).astype(np.int64)
    margin = np.log(p / (1 - p)).astype(np.float32)
    subject = np.array([f"S{i % 20}" for i in range(len(p))])
    logits = np.stack([np.zeros_like(margin), margin], 1)
    good = operating.calibration([Predictions(logits, y, subject)])
    assert good.error.value < 0.015
    assert sum(b.windows for b in good.bins) == len(p)
    assert all(b.low <= b.said <= b.high and b.seen.low <= b.seen.value <= b.seen.high for b in good.bins)
    sure = operating.calibration([Predictions(4 * logits, y, subject)])
    assert sure.error.value > 0.1


def test_trainings_that_err_to_both_sides_do_not_make_up_for_each_other() -> None:
    """Each is off by 0.3 where half come true; together their bin is right."""
    y, subject = np.array([0, 1] * 8), np.array([f"S{i % 4}" for i in range(16)])

    def sure(p: float) -> Predictions:
        margin = np.full(16, np.log(p / (1 - p)), np.float32)
        return Predictions(np.stack([np.zeros_like(margin), margin], 1), y, subject)

    found = operating.calibration([sure(0.2), sure(0.8)], bins=1)
    assert found.bins[0].said == pytest.approx(0.5, abs=1e-5) and found.bins[0].windows == 16
    assert found.error.value == pytest.approx(0.3, abs=1e-5)


def test_calibration_error_by_hand() -> None:
    p = np.array([0.9, 0.9, 0.1, 0.1])
    margin = np.log(p / (1 - p)).astype(np.float32)
    made = Predictions(
        np.stack([np.zeros(4, np.float32), margin], 1), np.array([1, 0, 0, 0]), np.array(["a"] * 4)
    )
    found = operating.calibration([made], bins=2)
    # |0.5 - 0.9| and |0 - 0.1|, half of the windows each.
    assert found.error.value == pytest.approx(0.25, abs=1e-6)
    assert [b.windows for b in found.bins] == [2, 2]


def test_a_class_against_the_rest_is_that_of_scikit_learn() -> None:
    """By the softmax's share of the class, whatever the other classes are."""
    random = np.random.default_rng(4)
    y = random.integers(0, 3, 300)
    logits = (random.normal(size=(300, 3)) + 1.2 * np.eye(3)[y]).astype(np.float32)
    run = Predictions(logits, y, np.array([f"S{i % 6}" for i in range(300)]), None)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for index in range(3):
        one = operating.against_rest(run, index)
        assert operating.probability(one) == pytest.approx(shares[:, index], abs=1e-6)
        expected = roc_auc_score(y == index, shares[:, index])
        assert operating.areas([one], draws=2).roc.value == pytest.approx(expected, abs=1e-6)
