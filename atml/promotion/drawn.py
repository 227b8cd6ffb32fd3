"""Intervals of a difference, from drawn subjects and from Student's distribution; pure."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from atml.metrics import Interval

LEVEL = 0.95
"""Of all intervals."""


def student(value: float, error: float, subjects: int) -> Interval:
    """Return Student's interval of a difference with the standard error ``error``, of so many subjects.

    Example:
        >>> found = student(0.1, 0.02, 8)
        >>> round(found.low, 3), round(found.high, 3)
        (0.053, 0.147)
        >>> student(0.1, 0.02, 1)
        Interval(value=0.1, low=-inf, high=inf)
    """
    if subjects < 2 or not math.isfinite(error):
        return Interval(value, -math.inf, math.inf)
    half = float(stdtrit(subjects - 1, (1 + LEVEL) / 2)) * error
    return Interval(value, value - half, value + half)


def wider(one: Interval, other: Interval) -> Interval:
    """Return the wider of two intervals of one value at each end.

    Example:
        >>> wider(Interval(0.0, -1.0, 1.0), Interval(0.0, -2.0, 0.5))
        Interval(value=0.0, low=-2.0, high=1.0)
    """
    return Interval(one.value, min(one.low, other.low), max(one.high, other.high))
