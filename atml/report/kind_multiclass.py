"""Reports of multiclass tasks: every class alike, one offset a class, accuracy of each subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.arrays import Bools, Float32, Int64
from atml.data.cases import case_of, signal
from atml.evaluation.cross_validation_result import CrossValidationResult
from atml.formatting import between, listed
from atml.metrics import Interval, Predictions, wilson
from atml.report import matrix
from atml.report.figures import Figures, Source, interval_of, spread_of_subjects, worth_of
from atml.report.matrix import Counted
from atml.report.page import Block
from atml.tasks import targets
from atml.tasks.task import Task

METRICS = {"F1": "macro F1", "accuracy": "accuracy", "precision": "macro precision"}

OTHER_DECISIONS = "Each class against the rest"

OF_SUBJECT = "accuracy"

MOST_PAIRS = 6
"""Pairs of true and called class of which a wrong decision is shown."""


def asks(task: Task) -> str:
    """Name the classes."""
    classes = f"{listed(task.classes, 'or')}. Every class counts the same."
    if task.around_beats:
        return (
            f"Given a beat and {signal(task)}, decide which of {len(task.classes)} classes it is: {classes}"
        )
    return f"Given {signal(task)}, decide which of {len(task.classes)} classes it shows: {classes}"


def decision(task: Task, config: Figures) -> list[tuple[str, str]]:
    """Say which logit wins, and the offsets."""
    return [
        ("decision", "the largest logit; of equal ones the first class"),
        ("offsets", in_the_file(task, config, "class")),
    ]


def in_the_file(task: Task, config: Figures, each: str) -> str:
    """Say which numbers a file takes off its logits, one for ``each``: "class", "label"."""
    offsets = config.get("offsets")
    if offsets is None:
        return f"one a {each}, chosen when a model is exported, and folded into its last biases then"
    if not any(offsets):
        return f"0 for every {each}, because no others did better from fold to fold"
    return (
        f"{told(task, offsets)}, taken off the logits; chosen on out-of-fold predictions and folded"
        " into the last biases, so that the plain rule above uses them"
    )


def told(task: Task, offsets: Sequence[float]) -> str:
    """Name each class with its number: "N +0.000, AF -0.210"."""
    return listed([f"{name} {offset:+.3f}" for name, offset in zip(task.classes, offsets, strict=True)])


def last_layer(task: Task, config: Figures) -> str:
    """Say how the offsets changed the biases."""
    offsets = config.get("offsets")
    if offsets is None:
        return ""
    if not any(offsets):
        return (
            "All offsets are 0: no others did better from fold to fold, so the plain rule is used and the"
            " last biases are as they were trained."
        )
    return (
        f"The offsets are {told(task, offsets)}. The bias of each class is lowered by its own, so that the"
        " file decides by the largest logit: a class with an offset below 0 is called more often than as"
        " trained."
    )


def chosen(figures: Figures, task: Task) -> tuple[str, str]:
    """Say what the offsets are worth."""
    offsets = figures["offsets"]
    worth = worth_of(told(task, offsets) if any(offsets) else "", figures, "offsets")
    more = "Other shares of the classes, or other costs of errors, ask for other offsets"
    return "offsets", f"{'' if any(offsets) else '0 for every class, '}{worth}. {more}"


def lead(figures: Figures) -> str:
    """Macro F1, accuracy and balanced accuracy."""
    found = {
        name: interval_of(figures["intervals"][key])
        for key, name in METRICS.items()
        if key in ("F1", "accuracy")
    }
    found["balanced accuracy (mean sensitivity)"] = interval_of(figures["rates"]["balanced accuracy"])
    return ", ".join(f"{name} {i.value:.3f} ({between(i)})" for name, i in found.items() if i is not None)


def groups(task: Task) -> tuple[str, ...]:
    """The classes."""
    return task.classes


def members(task: Task, y: Int64) -> Bools:
    """The labels themselves."""
    return np.asarray(y[:, None] == np.arange(len(task.classes)))


def answers(task: Task) -> tuple[str, ...]:
    """The classes."""
    return task.classes


def decisions(task: Task, run: Predictions) -> tuple[Int64, Int64, Int64, Float32]:
    """One a row: the class of the largest logit, and how far it is above the next."""
    top = np.sort(run.logits, axis=1)
    return np.arange(len(top)), run.y, run.labels(), np.asarray(top[:, -1] - top[:, -2])


def count(task: Task, n: int) -> str:
    """Say how many windows, or beats."""
    return case_of(task).count(n)


def cells(table: Any) -> Int64:
    """Classes by classes."""
    return np.asarray(table.pooled(), np.int64)


def cells_of(figures: Figures, found: CrossValidationResult | None) -> Int64 | None:
    """Counts of a file, or of the stored predictions; None where there are neither."""
    if isinstance(figures.get("matrix"), list):
        return np.asarray(figures["matrix"], np.int64)
    return None if found is None else cells(found.table)


def figures_of(task: Task, table: Any) -> dict[str, float]:
    """Rates and the four metrics."""
    target = targets.of(task)
    return {name: rate.value for name, rate in target.rates(table).items()} | target.four_of(table)


def over_all(task: Task, rates: Sequence[str]) -> list[str]:
    """All of them."""
    return list(rates)


def counted(found: Sequence[Counted], source: Source, task: Task) -> list[Block]:
    """Draw a matrix a set in the order of the classes, so that right decisions are on the diagonal."""
    every = range(len(task.classes))
    said = [f"{one.title}: {errors(one.cells, groups(task), case_of(task).many)}" for one in found]
    return [matrix.side_by_side(found, groups(task), (every, every), said, source.runs)]


def errors(cells: Int64, names: Sequence[str], many: str = "windows") -> str:
    """Count wrong decisions, and name the most frequent mistake."""
    wrong = cells - np.diag(np.diag(cells))
    said = f"{wrong.sum():,} of {cells.sum():,} {many} wrong"
    if not wrong.any():
        return said
    true, called = divmod(int(wrong.argmax()), len(wrong))
    return (
        f"{said}, most often {names[true]} called {names[called]} ({wrong.max():,} of {cells[true].sum():,})"
    )


def by_subject(source: Source, most: int, task: Task) -> tuple[dict[str, list[Interval | None]], str]:
    """Accuracy of each subject."""
    rows = source.figures["subjects"]
    # Runs repeat the same windows, so they add no certainty.
    found: list[Interval | None] = [
        wilson(row["right"] / source.runs, row["n"] / source.runs) for row in rows[:most]
    ]
    values = np.array([row["accuracy"] for row in rows])
    below = int((values < 0.8).sum())
    says = (
        f"Worst first, by accuracy: the median is {np.median(values):.3f}, and {below} of"
        f" {len(rows)} {'is' if below == 1 else 'are'} below 0.8. A subject of one class has the"
        " sensitivity of that class as its accuracy."
    )
    return {"accuracy": found}, says


def subject_table(source: Source, task: Task) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Windows, wrong ones, and accuracy."""
    rows = []
    for row in source.figures["subjects"]:
        counts = (row["n"], row["n"] - row["right"])
        each = [f"{round(n / source.runs, 1):g}" for n in counts]
        rows.append((str(row["subject"]), *each, f"{row['accuracy']:.3f}"))
    return ("subject", case_of(task).many, "wrong", "accuracy"), tuple(rows)


def of_subject(row: Figures) -> float:
    """Accuracy."""
    return float(row["accuracy"])


def score(task: Task) -> str:
    """The margin of the class that was called."""
    return "how far the called class is ahead"


def spread(figures: Figures) -> str:
    """Say how accuracy differs from subject to subject."""
    return spread_of_subjects(figures, "accuracy", "accuracy")


def carried(task: Task) -> Mapping[str, tuple[str, ...]]:
    """Sensitivity of each class."""
    return {f"sensitivity {name}": (f"sensitivity {name}",) for name in task.classes}


def margins(found: Sequence[float], called: str) -> str:
    """Write how far the called class is ahead."""
    return f"{called} ahead by {' and '.join(f'{margin:.2f}' for margin in found)}"


def how_shown() -> str:
    """Name the kinds of examples."""
    return (
        "Shown are the surest and the least sure of each class decided right, and the surest of each mistake,"
        " chosen by rule, from different subjects. The margin is how far the called class is ahead."
    )


def wrong(task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """The surest of each pair of a true and another called class, `MOST_PAIRS` at most."""
    every = range(len(task.classes))
    return [(true, called) for true in every for called in every if true != called][:MOST_PAIRS], (True,)


def right(task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """The surest and the least sure of each class."""
    return [(group, group) for group in range(len(task.classes))], (True, False)


def salient(task: Task, truth: int, called: int) -> int:
    """The class that was called."""
    return called


def outcome(truth: int, called: int) -> str:
    """Name a decision."""
    return "right decision" if truth == called else "wrong decision"


def people(table: Int64, task: Task) -> str:
    """Count the subjects with each class, and those with one class alone."""
    have = listed(
        [f"{int((row > 0).sum())} have {name}" for row, name in zip(table, task.classes, strict=True)]
    )
    alone = int(((table > 0).sum(axis=0) == 1).sum())
    return f"{have}; {alone} {'has' if alone == 1 else 'have'} one class alone"
