"""CinC 2017: atrial fibrillation from a short single lead, against normal and other rhythms.

Source: Clifford et al., "AF classification from a short single lead ECG recording: the PhysioNet/Computing
in Cardiology Challenge 2017".

- F1 of a class = 2 N_cc / (reference_c + predicted_c), N_cc being its recordings that are called right; 0
  where both are 0. The challenge asks for one class a recording: `Judged.records` decides it from all the
  windows that a recording was cut into.
- Score = mean of F1 over Normal, AF and Other. Recordings too noisy to read are a class of their own in
  the tables, but not in the mean.
- The largest output decides a window, the largest mean a recording; between equal ones the first does, of
  which the challenge says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from atml import metrics
from atml.arrays import Floats, Int64
from atml.errors import ExportError, InputError
from atml.scoring.rules.base import Figure, Judged, Score, confusion_table
from atml.tasks.task import Task

NAME = "cinc2017"
OPTIONS: Mapping[str, float] = {}
AWARDS = False

CLASSES = {
    "Normal": ("n", "normal", "nsr", "sr"),
    "AF": ("a", "af", "afib"),
    "Other": ("o", "other"),
    "Noise": ("~", "noise", "noisy", "p"),
}
"""What a task may call each class, in any case."""
KEYS = {"Normal": "F1n", "AF": "F1a", "Other": "F1o", "Noise": "F1p"}
"""What the challenge calls F1 of each class."""
IN_THE_MEAN = ("Normal", "AF", "Other")


def fits(task: Task) -> None:
    """Raise ExportError for a model whose classes are not Normal, AF, Other and at most Noise."""
    _columns(task)


def _columns(task: Task) -> dict[str, int]:
    """Find each class of the challenge among the task's."""
    found: dict[str, int] = {}
    for index, name in enumerate(task.classes):
        meant = next((key for key, names in CLASSES.items() if name.strip().lower() in names), None)
        if meant is None or meant in found:
            found = {}
            break
        found[meant] = index
    if not set(IN_THE_MEAN) <= set(found):
        raise ExportError(
            f"rule {NAME} judges the classes Normal, AF and Other, and Noise if there is one; this model has"
            f" {', '.join(map(repr, task.classes))}; choose another rule"
        )
    return {key: found[key] for key in CLASSES if key in found}


def decide(outputs: npt.ArrayLike) -> Int64:
    """Class of each row of ``outputs (n, classes)``: the first of the largest; ``(n,)``."""
    out = np.asarray(outputs)
    if out.ndim != 2 or out.shape[1] < 3:
        raise InputError(f"rule {NAME} reads outputs (n, 3) or (n, 4), not {out.shape}")
    return np.asarray(out.argmax(axis=1), np.int64)


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score whole recordings by the task's classes; ``options`` is empty.

    Raises ExportError for other classes than the challenge's, InputError without windows.
    """
    columns = _columns(judged.task)
    if len(judged.subject) == 0:
        raise InputError("no windows to score; give a folder with a test split")
    order = np.empty(len(judged.task.classes), np.int64)
    order[list(columns.values())] = np.arange(len(columns))
    k, found = len(columns), judged.records()
    true, called = order[found.predictions.y], order[decide(found.predictions.logits)]
    table = metrics.class_counts(true, called, found.predictions.subject, k)

    def figures(counts: Floats) -> dict[str, Floats]:
        cells = counts.reshape(-1, k, k)
        each = metrics.class_f1(cells)
        right = metrics.ratio(np.trace(cells, axis1=1, axis2=2), cells.sum(axis=(1, 2)))
        mean = each[:, : len(IN_THE_MEAN)].mean(axis=1)
        return {"F1": mean, **{KEYS[c]: each[:, i] for i, c in enumerate(columns)}, "accuracy": right}

    drawn = metrics.resampled(table.cells.reshape(-1, k * k), figures)
    names = {"F1": "F1, mean of Normal, AF and Other", **{key: f"F1, {name}" for name, key in KEYS.items()}}
    tables = [confusion_table("confusion", "records", tuple(columns), true, called)]
    if len(found) < len(judged.y_true):
        of_windows = order[judged.y_true], order[judged.y_pred]
        tables.append(confusion_table("window_confusion", "windows", tuple(columns), *of_windows))
    return Score(
        rule=NAME,
        records=len(found),
        figures=tuple(Figure(key, names.get(key, key), one.value, one) for key, one in drawn.items()),
        tables=tuple(tables),
        notes=found.notes(),
    )
