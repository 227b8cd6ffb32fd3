"""What a contest would award a model out of fold, as an interval, beside the contest's leaderboard.

Two things are not known exactly: F and G, which are of the subjects that happened to be there, and
latency, which is an estimate. The middle of a total has both at their middle. Its low end has the points for
F and G at the lower end of their 95% interval over subjects, drawn together, and latency at the estimate's
slowest; its high end has the upper end and the fastest. So it is wider than a 95% interval of either alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from atml.device.program import F32
from atml.formatting import plural
from atml.metrics import Counts, Interval
from atml.metrics.intervals import drawn_interval, subject_draws
from atml.scoring import published
from atml.scoring.rules.awarded import accuracy, contest_named

CELLS = ("tp", "fp", "fn", "tn")
"""Counts of a subject, in the order in which an export keeps those of a repeat."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One row of the table: a leaderboard's entry, or the model (``ours``)."""

    name: str
    total: Interval
    figures: Mapping[str, Interval]
    latency_ms: Interval
    size_kib: float
    ours: bool = False


@dataclass(frozen=True, kw_only=True)
class OfficialTotal:
    """What a contest's rule awards.

    ``figures`` are F and, where the rule has it, G, with their 95% intervals over subjects; {} where nobody
    predicted out of fold, and then ``total`` is None. ``points`` are those of each part: at the middle, at
    its worst and at its best. ``latency_ms`` is the estimate, ``best`` the largest total that the rule's
    weights make. ``data`` says in words whose the ``subjects`` are.

    Example:
        >>> import numpy as np
        >>> two = Counts(np.array(["a", "b"]), *(np.array(n) for n in ([9, 10], [0, 1], [1, 0], [9, 9])))
        >>> found = official_total("iccad2022", [two], Interval(2.0, 1.5, 3.0), 8.0)
        >>> round(found.total.low, 1), round(found.total.value, 1), round(found.total.high, 1)
        (131.4, 134.7, 137.7)
        >>> [place.name for place in found.places()][:3]
        ['ICCAD 2022 #1', 'this model', 'ICCAD 2022 #2']
    """

    rule: str
    figures: Mapping[str, Interval]
    points: Mapping[str, Interval]
    total: Interval | None
    best: float
    latency_ms: Interval
    size_kib: float
    subjects: int = 0
    data: str = "its own data"

    def places(self, name: str = "this model") -> tuple[Place, ...]:
        """Return the leaderboard with this model in its place by the middle of its total, the best first.

        Without a total it is the leaderboard alone.
        """
        rows = []
        for entry in published.read(self.rule).entries:
            known = {key: _exact(value) for key, value in entry.metrics.items()}
            assert entry.latency_ms is not None and entry.size_kib is not None
            rows.append(
                Place(
                    name=entry.name,
                    total=known.pop("total"),
                    figures=known,
                    latency_ms=_exact(entry.latency_ms),
                    size_kib=entry.size_kib,
                )
            )
        if self.total is not None:
            rows.append(
                Place(
                    name=name,
                    total=self.total,
                    figures=self.figures,
                    latency_ms=self.latency_ms,
                    size_kib=self.size_kib,
                    ours=True,
                )
            )
        return tuple(sorted(rows, key=lambda row: -row.total.value))

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the table has to know."""
        if self.total is None:
            return ()
        board = published.read(self.rule)
        return (
            f"the leaderboard is of hidden people ({board.data}), this model's F is out of fold, of"
            f" {plural(self.subjects, 'subject')} of {self.data}: no place is won by it",
            "low: F and G at the lower end of their 95% interval over subjects and the slowest latency of the"
            " estimate; high: the upper end and the fastest",
            f"this model's size is the C of the model alone, estimated; of the leaderboard: {board.source}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types, the leaderboard included."""
        return {
            "rule": self.rule,
            "figures": _plain(self.figures),
            "points": _plain(self.points),
            "total": None if self.total is None else asdict(self.total),
            "best": self.best,
            "leaderboard": [
                {
                    "name": row.name,
                    "ours": row.ours,
                    "total": asdict(row.total),
                    **_plain(row.figures),
                    "latency_ms": asdict(row.latency_ms),
                    "size_kib": row.size_kib,
                }
                for row in self.places()
            ],
            "notes": list(self.notes()),
        }


def official_total(
    rule: str, tables: Sequence[Counts], latency_ms: Interval, size_kib: float, data: str = OfficialTotal.data
) -> OfficialTotal:
    """Return what a contest awards for out-of-fold decisions, a latency and a size.

    ``tables`` are the counts by subject of each repeat, all of the same subjects: figures are means over
    them. With none the points are those for latency and size alone. ``data`` says in words whose they are.

    Raises:
        InputError: a rule that awards no points for speed and size.
    """
    contest = contest_named(rule)
    asked = [name for name in contest.WEIGHTS if name not in ("latency", "size")]
    drawn: dict[str, Any] = {}
    if tables:
        sets = subject_draws(len(tables[0].names))
        each = [accuracy(rule, table, sets) for table in tables]
        drawn = {key: np.mean([one[key] for one in each], axis=0) for key in asked}
    middle, slow, fast = (
        contest.points(*(float(drawn[key][0]) if tables else 0.0 for key in asked), ms, size_kib)
        for ms in (latency_ms.value, latency_ms.high, latency_ms.low)
    )
    points = {key: Interval(middle[key], slow[key], fast[key]) for key in ("latency", "size")}
    total = None
    if tables:
        rows = zip(*(drawn[key].tolist() for key in asked), strict=True)
        found = [contest.points(*row, latency_ms.value, size_kib) for row in rows]
        parts = {key: np.array([one[key] for one in found]) for key in asked}
        points = {**{key: drawn_interval(values) for key, values in parts.items()}, **points}
        ends = [drawn_interval(np.sum(list(parts.values()), axis=0)), points["latency"], points["size"]]
        total = Interval(*(sum(getattr(one, end) for one in ends) for end in ("value", "low", "high")))
    return OfficialTotal(
        rule=rule,
        figures={key: drawn_interval(values) for key, values in drawn.items()},
        points=points,
        total=total,
        best=sum(contest.WEIGHTS.values()),
        latency_ms=latency_ms,
        size_kib=size_kib,
        subjects=len(tables[0].names) if tables else 0,
        data=data,
    )


def leaderboard_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a header and the rows of the leaderboard with the model in it, as text.

    ``found`` is what `OfficialTotal.to_dict` returns, which a metrics.json holds too.
    """
    figures = tuple(found["figures"])

    def cell(row: Mapping[str, Any], key: str, decimals: int) -> str:
        return with_ends(Interval(**row[key]), decimals)

    rows = [
        (
            str(row["name"]),
            cell(row, "total", 1),
            *(cell(row, key, 3) for key in figures),
            cell(row, "latency_ms", 2),
            f"{row['size_kib']:.1f}",
        )
        for row in found["leaderboard"]
    ]
    return ("", "total", *figures, "ms", "KiB"), rows


def data_in_words(synthetic: bool, name: str) -> str:
    """Say which data figures are of.

    Example:
        >>> data_in_words(False, "iesd2024")
        'data set iesd2024'
    """
    return "synthetic ECG" if synthetic else f"data set {name}"


def with_ends(one: Interval, decimals: int) -> str:
    """Write a value with its two ends, or alone where it is exact.

    Example:
        >>> with_ends(Interval(0.5, 0.25, 0.75), 2), with_ends(Interval(0.5, 0.5, 0.5), 1)
        ('0.50 (0.25 to 0.75)', '0.5')
    """
    value = f"{one.value:.{decimals}f}"
    return value if one.low == one.high else f"{value} ({one.low:.{decimals}f} to {one.high:.{decimals}f})"


def tables_of(fields: Mapping[str, Any]) -> dict[str, tuple[Counts, ...]]:
    """Return the counts by subject of each repeat that a metrics.json has, by the format of the weights.

    ``fields`` are what it holds. Exports of earlier versions have one table, summed over the repeats, as
    other formats have. {} for a task without a positive class, which has no such counts, and for a file that
    is damaged.
    """
    subjects = fields.get("subjects") or ()
    if not subjects or any("tp" not in row for row in subjects):
        return {}
    runs = [run["counts"] for run in fields.get("runs", ()) if "counts" in run]
    tables = tuple(
        counts_of_rows(
            [{"subject": name, **dict(zip(CELLS, cells, strict=True))} for name, cells in run.items()]
        )
        for run in runs
    )
    found = {F32: tables or (counts_of_rows(subjects),)}
    others = {name: (counts_of_rows(one["subjects"]),) for name, one in fields.get("formats", {}).items()}
    return {**found, **others}


def counts_of_rows(rows: Sequence[Mapping[str, Any]]) -> Counts:
    """Return the counts of the rows of a metrics.json, one a subject, sorted by name."""
    rows = sorted(rows, key=lambda row: str(row["subject"]))
    cells = {key: np.array([row[key] for row in rows], np.int64) for key in CELLS}
    return Counts(np.array([str(row["subject"]) for row in rows]), **cells)


def _exact(value: float) -> Interval:
    return Interval(value, value, value)


def _plain(intervals: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {key: asdict(one) for key, one in intervals.items()}
