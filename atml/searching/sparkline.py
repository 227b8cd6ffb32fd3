"""A learning curve as one short line of text: reported values as blocks of eight heights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
"""From the lowest value to the highest."""

PLAIN = "_.-=+*#@"
"""The same for a terminal without block characters."""

WIDTH = 12
"""Cells of a sparkline: the last three folds, of four reports each."""


def sparkline(
    values: Sequence[float], *, low: float, high: float, width: int = WIDTH, blocks: str = BLOCKS
) -> str:
    """Draw the last ``width`` values between ``low`` and ``high``, padded with spaces to ``width``.

    A value that is not finite leaves a gap. Where ``low`` is ``high`` every value is in the middle.

    >>> sparkline([0.0, 0.5, 1.0], low=0.0, high=1.0, width=4)
    '▁▅█ '
    """
    cells = []
    for value in values[-width:]:
        if not math.isfinite(value):
            cells.append(" ")
            continue
        share = 0.5 if high <= low else (min(max(value, low), high) - low) / (high - low)
        cells.append(blocks[min(int(share * len(blocks)), len(blocks) - 1)])
    return "".join(cells).ljust(width)


class Curves:
    """The values that running trials reported, by fold and fraction."""

    def __init__(self) -> None:
        self._of: dict[int, dict[tuple[int, float], float]] = {}

    def take(self, reports: Iterable[tuple[int, int, float, float | None]]) -> None:
        """Add ``(trial, fold, fraction, value)`` of each running trial; others are forgotten."""
        reports = list(reports)
        kept = {trial: self._of.get(trial, {}) for trial, *_ in reports}
        for trial, fold, fraction, value in reports:
            if value is not None:
                kept[trial][fold, fraction] = value
        self._of = kept

    def lines(self, *, width: int = WIDTH, blocks: str = BLOCKS) -> Mapping[int, str]:
        """Draw every running trial, all on one scale from their lowest to their highest value."""
        finite = [v for curve in self._of.values() for v in curve.values() if math.isfinite(v)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
        return {
            trial: sparkline(
                [curve[at] for at in sorted(curve)], low=low, high=high, width=width, blocks=blocks
            )
            for trial, curve in self._of.items()
        }
