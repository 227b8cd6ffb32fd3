"""Records compared, taken together: figures with intervals, rows, JSON, and the files of a report; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from atml.metrics.intervals import Interval
from atml.scoring.rules.ec57 import text
from atml.scoring.rules.ec57.comparison import Comparison
from atml.scoring.rules.ec57.figures import FIGURES, NAMES, RR, Aggregate, aggregate, of_record, together
from atml.scoring.rules.ec57.intervals import Intervals, intervals
from atml.scoring.rules.ec57.settings import Settings

ROWS = "NSVFQOX"
"""Rows of a matrix, the reference's classes; its columns are the same of the test, in small letters."""


@dataclass(frozen=True, kw_only=True)
class BeatTable:
    """Records compared with one way to put symbols into classes.

    ``records`` has the comparison of each record by name, ``gross`` and ``average`` have the figures over
    all of them in percent ("RR err" in ms), None where one is not defined.
    """

    records: Mapping[str, Comparison]
    subjects: tuple[str, ...] = field(repr=False)

    @cached_property
    def aggregate(self) -> Aggregate:
        """Gross and Average."""
        return aggregate(list(self.records.values()))

    @cached_property
    def intervals(self) -> Intervals:
        """95% intervals of both over people."""
        return intervals(list(self.records.values()), self.subjects)

    @property
    def gross(self) -> Mapping[str, float | None]:
        """Figures of the summed counts."""
        return self.aggregate.gross

    @property
    def average(self) -> Mapping[str, float | None]:
        """Means of the records' figures."""
        return self.aggregate.average

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row for each figure: its name, Gross and Average, each with its interval."""
        found = []
        for name in (*FIGURES, RR):
            cells = [NAMES[name]]
            for values, sure in ((self.gross, self.intervals.gross), (self.average, self.intervals.average)):
                cells += [_shown(values.get(name)), _between(sure.get(name))]
            found.append(tuple(cells))
        return found

    def lines(self) -> list[str]:
        """Write `rows` in columns under a head, a line each."""
        head = ("", "Gross", "95% interval", "Average", "95% interval")
        rows = [head, *self.rows()]
        widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
        return [
            "  ".join(
                cell.ljust(width) if not at else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return matrices, figures and intervals as JSON types."""
        sure = self.intervals
        return {
            "gross": dict(self.gross),
            "average": dict(self.average),
            "intervals": {
                "gross": {name: _ends(one) for name, one in sure.gross.items()},
                "average": {name: _ends(one) for name, one in sure.average.items()},
            },
            "matrix": together(list(self.records.values())).counts.tolist(),
            "records": {
                name: {
                    "subject": subject,
                    "matrix": one.counts.tolist(),
                    "figures": of_record(one),
                    "shutdown_s": one.shutdown,
                }
                for (name, one), subject in zip(self.records.items(), self.subjects, strict=True)
            },
        }


def files(
    official: BeatTable, escapes_as_n: BeatTable, settings: Settings, reference: str, test: str
) -> dict[str, str]:
    """Return reports by the name of their file, in the format of the standard's comparators.

    Where a setting is not the standard's, the names say so, and so do the lines that may.

    Args:
        official: Records under the standard's classes.
        escapes_as_n: The same with atrial and junctional escape beats as N.
        settings: Of both.
        reference: Name of the reference's annotator.
        test: Name of the annotator that is judged.
    """
    mark = settings.words()
    end = "" if settings.standard else ".nonstandard"
    last = f"{mark}\n" if mark else ""
    found: dict[str, str] = {}
    for kind, table in (("", official), ("_escapes_as_n", escapes_as_n)):
        found |= {
            f"lines_beats{kind}{end}.txt": text.beats_table(table.records),
            f"sumstats_beats{kind}{end}.txt": text.beats_summary(table.records) + last,
        }
    return found | {
        f"lines_shutdown{end}.txt": text.shutdown_table(official.records),
        f"sumstats_shutdown{end}.txt": text.shutdown_summary(official.records) + last,
        f"matrices{end}.txt": text.matrices(official.records, reference, test, mark=mark),
    }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _between(found: Interval | None) -> str:
    return "-" if found is None else f"{found.low:.2f} to {found.high:.2f}"


def _ends(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {"low": found.low, "high": found.high}
