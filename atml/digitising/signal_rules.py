"""How near signals read from a picture come to the true ones: the rules of two contests, and Pearson's r.

- ``kaggle2025`` (PhysioNet - Digitization of ECG Images): leads are aligned in time and level, and those of
  a picture summed; the score is the decibels of the mean ratio over pictures, so that easy ones dominate.
- ``cinc2024`` (George B. Moody PhysioNet Challenge 2024): decibels of each lead as it comes; their mean.

Signals are ``(12, samples)`` in mV at one rate, NaN where nothing is drawn (reference) or read (test).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats

Signal = npt.NDArray[np.floating]

MOST_SHIFT_S = 0.2
"""Seconds that `kaggle2025` may move a lead by."""

MOST_RATIO = 1e6
"""Largest ratio of signal to noise that a picture counts with: 60 dB."""


@dataclass(frozen=True)
class LeadMatch:
    """One lead: sums of squares over the samples that the reference has, in mV^2.

    ``signal`` and ``noise`` are those of `kaggle2025`, ``raw_noise`` is that without alignment.
    ``pearson`` is r after the alignment, 0 where one of the two does not vary.
    """

    signal: float
    noise: float
    raw_noise: float
    pearson: float

    @property
    def db(self) -> float:
        """Decibels after the alignment."""
        return decibels(_ratio(self.signal, self.noise))

    @property
    def raw_db(self) -> float:
        """Decibels without alignment: what `cinc2024` averages."""
        return decibels(_ratio(self.signal, self.raw_noise))


def decibels(ratio: float) -> float:
    """Return 10 log10 of a ratio of powers; -inf for 0.

    Example:
        >>> decibels(100.0)
        20.0
    """
    return float(10 * np.log10(ratio)) if ratio > 0 else -np.inf


def _ratio(signal: float, noise: float) -> float:
    return min(signal / noise, MOST_RATIO) if noise > 0 else MOST_RATIO


def matched(reference: Signal, test: Signal, rate: float) -> list[LeadMatch | None]:
    """Compare each lead; None for one that the reference does not have.

    Args:
        reference: ``(leads, samples)``, NaN where a lead is not drawn.
        test: ``(leads, samples)`` of any length; what is missing counts as 0.
        rate: Samples a second of both.

    Raises:
        ValueError: Other numbers of leads, or a rate that is not positive.
    """
    if reference.ndim != 2 or test.ndim != 2 or len(reference) != len(test) or not rate > 0:
        raise ValueError(f"leads {reference.shape} and {test.shape} at {rate} Hz can't be compared")
    whole = np.full(reference.shape, np.nan)
    n = min(reference.shape[1], test.shape[1])
    whole[:, :n] = test[:, :n]
    most = int(MOST_SHIFT_S * rate)
    return [_lead(np.asarray(x, np.float64), y, most) for x, y in zip(reference, whole, strict=True)]


def _lead(x: Floats, y: Floats, most: int) -> LeadMatch | None:
    there = np.flatnonzero(np.isfinite(x))
    if not len(there):
        return None
    raw = np.nan_to_num(y[there])
    aligned = np.nan_to_num(align(x, y, most)[there])
    x = x[there]
    varies = x.std() > 0 and aligned.std() > 0
    return LeadMatch(
        float((x**2).sum()),
        float(((x - aligned) ** 2).sum()),
        float(((x - raw) ** 2).sum()),
        float(np.corrcoef(x, aligned)[0, 1]) if varies else 0.0,
    )


def align(x: Floats, y: Floats, most: int) -> Floats:
    """Return ``y`` moved to where it is most like ``x``, by ``most`` samples at most, and to its level.

    The best move has the largest cross-correlation of what varies; the level is that with the least squares.

    Example:
        >>> x = np.sin(np.arange(200) / 9)
        >>> y = np.roll(x, 7) + 3
        >>> bool(np.abs(align(x, y, 20)[:190] - x[:190]).max() < 1e-9)
        True
    """
    from scipy.signal import correlate

    if not (np.isfinite(x) & np.isfinite(y)).any():
        return np.asarray(y)
    a, b = (np.nan_to_num(one - np.nanmean(one)) for one in (x, y))
    likeness = correlate(a, b)  # lag 0 stands at len(b) - 1
    lags = np.arange(-most, most + 1)
    inside = (lags > -len(b)) & (lags < len(a))
    lag = int(lags[inside][np.argmax(likeness[lags[inside] + len(b) - 1])])
    moved = np.full(len(y), np.nan)
    if lag >= 0:
        moved[lag:] = y[: len(y) - lag]
    else:
        moved[:lag] = y[-lag:]
    both = np.isfinite(x) & np.isfinite(moved)
    return np.asarray(moved + np.mean((x - moved)[both])) if both.any() else moved


@dataclass(frozen=True)
class PictureMatch:
    """One picture: its leads, None for those that are not drawn."""

    leads: tuple[LeadMatch | None, ...]

    @classmethod
    def of(cls, reference: Signal, test: Signal, rate: float) -> PictureMatch:
        """Compare as `matched` does."""
        return cls(tuple(matched(reference, test, rate)))

    @property
    def ratio(self) -> float:
        """Sum of the leads' signals over the sum of their noise, `MOST_RATIO` at most."""
        there = [lead for lead in self.leads if lead is not None]
        return _ratio(sum(lead.signal for lead in there), sum(lead.noise for lead in there))

    @property
    def db(self) -> float:
        """Decibels of `ratio`."""
        return decibels(self.ratio)

    @property
    def pearson(self) -> float:
        """Mean of the leads' r; a lead without any signal has none."""
        return float(np.mean([lead.pearson for lead in self.leads if lead is not None and lead.signal > 0]))


def kaggle2025(pictures: Sequence[PictureMatch]) -> float:
    """Return 10 log10 of the mean ratio of signal to noise over pictures.

    Example:
        >>> x = np.tile(np.sin(np.arange(500) / 7), (12, 1))
        >>> round(kaggle2025([PictureMatch.of(x, 0.9 * x, 500)]), 1)
        20.0
    """
    return decibels(float(np.mean([one.ratio for one in pictures])))


def mean_db(pictures: Sequence[PictureMatch]) -> float:
    """Return the mean over pictures of their decibels: what `kaggle2025` says without easy ones dominating.

    A picture of which nothing was read has 0 dB.
    """
    return float(np.mean([one.db for one in pictures]))


def cinc2024(pictures: Sequence[PictureMatch]) -> float:
    """Return the mean over all leads of all pictures of their decibels, without alignment.

    A lead that was not read counts as zeros, and has 0 dB. One whose true signal is 0 throughout, as that of
    an electrode that is off, has no decibels and is left out.
    """
    every = [lead for one in pictures for lead in one.leads if lead is not None]
    return float(np.mean([lead.raw_db for lead in every if lead.signal > 0]))


def mean_pearson(pictures: Sequence[PictureMatch]) -> float:
    """Return the mean over pictures of the mean over leads of r."""
    return float(np.mean([one.pearson for one in pictures]))
