"""Every kind of target keeps what `atml.tasks.targets.base.Target` promises."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from atml.artifacts.model import task_fields
from atml.evaluation.decision import cross_fitted
from atml.metrics import FOUR, Predictions, label_sets, macro_f1
from atml.tasks import Task, targets
from atml.tasks.targets import shifted

TASKS = {
    "binary": Task(name="a", classes=("other", "AF"), positive=1, sampling_rate=100, window=100),
    "multiclass": Task(name="r", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=100, window=100),
    "multilabel": Task(name="p", kind="multilabel", classes=("AF", "PVC", "O"), picture=(32, 40), leads=3),
}


# A waveform target decides nothing: `test_waveform.py` has what it promises.
@pytest.fixture(params=sorted(set(targets.TARGETS) - {"waveform"}))
def target(request):
    return targets.of(TASKS[request.param])


def predictions(target, n=400, skill=1.5, seed=0):
    random = np.random.default_rng(seed)
    classes = len(target.task.classes)
    y = random.integers(0, classes, n)
    true = np.eye(classes)[y]
    if target.kind == "multilabel":
        true = random.random((n, classes)) < 0.4
        y = label_sets.bits(true)
    logits = (
        random.normal(size=(n, classes)) + skill * true - (skill / 2 if target.kind == "multilabel" else 0)
    )
    subject = np.array([f"S{i}" for i in random.integers(0, 20, n)])
    return target.predictions(logits.astype(np.float32), y, subject)


def balanced(p):
    if not p.multilabel:
        return balanced_accuracy_score(p.y, p.labels())
    return np.mean([balanced_accuracy_score(*pair) for pair in zip(p.truths().T, p.called().T, strict=True)])


def test_a_sound_task_has_nothing_wrong_with_it(target):
    assert target.check() == "" and targets.problem(target.task) == ""
    assert target.kind == target.task.kind


def test_labels_are_those_of_predictions(target):
    p = predictions(target)
    assert target.labels(p.logits).tolist() == p.labels().tolist()
    tied = np.ones_like(p.logits)
    every = 7 if target.kind == "multilabel" else target.task.positive or 0
    assert set(target.labels(tied).tolist()) == {every}


def test_collapsed_is_one_class_for_every_window(target):
    p = predictions(target)
    classes = p.logits.shape[1]
    assert not target.collapsed(p)
    for label in range(classes):
        constant = np.zeros_like(p.logits)
        constant[:, label] = 1
        assert target.collapsed(dataclasses.replace(p, logits=constant))
    constant[0] = -1 - constant[0] if target.kind == "multilabel" else np.roll(constant[0], 1)
    assert not target.collapsed(dataclasses.replace(p, logits=constant))


def test_ranking_and_spread(target):
    p = predictions(target)
    if target.kind == "binary":
        assert target.auc(p) == pytest.approx(roc_auc_score(p.truth(), p.margin()))
    elif target.kind == "multilabel":
        each = [roc_auc_score(p.truths()[:, label], p.logits[:, label]) for label in range(3)]
        assert target.auc(p) == pytest.approx(np.mean(each))
    else:
        centred = p.logits - p.logits.mean(axis=1, keepdims=True)
        each = [roc_auc_score(p.y == label, centred[:, label]) for label in range(centred.shape[1])]
        assert target.auc(p) == pytest.approx(np.mean(each))
    assert target.auc(predictions(target, skill=0.0)) == pytest.approx(0.5, abs=0.08)
    # A temperature of the logits shows in their spread and not in the ranking.
    cold = dataclasses.replace(p, logits=p.logits / 100)
    assert target.auc(cold) == pytest.approx(target.auc(p))
    assert target.spread(cold) == pytest.approx(target.spread(p) / 100, rel=1e-4)
    if target.kind != "multilabel":
        # What is added to all logits of a window decides nothing.
        drift = np.linspace(-50, 50, len(p.y), dtype=np.float32)[:, None]
        assert target.spread(dataclasses.replace(p, logits=p.logits + drift)) == pytest.approx(
            target.spread(p), rel=1e-3
        )
    same = dataclasses.replace(p, logits=np.broadcast_to(p.logits[:1], p.logits.shape))
    assert target.spread(same) == 0.0 and target.auc(same) == 0.5


def test_a_ranking_needs_two_classes(target):
    p = predictions(target)
    one = np.full_like(p.y, 7 if target.kind == "multilabel" else 1)
    assert math.isnan(target.auc(dataclasses.replace(p, y=one)))
    empty = target.predictions(p.logits[:0], p.y[:0], p.subject[:0])
    assert math.isnan(target.auc(empty)) and target.spread(empty) == 0.0
    if target.kind == "multiclass":
        # The class that nobody has is left out, the other two count.
        assert target.auc(dataclasses.replace(p, y=np.minimum(p.y, 1))) > 0.5


def test_offsets_are_found_again_and_never_lose(target):
    def value(p):
        return float(np.mean([target.four(p)["accuracy"]]))

    p = predictions(target, n=2000, skill=3.0)
    off = np.linspace(0.0, 2.5, p.logits.shape[1], dtype=np.float32)
    moved = targets.shifted(p, -off)  # wrong by as much
    chosen = target.choose(moved, value, floor=0.0, count=100)
    assert value(targets.shifted(moved, chosen)) >= value(p) - 0.01 > value(moved) + 0.05
    assert np.float32(chosen).tolist() == list(chosen)
    assert target.choose(
        target.predictions(p.logits[:0], p.y[:0], p.subject[:0]), value, floor=0.0, count=9
    ) == (0.0,) * len(off)
    assert target.describe_decision(chosen)


def test_a_floor_is_kept_where_it_can_be(target):
    p = predictions(target, n=600)

    def greedy(p):  # likes nothing but calls of the last class
        last = p.logits.shape[1] - 1
        return float((p.labels() == (1 << last if p.multilabel else last)).mean())

    free = target.choose(p, greedy, floor=0.0, count=50)
    held = target.choose(p, greedy, floor=0.6, count=50)
    lowest = [min(target.four(targets.shifted(p, offsets)).values()) for offsets in (free, held)]
    assert lowest[0] < 0.6 <= lowest[1]


def test_cross_fitting_takes_the_other_folds_offsets(target):
    p = predictions(target)
    fold = np.arange(len(p.y)) % 4
    found = cross_fitted(target, p, fold, lambda p: target.four(p)["F1"], count=20)
    assert len(found.offsets) == 4
    for number, offsets in enumerate(found.offsets):
        here = fold == number
        expected = p.logits[here] - np.asarray(offsets, np.float32)
        assert (found.predictions.logits[here] == expected).all()


def test_tables_add_up_and_figures_follow_from_them(target):
    one, two = predictions(target, seed=1), predictions(target, seed=1, skill=0.5)
    tables = [target.table(p) for p in (one, two)]
    assert target.four_of(tables[0]) == pytest.approx(target.four(one))
    whole = target.total(tables)
    assert sum(row.n for row in whole.rows()) == 2 * len(one.y)
    intervals = target.intervals([tables[0]])
    assert {*FOUR, "F"} <= set(intervals)
    for key in FOUR:
        found = intervals[key]
        assert found.value == pytest.approx(target.four(one)[key]) and found.low <= found.value <= found.high
        # Of repeats the mean counts, in the interval as beside it.
        mean = np.mean([target.four(p)[key] for p in (one, two)])
        assert target.intervals(tables)[key].value == pytest.approx(mean)
    rates = target.rates(tables[0])
    assert rates["balanced accuracy"].value == pytest.approx(balanced(one))
    gain = target.balanced_gain(*tables)
    assert gain.low > 0 and gain.value == pytest.approx(balanced(one) - balanced(two))
    assert list(rates)[-1] == "balanced accuracy"


def test_nothing_is_known_of_a_class_that_no_subject_has():
    """Not that it is always missed, which would be 0 (0 to 0)."""
    target, y = targets.of(TASKS["multiclass"]), np.tile([0, 2], 10)
    logits = np.eye(3, dtype=np.float32)[y]
    table = target.table(target.predictions(logits, y, np.repeat(["a", "b"], 10)))
    found = target.intervals([table])["sensitivity " + TASKS["multiclass"].classes[1]]
    assert (found.value, found.low, found.high) == (0.0, 0.0, 1.0)


def test_positive_weight_is_for_a_positive_class_and_for_labels():
    weights = [targets.of(task).loss_weights(3.0).tolist() for task in TASKS.values()]
    assert weights == [[1.0, 3.0], [1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]


def test_macro_figures_are_those_of_scikit_learn():
    target = targets.of(TASKS["multiclass"])
    p = predictions(target)
    four, y, called = target.four(p), p.y, p.labels()
    assert four["F1"] == pytest.approx(f1_score(y, called, average="macro")) == pytest.approx(macro_f1(p))
    assert four["precision"] == pytest.approx(precision_score(y, called, average="macro"))
    assert four["recall"] == pytest.approx(recall_score(y, called, average="macro"))
    assert four["accuracy"] == pytest.approx((y == called).mean())


def test_a_subject_is_decided_by_the_mean_of_its_windows():
    logits = np.log(np.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4], [0.1, 0.8, 0.1]], np.float32))
    found = Predictions(logits, np.array([1, 1, 2]), np.array(["b", "b", "a"]), None).by_subject()
    assert found.subject.tolist() == ["a", "b"] and found.y.tolist() == [2, 1]
    np.testing.assert_allclose(np.exp(found.logits), [[0.1, 0.8, 0.1], [0.35, 0.4, 0.25]], atol=1e-6)
    assert found.labels().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "binary", "positive": None}, "give TASK positive="),
        ({"kind": "binary", "positive": 3}, "TASK.positive is 3"),
        ({"kind": "multiclass", "positive": 1}, "has no positive class"),
        ({"kind": "multiclass", "positive": None, "classes": ("N", "AF")}, "too few"),
        ({"kind": "ordinal"}, "known kinds: binary, multiclass"),
    ],
)
def test_what_is_wrong_with_a_task_is_said(changes, says):
    assert says in targets.problem(dataclasses.replace(TASKS["binary"], **changes))


def test_binary_questions_to_a_multiclass_task_are_refused():
    with pytest.raises(ValueError, match="is multiclass"):
        targets.binary(TASKS["multiclass"])
    p = predictions(targets.of(TASKS["multiclass"]))
    for ask in (p.margin, p.decided, p.truth):
        with pytest.raises(ValueError, match="no positive class"):
            ask()


def test_windows_round_beats_end_a_while_after_theirs():
    beats = Task(
        name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=437, after_beat=1.2
    )
    assert (beats.around_beats, beats.samples_after_beat, targets.problem(beats)) == (True, 150, "")
    assert not TASKS["multiclass"].around_beats
    with pytest.raises(ValueError, match="not cut round beats"):
        _ = TASKS["multiclass"].samples_after_beat
    for wrong in (0.0, -1.0, 3.496, float("nan")):
        assert "TASK.after_beat" in targets.problem(dataclasses.replace(beats, after_beat=wrong))


def test_a_task_is_written_as_before_it_knew_beats():
    assert "after_beat" not in task_fields(TASKS["multiclass"])
    assert task_fields(dataclasses.replace(TASKS["multiclass"], after_beat=0.2))["after_beat"] == 0.2


def test_the_offset_of_a_rare_class_is_found_among_its_own_windows():
    random = np.random.default_rng(0)
    y = random.choice(3, 5000, p=(0.975, 0.01, 0.015))
    logits = 4.0 * np.eye(3)[y] + random.normal(0, 1, (len(y), 3))
    logits[:, 1:] += 3.0  # both are called far too often
    target = targets.of(TASKS["multiclass"])
    found = target.predictions(logits.astype(np.float32), y, np.repeat("S", len(y)))
    offsets = target.choose(found, macro_f1, floor=0.0, count=24)
    assert macro_f1(shifted(found, offsets)) > 0.93 > macro_f1(found) + 0.3
