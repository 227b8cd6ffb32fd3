"""The model card of a multiclass task: macro figures, a confusion matrix, rates of each class, offsets."""

from __future__ import annotations

from atml.arrays import Floats, Int64
from atml.artifacts.card_binary import WORST, counted
from atml.artifacts.card_decision import what_ships
from atml.artifacts.record import ExportRecord
from atml.data.cases import case_of, signal
from atml.formatting import between, listed, plural, table
from atml.metrics import Interval, class_precision
from atml.models.config import ModelConfig
from atml.tasks.task import Task

SUBJECT_FIGURE = "mean accuracy over subjects"
COMPARED = {"F1": "macro F1", "accuracy": "accuracy", "precision": "macro precision"}

FIGURES = COMPARED | {"recall": "macro recall", "F": SUBJECT_FIGURE}
"""Figures over all classes, by their keys in metrics.json, and the names they are shown by."""

RATES = ("sensitivity", "specificity")
"""Rates of each class against the rest."""


def decides(task: Task) -> str:
    """Name the classes."""
    classes = listed(task.classes, "or")
    if task.around_beats:
        return f"the class of a beat from {signal(task)}: {classes}"
    return f"the class of {signal(task)}: {classes}"


def wins(task: Task) -> str:
    """Say that the largest logit decides, and the first class a tie."""
    return "the largest wins, of equal ones the first"


def headline(record: ExportRecord) -> list[tuple[str, str]]:
    """Macro F1, accuracy, balanced accuracy and the mean accuracy of a subject."""
    found = record.result
    figures = [(f"{FIGURES[key]}, out of fold", found.intervals[key]) for key in ("F1", "accuracy")]
    figures.append(("balanced accuracy, out of fold", found.rates["balanced accuracy"]))
    figures.append((SUBJECT_FIGURE, found.intervals["F"]))
    return [(name, f"{i.value:.3f}, 95% interval {between(i)}") for name, i in figures]


def results(record: ExportRecord) -> str:
    """Write macro figures, the confusion matrix, each class, what the offsets are worth, weak subjects."""
    result, task, case = record.result, record.task, case_of(record.task)
    rows = [(name, result.four.get(key), result.intervals[key]) for key, name in FIGURES.items()]
    figures = [(name, f"{i.value if v is None else v:.3f}", between(i)) for name, v, i in rows]
    runs = plural(len(record.runs), "training")
    shown = min(WORST, len(result.table.names))
    subjects = [
        (row.subject, str(row.n), f"{row.accuracy:.3f}", *map(str, row.true), *map(str, row.called))
        for row in result.rows()[:WORST]
    ]
    header = (*(f"is {name}" for name in task.classes), *(f"called {name}" for name in task.classes))
    return "\n\n".join(
        [
            "## Results out of fold",
            f"Every subject was decided by models that never saw it; mean of {runs} over all folds,"
            f" {result.decision}. The intervals (95%) come from resampling subjects. Macro figures are"
            f" plain means over the classes, pooled over {case.many}: a rare class counts as much as a"
            f" frequent"
            " one.",
            table(("metric", "value", "95% interval"), figures),
            f"{case.many.capitalize()} by true class (rows) and called class (columns){counted(record)}:",
            _matrix(record),
            "Each class against the rest, with 95% intervals:",
            _classes(record),
            "A tuned decision takes one offset a class off the logits.",
            *what_ships(record, "offsets", "as trained, 0 for every class", "judged where they were chosen"),
            f"The {shown} weakest of {plural(len(result.table.names), 'subject')}, by accuracy"
            f"{counted(record)}:",
            table(("subject", case.many, "accuracy", *header), subjects),
        ]
    )


def _matrix(record: ExportRecord) -> str:
    classes = record.task.classes
    cells = record.result.table.pooled()
    rows = [
        (name, *(f"{n:,}" for n in row), f"{row.sum():,}") for name, row in zip(classes, cells, strict=True)
    ]
    total = ("called in all", *(f"{n:,}" for n in cells.sum(axis=0)), f"{cells.sum():,}")
    return table(("true class", *(f"called {name}" for name in classes), "in all"), [*rows, total])


def _classes(record: ExportRecord) -> str:
    counts = record.result.table
    holders = (counts.cells.sum(axis=2) > 0).sum(axis=0)
    return by_class(record, "class", holders, class_precision(counts.pooled()))


def by_class(record: ExportRecord, each: str, holders: Int64, precision: Floats) -> str:
    """Write a row for ``each`` class or label: how many have it, and its rates with their intervals.

    ``holders (classes,)`` counts the subjects with it, ``precision (classes,)`` is that of its calls.
    """
    result, data = record.result, record.data
    rows = [
        (
            name,
            f"{data.classes.get(name, 0):,}",
            f"{holders[i]:,}",
            *(_told(result.rates[f"{rate} {name}"]) for rate in RATES),
            _told(result.intervals[f"F1 {name}"]),
            f"{precision[i]:.3f}",
        )
        for i, name in enumerate(record.task.classes)
    ]
    return table((each, case_of(record.task).many, "subjects", *RATES, "F1", "precision"), rows)


def _told(interval: Interval) -> str:
    return f"{interval.value:.3f} ({between(interval)})"


def rhythms(task: Task) -> str:
    """Name what the shares of the windows of a class make up."""
    return f"over all {case_of(task).kinds} of a class, its sensitivity"


def weights(config: ModelConfig) -> str:
    """Return "": no class is favoured."""
    return ""


def limits(record: ExportRecord) -> list[str]:
    """Say how few subjects each class has, which is the weakest, and what the shares of classes mean."""
    data, result = record.data, record.result
    holders = (result.table.cells.sum(axis=2) > 0).sum(axis=0)
    have = listed([f"{n} with {name}" for n, name in zip(holders, record.task.classes, strict=True)])
    worst, interval = result.rows()[0], result.rates["balanced accuracy"]
    shares = [f"{n / max(1, data.windows):.0%} {name}" for name, n in data.classes.items()]
    return [
        f"{plural(len(result.table.names), 'subject')} measured, {have}: the interval of the balanced"
        f" accuracy is {interval.high - interval.low:.3f} wide, and with few subjects too narrow.",
        f"Weakest subject out of fold: {worst.subject} with accuracy {worst.accuracy:.3f}.",
        f"The {case_of(record.task).many} are {listed(shares)}; accuracy, precision and F1 change with"
        f" these shares.",
    ]
