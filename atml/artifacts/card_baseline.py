"""The model card's comparison: the network beside a detector without one, and both by rhythm."""

from __future__ import annotations

import math

from atml.artifacts import card_kind
from atml.artifacts.record import ExportRecord
from atml.data.cases import case_of, kind_in_words
from atml.evaluation.cross_validation_result import BaselineResult, CrossValidationResult, RhythmRow
from atml.formatting import between, plural, table
from atml.metrics import Interval
from atml.tasks import targets
from atml.tasks.task import MULTILABEL, Task


def versus(record: ExportRecord, size_bytes: int) -> list[str]:
    """Write the section "What the network buys"; nothing where the task names no baseline."""
    baseline, found, task = record.baseline, record.result, record.task
    if baseline is None:
        return []
    kind = card_kind.of(task)
    rows = [("objective", f"{found.value:.3f}", f"{baseline.value:.3f}")]
    rows += [(name, _told(rate), _told(baseline.rates[name])) for name, rate in found.rates.items()]
    rows += [
        (name, f"{found.four[key]:.3f}", f"{baseline.four[key]:.3f}") for key, name in kind.COMPARED.items()
    ]
    rows += [
        (kind.SUBJECT_FIGURE, _told(found.intervals["F"]), _told(baseline.intervals["F"])),
        (
            "size",
            f"{size_bytes:,} bytes, the whole file",
            f"{baseline.baseline.size_bytes} bytes of constants",
        ),
        (
            f"work a {case_of(task).name}",
            f"{record.cost.macs:,} MACs",
            f"about {baseline.baseline.operations(math.prod(task.shape[1:])):,} operations",
        ),
    ]
    return [
        "\n\n".join(
            [
                "## What the network buys",
                f"It is compared with a detector without a network, {baseline.baseline.title}, fitted on the"
                " same folds and judged on the same held-out subjects. Fitted to all subjects its rule is:"
                f" {baseline.baseline.describe()}.",
                table(("out of fold", "network", "baseline"), rows),
                _verdict(found, baseline),
            ]
        )
    ]


def _told(interval: Interval) -> str:
    return f"{interval.value:.3f} ({between(interval)})"


def _verdict(found: CrossValidationResult, baseline: BaselineResult) -> str:
    """Say the difference, and whether subjects drawn anew would show it."""
    more = found.target.balanced_gain(found.table, baseline.table)
    said = (
        f"Balanced accuracy of the network less that of the baseline: {more.value:+.3f}, 95% interval"
        f" {more.low:+.3f} to {more.high:+.3f}, both on the same resampled subjects."
    )
    if more.low > 0:
        return f"{said} Whether the network is worth its cost depends on that difference."
    if more.high < 0:
        return f"{said} The baseline is the better of the two: use it."
    return f"{said} With these subjects the two can't be told apart: the network has not shown its worth."


def class_of(task: Task, label: int) -> str:
    """Name the class of a `RhythmRow`: all classes but the positive one where its label is -1.

    Example:
        >>> class_of(Task(name="t", classes=("N", "O", "AF"), positive=2, sampling_rate=250, window=500), -1)
        'N or O'
    """
    if task.sets:
        return targets.names_of(task, label)
    return task.classes[label] if label >= 0 else targets.binary(task).negative_name


def by_rhythm(record: ExportRecord) -> list[str]:
    """Write the section "By rhythm"; nothing where the rhythms are not known."""
    rhythms, baseline, task = record.result.rhythms, record.baseline, record.task
    if not rhythms:
        return []
    other = {(row.rhythm, row.label): row for row in baseline.rhythms} if baseline else {}
    several = task.kind == MULTILABEL

    def line(row: RhythmRow) -> tuple[str, ...]:
        beside = other.get((row.rhythm, row.label))
        cells = (
            row.rhythm or ("none" if several else "(no name)"),
            *([] if several else [class_of(task, row.label)]),
            f"{row.windows:,}",
            f"{row.subjects:,}",
            f"{row.right:.3f}",
        )
        return (*cells, f"{beside.right:.3f}") if beside else cells

    case, kind = case_of(task), kind_in_words(task)
    of = () if several else ("class",)
    header = (kind, *of, case.many, "subjects", "network", *(("baseline",) if baseline else ()))
    few = min(row.subjects for row in rhythms)
    said = (
        f"Share of the {case.many} of each {kind} that were decided right out of fold:"
        f" {card_kind.of(task).rhythms(task)}."
    )
    if few < 5:
        said += f" The rarest comes from {plural(few, 'subject')}, which says little about others."
    return ["\n\n".join([f"## By {kind}", said, table(header, [line(row) for row in rhythms], left=2)])]
