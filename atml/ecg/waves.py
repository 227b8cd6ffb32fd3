"""How large a heart's waves are, and how fast tachycardia is, measured from windows (numpy and scipy, pure).

For rules that sort fibrillation by its amplitude and tachycardia by its rate. The rate is found in the
spectrum: the broad waves of a ventricular tachycardia vary too much in height and slope to count each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft
from scipy.ndimage import median_filter, uniform_filter1d

from atml.arrays import Float32

Floats = npt.NDArray[np.float64]

WANDER_HZ = 0.7
"""Slower than this is baseline, not heart."""

SPIKE_S = 0.012
"""A spike no longer than this does not count as a wave."""

PIECE_S = 0.5
"""Fibrillation, 3 to 9 Hz, has at least one whole wave in this."""

SLOWEST, FASTEST = 90.0, 400.0
"""Rates looked for, a minute: tachycardia, and not what is left of the wander."""


WAVES_HZ, WAVES = 10.0, 0.5
"""A signal with less than this share of its power below 10 Hz has spikes and no waves."""

BEAT_S = 0.12
"""Over which the magnitude of a signal of spikes is averaged: about the width of a broad beat."""


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

    Example:
        >>> x = 0.2 * np.sin(2 * np.pi * 5 * np.arange(1000) / 250)  # coarse fibrillation of 0.4 mV
        >>> amplitude(x[None, None].astype(np.float32), 250).round(2).tolist()
        [0.4]
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
    """Waves a minute of each window of ``x (n, leads, samples)``, first lead; ``(n,)``, NaN where flat.

    The strongest frequency between 90 and 400 a minute of the steadied signal under a Hann window. A window
    with less than half of its power below 10 Hz, as in electrograms from inside the heart, has no waves to
    measure: there it is the frequency of its magnitude, averaged over 0.12 s. Both are for tachycardia: a
    slower rhythm shows one of its harmonics, and so does one of which every cycle has two equal waves.

    Example:
        >>> x = np.sin(2 * np.pi * 3 * np.arange(1000) / 250)
        >>> rate_per_minute(x[None, None].astype(np.float32), 250).round(-1).tolist()
        [180.0]
    """
    if not len(x):
        return np.empty(0)
    lead = np.asarray(x[:, 0], np.float64)
    lead = lead - lead.mean(axis=-1, keepdims=True)
    power = np.abs(rfft(lead, axis=-1)) ** 2
    below = np.arange(power.shape[-1]) * sampling_rate / lead.shape[-1] <= WAVES_HZ
    spikes = power[:, below].sum(axis=-1) < WAVES * power.sum(axis=-1)
    width = max(1, round(BEAT_S * sampling_rate))
    lead[spikes] = uniform_filter1d(np.abs(lead[spikes]), width, axis=-1, mode="nearest")
    flat = steadied(lead, sampling_rate)
    n = flat.shape[-1]
    points = 1 << (8 * n).bit_length()
    power = np.abs(rfft(flat * np.hanning(n), points, axis=-1)) ** 2
    per_minute = 60 * sampling_rate * np.arange(power.shape[-1]) / points
    inside = (per_minute >= SLOWEST) & (per_minute <= FASTEST)
    rates = per_minute[inside][power[:, inside].argmax(axis=1)]
    return np.where(np.ptp(flat, axis=-1) > 1e-6, rates, np.nan)
