"""A line fitted to the ink of a row: the one that, drawn with the page's pen, leaves ink where it is seen.

Where a trace is steep, a column's ink says from where to where the pen went in it, and not when: its middle
is off by as much as the pen stayed longer at one end. The line itself is what is sought: its height in each
column, such that the darkness that it would give at each pixel near it is the one that is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats

ROUNDS = 8
"""Steps of Gauss and Newton."""

REACH = 3
"""Columns to either side in which the nearest point of the line to a pixel is sought."""

MOST_STEP = 1.5
"""Pixels that a point of the line moves by in one step, at most."""

SMOOTH, BEND = 0.02, 0.3
"""Weight of second differences, and those in pixels from which they count as they are and not squared."""

OFF = 0.35
"""Difference of darkness from which a pixel counts less: it has ink of something else."""


@dataclass(frozen=True)
class Pen:
    """What a line leaves across it: ``dark`` exp(-distance^2 / (2 ``wide``^2)), distances in pixels."""

    dark: float
    wide: float


def fitted(cover: Float32, start: Floats, low: Floats, high: Floats, pen: Pen) -> Floats:
    """Return the heights of a line, one a column.

    Args:
        cover: Ink ``(rows, columns)``.
        start: Heights to begin with, ``(columns,)``.
        low: First row of each column that is looked at, ``(columns,)``.
        high: Last row of each.
        pen: The line's own profile.
    """
    from scipy.linalg import solveh_banded

    n = len(start)
    y = np.asarray(start, np.float64).copy()
    if n < 5:
        return y
    rows = cover.shape[0]
    first = np.clip(np.floor(low), 0, rows - 1).astype(np.int64)
    last = np.clip(np.ceil(high), first, rows - 1).astype(np.int64)
    count = last - first + 1
    px = np.repeat(np.arange(n), count)
    py = np.arange(len(px)) - np.repeat(np.cumsum(count) - count, count) + first[px]
    seen = np.clip(cover[py, px].astype(np.float64), 0, 1.2)
    level = py.astype(np.float64)
    shifts = np.arange(-REACH, REACH)
    segment = np.clip(px[None] + shifts[:, None], 0, n - 2)
    across = (px[None] - segment).astype(np.float64)
    narrow = 1 / pen.wide**2
    pick = np.arange(len(px))
    for _ in range(ROUNDS):
        rise = np.diff(y)
        a, b = y[segment], rise[segment]
        down = level[None] - a
        t = np.clip((across + down * b) / (1 + b * b), 0, 1)
        away_y = down - t * b
        square = (across - t) ** 2 + away_y**2
        near = square.argmin(0)
        k, t, away_y, square = (one[near, pick] for one in (segment, t, away_y, square))
        model = pen.dark * np.exp(-0.5 * narrow * square)
        miss = seen - model
        weight = 1 / (1 + (miss / OFF) ** 2)
        slope = model * narrow * away_y
        one, two = slope * (1 - t), slope * t
        matrix = np.zeros((3, n))
        matrix[2] = np.bincount(k, weight * one * one, n) + np.bincount(k + 1, weight * two * two, n)
        matrix[1, 1:] = np.bincount(k, weight * one * two, n)[:-1]
        pull: Floats = np.zeros(n)
        pull += np.bincount(k, weight * one * miss, n) + np.bincount(k + 1, weight * two * miss, n)
        bend = np.diff(y, 2)
        stiff = SMOOTH / np.sqrt(1 + (bend / BEND) ** 2)
        for i, f in enumerate((1.0, -2.0, 1.0)):
            matrix[2, i : n - 2 + i] += stiff * f * f
            pull[i : n - 2 + i] -= stiff * bend * f
        matrix[1, 1:-1] += -2.0 * stiff
        matrix[1, 2:] += -2.0 * stiff
        matrix[0, 2:] += stiff
        matrix[2] += 0.003
        step = solveh_banded(matrix, pull, check_finite=False)
        y += np.clip(step, -MOST_STEP, MOST_STEP)
    return y


def pen(cover: Float32, heights: list[Floats]) -> Pen:
    """Measure what lines leave across them where they are level.

    Args:
        cover: Ink ``(rows, columns)``.
        heights: Middles of lines, ``(columns,)`` each, NaN where there is none.
    """
    rows = cover.shape[0]
    away, dark = [], []
    for y in heights:
        flat = np.isfinite(y)
        flat[1:-1] &= np.abs(y[2:] - y[:-2]) < 0.5
        flat[[0, -1]] = False
        at = np.flatnonzero(flat)
        middle = np.rint(y[at]).astype(np.int64)
        for shift in range(-4, 5):
            level = np.clip(middle + shift, 0, rows - 1)
            away.append(level - y[at])
            dark.append(cover[level, at])
    if not away or sum(len(one) for one in away) < 90:
        return Pen(1.0, 0.9)
    place = np.rint(np.abs(np.concatenate(away)) * 4).astype(np.int64)
    values = np.concatenate(dark)
    bins = [n for n in range(15) if (place == n).sum() > 9]
    profile = np.array([np.median(values[place == n]) for n in bins])
    distance = np.array(bins) / 4
    best, found = np.inf, Pen(1.0, 0.9)
    for wide in np.arange(0.6, 3.0, 0.05):
        shape = np.exp(-0.5 * (distance / wide) ** 2)
        share = float(shape @ profile / (shape @ shape))
        rest = float(((profile - share * shape) ** 2).sum())
        if rest < best and share > 0.1:
            best, found = rest, Pen(share, float(wide))
    return found
