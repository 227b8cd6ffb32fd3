"""Figures of one evaluation of a test set, as JSON types and as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atml.artifacts.model import ExportedModel
from atml.data.cases import case_of
from atml.evaluation import baselines
from atml.formatting import ordinal, plural
from atml.scoring.rules import Score, Table
from atml.scoring.time_to_decision import Moment, Streaming


@dataclass(frozen=True, kw_only=True)
class ScoreReport:
    """Figures of one evaluation of a test set.

    ``evaluation`` counts the evaluations of this test set up to this one, ``file`` is where the report was
    written, ``windows`` and ``subjects`` are counts. ``baseline`` is the same rule's score of the baseline on
    the same windows, ``streaming`` the time to decision, of the model and then of the baseline, where the
    data have episodes longer than a window. ``notes`` are about the test data and the evaluation; those of
    the rule are in ``score``.
    """

    exported: ExportedModel
    data_name: str
    data_fingerprint: str
    synthetic: bool
    windows: int
    subjects: int
    score: Score
    evaluation: int
    notes: tuple[str, ...] = ()
    baseline: Score | None = None
    streaming: tuple[Streaming, ...] = ()
    file: Path | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types.

        ``look`` is the number of the evaluation, ``segments`` and ``people`` count windows and subjects: the
        keys of version 0.1.
        """
        exported = self.exported
        fields = {"rule": self.score.rule, "look": self.evaluation, **self.score.to_dict()}
        if self.streaming:
            fields["time_to_decision"] = self.streaming[0].to_dict()
        if self.baseline is not None:
            rebuilt = baselines.from_dict(exported.baseline)
            theirs = {"name": rebuilt.name, "is": rebuilt.describe(), **self.baseline.to_dict()}
            if self.streaming:
                theirs["time_to_decision"] = self.streaming[1].to_dict()
            fields["baseline"] = theirs
        return {
            **fields,
            "segments": self.windows,
            "people": self.subjects,
            "data": self.data_name,
            "data_fingerprint": self.data_fingerprint,
            "synthetic": self.synthetic,
            "trained_on_synthetic": exported.synthetic,
            "study": exported.study,
            "trial": exported.trial,
            "export_sha256": exported.sha256,
            "notes": [*self.notes, *self.score.notes],
        }

    def render(self) -> str:
        """Lay it out for a terminal, as plain text."""
        return render(self)


def render(report: ScoreReport) -> str:
    """Lay a report out as plain text: figures, total, the rule's tables, time to decision."""
    score, exported = report.score, report.exported
    kind = " (synthetic)" if report.synthetic else ""
    lines = [
        f"rule {score.rule} on {report.data_name}{kind}: {_counted(report)}",
        f"model {exported.folder or exported.path}: {exported.size_bytes / 1024:.1f} KiB,"
        f" trial {exported.trial} of study {exported.study}",
        f"{ordinal(report.evaluation)} evaluation of this test set"
        + ("" if report.evaluation < 2 else "; a model chosen by earlier ones looks better here than it is"),
    ]
    if report.synthetic or exported.synthetic:
        what = {(True, True): "model and test data", (True, False): "test data", (False, True): "model"}
        lines.append(
            f"synthetic {what[report.synthetic, exported.synthetic]}:"
            " these figures say nothing about real recordings"
        )
    if report.baseline is not None:
        baseline = baselines.from_dict(exported.baseline)
        by_vote = "" if score.records is None else "; a record is what most of its windows are called"
        lines.append(f"baseline {baseline.title}: {baseline.describe()}{by_vote}")
    lines += [*report.notes, "", *_figures(score, report.baseline)]
    if score.total is not None:
        lines += ["", *_total(score)]
    for table in score.tables:
        other = None if report.baseline is None else report.baseline.table(table.key)
        lines += ["", *_aligned(_rows(table, other))]
    if score.notes:
        lines += ["", *score.notes]
    if report.streaming:
        lines += ["", *_streaming(*report.streaming)]
    if report.file is not None:
        lines += ["", f"written to {report.file}"]
    return "\n".join(lines)


def _counted(report: ScoreReport) -> str:
    """Return the numbers of windows, subjects and, where the rule judges these, records."""
    records = "" if report.score.records is None else f"{report.score.records:,} records, "
    many = case_of(report.exported.task).many
    return f"{records}{report.windows:,} test {many} of {plural(report.subjects, 'subject')}"


def _figures(score: Score, baseline: Score | None) -> list[str]:
    rows: list[tuple[str, ...]] = [("", "value" if baseline is None else "model", "95% over subjects")]
    for figure in score.figures:
        interval = figure.interval
        ends = "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
        rows.append((figure.name, f"{figure.value:.4f}", ends))
    if baseline is not None:
        theirs = {figure.key: f"{figure.value:.4f}" for figure in baseline.figures}
        added = ["baseline", *(theirs.get(figure.key, "") for figure in score.figures)]
        rows = [(*row, more) for row, more in zip(rows, added, strict=True)]
    return _aligned(rows)


def _total(score: Score) -> list[str]:
    total = score.total
    assert total is not None
    if total.value is None:
        return [
            f"no total: it needs --latency-ms and --size-kib, measured on the device (at most {total.best:g})"
        ]
    parts = " + ".join(f"{key} {points:.3f}" for key, points in total.parts.items())
    return [
        f"total {total.value:.3f} of {total.best:g} = {parts}",
        f"latency {total.latency_ms:g} ms and size {total.size_kib:g} KiB are your figures",
    ]


def _rows(table: Table, other: Table | None) -> list[tuple[str, ...]]:
    """Header and cells, and at the end the columns of the baseline that belong beside them."""
    rows = [table.header, *table.cells]
    if other is None or not table.beside:
        return rows
    columns = [table.header.index(name) for name in table.beside]
    theirs = {row[0]: row for row in other.cells}
    added = [tuple(f"baseline {table.header[i]}" for i in columns)]
    added += [tuple(theirs[row[0]][i] if row[0] in theirs else "" for i in columns) for row in table.cells]
    return [(*row, *more) for row, more in zip(rows, added, strict=True)]


def _streaming(model: Streaming, *baseline: Streaming) -> list[str]:
    """Lay out the time to decision: positive episodes and others side by side."""
    share = ("subjects", "called then", "by then", *("baseline" for _ in baseline))
    known, total = sum(model.onsets), sum(model.episodes)
    since = "s after onset" if known else "s into the episode"
    rows: list[tuple[str, ...]] = [(since, model.name, *share, "others", *share)]
    for at, (hit, false) in enumerate(zip(model.positive, model.others, strict=True)):
        if hit.episodes or false.episodes:
            theirs = [
                (_percent(one.positive[at].by_then), _percent(one.others[at].by_then)) for one in baseline
            ]
            hits, falses = (tuple(column) for column in zip(*theirs, strict=True)) if theirs else ((), ())
            rows.append((f"{hit.seconds:g}", *_moment(hit), *hits, *_moment(false), *falses))
    return [
        f"time to decision, windows of {model.window:g} s: {model.episodes[0]} episodes of {model.name!r},"
        f" {model.subjects[0]} subjects, {model.episodes[1]} others of {model.subjects[1]}",
        f"share called {model.name!r} of the episodes that go on so long; of the others only windows wholly"
        " inside the episode count" + ("; the baseline's share is by then" if baseline else ""),
        *_unknown_onsets(total - known, total, any_known=bool(known)),
        *_aligned(rows),
    ]


def _unknown_onsets(unknown: int, total: int, *, any_known: bool) -> list[str]:
    """Return a line on episodes without signal before the onset, if there are any."""
    if not unknown:
        return []
    if not any_known:
        return ["when these rhythms began is not known: times run from where each episode begins"]
    rest = f"before {unknown} of the {total} there is nothing of another class"
    return [f"{rest}: their times run from their start"]


def _moment(moment: Moment) -> tuple[str, ...]:
    shares = (_percent(moment.called), _percent(moment.by_then))
    return (str(moment.episodes), str(moment.subjects), *shares)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}%"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
