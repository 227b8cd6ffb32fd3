"""A row's trace: which stretch of ink in each column belongs to it, and its height between the pixels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from atml.arrays import Bools, Floats, Int64
from atml.digitising.rows import Ink

GAP, JUMP, AWAY = 1.2, 2.0, 2.5
"""Costs: of a column without ink, of a jump of one mm, and of being as far from a row as it may well be."""


@dataclass(frozen=True)
class Trace:
    """One row, a value a column: ``top`` and ``bottom`` of its ink and its centre of mass in pixels.

    NaN where there is none. ``level`` is the row's height on the page, ``pen`` the width of its line. Where
    it was ``cut``, its ink goes on beyond what a row may take: a peak is higher than what is read of it.
    """

    top: Floats
    bottom: Floats
    middle: Floats
    level: float
    pen: float
    cut: Bools = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def thin(self) -> Floats:
        """Heights where the line is as thin as it gets, NaN elsewhere."""
        with np.errstate(invalid="ignore"):
            return np.where(self.bottom - self.top <= 1.1 * self.pen, self.middle, np.nan)

    @property
    def there(self) -> Bools:
        """Columns with ink."""
        return np.isfinite(self.middle)

    def points(self) -> tuple[Floats, Floats]:
        """Return columns and heights of the line, in pixels.

        The middle of a column's ink is where the line is on average there; where it turns, it went on to the
        end of the ink.
        """
        half = self.pen / 2
        low, high = self.top + half, self.bottom - half
        y = self.middle.copy()
        tall = (self.bottom - self.top) > 1.6 * self.pen
        before, after = np.roll(self.middle, 1), np.roll(self.middle, -1)
        before[0] = after[-1] = np.nan
        top_before, top_after = np.roll(self.top, 1), np.roll(self.top, -1)
        low_before, low_after = np.roll(self.bottom, 1), np.roll(self.bottom, -1)
        with np.errstate(invalid="ignore"):
            peak = tall & (self.top <= top_before + 0.5) & (self.top <= top_after + 0.5)
            peak &= (low < before) & (low < after)
            dip = tall & (self.bottom >= low_before - 0.5) & (self.bottom >= low_after - 0.5)
            dip &= (high > before) & (high > after)
        both = peak & dip
        y = np.where(peak & ~both, low, y)
        y = np.where(dip & ~both, high, y)
        x = np.flatnonzero(np.isfinite(y))
        return x.astype(np.float64), y[x]


@dataclass(frozen=True)
class _Runs:
    """Stretches of ink of a column, from the top: first and last edge, centre of mass, mass."""

    top: Floats
    bottom: Floats
    middle: Floats
    mass: Floats


def _runs(part: Floats, least: float) -> list[_Runs]:
    """Find the stretches of ink of each column of ``part (rows, columns)``.

    Edges are where coverage says they lie within a pixel.
    """
    rows, columns = part.shape
    across = np.ascontiguousarray(part.T)
    thick = (across > least).astype(np.int8)
    edge = np.diff(thick, axis=1, prepend=0, append=0)
    column, first = np.nonzero(edge == 1)
    last = np.nonzero(edge == -1)[1] - 1
    cover = np.clip(across, 0, 1)
    above = np.where(first > 0, cover[column, np.maximum(first - 1, 0)], 0)
    below = np.where(last < rows - 1, cover[column, np.minimum(last + 1, rows - 1)], 0)
    total, moment = (np.zeros((columns, rows + 1)) for _ in range(2))
    np.cumsum(cover, axis=1, out=total[:, 1:])
    np.cumsum(cover * np.arange(rows), axis=1, out=moment[:, 1:])
    mass = total[column, last + 1] - total[column, first] + above + below
    middle = (
        moment[column, last + 1] - moment[column, first] + above * (first - 1) + below * (last + 1)
    ) / np.maximum(mass, 1e-9)
    top = first + 0.5 - cover[column, first] - above
    bottom = last - 0.5 + cover[column, last] + below
    ends = np.searchsorted(column, np.arange(columns + 1))
    return [
        _Runs(top[i:j], bottom[i:j], middle[i:j], mass[i:j]) for i, j in itertools.pairwise(ends.tolist())
    ]


def follow(found: Ink, level: float, reach: tuple[float, float], far_off: float) -> Trace:
    """Follow a row from left to right.

    The way with the least cost through stretches of ink is taken: those that touch the one before cost
    nothing, jumps, gaps and distance from the row do. Names of leads lie off the way.

    Args:
        found: Ink of the flat page.
        level: Height of the row on it, in pixels.
        reach: Pixels above and below the level that the trace stays within.
        far_off: Pixels from the level beyond which text and other rows are likelier than the trace.
    """
    rows, columns = found.cover.shape
    top = max(0, int(level - reach[0]))
    part = found.cover[top : min(rows, int(level + reach[1]) + 1)].astype(np.float64)
    all_runs = _runs(part, max(0.18, 3.5 * found.noise))
    jump = JUMP / found.scale
    costs = np.zeros(1)
    low = high = np.array([level - top])
    back: list[Int64] = []
    kept: list[tuple[Floats, Floats]] = []
    for runs in all_runs:
        # The last state of a column is "no ink here": it stays where it was.
        far = np.abs(runs.middle - (level - top)) / far_off
        pen = AWAY * far**2 - np.minimum(runs.mass, 1.0)
        gap = np.maximum(runs.top[:, None] - high[None], low[None] - runs.bottom[:, None]) - 1
        into = costs[None] + jump * np.maximum(gap, 0)
        best = into.argmin(1)
        new = into[np.arange(len(best)), best] + pen
        stay = int(costs.argmin())
        back.append(np.append(best, stay))
        costs = np.append(new, costs[stay] + GAP)
        low, high = np.append(runs.top, low[stay]), np.append(runs.bottom, high[stay])
        kept.append((low, high))
    state = int(costs.argmin())
    chosen = np.full(columns, -1)
    for j in range(columns - 1, -1, -1):
        if state < len(all_runs[j].middle):
            chosen[j] = state
        state = int(back[j][state])
    out = np.full((3, columns), np.nan)
    cut, n = np.zeros(columns, bool), len(part)
    for j in np.flatnonzero(chosen >= 0).tolist():
        runs, k = all_runs[j], int(chosen[j])
        out[:, j] = runs.top[k], runs.bottom[k], runs.middle[k]
        cut[j] = (top > 0 and runs.top[k] < 1) or (top + n < rows and runs.bottom[k] > n - 2)
    for j in np.flatnonzero((chosen[1:] < 0) != (chosen[:-1] < 0)).tolist():
        # Ink that touches the trace, and is too far from the row to be taken.
        here, beside = (j, j + 1) if chosen[j] >= 0 else (j + 1, j)
        runs = all_runs[beside]
        cut[beside] = bool(((runs.top < out[1, here]) & (runs.bottom > out[0, here])).any())
    tall = out[1] - out[0]
    pen_width = float(np.nanquantile(tall, 0.3)) if (chosen >= 0).any() else 1.0
    return Trace(out[0] + top, out[1] + top, out[2] + top, level, max(pen_width, 0.5), cut)


def untangled(traces: list[Trace]) -> list[Trace]:
    """Share out ink that two rows have in common: it goes to the one whose stroke it is.

    The other one goes on as before: its columns there are NaN.
    """
    kept = [(t.top.copy(), t.bottom.copy(), t.middle.copy()) for t in traces]
    for upper, lower in zip(range(len(traces) - 1), range(1, len(traces)), strict=True):
        one, two = traces[upper], traces[lower]
        with np.errstate(invalid="ignore"):
            same = (np.abs(one.top - two.top) < 0.01) & (np.abs(one.bottom - two.bottom) < 0.01)
        at = np.flatnonzero(same)
        if not len(at):
            continue
        for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
            first, last = int(part[0]), int(part[-1])
            near = [j for j in (first - 1, last + 1) if 0 <= j < len(same) and not same[j]]
            above = [one.middle[j] for j in near if np.isfinite(one.middle[j])]
            below = [two.middle[j] for j in near if np.isfinite(two.middle[j])]
            if not above or not below:
                continue
            top, bottom = one.top[part].min(), one.bottom[part].max()
            over, under = min(above) - one.pen * 1.5 - top, bottom - max(below) - one.pen * 1.5
            wide = last - first > 12 * one.pen + 6 or (max(over, under) < 0 and last - first > 3 * one.pen)
            if wide:
                # One of them is not seen there, and strayed to the other.
                off = [np.abs(t.middle[part] - t.level).mean() for t in (one, two)]
                for values in kept[upper if off[0] > off[1] else lower]:
                    values[part] = np.nan
                continue
            if max(over, under) < 0:
                # Neither goes beyond the other: the one that has moved more on its way there.
                over = max((two.level - two.top[j] for j in near if np.isfinite(two.top[j])), default=0.0)
                under = max((one.bottom[j] - one.level for j in near if np.isfinite(one.top[j])), default=0.0)
            loser = upper if over > under else lower
            for values in kept[loser]:
                values[part] = np.nan
    return [
        Trace(top, bottom, middle, t.level, t.pen, t.cut)
        for t, (top, bottom, middle) in zip(traces, kept, strict=True)
    ]
