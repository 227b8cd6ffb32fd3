"""What is written on a page laid flat: its rows of leads, where they begin, its speed and its gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats
from atml.pages.page_layout import GAINS, LAYOUTS, SPEEDS, TRACE_WIDTH
from atml.paper.flat_page import FlatPage

PULSE_S = 0.2
"""Length of a calibration pulse in s; it is 1 mV high."""

BY_ROWS = {len(rows): name for name, rows in LAYOUTS.items()}
"""Layouts by how many rows they have."""

SEEN = 0.3
"""Probability from which a pixel counts as trace where rows are looked for."""

VOTES_A_MM = 6
"""Places a mm where votes for rows are counted."""

APART = 9.0
"""Least distance of two rows in mm."""

PEN_MM = 0.25
"""How much before its first sample a trace is inked: half a pen, and half a pixel."""

PULSE_SURE = 0.12
"""How much of a pulse has to be there to be believed."""


@dataclass(frozen=True)
class Scale:
    """Speed in mm/s, gain in mm/mV, and how much of the pulse that says so was seen, 0 to 1.

    Where no pulse is seen, they are the usual 25 and 10, and ``surety`` is 0.
    """

    speed: float
    gain: float
    surety: float


def rows_of(page: FlatPage) -> Floats:
    """Return the zero lines of the rows, in mm below the page's upper edge, from the top.

    Each pixel of a trace says how far below it its zero line is: it votes for a row.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    weight = np.where(page.trace > SEEN, page.trace, 0)
    # A steep stroke has many pixels in a column, and a flat line few: a column has about one vote a row.
    weight = weight / np.maximum(weight.sum(0) * 0.05, 1)
    votes = page.y()[:, None] + page.drop
    use = (weight > 0) & (votes > 0) & (votes < page.y()[-1])
    count = round(page.y()[-1] * VOTES_A_MM) + 1
    votes_at = np.round(votes[use] * VOTES_A_MM).astype(np.int64)
    smooth = gaussian_filter1d(np.bincount(votes_at, weight[use], count), 1.2 * VOTES_A_MM)
    if not smooth.any():
        return np.empty(0)
    peaks, _ = find_peaks(smooth, distance=round(APART * VOTES_A_MM), height=0.15 * smooth.max())
    height = smooth[peaks]
    kept = height > 0.25 * np.median(np.sort(height)[-3:]) if len(peaks) else np.zeros(0, bool)
    return _of_a_layout(
        np.asarray(peaks[kept] / VOTES_A_MM, np.float64), np.asarray(height[kept], np.float64)
    )


def _of_a_layout(peaks: Floats, votes: Floats) -> Floats:
    """Leave out what is too much for a layout: rows lie equally far apart."""
    while len(peaks) not in BY_ROWS and len(peaks) > min(BY_ROWS):
        gaps = np.diff(peaks)
        usual = np.median(gaps)
        # One end or the other is farthest from the even spacing, or one has the fewest votes.
        ends = {0: abs(gaps[0] - usual), len(peaks) - 1: abs(gaps[-1] - usual)}
        worst = max(ends, key=lambda at: float(ends[at]))
        out = worst if ends[worst] > 0.25 * usual else int(votes.argmin())
        peaks, votes = np.delete(peaks, out), np.delete(votes, out)
    return np.asarray(peaks, np.float64)


def left_of(page: FlatPage) -> float:
    """Return where the rows begin, in mm from the left: the stretch of a row's width with most ink."""
    there = np.minimum(page.trace.sum(0), 2.0) * (page.trace.max(0) > SEEN)
    width = round(TRACE_WIDTH * page.per_mm)
    if len(there) <= width:
        return 0.0
    total = np.concatenate([[0.0], np.cumsum(there)])
    inside = total[width:] - total[:-width]
    best = np.flatnonzero(inside >= inside.max() - 0.5)
    first = int(best.mean())
    # The edge itself: the first column near that begins a stretch that is inked.
    inked = there > 0.5
    reach = round(4 * page.per_mm)
    for at in range(max(0, first - reach), min(len(inked) - 8, first + reach)):
        if inked[at : at + 8].mean() > 0.8 and inked[at]:
            return at / page.per_mm + PEN_MM
    return first / page.per_mm


def scale_of(page: FlatPage, rows: Floats, left: float) -> Scale:
    """Read speed and gain off the calibration pulses beside the rows."""
    from scipy.ndimage import maximum_filter

    if len(rows) == 0:
        return Scale(SPEEDS[0], GAINS[1], 0.0)
    above, below = max(GAINS) + 4, 3.0
    # A pulse is a thin line: rows that lie a pixel apart from one another are to add up all the same.
    wider = maximum_filter(page.print, 3)
    ink = np.mean(
        [_strip(wider, row * page.per_mm, above * page.per_mm, below * page.per_mm) for row in rows], 0
    )
    start, stop = round(left * page.per_mm), round((left + TRACE_WIDTH) * page.per_mm)
    found: list[tuple[float, float, float]] = []
    for gain in GAINS:
        for speed in SPEEDS:
            for first, last in ((0, start), (stop - 2, ink.shape[1])):
                shape = (round(part * page.per_mm) for part in (PULSE_S * speed, gain, above, 3.0))
                found.append((_pulse(ink[:, first:last], *shape), speed, gain))
    surety, speed, gain = max(found)
    return Scale(speed, gain, surety) if surety >= PULSE_SURE else Scale(SPEEDS[0], GAINS[1], 0.0)


def _strip(layer: Float32, row: float, above: float, below: float) -> Float32:
    """Cut out the rows round a zero line, nothing where they lie beyond the page; all in pixels."""
    first = round(row - above)
    last = first + round(above + below)
    inner = layer[max(0, first) : max(0, last)]
    padded = np.zeros((last - first, layer.shape[1]), np.float32)
    start = max(0, -first)
    padded[start : start + len(inner)] = inner
    return padded


def _pulse(ink: Float32, wide: int, high: int, zero: int, clear: int) -> float:
    """Return how much of a pulse is there at the best place: top, both flanks, and nothing above it.

    Args:
        ink: The mean of the rows, their zero line in row ``zero``.
        wide: Columns of the pulse.
        high: Its rows.
        zero: Row of the zero line.
        clear: Rows above it that are to be free.
    """
    if ink.shape[1] < wide + 2:
        return 0.0
    top = ink[zero - high - 1 : zero - high + 2].max(0)
    flank = ink[zero - high + 2 : zero - 1].mean(0)
    over = ink[max(0, zero - high - clear) : zero - high - 3].mean(0)
    total = np.concatenate([[0.0], np.cumsum(top)])
    lid = (total[wide:] - total[:-wide]) / wide
    count = min(len(lid), len(flank) - wide)
    if count <= 0:
        return 0.0
    parts = np.stack([lid[:count], flank[:count], flank[wide : wide + count]])
    return float((parts.min(0) - over[:count]).max())
