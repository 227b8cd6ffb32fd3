"""Reports of multilabel tasks: each label a yes-or-no question of its own, one threshold a label.

What is decided of a page are as many answers as there are labels; a decision row by row is one of them. Its
group is `2 * label`, "no AF", or `2 * label + 1`, "AF".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.arrays import Bools, Float32, Int64
from atml.data.cases import case_of, signal
from atml.evaluation.cross_validation_result import CrossValidationResult
from atml.formatting import between, listed, plural
from atml.metrics import Interval, Predictions, wilson
from atml.metrics.label_sets import truth
from atml.metrics.multilabel import always_no, f1_by_label, label_precision, label_rates
from atml.report.figures import Figures, Source, interval_of, spread_of_subjects, worth_of
from atml.report.kind_multiclass import in_the_file, told
from atml.report.matrix import Counted
from atml.report.page import Block, Fold, Grid
from atml.tasks import targets
from atml.tasks.task import Task

METRICS = {
    "F1": "macro F1",
    "accuracy": "binary accuracy",
    "always no": "binary accuracy of calling nothing",
    "precision": "macro precision",
    "recall": "macro sensitivity",
}

OF_SUBJECT = "F1 over all labels"

OTHER_DECISIONS = "Each label at other thresholds"

OVER_ALL = "balanced accuracy"
"""The one of the rates that is over all labels; the others stand in the table by label."""


def asks(task: Task) -> str:
    """Name the labels."""
    return (
        f"Given {signal(task)}, decide which of {len(task.classes)} labels it has, none, one or several:"
        f" {listed(task.classes)}. Every label counts the same."
    )


def decision(task: Task, config: Figures) -> list[tuple[str, str]]:
    """Say that each logit decides for its own label, and the thresholds."""
    return [
        ("decision", "a label is called where its logit is 0 or more"),
        ("thresholds", in_the_file(task, config, "label")),
    ]


def last_layer(task: Task, config: Figures) -> str:
    """Say how the thresholds changed the biases."""
    offsets = config.get("offsets")
    if offsets is None:
        return ""
    if not any(offsets):
        return (
            "All thresholds are 0: no others did better from fold to fold, so the plain rule is used and the"
            " last biases are as they were trained."
        )
    return (
        f"The thresholds are {told(task, offsets)}. The bias of each label is lowered by its own, so that"
        " the file calls what has a logit of 0 or more: a label with a threshold below 0 is called more"
        " often than as trained."
    )


def chosen(figures: Figures, task: Task) -> tuple[str, str]:
    """Say what the thresholds are worth."""
    offsets = figures["offsets"]
    worth = worth_of(told(task, offsets) if any(offsets) else "", figures, "thresholds")
    more = "Other shares of the labels, or other costs of errors, ask for other thresholds"
    return "thresholds", f"{'' if any(offsets) else '0 for every label, '}{worth}. {more}"


def lead(figures: Figures) -> str:
    """Macro F1, balanced accuracy, and binary accuracy beside that of calling nothing."""
    found = {
        "macro F1": interval_of(figures["intervals"]["F1"]),
        "balanced accuracy": interval_of(figures["rates"]["balanced accuracy"]),
        "binary accuracy": interval_of(figures["intervals"]["accuracy"]),
        "beside that of calling nothing,": interval_of(figures["intervals"].get("always no")),
    }
    return ", ".join(f"{name} {i.value:.3f} ({between(i)})" for name, i in found.items() if i is not None)


def groups(task: Task) -> tuple[str, ...]:
    """The labels."""
    return task.classes


def members(task: Task, y: Int64) -> Bools:
    """Which labels each row has, ``(n, labels)``."""
    return truth(y, len(task.classes))


def answers(task: Task) -> tuple[str, ...]:
    """No and yes of each label."""
    return tuple(answer for name in task.classes for answer in (f"no {name}", name))


def decisions(task: Task, run: Predictions) -> tuple[Int64, Int64, Int64, Float32]:
    """As many answers a row as there are labels; the margin is the logit."""
    n, labels = run.logits.shape
    first = 2 * np.tile(np.arange(labels), n)
    return (
        np.repeat(np.arange(n), labels),
        first + run.truths().ravel(),
        first + run.called().ravel(),
        run.logits.ravel(),
    )


def count(task: Task, n: int) -> str:
    """Say how many answers."""
    return plural(n, "yes-or-no decision")


def cells(table: Any) -> Int64:
    """Labels by two by two, true by called."""
    return np.asarray(table.pooled(), np.int64)


def cells_of(figures: Figures, found: CrossValidationResult | None) -> Int64 | None:
    """Sum up the counts of a file's subjects; None where it has none."""
    rows = figures.get("subjects") or []
    if not rows or "hits" not in rows[0]:
        return None if found is None else cells(found.table)
    true, called, hits = (np.sum([row[key] for row in rows], axis=0) for key in ("true", "called", "hits"))
    n = sum(int(row["n"]) for row in rows)
    table = np.array([[n - true - called + hits, called - hits], [true - hits, hits]])
    return np.ascontiguousarray(np.moveaxis(table, 2, 0))


def figures_of(task: Task, table: Any) -> dict[str, float]:
    """Rates, the four metrics and the binary accuracy of calling nothing."""
    target = targets.of(task)
    rates = {name: rate.value for name, rate in target.rates(table).items()}
    return rates | target.four_of(table) | {"always no": float(always_no(table.pooled()))}


def over_all(task: Task, rates: Sequence[str]) -> list[str]:
    """The balanced accuracy; the rates of each label have a table of their own."""
    return [name for name in rates if name == OVER_ALL]


def counted(found: Sequence[Counted], source: Source, task: Task) -> list[Block]:
    """Write a table by label, and every set beside it."""
    return [_by_label(source, found, task), Fold("Each label on every set", (_on_sets(found, task),))]


def _by_label(source: Source, found: Sequence[Counted], task: Task) -> Block:
    """Each label out of fold, with intervals over subjects."""
    many, figures = case_of(task).many, source.figures
    own = {one.title: one.cells for one in found}.get("out of fold")
    rows, f1 = [], {}
    for i, name in enumerate(task.classes):
        one = interval_of(figures["intervals"].get(f"F1 {name}"))
        f1[name] = one.value if one is not None else None
        people = sum(row["true"][i] > 0 for row in figures["subjects"] if "true" in row)
        rows.append(
            (
                name,
                "-" if own is None else f"{own[i, 1].sum():,}",
                f"{people:,}",
                _with_ends(one),
                *(
                    _with_ends(interval_of(figures["rates"].get(f"{rate} {name}")))
                    for rate in ("sensitivity", "specificity")
                ),
                "-" if own is None else f"{float(label_precision(own)[i]):.3f}",
            )
        )
    known = {name: value for name, value in f1.items() if value is not None}
    says = (
        f"Each label out of fold, with 95% intervals over subjects; {many} with several labels count for"
        " each."
    )
    if known:
        low, high = min(known, key=lambda n: known[n]), max(known, key=lambda n: known[n])
        says += f" F1 is lowest for {low} ({known[low]:.3f}) and highest for {high} ({known[high]:.3f})."
    columns = ("label", many, "subjects", "F1", "sensitivity", "specificity", "precision")
    return Grid(columns, tuple(rows), says, right=columns[1:])


def _with_ends(one: Interval | None) -> str:
    return "-" if one is None else f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"


def _on_sets(found: Sequence[Counted], task: Task) -> Block:
    """Errors and F1 of each label on each set of data."""
    rows = []
    for i, name in enumerate(task.classes):
        for one in found:
            (tn, fp), (fn, tp) = one.cells[i].tolist()
            rates = {key: float(value) for key, value in label_rates(one.cells, task.classes).items()}
            rows.append(
                (
                    name,
                    one.title,
                    f"{tp:,}",
                    f"{fn:,}",
                    f"{fp:,}",
                    f"{tn:,}",
                    f"{float(f1_by_label(one.cells)[i]):.3f}",
                    *(_share(rates[f"{rate} {name}"]) for rate in ("sensitivity", "specificity")),
                )
            )
    columns = ("label", "set", "found", "missed", "false alarms", "rightly not called", "F1")
    said = "; ".join(f"{one.title}: {errors(one.cells, task.classes, case_of(task).many)}" for one in found)
    return Grid((*columns, "sensitivity", "specificity"), tuple(rows), f"{said[:1].upper()}{said[1:]}.")


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def errors(cells: Int64, names: Sequence[str], many: str = "windows") -> str:
    """Count misses and false alarms over all labels, and name the label with most of both."""
    missed, alarms = cells[:, 1, 0], cells[:, 0, 1]
    total = int(cells[0].sum())
    said = (
        f"{int(missed.sum()):,} of {int(cells[:, 1].sum()):,} labels missed and {int(alarms.sum()):,} false"
        f" alarms on {total:,} {many}"
    )
    wrong = missed + alarms
    if not wrong.any():
        return said
    worst = int(wrong.argmax())
    return f"{said}, most of both with {names[worst]} ({int(missed[worst]):,} and {int(alarms[worst]):,})"


def by_subject(source: Source, most: int, task: Task) -> tuple[dict[str, list[Interval | None]], str]:
    """F1 over all labels of each subject, and the share of its pages that are right in every label."""
    rows, many = source.figures["subjects"], case_of(task).many
    # Runs repeat the same pages, so they add no certainty.
    exact: list[Interval | None] = [
        wilson(row["right"] / source.runs, row["n"] / source.runs) for row in rows[:most]
    ]
    f1: list[Interval | None] = [Interval(row["f1"], row["f1"], row["f1"]) for row in rows[:most]]
    values = np.array([row["f1"] for row in rows])
    none = sum(not any(row["true"]) and not any(row["called"]) for row in rows)
    below = int((values < 0.5).sum())
    says = (
        f"Worst first, by F1 over all labels: the median is {np.median(values):.3f}, and {below} of"
        f" {len(rows)} {'is' if below == 1 else 'are'} below 0.5."
    )
    if none:
        says += f" {plural(none, 'subject')} that {'has' if none == 1 else 'have'} and got no label count 1."
    return {"F1 over all labels": f1, f"{many} right in every label": exact}, says


def subject_table(source: Source, task: Task) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Pages, those right in every label, F1, and which labels they have and got."""
    rows = []
    for row in source.figures["subjects"]:
        counts = [f"{round(n / source.runs, 1):g}" for n in (row["n"], row["right"])]
        labels = [_of(task, row[key], source.runs) for key in ("true", "called")]
        rows.append((str(row["subject"]), *counts, f"{row['f1']:.3f}", *labels))
    return ("subject", case_of(task).many, "all labels right", "F1", "has", "called"), tuple(rows)


def _of(task: Task, counts: Sequence[int], runs: int) -> str:
    """Name labels with how many pages have them."""
    named = zip(task.classes, counts, strict=True)
    return ", ".join(f"{name} {round(n / runs, 1):g}" for name, n in named if n) or "none"


def of_subject(row: Figures) -> float:
    """F1 over all labels."""
    return float(row["f1"])


def score(task: Task) -> str:
    """The logit of the label."""
    return "logit of the label above its threshold: 0 or above is called"


def spread(figures: Figures) -> str:
    """Say how F1 differs from subject to subject."""
    return spread_of_subjects(figures, "f1", "F1 over all labels")


def carried(task: Task) -> Mapping[str, tuple[str, ...]]:
    """Macro F1 and balanced accuracy."""
    return {"macro F1": ("F1",), "balanced accuracy": ("balanced accuracy", "balanced_accuracy")}


def margins(found: Sequence[float], called: str) -> str:
    """Write logits with their signs: 0 or above is called."""
    return f"logit{'s' * (len(found) > 1)} {' and '.join(f'{margin:+.2f}' for margin in found)}"


def how_shown() -> str:
    """Name the kinds of examples."""
    return (
        "Shown are the surest miss and the surest false alarm of each label, and the surest of what was"
        " found, chosen by rule, from different subjects. A logit at or above 0 calls a label."
    )


def wrong(task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """The surest miss and the surest false alarm of each label."""
    every = range(len(task.classes))
    return [pair for i in every for pair in ((2 * i + 1, 2 * i), (2 * i, 2 * i + 1))], (True,)


def right(task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """The surest of what was found of each label."""
    return [(2 * i + 1, 2 * i + 1) for i in range(len(task.classes))], (True,)


def salient(task: Task, truth: int, called: int) -> int:
    """The label that the decision is about."""
    return called // 2


def outcome(truth: int, called: int) -> str:
    """Name a decision as the field does."""
    kinds = {(1, 1): "hit", (1, 0): "miss", (0, 1): "false alarm", (0, 0): "correct rejection"}
    return kinds[truth % 2, called % 2]


def people(table: Int64, task: Task) -> str:
    """Count the subjects with each label."""
    return listed(
        [f"{int((row > 0).sum())} have {name}" for row, name in zip(table, task.classes, strict=True)]
    )
