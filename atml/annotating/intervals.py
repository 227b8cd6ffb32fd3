"""RR intervals, heart rate and pauses: pure functions of where beats are.

An interval counts only where it is ``linked``: where the time between its two beats was analysed, so that no
beat can be missing in it. Every beat has a place in time, whatever it is called.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atml.arrays import Bools, Floats, Int64

OVER = 8
"""RR intervals in succession that a lowest and a highest heart rate are the mean of.

One interval would make a rate of 200 of every premature beat. Makers of Holter systems differ in the number:
figures of two systems can be compared only where it is the same.
"""

PAUSE_S = 2.0
"""An RR interval longer than this is a pause: the usual limit of a Holter report, and an option."""


class Rates(NamedTuple):
    """Heart rates over `OVER` intervals: the number of the beat that each ends with, and beats a minute."""

    last: Int64
    rate: Floats


def rr(seconds: Floats, linked: Bools) -> Floats:
    """Return the interval before each beat in s, ``(n,)``; NaN where it is not linked.

    Example:
        >>> rr(np.array([0.0, 0.8, 2.0]), np.array([False, True, False])).tolist()
        [nan, 0.8, nan]
    """
    found = np.full(len(seconds), np.nan)
    found[1:] = np.diff(seconds)
    found[~linked] = np.nan
    return found


def mean_rate(intervals: Floats) -> float:
    """Return the mean heart rate in beats a minute: linked intervals over the time that they take.

    NaN where there is none.

    Example:
        >>> mean_rate(np.array([np.nan, 0.5, 1.0, np.nan]))
        80.0
    """
    there = intervals[np.isfinite(intervals)]
    return float(60 * len(there) / there.sum()) if len(there) else float("nan")


def rates(intervals: Floats, over: int = OVER) -> Rates:
    """Return the heart rates of all ``over`` linked intervals in succession.

    Example:
        >>> rates(np.array([np.nan, 1.0, 0.5, np.nan, 1.0, 1.0]), 2)
        Rates(last=array([2, 5]), rate=array([80., 60.]))
    """
    there = np.isfinite(intervals)
    count = np.concatenate([[0], np.cumsum(there)])
    total = np.concatenate([[0.0], np.cumsum(np.where(there, intervals, 0.0))])
    whole = count[over:] - count[:-over] == over
    last = np.flatnonzero(whole) + over - 1
    took = total[last + 1] - total[last + 1 - over]
    return Rates(last, 60 * over / took)


def pauses(intervals: Floats, longer: float = PAUSE_S) -> Int64:
    """Return the numbers of the beats that end a pause: a linked interval longer than ``longer`` s.

    What no beat was found in is long too, as ventricular fibrillation is: look at the strip.

    Example:
        >>> pauses(np.array([np.nan, 0.8, 2.0, 2.1]))
        array([3])
    """
    return np.flatnonzero(np.nan_to_num(intervals) > longer)


def by_bin(place: Int64, intervals: Floats, count: int) -> Floats:
    """Return the mean heart rate of each of ``count`` stretches of time; NaN where it has no interval.

    ``place (n,)`` is the stretch in which the beat lies that ends an interval.

    Example:
        >>> by_bin(np.array([0, 0, 2]), np.array([0.5, 1.0, 0.6]), 3).round().tolist()
        [80.0, nan, 100.0]
    """
    there = np.isfinite(intervals)
    beats = np.bincount(place[there], minlength=count)[:count]
    took = np.bincount(place[there], intervals[there], minlength=count)[:count]
    found = np.full(count, np.nan)
    np.divide(60.0 * beats, took, out=found, where=beats > 0)
    return found
