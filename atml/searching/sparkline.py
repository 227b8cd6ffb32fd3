"""A learning curve as one short line of text: what a trial reported so far, in blocks of eighths."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
"""From the lowest value to the highest."""

PLAIN = "_.-=+*#@"
"""The same for a terminal that can't write blocks."""

WIDTH = 12
"""Cells of a sparkline: with five folds of four reports the last three folds fit."""


def sparkline(
    values: Sequence[float], *, low: float, high: float, width: int = WIDTH, blocks: str = BLOCKS
) -> str:
    """Draw the last ``width`` values between ``low`` and ``high``, padded with spaces to ``width``.

    A value that is not finite leaves a gap. Where ``low`` is ``high`` every value is in the middle.
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
    """What each running trial reported, as far as it was shown: one value a fold and fraction."""

    def __init__(self) -> None:
        self._of: dict[int, dict[tuple[int, float], float]] = {}

    def take(self, reports: Iterable[tuple[int, int, float, float | None]]) -> None:
        """Add ``(trial, fold, fraction, value)`` of the trials that run; others are forgotten."""
        reports = list(reports)
        kept = {trial: self._of.get(trial, {}) for trial, *_ in reports}
        for trial, fold, fraction, value in reports:
            if value is not None:
                kept[trial][fold, fraction] = value
        self._of = kept

    def lines(self, *, width: int = WIDTH, blocks: str = BLOCKS) -> Mapping[int, str]:
        """Draw every running trial, all on one scale: from the lowest to the highest value among them."""
        told = [v for curve in self._of.values() for v in curve.values() if math.isfinite(v)]
        low, high = (min(told), max(told)) if told else (0.0, 0.0)
        return {
            trial: sparkline(
                [curve[at] for at in sorted(curve)], low=low, high=high, width=width, blocks=blocks
            )
            for trial, curve in self._of.items()
        }
