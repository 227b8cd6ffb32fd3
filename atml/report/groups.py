"""One table for whatever trials are grouped by: a loss, a family, an activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from atml.formatting import plural, value
from atml.models.config import ModelConfig
from atml.report.comparable import Group, grouped
from atml.report.page import Block, Grid, Text
from atml.training.records import TrialRecord

READING = (
    "In tables like the next a trial is trained when it fits the budget, past fold 1 when it ended its first"
    " fold. The median is that of the trained trials after fold 1; one that was stopped earlier counts as"
    " lower. The search tries more of what did well, and the best of many looks better than that of few."
)
"""What the columns mean, said before the first of such tables."""

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
        (only,) = groups
        if only.tried == 1:
            return [Text(f"The only trial had the {one} {only.name}.")]
        return [Text(f"All {only.tried:,} trials had one {one}: {only.name}.")]
    columns = (one, "trials", *COLUMNS)
    rows = tuple((g.name, f"{g.tried:,}", *cells(g)) for g in groups)
    return [Grid(columns, rows, _leads(groups, many), right=columns[1:])]


def cells(group: Group) -> tuple[str, ...]:
    """Return a group's cells under `COLUMNS`."""
    median = value(group.median) if group.median is not None or not group.trained else "stopped before"
    return f"{group.trained:,}", f"{group.past:,}", f"{group.whole:,}", value(group.best), median


def _leads(groups: Sequence[Group], many: str) -> str:
    first = groups[0]
    if first.best is None:
        return f"None of the {len(groups)} {many} has a trial that ran over every fold."
    few = f", of {plural(first.whole, 'trial')} over every fold" if first.whole < FEW else ""
    return f"The best value, {value(first.best)}, was reached with {first.name}{few}."
