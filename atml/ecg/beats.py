"""Where the heart beats in a stretch of one lead: numpy and scipy, pure.

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

QRS_S = 0.12
"""Width over which the energy of the slopes is summed, in s: a wide QRS, and less than a fast cycle."""

REFRACTORY_S = 0.25
"""No two beats are nearer than this, in s: 240 a minute is the fastest that is counted."""

STEP_S = 0.016
"""Half the span of a slope, in s: a difference of neighbouring samples sees noise at high rates."""

BASELINE_S = 0.6
"""Width of the moving mean that is taken for the baseline, in s."""

FRACTION = 0.35
"""A beat's slopes reach this share of those of a large beat of the same stretch."""


def flattened(x: npt.ArrayLike, sampling_rate: float, seconds: float = BASELINE_S) -> Floats:
    """Take off the moving mean over ``seconds`` of the last axis: wander and offset go.

    Example:
        >>> flattened(np.full(500, 3.0), 250).tolist() == [0.0] * 500
        True
    """
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

    Source: Pan and Tompkins, IEEE Trans Biomed Eng 32 (1985), simplified: no search back, one threshold for
    the whole row.

    Example:
        >>> t = np.arange(1000) / 250
        >>> x = sum(np.exp(-(((t - at) / 0.02) ** 2) / 2) for at in (0.5, 1.3, 2.1, 3.0))
        >>> np.diff(np.flatnonzero(beats(x, 250))) / 250  # RR intervals in s
        array([0.8, 0.8, 0.9])
    """
    values: Floats = np.asarray(x, np.float64)
    step = max(1, round(STEP_S * sampling_rate))
    slope = np.zeros_like(values)
    slope[..., step:-step] = values[..., 2 * step :] - values[..., : -2 * step]
    energy = uniform_filter1d(slope**2, max(1, round(QRS_S * sampling_rate)), axis=-1, mode="nearest")
    slopes = np.sqrt(np.maximum(energy, 0))
    # One artefact must not hide the beats: what is large is what the largest of each second reaches.
    second = min(values.shape[-1], max(1, round(sampling_rate)))
    count = values.shape[-1] // second
    each = slopes[..., : count * second].reshape(*slopes.shape[:-1], count, second).max(axis=-1)
    return summits(slopes, sampling_rate, apart=REFRACTORY_S, least=fraction * np.median(each, axis=-1))
