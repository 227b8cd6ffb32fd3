"""What came out of one look at a test set, as JSON types and as text for a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atml.exported import Exported
from atml.metrics import FOUR, Interval
from atml.scoring import Score


@dataclass(frozen=True, kw_only=True)
class ScoreReport:
    """Figures of one look. ``look`` is its ordinal at this test set, ``file`` where the report was written.

    ``intervals`` (95%, over subjects) have the keys of `atml.metrics.bootstrap`. ``notes`` are what a
    person should know of the test data and of the look itself.
    """

    exported: Exported
    data_name: str
    data_fingerprint: str
    synthetic: bool
    segments: int
    score: Score
    intervals: dict[str, Interval]
    look: int
    notes: tuple[str, ...] = ()
    file: Path | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        score, exported = self.score, self.exported
        pooled = score.pooled
        return {
            "rule": score.rule,
            "look": self.look,
            "F": score.f_beta,
            "G": score.g,
            **pooled.four(),
            "sensitivity": pooled.sensitivity,
            "specificity": pooled.specificity,
            "PPV": pooled.ppv,
            "NPV": pooled.npv,
            "intervals": {key: dataclasses.asdict(interval) for key, interval in self.intervals.items()},
            "latency_ms": score.latency_ms,
            "size_kib": score.size_kib,
            "points": score.points,
            "total": score.total,
            "confusion": dataclasses.asdict(pooled),
            "subjects": [dataclasses.asdict(row) for row in score.subjects],
            "segments": self.segments,
            "data": self.data_name,
            "data_fingerprint": self.data_fingerprint,
            "synthetic": self.synthetic,
            "trained_on_synthetic": exported.synthetic,
            "study": exported.study,
            "trial": exported.trial,
            "export_sha256": exported.sha256,
            "notes": list(self.notes),
        }

    def render(self) -> str:
        """Lay it out for a terminal, as plain text."""
        return render(self)


_WORDS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth"),
)


def ordinal(n: int) -> str:
    """Say a number as an ordinal: first, twelfth, 13th, 21st."""
    if 0 <= n < len(_WORDS):
        return _WORDS[n]
    if n % 100 in (11, 12, 13):
        return f"{n}th"
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"


def render(report: ScoreReport) -> str:
    """Lay a report out as plain text: figures, total, subjects with the worst first."""
    score, exported = report.score, report.exported
    kind = " (synthetic)" if report.synthetic else ""
    lines = [
        f"rule {score.rule} on {report.data_name}{kind}:"
        f" {report.segments:,} test segments of {len(score.subjects)} subjects",
        f"model {exported.folder or exported.path}: {exported.size_bytes / 1024:.1f} KiB,"
        f" trial {exported.trial} of study {exported.study}",
        f"{ordinal(report.look)} look at this test set"
        + ("" if report.look < 2 else "; a model chosen by earlier ones looks better here than it is"),
    ]
    if report.synthetic or exported.synthetic:
        what = {(True, True): "model and test data", (True, False): "test data", (False, True): "model"}
        lines.append(
            f"synthetic {what[report.synthetic, exported.synthetic]}:"
            " these figures say nothing about real recordings"
        )
    lines += [*report.notes, "", *_figures(report), "", *_total(score), "", *_subjects(score)]
    if report.file is not None:
        lines += ["", f"written to {report.file}"]
    return "\n".join(lines)


def _figures(report: ScoreReport) -> list[str]:
    names = {
        "F": "F, mean F-beta over subjects",
        "G": f"G, share of subjects above {report.score.good:g}",
        "precision": "precision (PPV)",
        "recall": "recall (sensitivity)",
    }
    rows = [("", "value", "95% over subjects")]
    for key in ("F", "G", *FOUR):
        interval = report.intervals[key]
        rows.append(
            (names.get(key, key), f"{interval.value:.4f}", f"{interval.low:.4f} to {interval.high:.4f}")
        )
    pooled = report.score.pooled
    rows += [("specificity", f"{pooled.specificity:.4f}", ""), ("NPV", f"{pooled.npv:.4f}", "")]
    return _aligned(rows)


def _total(score: Score) -> list[str]:
    if score.points is None or score.total is None:
        return [
            f"no total: it needs --latency-ms and --size-kib, measured on the device (at most {score.best:g})"
        ]
    parts = " + ".join(f"{key} {points:.3f}" for key, points in score.points.items())
    return [
        f"total {score.total:.3f} of {score.best:g} = {parts}",
        f"latency {score.latency_ms:g} ms and size {score.size_kib:g} KiB are your figures",
    ]


def _subjects(score: Score) -> list[str]:
    header = ("subject", "n", "pos", "TP", "FP", "FN", "TN", "Se", "Sp", "PPV", "NPV", "F-beta")
    rows: list[tuple[str, ...]] = [header]
    for row in score.subjects:
        counts = (row.n, row.positives, row.tp, row.fp, row.fn, row.tn)
        rates = (row.sensitivity, row.specificity, row.ppv, row.npv, row.f_beta)
        rows.append((row.subject, *map(str, counts), *(f"{rate:.4f}" for rate in rates)))
    return _aligned(rows)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns at equal widths, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
