"""Resampling of ECG and cutting it into windows: numpy and scipy, pure."""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def resampled_length(samples: int, source: int, target: int) -> int:
    """Return how many samples `resample` makes of ``samples``: the ceiling of samples * target / source.

    Example:
        >>> resampled_length(1000, 360, 250)
        695
    """
    return -(-samples * target // source)


def resample(x: npt.NDArray[np.floating], source: int, target: int) -> Float64:
    """Resample the last axis from ``source`` Hz to ``target`` Hz with a polyphase anti-aliasing filter.

    ``(..., samples)`` becomes ``(..., ceil(samples * target / source))``, float64. The ends are padded with
    a straight line between the first and the last sample, so that an offset rings at neither end. Equal
    rates return the values as they are.

    Raises:
        ValueError: A rate that is not positive.

    Example:
        >>> resample(np.full((1, 500), 2.0), 500, 250).shape
        (1, 250)
    """
    if source <= 0 or target <= 0:
        raise ValueError(f"sampling rates must be positive, not {source} and {target} Hz")
    values: Float64 = np.asarray(x, dtype=np.float64)
    if source == target:
        return values
    from scipy.signal import resample_poly  # slow to import, and most data never need it

    common = gcd(source, target)
    return np.asarray(
        resample_poly(values, target // common, source // common, axis=-1, padtype="line"), np.float64
    )


def windows(x: npt.NDArray[np.floating], window: int) -> npt.NDArray[np.floating]:
    """Cut the last axis into adjacent windows: ``(leads, samples)`` becomes ``(count, leads, window)``.

    What is left at the end is dropped; fewer samples than one window give a count of 0.

    Example:
        >>> windows(np.arange(7.0)[None], 3).tolist()
        [[[0.0, 1.0, 2.0]], [[3.0, 4.0, 5.0]]]
    """
    leads, samples = x.shape
    count = samples // window
    return x[:, : count * window].reshape(leads, count, window).transpose(1, 0, 2)
