"""CinC 2017: atrial fibrillation from a short single lead, against normal and other rhythms.

Source: Clifford et al., "AF classification from a short single lead ECG recording: the PhysioNet/Computing
in Cardiology Challenge 2017".

- F1 of a class = 2 N_cc / (reference_c + predicted_c), N_cc being its segments that are called right; 0
  where both are 0.
- Score = mean of F1 over Normal, AF and Other. Recordings too noisy to read are a class of their own in
  the tables, but not in the mean.
- The largest output decides; between equal ones the first does, of which the challenge says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from atml import metrics
from atml.arrays import Floats, Int64
from atml.errors import ExportError, InputError
from atml.scoring.rules.base import Figure, Judged, Score, Table
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


def f1(cells: npt.ArrayLike) -> Floats:
    """F1 of every class from counts ``(..., classes, classes)``, true by called; ``(..., classes)``."""
    table = np.asarray(cells, np.float64)
    both = table.sum(axis=-1) + table.sum(axis=-2)
    right = np.diagonal(table, axis1=-2, axis2=-1)
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 0.0)


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score labels by the task's classes; ``options`` is empty.

    Raises ExportError for other classes than the challenge's, InputError without segments.
    """
    columns = _columns(judged.task)
    if len(judged.subject) == 0:
        raise InputError("no segments to score; give a folder with a test split")
    order = np.empty(len(judged.task.classes), np.int64)
    order[list(columns.values())] = np.arange(len(columns))
    names, code = metrics.subject_codes(judged.subject)
    k = len(columns)
    flat = (code * k + order[judged.y_true]) * k + order[judged.y_pred]
    cells = np.bincount(flat, minlength=len(names) * k * k).reshape(len(names), k * k)

    def figures(counts: Floats) -> dict[str, Floats]:
        each = f1(counts.reshape(-1, k, k))
        mean = each[:, : len(IN_THE_MEAN)].mean(axis=1)
        right = np.trace(counts.reshape(-1, k, k), axis1=1, axis2=2)
        accuracy = right / np.maximum(counts.sum(axis=1), 1)
        return {"F1": mean, **{KEYS[c]: each[:, i] for i, c in enumerate(columns)}, "accuracy": accuracy}

    found = metrics.resampled(cells, figures)
    called = {"F1": "F1, mean of Normal, AF and Other", **{key: f"F1, {name}" for name, key in KEYS.items()}}
    whole = cells.sum(axis=0).reshape(k, k)
    rows = [(name, *map(str, row)) for name, row in zip(columns, whole.tolist(), strict=True)]
    return Score(
        rule=NAME,
        figures=tuple(Figure(key, called.get(key, key), one.value, one) for key, one in found.items()),
        tables=(
            Table(
                key="confusion",
                header=("true, called", *columns),
                cells=tuple(rows),
                records=tuple(
                    {"true": name, **dict(zip(columns, row, strict=True))}
                    for name, row in zip(columns, whole.tolist(), strict=True)
                ),
            ),
        ),
    )
