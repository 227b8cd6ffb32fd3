"""Whole recordings: each decided from all its windows, for models of every kind.

No contest's rule: what a model is worth where a recording has one label and is longer than a window.

- A recording is decided as `Judged.records` says; figures count recordings.
- Binary: sensitivity, specificity, accuracy, their balanced mean, F1 and PPV. Multiclass: macro F1, F1 of
  each class, accuracy, balanced accuracy (the mean sensitivity), then each class's sensitivity and
  specificity against the rest.
- Shares have Wilson's 95% interval where every subject has one recording; otherwise, and for F1 and mean
  figures, intervals come from resampling subjects.
"""

from __future__ import annotations

from collections.abc import Mapping

from atml.errors import ExportError, InputError
from atml.metrics import Interval, wilson
from atml.scoring.rules.base import Figure, Judged, Records, Score, confusion_table
from atml.tasks import targets
from atml.tasks.task import MULTILABEL, Task

NAME = "records"
OPTIONS: Mapping[str, float] = {}
AWARDS = False
decide = None
"""The task's kind of target decides."""


def fits(task: Task) -> None:
    """Raise ExportError for a model of several labels at once: a recording has no one class then."""
    if task.kind == MULTILABEL:
        raise ExportError(f"rule {NAME} judges one class a recording; task {task.name!r} is for rule labels")


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score recordings; ``options`` is empty. Raises InputError without windows."""
    if len(judged.subject) == 0:
        raise InputError("no windows to score; give a folder with a test split")
    task, found = judged.task, judged.records()
    target = targets.of(task)
    table = target.table(found.predictions)
    drawn = {**target.intervals([table]), **target.rates(table)}
    binary = task.positive is not None
    if binary:
        names = {
            **{key: key for key in ("sensitivity", "specificity", "accuracy", "balanced accuracy", "F1")},
            "precision": "precision (PPV)",
        }
    else:
        each = [f"{rate} {name}" for name in task.classes for rate in ("sensitivity", "specificity")]
        names = {
            "F1": "macro F1",
            **{f"F1 {name}": f"F1, {name}" for name in task.classes},
            **{key: key for key in ("accuracy", "balanced accuracy", *each)},
        }
    intervals = {**drawn, **(_shares(task, found) if found.one_each else {})}
    notes = ["no official rule"]
    if found.one_each:
        notes.append("every subject has one record: intervals of shares are Wilson's, others by resampling")
    return Score(
        rule=NAME,
        records=len(found),
        figures=tuple(Figure(key, name, intervals[key].value, intervals[key]) for key, name in names.items()),
        tables=(
            confusion_table("confusion", "records", task.classes, found.predictions.y, found.labels()),
            confusion_table("window_confusion", "windows", task.classes, judged.y_true, judged.y_pred),
        ),
        notes=(*found.notes(), *notes),
    )


def _shares(task: Task, found: Records) -> dict[str, Interval]:
    """Wilson's intervals of the shares of independent recordings, by the keys of the figures."""
    true, called = found.predictions.y, found.labels()
    if task.positive is not None:
        true, called = (true == task.positive).astype(int), (called == task.positive).astype(int)
        classes = {"": 1}
    else:
        classes = {f" {name}": i for i, name in enumerate(task.classes)}
    shares = {"accuracy": wilson(float((true == called).sum()), len(true))}
    for name, index in classes.items():
        inside, named = true == index, called == index
        shares[f"sensitivity{name}"] = wilson(float((inside & named).sum()), float(inside.sum()))
        shares[f"specificity{name}"] = wilson(float((~inside & ~named).sum()), float((~inside).sum()))
    return shares
