"""One table for whatever trials are grouped by: a loss, a family, an activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from atml.formatting import listed, plural, value
from atml.models.config import ModelConfig
from atml.report.comparable import Group, grouped
from atml.report.page import Block, Grid, Text
from atml.training.records import TrialRecord

READING = (
    "In tables like the next, a trial is tried when the search proposes it, trained when it fits the"
    " budget, past fold 1 when it came to the end of its first fold. Best is the best value over every"
    " fold; the median is that of the trained trials at the end of fold 1, where one that was stopped"
    " earlier counts as lower."
)
"""What the columns mean, to be said once."""

COLUMNS = ("trained", "past fold 1", "every fold", "best", "median after fold 1")
"""Columns of a group, whatever it is a group of."""

FEW = 5
"""Whole trials below which the best of a group says little."""


def comparison(
    records: Sequence[TrialRecord], name_of: Callable[[ModelConfig], str], one: str, many: str
) -> list[Block]:
    """Compare groups of trials in a table with a sentence; a sentence alone where there is one group."""
    groups = grouped(records, name_of)
    if not groups:
        return []
    if len(groups) == 1:
        return [Text(f"All {plural(groups[0].tried, 'trial')} had one {one}: {groups[0].name}.")]
    columns = (one, "trials", *COLUMNS)
    rows = tuple((g.name, f"{g.tried:,}", *cells(g)) for g in groups)
    return [Grid(columns, rows, f"{_leads(groups, many)} {_caveat(groups)}", right=columns[1:])]


def cells(group: Group) -> tuple[str, ...]:
    """Return a group's cells under `COLUMNS`."""
    median = value(group.median) if group.median is not None or not group.trained else "stopped before"
    return f"{group.trained:,}", f"{group.past:,}", f"{group.whole:,}", value(group.best), median


def _leads(groups: Sequence[Group], many: str) -> str:
    first = groups[0]
    if first.best is None:
        return f"None of the {len(groups)} {many} has a trial that ran over every fold."
    said = f"The best value, {value(first.best)}, was reached with {first.name}"
    others = [g for g in groups[1:] if g.best is not None]
    if others:
        said += f"; {listed([f'{g.name} came to {value(g.best)}' for g in others[:3]])}"
    without = [g.name for g in groups if g.best is None]
    if without:
        said += f"; no trial with {listed(without, 'or')} ran over every fold"
    return f"{said}."


def _caveat(groups: Sequence[Group]) -> str:
    low, high = min(g.tried for g in groups), max(g.tried for g in groups)
    said = f"The counts differ ({low:,} to {high:,} trials): the search tries more of what did well"
    few = [g.name for g in groups if 0 < g.whole < FEW]
    if few:
        have = "has" if len(few) == 1 else "have"
        said += f", and {listed(few)} {have} fewer than {FEW} trials over every fold"
    return f"{said}."
