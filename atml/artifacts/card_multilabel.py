"""The model card of a multilabel task: macro figures beside calling nothing, a table by label, thresholds."""

from __future__ import annotations

import numpy as np

from atml.arrays import Int64
from atml.artifacts.card_binary import WORST, counted
from atml.artifacts.card_decision import what_ships
from atml.artifacts.card_multiclass import by_class
from atml.artifacts.record import ExportRecord
from atml.data.cases import case_of, signal
from atml.formatting import between, listed, plural, table
from atml.metrics import LabelCounts
from atml.metrics.multilabel import label_precision
from atml.models.config import ModelConfig
from atml.tasks.task import Task

SUBJECT_FIGURE = "mean F1 over subjects, all labels together"
COMPARED = {"F1": "macro F1", "accuracy": "binary accuracy", "precision": "macro precision"}

FIGURES = {
    "F1": "macro F1",
    "accuracy": "binary accuracy",
    "always no": "binary accuracy of calling nothing",
    "precision": "macro precision",
    "recall": "macro recall",
    "F": SUBJECT_FIGURE,
}
"""Figures over all labels, by their keys in metrics.json, and the names they are shown by."""


def decides(task: Task) -> str:
    """Name the labels."""
    labels = listed(task.classes)
    return f"which of {len(task.classes)} labels, any number at once, {signal(task)} has: {labels}"


def wins(task: Task) -> str:
    """Say that each logit decides for its own label."""
    return "a label is called where its logit is 0 or more"


def headline(record: ExportRecord) -> list[tuple[str, str]]:
    """Macro F1, balanced accuracy, and binary accuracy beside calling nothing."""
    found = record.result
    figures = [
        ("macro F1, out of fold", found.intervals["F1"]),
        ("balanced accuracy, out of fold", found.rates["balanced accuracy"]),
        ("binary accuracy, out of fold", found.intervals["accuracy"]),
        ("binary accuracy of calling nothing", found.intervals["always no"]),
    ]
    return [(name, f"{i.value:.3f}, 95% interval {between(i)}") for name, i in figures]


def results(record: ExportRecord) -> str:
    """Write macro figures, each label, what the thresholds are worth, weak subjects."""
    result, task, case = record.result, record.task, case_of(record.task)
    rows = [(name, result.four.get(key), result.intervals[key]) for key, name in FIGURES.items()]
    figures = [(name, f"{i.value if v is None else v:.3f}", between(i)) for name, v, i in rows]
    runs = plural(len(record.runs), "training")
    shown = min(WORST, len(result.table.names))
    subjects = [
        (row.subject, str(row.n), str(row.right), f"{row.f1:.3f}", _of(task, row.true), _of(task, row.called))
        for row in result.rows()[:WORST]
    ]
    return "\n\n".join(
        [
            "## Results out of fold",
            f"Every subject was decided by models that never saw it; mean of {runs} over all folds,"
            f" {result.decision}. The intervals (95%) come from resampling subjects. Macro figures are"
            f" plain means over the labels, pooled over {case.many}: a rare label counts as much as a"
            " frequent one. Labels are rare, so that binary accuracy is high without anything recognised: it"
            " stands beside that of calling nothing.",
            table(("metric", "value", "95% interval"), figures),
            "Each label, with 95% intervals:",
            _labels(record),
            "A tuned decision takes one threshold a label off the logits.",
            *what_ships(
                record, "thresholds", "as trained, 0 for every label", "judged where they were chosen"
            ),
            f"The {shown} weakest of {plural(len(result.table.names), 'subject')}, by F1 over all labels"
            f"{counted(record)}:",
            table(("subject", case.many, "all labels right", "F1", "has", "called"), subjects),
        ]
    )


def _of(task: Task, counts: tuple[int, ...]) -> str:
    """Name the labels that a subject has, with the pages that have them."""
    return ", ".join(f"{name} {n}" for name, n in zip(task.classes, counts, strict=True) if n) or "none"


def _labels(record: ExportRecord) -> str:
    counts = record.result.table
    return by_class(record, "label", _holders(counts), label_precision(counts.pooled()))


def _holders(counts: LabelCounts) -> Int64:
    """Count the subjects with each label, ``(labels,)``."""
    return np.asarray((counts.cells[:, :, 1].sum(axis=2) > 0).sum(axis=0), np.int64)


def rhythms(task: Task) -> str:
    """Name what the shares of the pages of a set of labels make up."""
    return "with every label right"


def weights(config: ModelConfig) -> str:
    """Say the factor on the loss of what has a label."""
    return f", what has a label times {config.positive_weight:g}" if config.positive_weight != 1 else ""


def limits(record: ExportRecord) -> list[str]:
    """Say how few subjects each label has, which subject is the weakest, and what shares of labels mean."""
    data, result = record.data, record.result
    holders = _holders(result.table)
    have = listed([f"{n} with {name}" for n, name in zip(holders, record.task.classes, strict=True)])
    worst, interval = result.rows()[0], result.rates["balanced accuracy"]
    shares = [f"{n / max(1, data.windows):.0%} {name}" for name, n in data.classes.items()]
    return [
        f"{plural(len(result.table.names), 'subject')} measured, {have}: the interval of the balanced"
        f" accuracy is {interval.high - interval.low:.3f} wide, and with few subjects too narrow.",
        f"Weakest subject out of fold: {worst.subject} with F1 {worst.f1:.3f} over all labels.",
        f"Of the {case_of(record.task).many} {listed(shares)} have the label; accuracy, precision and F1"
        " change with these shares.",
    ]
