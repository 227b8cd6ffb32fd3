"""The rule for labels that may be true at once, on decisions counted by hand."""

import numpy as np
import pytest

from atml.errors import ExportError, InputError
from atml.metrics.label_sets import bits
from atml.metrics.multilabel import label_counts, label_intervals
from atml.scoring import rules
from atml.scoring.rules import Judged, label_sets
from atml.tasks import Task

TASK = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(32, 40), leads=3)
TRUE = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
CALLED = np.array([[1, 0], [0, 1], [0, 0], [0, 1]], bool)


def judged(logits: np.ndarray | None = None, n: int = 4) -> Judged:
    return Judged(
        task=TASK,
        y_true=bits(TRUE)[:n],
        y_pred=bits(CALLED)[:n],
        subject=np.array(["a", "a", "b", "c"])[:n],
        rhythm=np.array(["AF", "AF+PVC", "", "PVC"])[:n],
        x=np.zeros((n, 3, 32, 40), np.uint8),
        logits=logits,
    )


def test_figures_are_those_counted_by_hand() -> None:
    found = label_sets.score(judged(), {})
    assert found["F1"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["accuracy"] == pytest.approx(7 / 8) and found["always_no"] == pytest.approx(4 / 8)
    assert found["prior"] == pytest.approx(2 * 0.5 / 1.5)
    assert found["exact"] == pytest.approx(3 / 4)
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    with pytest.raises(KeyError):
        _ = found["auc"]
    row = found.table("labels").records[0]
    assert (row["pages"], row["subjects"], row["called"], row["sensitivity"]) == (2, 1, 1, 0.5)


def test_outputs_are_ranked_where_there_are_any() -> None:
    logits = np.where(TRUE, 1.0, -1.0).astype(np.float32)
    assert label_sets.score(judged(logits), {})["auc"] == 1.0


def test_what_a_label_that_no_page_has_does_to_the_figures_is_told() -> None:
    found = label_sets.score(judged(n=1), {})
    assert found["F1"] == 0.5, "PVC, which nobody has, counts 0"
    with pytest.raises(KeyError):
        _ = found["balanced_accuracy"]
    assert found.notes[0] == "no page has PVC: its F1, precision and sensitivity count 0 in the macro figures"
    assert found.notes[1] == "balanced accuracy can't be told without pages with and without AF, PVC"
    assert len(label_sets.score(judged(), {}).notes) == 1


def test_intervals_are_those_of_the_card() -> None:
    random, names = np.random.default_rng(0), ("AF", "PVC")
    subject = np.array([f"S{at // 4}" for at in range(40)])
    true = random.random((40, 2)) < 0.4
    true[:, 1] = np.isin(subject, ["S1", "S2"])  # many draws of ten subjects have neither
    called = true ^ (random.random((40, 2)) < 0.2)
    one = Judged(
        task=TASK,
        y_true=bits(true),
        y_pred=bits(called),
        subject=subject,
        rhythm=subject,
        x=np.zeros((40, 3, 2, 2), np.uint8),
    )
    found = {figure.key: figure.interval for figure in label_sets.score(one, {}).figures}
    card = label_intervals([label_counts(true, called, subject)], names)
    for key in ("F1", "accuracy", "precision", "recall"):
        assert found[key] == card[key]
    assert found["always_no"] == card["always no"]


def test_who_does_not_fit_is_told() -> None:
    multiclass = Task(name="r", kind="multiclass", classes=("N", "A", "O"), sampling_rate=100, window=100)
    with pytest.raises(ExportError, match="'r' is multiclass"):
        rules.rule("labels").fits(multiclass)
    for other in ("records", "iesd2024", "cinc2017", "aha-aed", "ec57"):
        with pytest.raises(ExportError):
            rules.rule(other).fits(TASK)
    with pytest.raises(InputError, match="no pages"):
        label_sets.score(judged(n=0), {})
