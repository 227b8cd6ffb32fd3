"""How large a heart's waves are, and how fast they come, measured from windows (numpy and scipy, pure).

For rules that sort fibrillation by its amplitude and tachycardia by its rate. The rate is found by the
signal's likeness to itself a cycle later: the broad waves of a ventricular tachycardia have no sharp beat
to count, and often two summits a cycle.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft
from scipy.ndimage import median_filter, uniform_filter1d

from atml.types import Float32

Floats = npt.NDArray[np.float64]

WANDER_HZ = 0.7
"""Slower than this is baseline, not heart."""

SPIKE_S = 0.012
"""A spike no longer than this does not count as a wave."""

PIECE_S = 0.5
"""Fibrillation, 3 to 9 Hz, has at least one whole wave in this."""

SLOWEST, FASTEST = 40.0, 400.0
"""Rates looked for, a minute."""

LIKE = 0.85
"""The shortest cycle counts whose likeness is at least this share of the best: two cycles fit as well."""


def steadied(x: npt.ArrayLike, sampling_rate: float) -> Floats:
    """Take off baseline wander and single spikes from ``x (..., samples)``.

    Wander is the least-squares fit, over the whole window, of a parabola and the cosines up to 0.7 Hz that
    have whole half cycles in it; a spike is what a running median leaves out that reaches 12 ms to either
    side.
    """
    values = np.asarray(x, np.float64)
    n = values.shape[-1]
    width = 2 * max(1, round(SPIKE_S * sampling_rate)) + 1
    if n >= width:
        values = median_filter(values, size=[1] * (values.ndim - 1) + [width], mode="nearest")
    slow = _slow(n, int(2 * WANDER_HZ * n / sampling_rate))
    return np.asarray(values - (values @ slow) @ slow.T, np.float64)


def _slow(n: int, cosines: int) -> Floats:
    """Orthonormal columns ``(n, 3 + cosines)`` that span what counts as wander."""
    t = (np.arange(n) + 0.5) / n
    basis = [np.ones(n), t, t**2, *(np.cos(np.pi * k * t) for k in range(1, cosines + 1))]
    return np.linalg.qr(np.stack(basis[:n], axis=1))[0]


def _heights(x: Float32, sampling_rate: float) -> Floats:
    """Peak to peak of each half second, half overlapping, ``(n, leads, pieces)``."""
    flat = steadied(x, sampling_rate)
    width = min(flat.shape[-1], max(2, round(PIECE_S * sampling_rate)))
    pieces = np.lib.stride_tricks.sliding_window_view(flat, width, axis=-1)[..., :: max(1, width // 2), :]
    return np.asarray(pieces.max(axis=-1) - pieces.min(axis=-1), np.float64)


def amplitude(x: Float32, sampling_rate: float) -> Floats:
    """Typical peak-to-peak height of the waves in ``x (n, leads, samples)``, in its unit; ``(n,)``.

    Baseline wander and spikes taken off (`steadied`), it is the median over half-second pieces, each
    overlapping the next by half, of the piece's largest value less its smallest; of several leads the
    largest. One spike, or one short burst, does not move it.
    """
    if not len(x):
        return np.empty(0)
    return np.asarray(np.median(_heights(x, sampling_rate), axis=-1).max(axis=-1), np.float64)


def largest(x: Float32, sampling_rate: float) -> Floats:
    """Largest peak-to-peak height of any half second of ``x (n, leads, samples)``; ``(n,)``.

    Measured as `amplitude`, but a single wave counts: for asystole, in which there is none.
    """
    if not len(x):
        return np.empty(0)
    return np.asarray(_heights(x, sampling_rate).max(axis=(-2, -1)), np.float64)


def rate_per_minute(x: Float32, sampling_rate: float) -> Floats:
    """Cycles a minute of each window of ``x (n, leads, samples)``, first lead; ``(n,)``, NaN where none.

    The autocorrelation of the steadied signal, each lag over the two stretches that it compares, has a
    summit at every multiple of the cycle. The shortest cycle between 40 and 400 a minute counts whose
    summit reaches 85% of the highest. A window shows no cycle longer than two thirds of itself. NaN for a
    flat window and one that is like itself nowhere (best summit below 0.2).
    """
    if not len(x):
        return np.empty(0)
    likeness = _likeness(np.asarray(x[:, 0], np.float64), sampling_rate)
    inner = likeness[:, 1:-1]
    summit = (inner >= likeness[:, :-2]) & (inner > likeness[:, 2:])
    lags = np.arange(1, likeness.shape[1] - 1)
    first = max(1, int(np.floor(60 * sampling_rate / FASTEST)))
    summit &= (lags >= first)[None]
    height = np.where(summit, inner, -np.inf)
    best = height.max(axis=1, initial=-np.inf)
    found = np.argmax(height >= np.maximum(LIKE * best, 0.2)[:, None], axis=1)
    rates = 60.0 * sampling_rate / lags[found]
    return np.where(best >= 0.2, rates, np.nan)


def _likeness(x: Floats, sampling_rate: float) -> Floats:
    """Correlation of ``x (n, samples)`` with itself ``lag`` samples later, ``(n, lags)``; 0 where flat."""
    flat = steadied(x, sampling_rate)
    # The waves of a cycle, not the notches in them: smoothed over 40 ms.
    flat = uniform_filter1d(flat, max(1, round(0.04 * sampling_rate)), axis=-1, mode="nearest")
    n = flat.shape[-1]
    lags = min(int(60 * sampling_rate / SLOWEST), 2 * n // 3) + 2
    power = rfft(flat, 2 * n, axis=-1)
    product = irfft(np.abs(power) ** 2, 2 * n, axis=-1)[:, :lags]
    energy = np.concatenate([np.zeros((len(flat), 1)), np.cumsum(flat**2, axis=-1)], axis=-1)
    lag = np.arange(lags)
    scale = np.sqrt(energy[:, n - lag] * (energy[:, [n]] - energy[:, lag]))
    return np.asarray(np.where(scale > 1e-9, product / np.maximum(scale, 1e-9), 0.0), np.float64)
