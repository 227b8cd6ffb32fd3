"""One person's labels are exchanged: both detectors contradict them, and the list names that person alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from atml.evaluation.baselines.out_of_fold import OutOfFold
from atml.evaluation.label_doubts import doubted_by_both, doubted_by_one
from atml.metrics import Predictions
from atml.tasks import targets
from atml.tasks.task import Task

TASK = Task(name="t", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
TARGET = targets.of(TASK)
PEOPLE, EACH = 6, 40
SUBJECT = np.repeat([f"S{i}" for i in range(PEOPLE)], EACH)
TRUTH = np.tile(np.repeat([0, 1], EACH // 2), PEOPLE)
LABELS = np.where(SUBJECT == "S3", 1 - TRUTH, TRUTH)
RHYTHM = np.where(LABELS == 1, "AFIB", "N")


def detector(seed: int, wrong: float, task: Task = TASK) -> tuple[np.ndarray, Predictions]:
    """Rows in an order of its own, and what it says of them: the truth, and not in a share of the windows."""
    random = np.random.default_rng(seed)
    rows = random.permutation(len(TRUTH))
    called = np.where(random.random(len(rows)) < wrong, 1 - TRUTH[rows], TRUTH[rows])
    logits = np.eye(len(task.classes), dtype=np.float32)[called]
    return rows, Predictions(logits, LABELS[rows], SUBJECT[rows], task.positive)


def baseline(seed: int = 9, wrong: float = 0.1) -> OutOfFold:
    rows, predictions = detector(seed, wrong)
    return OutOfFold(None, (), rows, predictions)  # type: ignore[arg-type]  # what was fitted is not asked


def accuracy(found: Predictions) -> float:
    return float((found.decided() == found.truth()).mean())


def test_labels_that_both_contradict_are_listed_with_the_figures_without_them() -> None:
    (rows, run), (others, again) = detector(1, 0.05), detector(2, 0.05)
    found = doubted_by_both(TARGET, [run, again], [rows, others], baseline(), RHYTHM, accuracy)
    assert {(one.subject, one.rhythm, one.label, one.called) for one in found.doubts} == {
        ("S3", "N", 0, 1),
        ("S3", "AFIB", 1, 0),
    }
    for one in found.doubts:
        assert one.windows == EACH // 2 and one.network is not None
        assert one.network > 0.85 and one.baseline > 0.75
    whole = np.mean([accuracy(run), accuracy(again)])
    assert whole < 0.85 and found.value > 0.93
    kept = run.take(run.subject != "S3"), again.take(again.subject != "S3")
    assert found.value == pytest.approx(np.mean([accuracy(part) for part in kept]))
    assert found.rates["specificity"].value > 0.93 and found.baseline_rates["specificity"].value > 0.85
    assert found.baseline_value == pytest.approx(0.9, abs=0.05)
    assert (run.y == LABELS[rows]).all(), "a label was changed"


def test_one_detector_alone_doubts_nothing() -> None:
    """A network that learned the wrong labels, or a baseline that guesses: no doubt."""
    rows, run = detector(1, 0.05)
    learned = dataclasses.replace(run, logits=np.eye(2, dtype=np.float32)[run.y])
    for network, simple in ((learned, baseline()), (run, baseline(wrong=0.5))):
        found = doubted_by_both(TARGET, [network], [rows], simple, RHYTHM, accuracy)
        assert found.doubts == () and found.rates == {} and found.to_dict()["doubts"] == ()


def test_few_windows_are_not_judged() -> None:
    """Nine windows of a person's rhythm say little; with ten they are listed."""
    rows, run = detector(1, 0.0)
    for left, listed in ((9, False), (10, True)):
        rhythm = RHYTHM.astype("U9")
        rhythm[np.flatnonzero((SUBJECT == "S3") & (LABELS == 0))[left:]] = [f"r{i}" for i in range(20 - left)]
        found = doubted_by_both(TARGET, [run], [rows], baseline(wrong=0.0), rhythm, accuracy)
        assert (("S3", "N") in {(one.subject, one.rhythm) for one in found.doubts}) is listed


def test_by_one_detector_alone_more_is_asked() -> None:
    found = doubted_by_one(baseline(wrong=0.0), RHYTHM)
    assert [(one.subject, one.rhythm, one.baseline, one.network) for one in found] == [
        ("S3", "AFIB", 1.0, None),
        ("S3", "N", 1.0, None),
    ]
    assert doubted_by_one(baseline(wrong=0.4), RHYTHM) == ()


def test_nothing_is_left_without_a_class() -> None:
    """Where all windows of a class are in doubt, there are no figures without them."""
    rows, run = detector(1, 0.0)
    y = np.where(run.subject == "S3", 1, 0)
    wrong = dataclasses.replace(run, y=y, logits=1 - np.eye(2, dtype=np.float32)[y])
    simple = OutOfFold(None, (), rows, wrong)  # type: ignore[arg-type]
    found = doubted_by_both(TARGET, [simple.predictions], [rows], simple, RHYTHM, accuracy)
    assert len(found.doubts) == 12 and np.isnan(found.value)


def test_several_classes() -> None:
    three = Task(name="t", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=50, window=100)
    rows, run = detector(1, 0.05, three)
    simple = OutOfFold(None, (), *detector(2, 0.05, three))  # type: ignore[arg-type]
    macro = lambda found: float((found.labels() == found.y).mean())  # noqa: E731
    found = doubted_by_both(targets.of(three), [run], [rows], simple, RHYTHM, macro)
    assert {one.subject for one in found.doubts} == {"S3"} and found.value > 0.9
