"""Whole recordings judged beat by beat, as rule ec57 of `atml score` wrote them to a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atml.formatting import plural, sentence
from atml.report.figures import Figures, interval_of
from atml.report.page import Block, Fold, Grid
from atml.scoring.rules.ec57 import Settings

FIGURES = ("QRS Se", "QRS +P", "VEB Se", "VEB +P", "SVEB Se", "SVEB +P")
"""Keys of the figures of a file."""

WHOSE = {
    "detected": "Beats are as atml's detector finds them, as on the device",
    "reference": "Beats are those of the reference, which no device has: figures are of the classifier alone",
}


def is_beat_by_beat(one: Figures) -> bool:
    """Whether a file holds what rule ec57 writes."""
    return isinstance(one.get("by_record"), list) and isinstance(one.get("matrix"), list) and "beats" in one


def beat_by_beat(said: str, one: Figures) -> list[Block]:
    """Lay out figures, matrix, records, and figures with escape beats as normal ones.

    ``said`` tells which evaluation of which data it is.
    """
    settings = _settings(one)
    mark = "" if settings.standard else "Non-standard. "
    whose = WHOSE.get(str(one["beats"]), f"Beats: {one['beats']}")
    words = "" if settings.standard else f" {sentence(settings.words())}"
    return [
        _figures(one, f"{mark}{said} {whose}.{words}"),
        _matrix(one, mark),
        _records(one, mark),
        *_escapes(one, mark),
        *_notes(one),
    ]


def _notes(one: Figures) -> list[Block]:
    """Fold what opening and judging the recordings had to say."""
    rows = tuple((sentence(str(note)),) for note in one.get("notes", ()))
    says = f"{plural(len(rows), 'remark')} from opening and judging the recordings."
    return [Fold("Remarks on these recordings", (Grid(("remark",), rows, says),))] if rows else []


def _settings(one: Figures) -> Settings:
    options = one.get("options") or {}
    known = {key: float(options[key]) for key in ("learning", "window") if options.get(key) is not None}
    return Settings(**known)


def _figures(one: Figures, says: str) -> Block:
    """Gross and Average, each with its interval."""
    found = one.get("intervals", {})
    rows = tuple(
        (key, *(_percent(one, found, f"{before}{key}") for before in ("", "mean "))) for key in FIGURES
    )
    columns = ("figure, %", "gross", "average")
    return Grid(columns, rows, f"{says} In brackets are 95% intervals over subjects.", right=columns[1:])


def _percent(one: Figures, intervals: Mapping[str, Any], key: str) -> str:
    value, interval = one.get(key), interval_of(intervals.get(key))
    if value is None:
        return "-"
    ends = "" if interval is None else f" ({100 * interval.low:.2f} to {100 * interval.high:.2f})"
    return f"{100 * float(value):.2f}{ends}"


def _matrix(one: Figures, mark: str) -> Block:
    names = [key for key in one["matrix"][0] if key != "reference"]
    rows = tuple((str(row["reference"]), *(f"{int(row[name]):,}" for name in names)) for row in one["matrix"])
    says = (
        f"{mark}Beats of all recordings: rows are the reference's class, columns what it was called. O is no"
        " beat of the other, so its column has missed beats and its row extra ones; X is in a shutdown."
    )
    columns = ("reference", *(f"called {name.lower()}" for name in names))
    return Grid(columns, rows, says, right=columns[1:])


def _records(one: Figures, mark: str) -> Block:
    records = one["by_record"]
    rows = tuple(
        (str(row["record"]), f"{int(row['wrong']):,}", *(_of_record(row.get(key)) for key in FIGURES))
        for row in records
    )
    wrong = sum(int(row["wrong"]) for row in records)
    most = f", {int(records[0]['wrong']):,} of them in {records[0]['record']}" if records else ""
    says = (
        f"{mark}{plural(len(records), 'recording')}, the one with most wrong beats first:"
        f" {wrong:,} are missed, extra, or ectopic in one and not in the other{most}. Figures are in %."
    )
    columns = ("record", "wrong", *FIGURES)
    return Grid(columns, rows, says, right=columns[1:])


def _of_record(value: float | None) -> str:
    return "-" if value is None else f"{float(value):.2f}"


def _escapes(one: Figures, mark: str) -> list[Block]:
    found = one.get("escapes_as_normal") or []
    if not found:
        return []
    rows = tuple((str(row["over"]), *(_of_record(row.get(key)) for key in FIGURES)) for row in found)
    says = (
        f"{mark}The same with atrial and junctional escape beats (e, j) as N, as papers after de Chazal"
        " (2004) have them: not the standard's table. Figures are in %."
    )
    columns = ("e and j as N", *FIGURES)
    return [Grid(columns, rows, says, right=columns[1:])]
