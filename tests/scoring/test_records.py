"""Recordings decided from all their windows, and the rule that scores them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import f1_score

from atml.metrics import wilson
from atml.scoring.rules import cinc2017, records
from tests.scoring.test_rules import BINARY, THREE, decided


def test_a_record_is_decided_by_the_mean_softmax(judged):
    """Two weak votes for "no" against one strong one for "yes": most windows and the mean softmax differ."""
    logits = np.array([[0.2, 0.0], [0.2, 0.0], [0.0, 5.0], [1.0, 0.0]], np.float32)
    made = judged([1, 1, 1, 0], [0, 0, 1, 0], ["A", "A", "A", "B"], logits=logits)
    found = made.records()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(found.predictions.logits[0]), shares[:3].mean(axis=0), rtol=1e-5)
    assert found.labels().tolist() == [1, 0] and found.windows.tolist() == [3, 1]
    assert found.predictions.y.tolist() == [1, 0] and found.mixed == 0 and found.one_each
    assert "mean of its windows' softmax" in found.notes()[0]
    voted = dataclasses.replace(made, logits=None).records()
    assert voted.labels().tolist() == [0, 0]
    assert "most of its windows are called" in voted.notes()[0]


def test_records_of_the_same_name_of_two_subjects_are_two(judged):
    made = judged([0, 1, 1, 1], [0, 1, 0, 1], ["B", "A", "A", "B"], record=["1", "1", "2", "1"])
    found = made.records()
    assert found.names.tolist() == ["1", "2", "1"]
    assert found.predictions.subject.tolist() == ["A", "A", "B"]
    assert found.windows.tolist() == [1, 1, 2] and not found.one_each
    # Record 1 of B has a window of each class: of equally many the first class counts, and it is said.
    assert found.mixed == 1 and found.predictions.y.tolist() == [1, 1, 0]
    assert "1 of 3 records have windows of more than one class" in found.notes()[1]


def test_more_than_ten_records_keep_their_order(judged):
    names = [f"r{i}" for i in range(12)]
    made = judged([0] * 12, [0] * 11 + [1], ["S"] * 12, record=names)
    found = made.records()
    assert found.names.tolist() == sorted(names)
    assert found.labels().tolist() == [int(name == "r11") for name in sorted(names)]


def test_binary_figures_are_of_records(judged):
    made = decided(judged, BINARY)
    found = made.records()
    true, called = found.predictions.y, found.labels()
    got = records.score(made, {})
    assert got["sensitivity"] == pytest.approx(called[true == 1].mean())
    assert got["specificity"] == pytest.approx(1 - called[true == 0].mean())
    assert got["accuracy"] == pytest.approx((called == true).mean())
    assert got["balanced accuracy"] == pytest.approx((got["sensitivity"] + got["specificity"]) / 2)
    assert got["F1"] == pytest.approx(f1_score(true, called))
    assert got["accuracy"] != pytest.approx((made.y_true == made.y_pred).mean())
    assert sum(sum(row[name] for name in BINARY.classes) for row in got.table("confusion").records) == 40
    assert (
        sum(sum(row[name] for name in BINARY.classes) for row in got.table("window_confusion").records) == 400
    )


def test_shares_of_independent_records_have_wilsons_interval(judged):
    made = decided(judged, BINARY)
    alone = dataclasses.replace(made, subject=made.record)
    found = alone.records()
    got = {figure.key: figure for figure in records.score(alone, {}).figures}
    right = int((found.labels() == found.predictions.y).sum())
    assert got["accuracy"].interval == wilson(right, 40)
    positive = found.predictions.y == 1
    assert got["sensitivity"].interval == wilson(int(found.labels()[positive].sum()), int(positive.sum()))
    pairs = {figure.key: figure for figure in records.score(made, {}).figures}
    assert pairs["accuracy"].value == got["accuracy"].value
    assert pairs["accuracy"].interval != got["accuracy"].interval, (
        "two records of a subject are not two trials"
    )


def test_three_classes(judged):
    made = decided(judged, THREE)
    found = made.records()
    each = f1_score(found.predictions.y, found.labels(), average=None)
    got, official = records.score(made, {}), cinc2017.score(made, {})
    assert [got[f"F1 {name}"] for name in THREE.classes] == pytest.approx(each)
    assert got["F1"] == official["F1"] == pytest.approx(each.mean())
    assert [official[key] for key in ("F1n", "F1a", "F1o")] == pytest.approx(each)
    assert got["sensitivity AF"] == pytest.approx((found.labels() == 1)[found.predictions.y == 1].mean())
    assert got["specificity O"] == pytest.approx((found.labels() != 2)[found.predictions.y != 2].mean())


def test_the_official_tables_count_records_and_windows(judged):
    made = decided(judged, THREE)
    got = cinc2017.score(made, {})
    totals = {
        key: sum(
            sum(value for name, value in row.items() if name != "true") for row in got.table(key).records
        )
        for key in ("confusion", "window_confusion")
    }
    assert totals == {"confusion": 40, "window_confusion": 400} and got.records == 40
    single = dataclasses.replace(made, record=np.array([f"{i}" for i in range(400)]))
    with pytest.raises(KeyError, match="window_confusion"):
        cinc2017.score(single, {}).table("window_confusion")
