"""The model card of a binary task: rates of the positive class, one threshold, F-beta of each subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from atml.artifacts.card_decision import what_ships
from atml.artifacts.record import ExportRecord
from atml.formatting import between, plural, sentence, table
from atml.metrics import FOUR
from atml.models.config import ModelConfig
from atml.tasks import targets
from atml.tasks.targets.binary import RATES
from atml.tasks.task import Task

SUBJECT_FIGURE = "mean F-beta (beta 2) over subjects"
COMPARED = {"F1": "F1", "precision": "precision"}

WORST = 8
"""Subjects in the card's table; metrics.json has all."""


def decides(task: Task) -> str:
    """Name the classes and the positive one."""
    positive = targets.binary(task).positive_name
    return f"{' or '.join(task.classes)}, for {task.seconds:g} s of ECG; positive is {positive}"


def wins(task: Task) -> str:
    """Say that the largest logit decides, and the positive one a tie."""
    positive = targets.binary(task).positive_name
    return f"the largest wins, a tie with {positive} is {positive}"


def headline(record: ExportRecord) -> list[tuple[str, str]]:
    """Sensitivity, specificity, balanced accuracy and the mean F-beta of a subject."""
    found = record.result
    figures = [(f"{name}, out of fold", found.rates[name]) for name in RATES]
    figures.append((SUBJECT_FIGURE, found.intervals["F"]))
    return [(name, f"{i.value:.3f}, 95% interval {between(i)}") for name, i in figures]


def results(record: ExportRecord) -> str:
    """Write metrics with intervals, what the threshold is worth, and the weakest subjects."""
    result = record.result
    names = {"F": SUBJECT_FIGURE, "G": "share of subjects with F-beta above 0.9"}
    found = {key: result.rates[key] for key in RATES}
    found |= {names.get(key, key): result.intervals[key] for key in (*FOUR, *names) if key != "recall"}
    rows = [(key, f"{i.value:.3f}", between(i)) for key, i in found.items()]
    rows.append(("NPV", f"{result.table.pooled().npv:.3f}", ""))
    runs = plural(len(record.runs), "training")
    subjects = table(
        ("subject", "windows", "positive", "TP", "FP", "FN", "TN", "Se", "Sp", "PPV", "NPV", "F-beta"),
        [
            (
                row.subject,
                *(str(n) for n in (row.n, row.positives, row.tp, row.fp, row.fn, row.tn)),
                *(f"{v:.3f}" for v in (row.sensitivity, row.specificity, row.ppv, row.npv, row.f_beta)),
            )
            for row in result.rows()[:WORST]
        ],
    )
    shown = min(WORST, len(result.table.names))
    return "\n\n".join(
        [
            "## Results out of fold",
            f"Every subject was decided by models that never saw it; mean of {runs} over all folds,"
            f" {result.decision}. The intervals (95%) come from resampling subjects. Sensitivity is the"
            " recall and precision the PPV of the positive class, pooled over windows.",
            table(("metric", "value", "95% interval"), rows),
            *what_ships(record, "a threshold", "as trained, threshold 0", "judged where it was chosen"),
            f"The {shown} weakest of {plural(len(result.table.names), 'subject')}, by the lower of"
            f" sensitivity and specificity{counted(record)}. {below_half([asdict(r) for r in result.rows()])}"
            " A subject without positives has F-beta 1 by convention.",
            subjects,
        ]
    )


def below_half(rows: Sequence[Mapping[str, Any]]) -> str:
    """Name the subjects of which less than half was found, or more than half was called wrongly.

    ``rows`` hold ``subject, tp, fp, fn, tn`` of each.

    Example:
        >>> below_half([{"subject": "a", "tp": 1, "fn": 3, "tn": 9, "fp": 1}])
        'Sensitivity is below 0.5 for 1 of 1 subject (a 0.250), specificity for 0 of 1 subject.'
    """
    parts: list[str] = []
    for name, right, wrong in (("sensitivity", "tp", "fn"), ("specificity", "tn", "fp")):
        rates = sorted(
            (row[right] / (row[right] + row[wrong]), str(row["subject"]))
            for row in rows
            if row[right] + row[wrong]
        )
        low = [f"{subject} {rate:.3f}" for rate, subject in rates if rate < 0.5]
        named = f" ({', '.join(low[:WORST])}{', ...' if len(low) > WORST else ''})" if low else ""
        begin = name if parts else f"{name} is below 0.5"
        parts.append(f"{begin} for {len(low)} of {plural(len(rates), 'subject')}{named}")
    return sentence(", ".join(parts))


def counted(record: ExportRecord) -> str:
    """Say that windows are counted once a training; "" for a single training."""
    runs = len(record.runs)
    return f", windows counted once for each of {runs} trainings" if runs > 1 else ""


def rhythms(task: Task) -> str:
    """Name the rate that each class's share is."""
    target = targets.binary(task)
    return f"sensitivity for {target.positive_name}, specificity for {target.negative_name}"


def weights(config: ModelConfig) -> str:
    """Say the factor on the loss of the positive class."""
    return f", positive class times {config.positive_weight:g}" if config.positive_weight != 1 else ""


def limits(record: ExportRecord) -> list[str]:
    """Say how few subjects there are, which is the weakest, and what the share of positives means."""
    data, result = record.data, record.result
    positive = targets.binary(record.task).positive_name
    counts, worst, interval = result.table, result.rows()[0], result.rates["balanced accuracy"]
    holders = int((counts.tp + counts.fn > 0).sum())
    share = data.classes.get(positive, 0) / max(1, data.windows)
    return [
        f"{plural(len(counts.names), 'subject')} measured, {holders} with {positive}: the interval of the"
        f" balanced accuracy is {interval.high - interval.low:.3f} wide, and with few subjects too narrow.",
        f"Weakest subject out of fold: {worst.subject} with a sensitivity of {worst.sensitivity:.3f} and a"
        f" specificity of {worst.specificity:.3f}.",
        f"{share:.0%} of the windows are {positive}; precision and NPV change with that share.",
    ]
