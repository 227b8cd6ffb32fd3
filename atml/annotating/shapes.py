"""Which beats look alike: groups of one shape, the largest first (numpy, pure)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats, evenly

ALIKE = 0.9
"""Least correlation of two beats of one shape."""

SHIFTS = 2
"""Points that one of two beats may be moved by, either way, to lie on the other."""

POINTS = 64
"""Points that a beat is compared in."""

MOST = 800
"""Beats that are compared; of more, so many are taken evenly."""


class Shape(NamedTuple):
    """One shape: the row of the beat that most others resemble, and how many rows are like it."""

    row: int
    members: int


def shapes(x: npt.NDArray[np.floating], most: int) -> list[Shape]:
    """Group beats ``x (n, samples)`` by shape, whatever their size; return the ``most`` largest groups.

    The beat with the most like it and all of these are a group, and so on with the rest. Of more than `MOST`
    beats only some are grouped. Beats that are flat, or miss a sample, are in no group.

    Example:
        >>> t = np.linspace(-1, 1, 100)
        >>> narrow, wide = np.exp(-((t / 0.05) ** 2)), -np.exp(-((t / 0.3) ** 2))
        >>> [one.members for one in shapes(np.stack([narrow, wide, 2 * wide, wide + 1]), 5)]
        [3, 1]
    """
    taken = evenly(len(x), MOST) if len(x) else np.empty(0, np.int64)
    plain, rows = _scaled(np.asarray(x[taken], np.float64))
    rows = taken[rows]
    alike = _alike(plain)
    found: list[Shape] = []
    left = np.ones(len(rows), np.bool_)
    while left.any() and len(found) < most:
        count = np.where(left, (alike & left).sum(axis=1), 0)
        best = int(count.argmax())
        found.append(Shape(int(rows[best]), int(count[best])))
        left &= ~alike[best]
    return found


def _scaled(x: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Bring beats to `POINTS` points, no offset and one size; return them and which rows those are."""
    if not x.size:
        return np.empty((0, POINTS)), np.empty(0, np.int64)
    place = np.linspace(0, x.shape[1] - 1, POINTS)
    points = np.stack([np.interp(place, np.arange(x.shape[1]), row) for row in x])
    points -= points.mean(axis=1, keepdims=True)
    size = np.sqrt((points**2).sum(axis=1))
    rows = np.flatnonzero(size > 0)  # NaN is not
    return points[rows] / size[rows, None], rows


def _alike(plain: Floats) -> npt.NDArray[np.bool_]:
    """Tell which beats are of one shape, ``(n, n)``; each is like itself."""
    best = plain @ plain.T
    for shift in range(1, SHIFTS + 1):
        moved = plain[:, shift:] @ plain[:, :-shift].T
        best = np.maximum(best, np.maximum(moved, moved.T))
    found: npt.NDArray[np.bool_] = best >= ALIKE
    np.fill_diagonal(found, True)
    return found
