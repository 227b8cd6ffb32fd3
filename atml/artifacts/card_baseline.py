"""The model card's comparison: the network beside a detector that is none, and both by rhythm."""

from __future__ import annotations

from atml.artifacts.record import ExportRecord
from atml.evaluation.result import BaselineResult, CrossValidationResult, RhythmRow
from atml.formatting import between, plural, table
from atml.metrics import Interval
from atml.tasks import targets
from atml.tasks.targets.binary import RATES


def versus(finding: ExportRecord, size_bytes: int) -> list[str]:
    """Write the section "What the network buys"; nothing where the task names no baseline."""
    rival, evidence, task = finding.baseline, finding.evidence, finding.task
    if rival is None:
        return []
    rows = [("objective", f"{evidence.value:.3f}", f"{rival.value:.3f}")]
    rows += [(name, _told(evidence.rates[name]), _told(rival.rates[name])) for name in RATES]
    rows += [(name, f"{evidence.four[name]:.3f}", f"{rival.four[name]:.3f}") for name in ("F1", "precision")]
    rows += [
        ("mean F-beta (beta 2) over subjects", _told(evidence.intervals["F"]), _told(rival.intervals["F"])),
        ("size", f"{size_bytes:,} bytes, the whole file", f"{rival.baseline.size_bytes} bytes of constants"),
        (
            "work a window",
            f"{finding.cost.macs:,} MACs",
            f"about {rival.baseline.operations(task.window):,} operations",
        ),
    ]
    return [
        "\n\n".join(
            [
                "## What the network buys",
                f"Beside it stands a detector that is no network, {rival.baseline.title}, fitted on the same"
                " folds and judged on the same held-out subjects. Fitted to all subjects its rule is:"
                f" {rival.baseline.describe()}.",
                table(("out of fold", "network", "baseline"), rows),
                _verdict(evidence, rival),
            ]
        )
    ]


def _told(interval: Interval) -> str:
    return f"{interval.value:.3f} ({between(interval)})"


def _verdict(evidence: CrossValidationResult, rival: BaselineResult) -> str:
    """Say the difference, and whether subjects drawn anew would show it."""
    more = evidence.target.balanced_gain(evidence.table, rival.table)
    said = (
        f"Balanced accuracy of the network less that of the baseline: {more.value:+.3f}, 95% interval"
        f" {more.low:+.3f} to {more.high:+.3f}, both on the same resampled subjects."
    )
    if more.low > 0:
        return f"{said} The network is worth its cost where that difference is."
    if more.high < 0:
        return f"{said} The baseline is the better of the two: use it."
    return f"{said} With these subjects the two can't be told apart: the network has not shown its worth."


def by_rhythm(finding: ExportRecord) -> list[str]:
    """Write the section "By rhythm"; nothing where the rhythms are not known."""
    evidence, rival, task = finding.evidence, finding.baseline, finding.task
    if not evidence.rhythms:
        return []
    other = {(row.rhythm, row.positive): row for row in rival.rhythms} if rival else {}
    negative = " or ".join(name for i, name in enumerate(task.classes) if i != task.positive)

    def line(row: RhythmRow) -> tuple[str, ...]:
        beside = other.get((row.rhythm, row.positive))
        cells = (
            row.rhythm or "(no name)",
            targets.binary(task).positive_name if row.positive else negative,
            f"{row.segments:,}",
            f"{row.subjects:,}",
            f"{row.right:.3f}",
        )
        return (*cells, f"{beside.right:.3f}") if beside else cells

    header = ("rhythm", "class", "segments", "subjects", "network", *(("baseline",) if rival else ()))
    few = min(row.subjects for row in evidence.rhythms)
    return [
        "\n\n".join(
            [
                "## By rhythm",
                "Share of the segments of each rhythm that were decided right out of fold: sensitivity for"
                f" {targets.binary(task).positive_name}, specificity for {negative}."
                + (
                    f" The rarest is of {plural(few, 'subject')}, which says little of others."
                    if few < 5
                    else ""
                ),
                table(header, [line(row) for row in evidence.rhythms], left=2),
            ]
        )
    ]
