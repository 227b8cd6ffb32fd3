"""The part of a model card on labels that network and baseline both contradict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from atml.artifacts.card_baseline import class_of
from atml.artifacts.record import ExportRecord
from atml.data.cases import case_of
from atml.evaluation.label_doubts import ALONE, BOTH, LEAST, LabelDoubt
from atml.formatting import between, plural, table
from atml.tasks.task import Task

MOST = 12
"""Doubts in a table; metrics.json has all of a model."""


def header(task: Task) -> tuple[str, ...]:
    """Return the columns of `rows`, without the shares."""
    case = case_of(task)
    return "subject", case.kind, "label", case.many, "mostly called"


def label_doubts(record: ExportRecord) -> list[str]:
    """Write the section "Labels to look at again"; nothing without a baseline."""
    found, result, case = record.label_doubts, record.result, case_of(record.task)
    if found is None:
        return []
    head = "## Labels to look at again"
    how = (
        f"A person's {case.many} of one {case.kind}, at least {LEAST}, of which network and baseline,"
        f" neither of"
        f" which was trained on that person, each call {BOTH:.0%} or more another class"
    )
    if not found.doubts:
        return [f"{head}\n\n{how}: none."]
    windows = sum(one.windows for one in found.doubts)
    parts = [
        head,
        f"{how}. Either the labels are wrong or both detectors are: nothing was changed or left out for it.",
        table((*header(record.task), "network", "baseline"), rows(found.doubts, record.task), left=3),
    ]
    if not math.isnan(found.value):
        figures = [("objective", f"{result.value:.3f}", f"{found.value:.3f}")]
        figures += [
            (name, f"{rate.value:.3f} ({between(rate)})", f"{other.value:.3f} ({between(other)})")
            for name, rate in result.rates.items()
            for other in [found.rates[name]]
        ]
        parts.append(table(("out of fold", f"all {case.many}", f"without these {windows:,}"), figures))
    return ["\n\n".join(parts)]


def rows(doubts: Sequence[LabelDoubt], task: Task) -> list[tuple[str, ...]]:
    """Lay out doubts, the most windows first; the shares of those who were asked at the end.

    Example:
        >>> task = Task(name="t", classes=("other", "AF"), positive=1, sampling_rate=250, window=500)
        >>> doubt = LabelDoubt(
        ...     subject="S47", rhythm="", label=0, called=1, windows=200, network=1.0, baseline=0.81
        ... )
        >>> rows([doubt], task)
        [('S47', '(no name)', 'other', '200', 'AF', '100%', '81%')]
    """
    lines = [
        (
            one.subject,
            one.rhythm or "(no name)",
            task.classes[one.label],
            f"{one.windows:,}",
            class_of(task, one.called),
            *(f"{share:.0%}" for share in (one.network, one.baseline) if share is not None),
        )
        for one in doubts[:MOST]
    ]
    if len(doubts) > MOST:
        left = plural(len(doubts) - MOST, "more row")
        lines.append((f"... {left}", *[""] * (len(lines[0]) - 1)))
    return lines


def alone(title: str, task: Task) -> str:
    """Say what is listed where one detector, called ``title``, was asked."""
    case = case_of(task)
    return (
        f"labels that {title} alone contradicts, a detector without a network that never saw the person: at"
        f" least {LEAST} {case.many} of one {case.kind}, {ALONE:.0%} or more called another class. One"
        f" detector is"
        " often wrong by itself, and nothing is changed or left out for it"
    )
