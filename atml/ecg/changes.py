"""Changes to a window that should change no decision: numpy and scipy, pure.

An electrode set the other way round, another monitor's filter, another gain, a little noise, a cut a moment
later: the heart is the same. Each has one fixed strength, and one row gets the same noise every time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64

BAND_HZ = (0.5, 40.0)
"""Pass band of the filter: that of a monitor (IEC 60601-2-27 calls it "monitoring"), where a recorder for
diagnosis passes 0.05 to 150 Hz."""

GAIN = 1.5
"""Factor on the signal."""

NOISE = 0.1
"""Standard deviation of white noise over that of the lead in the window: 20 dB below the signal."""

SHIFT_S = 0.2
"""Seconds by which the window begins later; the end is what lies before it, mirrored."""

SHIFT_AT_BEATS_S = 0.05
"""The same for windows that lie round one beat: by more another beat would be asked about."""

_BANK = 1 << 20
"""Normal numbers that the noise of all rows is taken from."""

_STRIDE = 7919
"""Places in the bank between the noise of one row and that of the next; a prime."""


def _polarity(x: Float32, rate: float, rows: Int64, shift: float) -> npt.NDArray[np.floating]:
    return -x


def _filter(x: Float32, rate: float, rows: Int64, shift: float) -> npt.NDArray[np.floating]:
    from scipy.signal import sosfiltfilt  # slow to import, in every process of a search

    sections = _sections(float(rate))
    padding = min(round(rate), x.shape[-1] - 1)
    filtered: npt.NDArray[np.floating] = sosfiltfilt(sections, x.astype(np.float64), axis=-1, padlen=padding)
    return filtered


def _gain(x: Float32, rate: float, rows: Int64, shift: float) -> npt.NDArray[np.floating]:
    return x * GAIN


def _noise(x: Float32, rate: float, rows: Int64, shift: float) -> npt.NDArray[np.floating]:
    bank, count = _bank(), int(np.prod(x.shape[1:]))
    place = (np.asarray(rows) * _STRIDE)[:, None] + np.arange(count)
    drawn = bank[place % len(bank)].reshape(x.shape)
    noisy: npt.NDArray[np.floating] = x + drawn * (NOISE * x.std(axis=-1, keepdims=True))
    return noisy


def _shift(x: Float32, rate: float, rows: Int64, shift: float) -> npt.NDArray[np.floating]:
    by = min(round(shift * rate), x.shape[-1] - 1)
    return np.concatenate([x[..., by:], x[..., -1 - by : -1][..., ::-1]], axis=-1)


Change = Callable[[Float32, float, Int64, float], npt.NDArray[np.floating]]

CHANGES: dict[str, Change] = {
    "polarity": _polarity,
    "filter": _filter,
    "gain": _gain,
    "noise": _noise,
    "shift": _shift,
}
"""Every change by its name. Databases keep outputs in this order: what comes new comes last."""


def changed(kind: str, x: Float32, rate: float, rows: Int64, shift: float = SHIFT_S) -> Float32:
    """Return what becomes of windows ``x (n, leads, samples)`` at ``rate`` Hz by one of `CHANGES`.

    ``rows (n,)`` are their row numbers in the data set, by which each gets its noise: the same window is
    changed alike whatever stands beside it. ``shift`` is by how many s one begins later.

    Raises:
        KeyError: no such change.

    Example:
        >>> x = np.array([[[1.0, 2.0, 4.0, 8.0]]], np.float32)
        >>> changed("shift", x, 5.0, np.array([0])).tolist()
        [[[2.0, 4.0, 8.0, 4.0]]]
    """
    return np.ascontiguousarray(CHANGES[kind](x, rate, rows, shift), dtype=np.float32)


def shift_of(around_beats: bool) -> float:
    """Return the shift in s for windows that lie round one beat, or for others."""
    return SHIFT_AT_BEATS_S if around_beats else SHIFT_S


def in_words(around_beats: bool = False) -> dict[str, str]:
    """Describe every change in a few words, by its name."""
    low, high = BAND_HZ
    return {
        "polarity": "electrodes exchanged, the signal times -1",
        "filter": f"band pass {low:g} to {high:g} Hz, as a monitor's",
        "gain": f"the signal times {GAIN:g}",
        "noise": f"white noise of {NOISE:g} of the signal's standard deviation",
        "shift": f"cut {shift_of(around_beats):g} s later, the end mirrored",
    }


@functools.cache
def _sections(rate: float) -> npt.NDArray[np.float64]:
    from scipy.signal import butter

    low, high = BAND_HZ
    # A signal that is sampled too slowly for the upper limit is limited by that already.
    sections: npt.NDArray[np.float64] = butter(
        2, (low, min(high, 0.45 * rate)), "bandpass", fs=rate, output="sos"
    )
    return sections


@functools.cache
def _bank() -> Float32:
    return np.random.default_rng(0).standard_normal(_BANK, dtype=np.float32)
