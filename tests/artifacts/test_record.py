import dataclasses

import numpy as np
import pytest

from atml.artifacts.record import DataFacts, Machine
from atml.data.dataset import Fold
from atml.evaluation.cross_validation_result import (
    CrossValidationResult,
    by_rhythm,
    cross_validation_result,
    whole_percent,
)
from atml.evaluation.gate import Gate
from atml.metrics import Counts, four_metrics, mean_subject_f_beta
from atml.metrics.predictions import Predictions
from atml.tasks.targets.binary import RATES
from tests.evaluation.test_threshold import TARGET, choose_threshold, cross_fitted


def accuracy(predictions):
    return four_metrics(predictions)["accuracy"]


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        (1.0, 100),
        (0.999999, 99),
        (0.996, 99),
        (0.9949, 99),
        (0.29, 29),
        (0.57, 57),
        (0.1 + 0.2, 30),
        (1 - 1e-13, 99),
        (0.0, 0),
        (0.009, 0),
    ],
)
def test_whole_percent_is_floored(value, percent):
    assert whole_percent(value) == percent


def test_name_is_highest_and_lowest():
    four = {"F1": 0.955, "accuracy": 0.961, "precision": 0.9199, "recall": 0.93}
    result = CrossValidationResult(
        target=TARGET,
        offsets=(0.0, 0.0),
        naive=(),
        tuned=(),
        cross_fitted=(),
        four=four,
        intervals={},
        table=None,
    )
    assert result.name == "96-91"
    assert result.lowest == 0.9199
    perfect = dataclasses.replace(result, four=dict.fromkeys(four, 1.0))
    assert perfect.name == "100-100"


def test_weighing_one_run_and_two(make):
    dataset = make.dataset()
    folds = make.folds(dataset)
    runs = [make.run(dataset, folds, seed).measurement for seed in (1, 2)]
    one = cross_validation_result(TARGET, [runs[0].predictions], [runs[0].rows], folds, mean_subject_f_beta)
    assert one.naive == (runs[0].value,)
    assert one.table.pooled().n == len(dataset)
    assert one.four == one.table.pooled().four()
    # The margins are off by 3: moving the threshold there must help, honestly judged too.
    assert 1.0 < one.threshold < 4.0
    assert one.cross_fitted[0] > one.naive[0] + 0.01
    assert one.tuned[0] >= one.cross_fitted[0]

    both = cross_validation_result(
        TARGET, [r.predictions for r in runs], [r.rows for r in runs], folds, mean_subject_f_beta
    )
    assert both.naive == (runs[0].value, runs[1].value)
    assert both.value == np.mean(both.cross_fitted)
    assert both.table.pooled().n == 2 * len(dataset)
    for key, value in both.four.items():
        assert both.intervals[key].value == pytest.approx(value)
    assert both.intervals["F"].value == pytest.approx(both.value)


def apart(offsets):
    """Predictions whose folds, a subject each, would like the threshold at their own offset."""
    offsets = np.asarray(offsets, np.float64)
    n = 100 * len(offsets)
    y = np.tile(np.repeat([0, 1], 50), len(offsets)).astype(np.int64)
    spread = np.sort(np.random.default_rng(0).normal(size=(50, 1000)).mean(axis=1)) * 30
    margin = 2.0 * y - 1 + np.tile(spread, 2 * len(offsets)) + np.repeat(offsets, 100)
    subject = np.repeat([f"S{k}" for k in range(len(offsets))], 100)
    rows = np.arange(n)
    folds = [Fold(rows[rows // 100 != k], rows[rows // 100 == k]) for k in range(len(offsets))]
    return Predictions(np.stack([0 * margin, margin], 1).astype(np.float32), y, subject), rows, folds


def test_a_threshold_that_does_not_carry_over_is_not_used():
    # Each fold would like its threshold moved, by as much as the next would like it the other way.
    run, rows, folds = apart([1.0, -1.0] * 4)
    assert all(0.0 not in offsets[1:] for offsets in cross_fitted(run, rows // 100, accuracy).offsets)
    found = cross_validation_result(TARGET, [run], [rows], folds, accuracy)
    assert found.threshold == 0.0
    assert found.values == found.naive == found.tuned > found.cross_fitted
    assert found.decision == "decision as trained" and found.tuning is None
    assert found.four == found.table.pooled().four()


def test_a_threshold_that_gains_less_than_its_noise_is_not_used():
    """Two of five subjects would gain much by a threshold and three lose: the mean gain is no proof."""
    run, rows, folds = apart([2.5, 2.5, 0.0, 0.0, 0.0])
    found = cross_validation_result(TARGET, [run], [rows], folds, accuracy)
    assert found.cross_fitted[0] > found.naive[0] and found.tuning.low < 0 < found.tuning.value
    assert found.threshold == 0.0 and found.value == found.naive[0]
    assert found.to_dict()["decision"] == "decision as trained"
    # All of them gain by it: that is proof, and the value is that of thresholds chosen on other folds.
    run, rows, folds = apart([2.5, 2.4, 2.6, 2.5, 2.4])
    found = cross_validation_result(TARGET, [run], [rows], folds, accuracy)
    plain = cross_fitted(run, rows // 100, accuracy)
    assert found.decision == "decision tuned, cross-fitted" and found.tuning.low > 0
    assert found.threshold == choose_threshold(run, accuracy)
    assert found.value == plain.value > found.naive[0] + 0.1


def test_where_it_alone_reaches_the_gate_a_tuned_decision_ships():
    run, rows, folds = apart([2.5, 2.5, 0.0, 0.0, 0.0])
    plain = cross_validation_result(TARGET, [run], [rows], folds, accuracy)
    between = Gate({"accuracy": (plain.cross_fitted[0] + plain.naive[0]) / 2})
    assert not plain.is_tuned and not between.reached(plain.figures)
    found = cross_validation_result(TARGET, [run], [rows], folds, accuracy, gate=between)
    assert found.is_tuned and between.reached(found.figures)


def test_on_noise_the_estimate_is_no_better_than_chance():
    """The better of threshold 0 and a tuned one would be: here each is right half of the time."""
    rng = np.random.default_rng(0)
    plain, honest, better = [], [], []
    for _ in range(40):
        y, margin = rng.integers(0, 2, 60), rng.normal(size=60)
        subject = np.repeat(list("abcdef"), 10)
        run = Predictions(np.stack([0 * margin, margin], 1).astype(np.float32), y, subject)
        rows = np.arange(60)
        folds = [Fold(rows[rows // 10 != k], rows[rows // 10 == k]) for k in range(6)]
        found = cross_validation_result(TARGET, [run], [rows], folds, accuracy)
        plain.append(found.naive[0])
        honest.append(found.value)
        better.append(max(found.naive[0], cross_fitted(run, rows // 10, accuracy).value))
    assert np.mean(better) > np.mean(plain) + 0.02
    assert np.mean(honest) < np.mean(plain) + 0.01


def test_rows_may_come_in_any_order(make):
    dataset = make.dataset()
    folds = make.folds(dataset)
    m = make.run(dataset, folds, 1).measurement
    order = np.random.default_rng(0).permutation(len(m.rows))
    p = m.predictions
    mixed = Predictions(p.logits[order], p.y[order], p.subject[order])
    first = cross_validation_result(TARGET, [p], [m.rows], folds, mean_subject_f_beta)
    second = cross_validation_result(TARGET, [mixed], [m.rows[order]], folds, mean_subject_f_beta)
    assert first.four == second.four and first.threshold == second.threshold
    assert first.rows() == second.rows()


def test_nothing_to_judge(make):
    with pytest.raises(ValueError, match="no out-of-fold predictions"):
        cross_validation_result(TARGET, [], [], make.folds(make.dataset()), mean_subject_f_beta)


def test_data_facts(make):
    dataset = make.dataset(subjects=3, notes=("1 flat segment dropped",))
    facts = DataFacts.of(dataset, make.task)
    assert facts.subjects == ("S0", "S1", "S2")
    assert facts.windows == 60 == sum(facts.classes.values()) == sum(facts.rhythms.values())
    assert facts.classes == {"other": int((dataset.y == 0).sum()), "AF": int((dataset.y == 1).sum())}
    assert facts.rhythms["AFIB"] == facts.classes["AF"]
    assert facts.notes == ("1 flat segment dropped",)


def test_machine_names_the_processor_and_the_versions():
    machine = Machine.here()
    assert "cores" in machine.name and machine.device == "cpu" and machine.threads == 1
    assert {"python", "atml", "torch", "onnx", "onnxruntime", "optuna"} <= set(machine.versions)
    assert Machine.here("cuda", name="NVIDIA H100").name == "NVIDIA H100"


def test_rates_and_their_intervals(make):
    dataset = make.dataset()
    folds = make.folds(dataset)
    runs = [make.run(dataset, folds, seed).measurement for seed in (1, 2)]
    both = cross_validation_result(
        TARGET, [r.predictions for r in runs], [r.rows for r in runs], folds, mean_subject_f_beta
    )
    pooled = both.table.pooled()
    assert list(both.rates) == list(RATES)
    assert both.rates["sensitivity"].value == pooled.sensitivity == pytest.approx(both.four["recall"])
    assert both.rates["specificity"].value == pooled.specificity
    assert both.rates["balanced accuracy"].value == (pooled.sensitivity + pooled.specificity) / 2
    for interval in both.rates.values():
        assert 0 < interval.low < interval.value < interval.high <= 1
    assert both.rates["sensitivity"].low == pytest.approx(both.intervals["recall"].low, abs=1e-6)


def test_a_draw_without_positives_tells_nothing_of_sensitivity():
    """One subject holds all positives: a third of the draws leave it out, and 0 there would be a lie."""
    zero, ten = np.array([0, 0, 0]), np.array([10, 10, 10])
    table = Counts(np.array(["a", "b", "c"]), tp=np.array([9, 0, 0]), fn=np.array([1, 0, 0]), fp=zero, tn=ten)
    assert dataclasses.astuple(TARGET.rates(table)["sensitivity"]) == (0.9, 0.9, 0.9)
    none = dataclasses.replace(table, tp=zero, fn=zero)
    assert dataclasses.astuple(TARGET.rates(none)["sensitivity"]) == (0.0, 0.0, 1.0)


def test_gain_is_paired():
    random = np.random.default_rng(0)
    names, tp = np.array([f"S{i}" for i in range(12)]), random.integers(20, 50, 12)
    worse = Counts(names, tp=tp - 10, fn=60 - tp, fp=20 + 0 * tp, tn=30 + 0 * tp)
    better = dataclasses.replace(worse, tp=tp - 5, fn=55 - tp, fp=15 + 0 * tp, tn=35 + 0 * tp)
    found = TARGET.balanced_gain(better, worse)
    # Subjects differ widely, the two detectors by the same on every subject.
    assert found.value == pytest.approx(0.1) and found.high - found.low < 1e-9
    assert TARGET.rates(better)["sensitivity"].high - TARGET.rates(better)["sensitivity"].low > 0.1
    with pytest.raises(ValueError, match="different subjects"):
        TARGET.balanced_gain(better, dataclasses.replace(worse, names=names[::-1]))


def test_by_rhythm_counts_what_is_right():
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    rhythm = np.array(["VT", "VF", "VF", "VF", "N", "N", "AFIB", "N"])
    subject = np.array(list("aabbaabc"))
    margin = np.array([1, 1, -1, 1, -1, 1, -1, -1.0])
    run = Predictions(np.stack([0 * margin, margin], 1).astype(np.float32), y, subject)
    found = by_rhythm([run], [np.arange(8)], rhythm)
    assert [(r.rhythm, r.positive, r.windows, r.subjects) for r in found] == [
        ("VF", True, 3, 2),
        ("VT", True, 1, 1),
        ("N", False, 3, 2),
        ("AFIB", False, 1, 1),
    ]
    assert [r.right for r in found] == pytest.approx([2 / 3, 1.0, 2 / 3, 1.0])
    # A repeat in another order of rows counts to the same segments.
    order = np.arange(8)[::-1]
    all_right = Predictions(np.eye(2, dtype=np.float32)[y[order]], y[order], subject[order])
    mean = by_rhythm([run, all_right], [np.arange(8), order], rhythm)
    assert [r.windows for r in mean] == [3, 1, 3, 1]
    assert [r.right for r in mean] == pytest.approx([5 / 6, 1.0, 5 / 6, 1.0])


def test_a_rival_is_judged_on_the_same_rows(make):
    dataset = make.dataset()
    found = make.rival(dataset, make.folds(dataset))
    assert found.table.names.tolist() == sorted(set(dataset.subject.tolist()))
    assert found.table.pooled().n == len(dataset) == sum(row.windows for row in found.rhythms)
    assert found.four == found.table.pooled().four()
    assert found.intervals["F"].value == pytest.approx(found.value)
