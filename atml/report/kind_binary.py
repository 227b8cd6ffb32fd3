"""Reports of binary tasks: the positive class against the rest, a threshold on its margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.arrays import Bools, Float32, Int64
from atml.artifacts.card_binary import below_half
from atml.data.cases import case_of
from atml.evaluation.cross_validation_result import CrossValidationResult
from atml.formatting import between, listed, plural
from atml.metrics import Interval, Predictions, wilson
from atml.report import matrix
from atml.report.figures import Figures, Source, interval_of, spread_of_subjects, worth_of
from atml.report.matrix import Counted
from atml.report.page import Block
from atml.tasks import targets
from atml.tasks.targets.binary import RATES
from atml.tasks.task import Task

METRICS = {"F1": "F1", "accuracy": "accuracy", "precision": "precision"}

CELLS = ("tn", "fp", "fn", "tp")
"""Counts by the names that files give them, true by called group."""


OTHER_DECISIONS = "At other thresholds"

OF_SUBJECT = "F-beta (beta 2), or specificity without positives"


def asks(task: Task) -> str:
    """Name the classes and the one to detect."""
    return (
        f"Given {task.seconds:g} s of ECG, decide which of {len(task.classes)} classes it shows:"
        f" {listed(task.classes, 'or')}. The positive class, the one to detect, is"
        f" {targets.binary(task).positive_name}."
    )


def decision(task: Task, config: Figures) -> list[tuple[str, str]]:
    """Say which logit wins, and the threshold."""
    positive = targets.binary(task).positive_name
    threshold = config.get("threshold")
    if threshold is None:
        chosen = "chosen when a model is exported, and folded into its last bias then"
    elif threshold == 0:
        chosen = "0, because no other threshold did better from fold to fold"
    else:
        chosen = (
            f"{threshold:+.3f} on the margin of the {positive} logit over the others, chosen on out-of-fold"
            " predictions; folded into the last bias, so that the plain rule above uses it"
        )
    return [
        ("decision", f"the largest logit; a tie with {positive} counts as {positive}"),
        ("threshold", chosen),
    ]


def last_layer(task: Task, config: Figures) -> str:
    """Say how the threshold changed the bias, and which probability it stands for."""
    threshold = config.get("threshold")
    if threshold is None:
        return ""
    if threshold == 0:
        return "The threshold is 0: no other did better from fold to fold, so the last bias is as trained."
    positive = targets.binary(task).positive_name
    said = (
        f"The threshold is {threshold:+.3f} on the margin; the bias of {positive} is lowered by it, so that"
        " the file decides by the largest logit."
    )
    if len(task.classes) == 2:
        # Margin m and softmax: p = 1 / (1 + exp(-m)).
        probability = 1 / (1 + math.exp(-threshold))
        said += f" It corresponds to a softmax of {probability:.2f}, a score and not a chance."
    return said


def chosen(figures: Figures, task: Task) -> tuple[str, str]:
    """Say what the threshold is worth."""
    threshold = float(figures["threshold"])
    worth = worth_of(f"{threshold:+.3f} on the margin" if threshold else "", figures, "threshold")
    more = "Another share of positives, or another cost of a miss, asks for another threshold"
    return "threshold", f"{'' if threshold else '0, '}{worth}. {more}"


def lead(figures: Figures) -> str:
    """Sensitivity, specificity and balanced accuracy."""
    rates = [(name, interval_of(figures["rates"][name])) for name in RATES]
    return ", ".join(f"{name} {i.value:.3f} ({between(i)})" for name, i in rates if i is not None)


def groups(task: Task) -> tuple[str, ...]:
    """All other classes, and the positive one."""
    target = targets.binary(task)
    return target.negative_name, target.positive_name


def members(task: Task, y: Int64) -> Bools:
    """All other classes, and the positive one."""
    positive = np.asarray(y == task.positive)
    return np.stack([~positive, positive], axis=1)


def answers(task: Task) -> tuple[str, ...]:
    """The groups."""
    return groups(task)


def decisions(task: Task, run: Predictions) -> tuple[Int64, Int64, Int64, Float32]:
    """One a row: 1 where the margin of the positive class is 0 or above, and that margin."""
    margin = run.margin()
    called = (margin >= 0).astype(np.int64)
    return np.arange(len(margin)), np.asarray(run.truth(), np.int64), called, margin


def count(task: Task, n: int) -> str:
    """Say how many windows."""
    return case_of(task).count(n)


def cells(table: Any) -> Int64:
    """Two by two, the positive class second."""
    pooled = table.pooled()
    return np.array([getattr(pooled, name) for name in CELLS]).reshape(2, 2)


def cells_of(figures: Figures, found: CrossValidationResult | None) -> Int64 | None:
    """Sum up the counts of a file's subjects, or take those it gives."""
    counts = figures.get("confusion")
    if not isinstance(counts, dict):
        rows = figures.get("subjects")
        if not rows:
            return None
        counts = {name: sum(int(row[name]) for row in rows) for name in CELLS}
    return np.array([counts[name] for name in CELLS]).reshape(2, 2)


def figures_of(task: Task, table: Any) -> dict[str, float]:
    """Rates and the four metrics."""
    target = targets.of(task)
    return {name: rate.value for name, rate in target.rates(table).items()} | target.four_of(table)


def over_all(task: Task, rates: Sequence[str]) -> list[str]:
    """All of them."""
    return list(rates)


def counted(found: Sequence[Counted], source: Source, task: Task) -> list[Block]:
    """Draw a matrix a set, the positive class on top and to the right."""
    orders = ((1, 0), (0, 1))
    said = [f"{one.title}: {errors(one.cells, groups(task), case_of(task).many)}" for one in found]
    return [matrix.side_by_side(found, groups(task), orders, said, source.runs)]


def errors(cells: Int64, names: Sequence[str], many: str = "windows") -> str:
    """Count misses and false alarms."""
    (tn, fp), (fn, tp) = cells.tolist()
    return f"{fn:,} of {tp + fn:,} windows with {names[1]} missed, {fp:,} false alarms in {fp + tn:,} others"


def by_subject(source: Source, most: int, task: Task) -> tuple[dict[str, list[Interval | None]], str]:
    """Sensitivity and specificity of each subject, the worst first."""
    rows = source.figures["subjects"]

    def rate(row: Figures, right: str, wrong: str) -> Interval | None:
        # Runs repeat the same windows, so they add no certainty.
        good, n = row[right] / source.runs, (row[right] + row[wrong]) / source.runs
        return wilson(good, n) if n else None

    rates = {
        "sensitivity": [rate(row, "tp", "fn") for row in rows[:most]],
        "specificity": [rate(row, "tn", "fp") for row in rows[:most]],
    }
    values, has = np.array([row["f_beta"] for row in rows]), [row["tp"] + row["fn"] > 0 for row in rows]
    says = f"Worst first, by the lower of sensitivity and specificity. {below_half(rows)}"
    if any(has):
        says += (
            f" Of the {plural(sum(has), 'subject')} with {targets.binary(task).positive_name} the median"
            f" F-beta (beta 2) is {np.median(values[has]):.3f}."
        )
    return rates, says


def subject_table(source: Source, task: Task) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Windows, errors of both kinds, and both rates."""
    positive = targets.binary(task).positive_name
    columns = ("subject", "windows", positive, "missed", "false alarms", "sensitivity", "specificity")
    rows = []
    for row in source.figures["subjects"]:
        counts = (row["n"], row["tp"] + row["fn"], row["fn"], row["fp"])
        each = [f"{round(n / source.runs, 1):g}" for n in counts]
        rates = [(row["tp"], row["fn"]), (row["tn"], row["fp"])]
        shares = [f"{right / (right + wrong):.3f}" if right + wrong else "-" for right, wrong in rates]
        rows.append((str(row["subject"]), *each, *shares))
    return columns, tuple(rows)


def of_subject(row: Figures) -> float:
    """F-beta; specificity of a subject without positives, whose F-beta is 1 whatever the false alarms."""
    return float(row["f_beta"] if row["tp"] + row["fn"] else row["specificity"])


def score(task: Task) -> str:
    """The margin of the positive class."""
    return f"margin of {targets.binary(task).positive_name}: 0 or above is called so"


def spread(figures: Figures) -> str:
    """Say how F-beta differs from subject to subject, with and without positives."""
    rows = figures["subjects"]
    values = np.array([row["f_beta"] for row in rows])
    has = np.array([row["tp"] + row["fn"] > 0 for row in rows])
    said, none = spread_of_subjects(figures, "f_beta", "F-beta (beta 2)"), int((~has).sum())
    if has.all() or not has.any():
        return said
    return (
        f"{said} {plural(none, 'subject')} without positives {'counts' if none == 1 else 'count'} 1 in all of"
        f" this by convention; of the {int(has.sum())} others the median is {np.median(values[has]):.3f} and"
        f" the mean {values[has].mean():.3f}."
    )


def carried(task: Task) -> Mapping[str, tuple[str, ...]]:
    """Sensitivity and specificity."""
    return {"sensitivity": ("sensitivity", "recall"), "specificity": ("specificity",)}


def margins(found: Sequence[float], called: str) -> str:
    """Write margins with their signs: above 0 is positive."""
    return f"margin{'s' * (len(found) > 1)} {' and '.join(f'{margin:+.2f}' for margin in found)}"


def how_shown() -> str:
    """Name the four kinds of examples."""
    return (
        "Shown are the surest and the least sure of each class, chosen by rule, from different subjects. A"
        " margin at or above 0 calls a window positive."
    )


def wrong(task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """Misses and false alarms, the surest and the least sure of each."""
    return [(1, 0), (0, 1)], (True, False)


def right(task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """The positive class first, the surest and the least sure of each."""
    return [(1, 1), (0, 0)], (True, False)


def salient(task: Task, truth: int, called: int) -> int:
    """The positive class, whatever was called."""
    return targets.binary(task).positive


def outcome(truth: int, called: int) -> str:
    """Name a decision as the field does."""
    return {(1, 1): "hit", (1, 0): "miss", (0, 1): "false alarm"}.get((truth, called), "correct rejection")


def people(table: Int64, task: Task) -> str:
    """Count the subjects with the positive class, with nothing else, and without it."""
    positive, total = table[task.positive], table.sum(axis=0)
    only, none = int((positive == total).sum()), int((positive == 0).sum())
    name = targets.binary(task).positive_name
    return f"{len(total) - none} have {name}, {only} of them nothing else, and {none} none"
