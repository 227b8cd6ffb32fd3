"""Labels that may be true at once: macro F1 and the area under the curve, beside calling nothing.

No contest's rule: what a classifier of pages, with ten labels, is worth.

- Each label is a yes-or-no question; figures of labels are means over them, so a rare one counts as much as a
  frequent one.
- Accuracy is the share of all yes-or-no decisions that are right. Of rare labels it is high without anything
  recognised: the figure beside it, "always no", is that of calling nothing.
- "prior" is the macro F1 of calling every label on every page: without looking, no decision has a better one.
- The area under the ROC curve is a mean over the labels and needs a model's outputs, not its decisions alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from atml.arrays import Bools, Floats
from atml.errors import ExportError, InputError
from atml.metrics import Interval, LabelCounts, resampled, roc_auc
from atml.metrics.label_sets import truth
from atml.metrics.multilabel import (
    f1_by_label,
    has_all,
    label_counts,
    label_intervals,
    label_precision,
    label_rates,
)
from atml.scoring.rules.base import Figure, Judged, Score, Table
from atml.tasks.task import MULTILABEL, Task

NAME = "labels"
OPTIONS: Mapping[str, float] = {}
AWARDS = False
decide = None
"""The task's kind of target decides."""

NAMES = {
    "F1": "macro F1",
    "prior": "macro F1 of calling every label",
    "auc": "area under the ROC curve, mean over labels",
    "accuracy": "binary accuracy",
    "always_no": "binary accuracy of calling nothing",
    "balanced_accuracy": "balanced accuracy",
    "precision": "macro precision",
    "recall": "macro sensitivity",
    "exact": "pages with every label right",
}


def fits(task: Task) -> None:
    """Raise ExportError for a model that gives one class, and not any number of labels."""
    if task.kind != MULTILABEL:
        raise ExportError(
            f"rule {NAME} judges any number of labels at once, and task {task.name!r} is {task.kind}: choose"
            " another rule"
        )


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score pages; ``options`` is empty. Raises InputError without any."""
    if len(judged.subject) == 0:
        raise InputError("no pages to score; give a folder with some")
    names = judged.task.classes
    true, called = truth(judged.y_true, len(names)), truth(judged.y_pred, len(names))
    table = label_counts(true, called, judged.subject)
    drawn = _figures(table, names)
    areas = [math.nan] * len(names)
    if judged.logits is not None:
        areas = [roc_auc(judged.logits[:, i], true[:, i]) for i in range(len(names))]
    known = [area for area in areas if not math.isnan(area)]
    figures = []
    for key, name in NAMES.items():
        if key == "auc":
            if known:
                figures.append(Figure(key, name, float(np.mean(known))))
        elif key in drawn:
            figures.append(Figure(key, name, drawn[key].value, drawn[key]))
    return Score(
        rule=NAME,
        figures=tuple(figures),
        tables=(_by_label(table, names, areas),),
        notes=(*_missing(true, names), "no official rule; intervals come from resampling subjects"),
    )


def _missing(true: Bools, names: tuple[str, ...]) -> list[str]:
    """Say which labels no page has, or every page, and what that does to the figures."""
    pages = true.sum(axis=0).tolist()
    absent = [name for name, count in zip(names, pages, strict=True) if count == 0]
    everywhere = [name for name, count in zip(names, pages, strict=True) if count == len(true)]
    notes = []
    if absent:
        many = "its" if len(absent) == 1 else "their"
        notes.append(
            f"no page has {', '.join(absent)}: {many} F1, precision and sensitivity count 0 in the macro"
            " figures"
        )
    if either := [name for name in names if name in {*absent, *everywhere}]:
        notes.append(f"balanced accuracy can't be told without pages with and without {', '.join(either)}")
    return notes


def _figures(table: LabelCounts, names: tuple[str, ...]) -> dict[str, Interval]:
    """All but the area under the curve, with intervals over subjects; what can't be told is left out.

    Those that a model card has too are the same.
    """
    n, k = len(table.names), len(names)
    pages = table.cells[:, 0].sum(axis=(1, 2))
    columns = np.column_stack([table.cells.reshape(n, -1), table.right, pages])

    def figures(sums: Floats) -> dict[str, Floats]:
        cells = sums[:, : 4 * k].reshape(-1, k, 2, 2)
        share = cells[:, :, 1].sum(axis=2) / np.maximum(cells.sum(axis=(2, 3)), 1)
        return {
            "prior": np.where(has_all(cells), (2 * share / (1 + share)).mean(axis=1), np.nan),
            "balanced_accuracy": label_rates(cells, names)["balanced accuracy"],
            "exact": sums[:, -2] / np.maximum(sums[:, -1], 1),
        }

    found = label_intervals([table], names) | resampled(columns.astype(np.float64), figures)
    found["always_no"] = found["always no"]
    if math.isnan(float(label_rates(table.pooled(), names)["balanced accuracy"])):
        del found["balanced_accuracy"]
    return found


def _by_label(table: LabelCounts, names: tuple[str, ...], areas: list[float]) -> Table:
    """One row a label."""
    cells = table.pooled()
    rates, f1, precision = label_rates(cells, names), f1_by_label(cells), label_precision(cells)
    records: list[dict[str, str | float | None]] = []
    for i, name in enumerate(names):
        records.append(
            {
                "label": name,
                "pages": int(cells[i, 1].sum()),
                "subjects": int((table.cells[:, i, 1].sum(axis=1) > 0).sum()),
                "called": int(cells[i, :, 1].sum()),
                "F1": float(f1[i]),
                "sensitivity": _known(rates[f"sensitivity {name}"]),
                "specificity": _known(rates[f"specificity {name}"]),
                "precision": float(precision[i]),
                "auc": _known(areas[i]),
            }
        )
    return Table(
        key="labels",
        header=tuple(records[0]),
        cells=tuple(tuple(_text(value) for value in record.values()) for record in records),
        records=tuple(records),
        beside=("F1", "sensitivity", "specificity"),
    )


def _known(value: float | Floats) -> float | None:
    return None if math.isnan(float(value)) else float(value)


def _text(value: str | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
