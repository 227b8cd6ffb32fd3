"""Sampling rates in Hz: whole numbers where they are, fractions elsewhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats
from atml.ecg.resampling import resample

Rate = int | Fraction

LARGEST_DENOMINATOR = 1000
"""Of a rate: the filter that resamples grows with it. The error is below a millionth of a Hz."""

DRIFT = 0.01
"""Samples that a signal may be off at its end, at most, for a simpler ratio of rates and a shorter filter."""


def rate_of(hz: float) -> Rate:
    """Return a rate exactly as its decimals or its fraction say it.

    Example:
        >>> rate_of(360.0), rate_of(249.89), rate_of(1000 / 3)
        (360, Fraction(24989, 100), Fraction(1000, 3))
    """
    found = Fraction(hz).limit_denominator(LARGEST_DENOMINATOR)
    return found.numerator if found.denominator == 1 else found


def shown(rate: Rate) -> str:
    """Write a rate as a decimal number.

    Example:
        >>> shown(rate_of(62.4725)), shown(360)
        ('62.4725', '360')
    """
    return f"{float(rate):.10g}"


def ratio(source: Rate, target: int, samples: int) -> Fraction:
    """Return the ratio in which ``samples`` at one rate are resampled to another.

    Of a rate that is no whole number it may be a simpler one, by which the last sample is off by `DRIFT` of a
    sample at most.

    Example:
        >>> ratio(360, 250, 1000), ratio(rate_of(249.89), 250, 10**5), ratio(rate_of(249.89), 250, 10**9)
        (Fraction(25, 36), Fraction(9091, 9087), Fraction(25000, 24989))
    """
    exact = target / Fraction(source)
    if source.denominator == 1:
        return exact
    simpler = (exact.limit_denominator(most) for most in (100, 1000, 10_000))
    near = (found for found in simpler if found and abs(found - exact) * samples <= DRIFT)
    return next(near, exact)


def resampled(x: npt.NDArray[np.floating], source: Rate, target: int) -> Floats:
    """Resample the last axis as `atml.ecg.resampling.resample`, in the `ratio` of rates.

    Example:
        >>> resampled(np.ones((1, 721)), rate_of(360.5), 250).shape
        (1, 500)
    """
    used = ratio(source, target, x.shape[-1])
    return resample(x, used.denominator, used.numerator)
