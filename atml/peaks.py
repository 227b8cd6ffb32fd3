"""Where the heart beats in a stretch of one lead, and how fast: numpy and scipy, pure.

Slopes, not heights, tell a beat from the baseline and the T wave (Pan and Tompkins 1985): the signal's
difference is squared and summed over about the width of a QRS, and the summits of that energy are beats.
In fibrillation there are no beats; what is found there are its larger waves.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]

QRS_S = 0.12
"""Width over which the energy of the slopes is summed, in s: a wide QRS, and less than a fast cycle."""

REFRACTORY_S = 0.25
"""No two beats are nearer than this, in s: 240 a minute is the fastest that is counted."""

BASELINE_S = 0.6
"""Width of the moving mean that is taken for the baseline, in s."""

FRACTION = 0.35
"""A beat's slopes reach this share of those of a large beat of the same stretch."""

FASTEST, SLOWEST = 400.0, 30.0
"""Rates a minute that a regular rhythm may have."""

REGULAR = 0.5
"""A signal repeats itself if its autocorrelation comes back to this."""

SIMILAR = 0.85
"""The first lag that repeats the signal this much as well as the best lag does is its cycle."""


def flattened(x: npt.ArrayLike, sampling_rate: float, seconds: float = BASELINE_S) -> Floats:
    """Take off the moving mean over ``seconds`` of the last axis: wander and offset go."""
    values: Floats = np.asarray(x, np.float64)
    width = max(1, round(seconds * sampling_rate))
    return np.asarray(values - uniform_filter1d(values, width, axis=-1, mode="nearest"), np.float64)


def summits(x: Floats, sampling_rate: float, *, apart: float, least: npt.ArrayLike) -> Bools:
    """Mark the samples of ``(..., samples)`` that are largest within ``apart`` s to either side.

    Only those above ``least`` (one number, or one for each row) count; a plateau has its first sample.
    """
    reach = max(1, round(apart * sampling_rate))
    top = x >= maximum_filter1d(x, 2 * reach + 1, axis=-1, mode="nearest")
    top &= x > np.asarray(least, np.float64)[..., None]
    top[..., 1:] &= ~top[..., :-1]
    return np.asarray(top, np.bool_)


def beats(x: npt.ArrayLike, sampling_rate: float, fraction: float = FRACTION) -> Bools:
    """Mark the beats of every row of ``(..., samples)``: true where one is; rows are looked at alone.

    ``fraction`` is as `FRACTION`. A flat row has none. The mark stands at the middle of the QRS, to within
    about 50 ms.
    """
    values: Floats = np.asarray(x, np.float64)
    # The step spans 16 ms: a plain difference of neighbouring samples sees noise at high rates.
    step = max(1, round(0.016 * sampling_rate))
    slope = np.zeros_like(values)
    slope[..., step:-step] = values[..., 2 * step :] - values[..., : -2 * step]
    energy = uniform_filter1d(slope**2, max(1, round(QRS_S * sampling_rate)), axis=-1, mode="nearest")
    slopes = np.sqrt(np.maximum(energy, 0))
    # One artefact must not hide the beats: what is large is what the largest of each second reaches.
    second = min(values.shape[-1], max(1, round(sampling_rate)))
    count = values.shape[-1] // second
    each = slopes[..., : count * second].reshape(*slopes.shape[:-1], count, second).max(axis=-1)
    return summits(slopes, sampling_rate, apart=REFRACTORY_S, least=fraction * np.median(each, axis=-1))


def peaks(x: npt.ArrayLike, sampling_rate: float) -> Int64:
    """Return the sample numbers of the beats in ``x (samples,)``, ascending.

    ``sampling_rate`` in Hz. Empty for a flat signal, and for one shorter than a beat.
    """
    values: Floats = np.asarray(x, np.float64)
    if values.ndim != 1:
        raise ValueError(f"one lead is looked at: x must be (samples,), not of shape {values.shape}")
    if len(values) < 3 * round(QRS_S * sampling_rate):
        return np.empty(0, np.int64)
    return np.flatnonzero(beats(values, sampling_rate)).astype(np.int64)


def rate_per_minute(x: npt.ArrayLike, sampling_rate: float) -> float:
    """Return the beats a minute in ``x (samples,)``, ``sampling_rate`` in Hz; 0 where none can be told.

    60 over the median interval between `peaks` in s, which forgives a beat missed or doubled now and then.
    Waves of tachycardia and flutter vary too much in slope to find each: where the signal repeats itself
    faster than that, by its autocorrelation, the rate is that of its repetition. Slower it is not believed:
    every second beat of a bigeminy is alike.
    """
    values: Floats = np.asarray(x, np.float64)
    found = peaks(values, sampling_rate)
    rates = [60.0 * sampling_rate / np.median(np.diff(found))] if len(found) > 1 else []
    cycle = _cycle(values, sampling_rate)
    if cycle > 0:
        rates.append(60.0 * sampling_rate / cycle)
    return float(max(rates, default=0.0))


def _cycle(x: Floats, sampling_rate: float) -> int:
    """Return the samples after which ``x`` repeats itself, 0 where it does not."""
    low = max(1, round(60.0 / FASTEST * sampling_rate))
    high = min(len(x) // 2, round(60.0 / SLOWEST * sampling_rate))
    if high <= low + 1:
        return 0
    wave = flattened(x, sampling_rate, 2 * BASELINE_S)
    wave -= wave.mean()
    lags = np.arange(low - 1, high + 2)
    product = np.array([wave[lag:] @ wave[: len(wave) - lag] for lag in lags])
    # Over the power of the two parts that overlap: neither short lags nor large waves are favoured.
    power = np.concatenate(([0.0], np.cumsum(wave**2)))
    both = (power[-1] - power[lags]) * power[len(wave) - lags]
    if both.min() <= 0:
        return 0
    again = product / np.sqrt(both)
    top = np.flatnonzero((again[1:-1] >= again[:-2]) & (again[1:-1] > again[2:]))
    if len(top) == 0 or again[1 + top].max() < REGULAR:
        return 0
    # It also repeats after two cycles, and three: the first that is nearly as good is one.
    return int(low + top[again[1 + top] >= SIMILAR * again[1 + top].max()][0])
