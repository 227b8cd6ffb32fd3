"""What the rules of the contests share: two classes, figures per subject, points for speed and size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from atml import metrics
from atml.arrays import Int64
from atml.errors import ExportError, InputError
from atml.metrics import FOUR, Counts, Interval
from atml.scoring.rules.base import Figure, Judged, Score, Table, Total
from atml.tasks.task import Task

BETA = 2.0
POSITIVE = 1
SECONDS = 5.0
"""Length of a window in all three contests."""

NAMES = {"precision": "precision (PPV)", "recall": "recall (sensitivity)"}


def fits_two(task: Task, name: str) -> None:
    """Raise ExportError unless a model of ``task`` has two classes, the positive one being 1."""
    if len(task.classes) != 2 or task.positive != POSITIVE:
        raise ExportError(
            f"rule {name} judges 2 classes with the positive one at {POSITIVE}; this model has"
            f" {', '.join(map(repr, task.classes))}, positive {task.positive}; choose another rule"
        )


def decide_two(outputs: npt.ArrayLike, name: str) -> Int64:
    """Class of each row of ``outputs (n, 2)``: 0 if the first is larger, else 1; ``(n,)``."""
    out = np.asarray(outputs)
    if out.ndim != 2 or out.shape[1] != 2:
        raise InputError(f"rule {name} reads outputs (n, 2), not {out.shape}; export a model of two classes")
    return np.where(out[:, 0] > out[:, 1], 0, 1).astype(np.int64)


def check(latency_ms: float | None, size_kib: float | None) -> None:
    """Raise InputError for a latency (ms) or size (KiB) that can't have been measured."""
    for name, unit, value in (("latency", "ms", latency_ms), ("size", "KiB", size_kib)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} {value:g} {unit} is not a measurement; give a number above 0")


def counted(judged: Judged) -> Counts:
    """Count per subject; raises InputError without windows."""
    if len(judged.subject) == 0:
        raise InputError("no windows to score; give a folder with a test split")
    return metrics.counts(judged.y_true == POSITIVE, judged.y_pred == POSITIVE, judged.subject)


def total(judged: Judged, best: float, points: Callable[[float, float], Mapping[str, float]]) -> Total:
    """Award points for a measured latency (ms) and size (KiB); no parts without both."""
    latency, size = judged.latency_ms, judged.size_kib
    parts = {} if latency is None or size is None else points(latency, size)
    return Total(best=best, latency_ms=latency, size_kib=size, parts=parts)


def pooled(table: Counts, found: Mapping[str, Interval]) -> tuple[Figure, ...]:
    """The usual rates over all windows; ``found`` is what `atml.metrics.bootstrap` found."""
    whole = table.pooled()
    return (
        *(Figure(key, NAMES.get(key, key), found[key].value, found[key]) for key in FOUR),
        Figure("specificity", "specificity", whole.specificity, found["specificity"]),
        Figure("NPV", "NPV", whole.npv),
    )


def scored(
    rule: str,
    judged: Judged,
    table: Counts,
    own: Sequence[Figure],
    found: Mapping[str, Interval],
    total: Total,
    decimals: int | None = metrics.DECIMALS,
) -> Score:
    """Assemble the score of a contest: its ``own`` figures, the usual ones, the points and the subjects.

    ``found`` is what `atml.metrics.bootstrap` found; F-beta of a subject is rounded to ``decimals``.
    """
    return Score(
        rule=rule,
        figures=(*own, *pooled(table, found)),
        total=total,
        tables=(subjects(table, decimals),),
        details=details(table),
        notes=notes(judged.task),
    )


def of_subjects(
    rule: str,
    judged: Judged,
    points: Callable[[float, float, float, float], Mapping[str, float]],
    *,
    best: float,
    good: float,
    decimals: int | None = metrics.DECIMALS,
) -> Score:
    """Score by F, the mean F-beta over subjects, and G, the share of them above ``good``.

    ``points(F, G, latency in ms, size in KiB)`` says what each adds to the total. Raises InputError without
    windows and for a latency or size that is not above 0.
    """
    check(judged.latency_ms, judged.size_kib)
    table = counted(judged)
    per_subject = table.f_beta(BETA, decimals)
    f, g = float(per_subject.mean()), float((per_subject > good).mean())
    found = metrics.bootstrap(table, beta=BETA, good=good, decimals=decimals)
    own = (
        Figure("F", "F, mean F-beta over subjects", f, found["F"]),
        Figure("G", f"G, share of subjects above {good:g}", g, found["G"]),
    )
    awarded = total(judged, best, lambda ms, kib: points(f, g, ms, kib))
    return scored(rule, judged, table, own, found, awarded, decimals)


def details(table: Counts) -> dict[str, object]:
    """Two rates under their other names, and the counts, for JSON."""
    whole = table.pooled()
    return {"sensitivity": whole.sensitivity, "PPV": whole.ppv, "confusion": dataclasses.asdict(whole)}


def subjects(table: Counts, decimals: int | None = metrics.DECIMALS) -> Table:
    """One row a subject, the worst first."""
    rows = table.rows(BETA, decimals)
    cells = []
    for row in rows:
        numbers = (row.n, row.positives, row.tp, row.fp, row.fn, row.tn)
        rates = (row.sensitivity, row.specificity, row.ppv, row.npv, row.f_beta)
        cells.append((row.subject, *map(str, numbers), *(f"{rate:.4f}" for rate in rates)))
    return Table(
        key="subjects",
        header=("subject", "n", "pos", "TP", "FP", "FN", "TN", "Se", "Sp", "PPV", "NPV", "F-beta"),
        cells=tuple(cells),
        records=tuple(dataclasses.asdict(row) for row in rows),
        beside=("F-beta",),
    )


def notes(task: Task) -> tuple[str, ...]:
    """Return a note where the model's window is not of the contest's length."""
    if math.isclose(task.seconds, SECONDS):
        return ()
    return (f"the contest judges windows of {SECONDS:g} s; here each window of {task.seconds:g} s counts",)
