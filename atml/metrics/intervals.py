"""Confidence intervals: from resampling subjects, and of counts of independent trials (numpy, pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri

from atml.arrays import Floats, Int64


@dataclass(frozen=True)
class Interval:
    """A value and the two ends of its confidence interval, in the unit of the value.

    Example:
        >>> found = wilson(8, 10)  # eight of ten
        >>> found.value, round(found.low, 2), round(found.high, 2)
        (0.8, 0.49, 0.94)
    """

    value: float
    low: float
    high: float


def resampled(
    cells: Int64 | Floats,
    figures: Callable[[Floats], dict[str, Floats]],
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals, from resampling subjects, of figures of counts summed over subjects.

    ``cells (subjects, m)`` are the counts of each subject; ``figures`` makes of sums ``(draws, m)`` a dict
    of values ``(draws,)``, NaN for want of a class. One subject gives a point. See `drawn_interval`.
    """
    random = np.random.default_rng(seed)
    n = len(cells)
    sums = [cells.sum(axis=0, keepdims=True).astype(np.float64)]  # row 0 is the sample itself
    for at in range(0, draws, 100):  # a hundred at a time: there may be thousands of subjects
        often = random.multinomial(n, np.full(n, 1 / n), size=min(100, draws - at))
        sums.append((often @ cells).astype(np.float64))
    return {key: drawn_interval(values, level) for key, values in figures(np.concatenate(sums)).items()}


def clopper_pearson(successes: int, n: int, level: float = 0.95, *, one_sided: bool = False) -> Interval:
    """Exact binomial interval of ``successes / n`` (Clopper and Pearson 1934); (0, 1) for ``n = 0``.

    ``one_sided`` puts the whole error below: the lower end is then the lower confidence limit.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    tail = (1 - level) if one_sided else (1 - level) / 2
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(betaincinv(successes, n - successes + 1, tail))
    if successes < n and not one_sided:
        high = float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(successes / n if n else 0.0, low, high)


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Score interval of a share ``successes / n`` (Wilson 1927); (0, 1) for ``n = 0``.

    Takes its trials for independent; windows of one subject are not, for which it is too narrow.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return Interval(0.0, 0.0, 1.0)
    z, share = float(ndtri((1 + level) / 2)), successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


DRAWS = 2000
"""Sets of subjects that an interval is taken from."""


def subject_draws(count: int) -> Int64:
    """Numbers of subjects ``(1 + DRAWS, count)``: all of them as they are, then `DRAWS` resampled sets."""
    pick = np.random.default_rng(0).integers(0, count, (DRAWS, count))
    return np.vstack((np.arange(count), pick))


def drawn_interval(values: Floats, level: float = 0.95) -> Interval:
    """Value of the first and the interval of the others; 0 in 0 to 1 where nothing can be told.

    ``values (1 + draws,)`` are of sets of subjects as `subject_draws` makes them; NaN is left out.
    """
    told = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(told) == 0:
        return Interval(0.0, 0.0, 1.0)
    low, high = np.quantile(told, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(values[0]), float(low), float(high))
