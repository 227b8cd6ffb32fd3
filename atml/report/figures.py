"""Figures of a model as files have them, read back: where they are from, intervals, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from atml.arrays import Int64
from atml.metrics import Interval

Figures = Mapping[str, Any]
"""What a metrics.json or the file of an evaluation holds, or the same from stored predictions."""


@dataclass(frozen=True)
class Source:
    """Where figures are from: ``kind`` is "card", or why the study's predictions stand in for one."""

    figures: Figures
    trial: int
    runs: int
    kind: str = "card"

    @property
    def words(self) -> str:
        """Say it for a caption."""
        how = "" if self.runs == 1 else f", mean of {self.runs} trainings on fresh seeds"
        what = "the card's figures" if self.kind == "card" else self.kind
        return f"trial {self.trial} out of fold{how}; {what}"


def interval_of(fields: Figures | None) -> Interval | None:
    """Read an interval back from JSON; None where one of its numbers is missing."""
    if not fields or any(fields.get(key) is None for key in ("value", "low", "high")):
        return None
    return Interval(fields["value"], fields["low"], fields["high"])


def averaged(cells: Int64, runs: int) -> Int64:
    """Divide counts ``(rows, columns)`` by ``runs`` so that every row keeps its sum.

    Example:
        >>> averaged(np.array([[3, 5], [1, 1]]), 2).tolist()
        [[2, 2], [1, 0]]
    """
    found = cells // runs
    for row, counts in zip(found, cells, strict=True):
        short = round(counts.sum() / runs) - int(row.sum())
        row[np.argsort(-(counts % runs), kind="stable")[:short]] += 1
    return np.asarray(found)
