"""Where leads stand on a page, found from their traces and their known signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atml.arrays import Float32, Floats, UInt8
from atml.pages.page_layout import Place, places
from atml.pages.twelve_leads import LEADS

MOST_OFF_MM = 1.0
"""How far a trace may lie from its signal, on average without the worst tenth, to be that of the signal."""

REACH_MM = 6.0
"""How far from its left end a row's first sample is sought."""

LEAST_POINTS = 20
"""Columns that a trace has to have."""


@dataclass(frozen=True)
class Trace:
    """The trace of a stretch of a lead: ``x`` and ``y (n,)`` in mm on the flat page, a point a column."""

    lead: str
    start: int
    stop: int
    x: Floats
    y: Floats


def stretches(layout: str, samples: int, fs: float, speed: float) -> list[tuple[int, Place]]:
    """Return the stretches of a layout and the number of the row of each; their places are not known.

    Example:
        >>> [(row, place.lead, place.start) for row, place in stretches("6x2", 5000, 500, 25.0)][:3]
        [(0, 'I', 0), (0, 'V1', 2500), (1, 'II', 0)]
    """
    found = places(layout, speed=speed, rate=round(fs), samples=samples, height=0.0, left=0.0)
    rows = {y: number for number, y in enumerate(sorted({place.y for place in found}, reverse=True))}
    return [(rows[place.y], place) for place in found]


def drawn(signal: Float32, layout: str, fs: float, speed: float) -> Float32:
    """Return a signal, ``(12, samples)``, with NaN where the layout shows nothing of it."""
    out = np.full(signal.shape, np.nan, np.float32)
    for _, place in stretches(layout, signal.shape[1], fs, speed):
        lead = LEADS.index(place.lead)
        out[lead, place.start : place.stop] = signal[lead, place.start : place.stop]
    return out


def of_points(
    numbers: UInt8, x: Floats, y: Floats, wanted: Sequence[tuple[int, Place]], column_mm: float = 0.4
) -> list[Trace]:
    """Return the traces of stretches, of points of which is known whose they are.

    A lead that is drawn twice has the points of a stretch that lie nearer to its row than to the other's.

    Args:
        numbers: The lead of each point, 1 to 12 as in `LEADS`, ``(n,)``.
        x: Where it lies, in mm, ``(n,)``.
        y: Likewise.
        wanted: What `stretches` gives.
        column_mm: How wide a column is that has one point of a trace.
    """
    leads = [place.lead for _, place in wanted]
    height: dict[int, float] = {}
    for row, place in wanted:
        mine = numbers == LEADS.index(place.lead) + 1
        if leads.count(place.lead) == 1 and mine.any():
            height.setdefault(row, float(np.median(y[mine])))
    rows = sorted({row for row, _ in wanted})
    if len(height) > 1:
        down = np.polyfit(list(height), list(height.values()), 1)
        height = {row: height.get(row, float(np.polyval(down, row))) for row in rows}
    out = []
    for row, place in wanted:
        mine = numbers == LEADS.index(place.lead) + 1
        others = [at for at, other in wanted if other.lead == place.lead and at != row]
        if others and row in height:
            away = np.abs(y - height[row])
            mine = mine & np.all([away < np.abs(y - height[at]) for at in others], axis=0)
        column = np.floor(x[mine] / column_mm).astype(np.int64)
        names, which, count = np.unique(column, return_inverse=True, return_counts=True)
        middle = np.bincount(which, y[mine], len(names)) / np.maximum(count, 1)
        out.append(Trace(place.lead, place.start, place.stop, (names + 0.5) * column_mm, middle))
    return out


def fitted(
    traces: Sequence[Trace], signal: Float32, *, fs: float, speed: float, gain: float
) -> list[dict[str, Any]] | None:
    """Return where each stretch stands, or None where one is not that of its signal.

    Rows begin below each other, and leads follow without a gap; where that does not fit, each stretch is
    placed by itself. Each entry has ``lead``, ``start``, ``stop``, and ``x`` and
    ``y``, where its first sample lies at 0 mV, in mm.

    Args:
        traces: One for each stretch of the page.
        signal: ``(12, samples)`` in mV, NaN where nothing is drawn.
        fs: Its samples a second.
        speed: In mm/s.
        gain: In mm/mV.
    """
    if any(len(one.x) < LEAST_POINTS for one in traces):
        return None
    together = _together(traces, signal, fs, speed, gain)
    if together is not None or len(traces) == 1:
        return together
    alone = [_together([one], signal, fs, speed, gain) for one in traces]
    return [found[0] for found in alone if found] if all(alone) else None


def _together(
    traces: Sequence[Trace], signal: Float32, fs: float, speed: float, gain: float
) -> list[dict[str, Any]] | None:
    begins = float(np.median([one.x.min() - one.start / fs * speed for one in traces]))
    coarse = begins + np.arange(-REACH_MM, REACH_MM, 0.2)
    left = _best(traces, signal, coarse, fs, speed, gain)
    left = _best(traces, signal, left + np.arange(-0.25, 0.25, 0.02), fs, speed, gain)
    out = []
    for one in traces:
        zero, off = _zero(one, signal, left, fs, speed, gain)
        if not off < MOST_OFF_MM:
            return None
        x = left + one.start / fs * speed
        out.append({"lead": one.lead, "start": one.start, "stop": one.stop, "x": x, "y": zero})
    return out


def _best(
    traces: Sequence[Trace], signal: Float32, lefts: Floats, fs: float, speed: float, gain: float
) -> float:
    """Return where rows begin, of ``lefts``, so that traces lie nearest to their signals."""
    total = [sum(_zero(one, signal, left, fs, speed, gain)[1] for one in traces) for left in lefts]
    return float(lefts[int(np.argmin(total))])


def _zero(
    one: Trace, signal: Float32, left: float, fs: float, speed: float, gain: float
) -> tuple[float, float]:
    """Return the zero line of a stretch in a page that begins at ``left``, and how far off its trace is."""
    values = signal[LEADS.index(one.lead)]
    at = (one.x - left) / speed * fs
    inside = (at >= one.start) & (at <= one.stop - 1)
    if inside.sum() < LEAST_POINTS:
        return 0.0, np.inf
    at = at[inside]
    # A column shows the mean of what falls into it.
    wide = max(1, round(float(np.median(np.diff(np.sort(at))))))
    reach = np.arange(wide) - (wide - 1) / 2
    grid = np.arange(len(values))
    seen = np.mean([np.interp(at + step, grid, values) for step in reach], axis=0)
    zeros = one.y[inside] + gain * seen
    zeros = zeros[np.isfinite(zeros)]
    if len(zeros) < LEAST_POINTS:
        return 0.0, np.inf
    zero = float(np.median(zeros))
    off = np.sort(np.abs(zeros - zero))
    return zero, float(off[: max(1, int(0.9 * len(off)))].mean())
