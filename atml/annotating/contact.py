"""Which seconds of a recording, and which windows, hold a heart to look at: known as the signal comes.

The rules are those of `atml.data.soundness`. What the lowest and the highest value are is told by what lies
near, for the rest of the recording may not have come yet.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32
from atml.data import soundness
from atml.data.rates import Rate
from atml.ecg.qrs import LARGEST

Codes = npt.NDArray[np.int8]


class Contact(IntEnum):
    """What is the matter with a stretch of signal; the words are for people."""

    SOUND = 0
    MISSING = 1
    FLAT = 2
    SATURATED = 3

    @property
    def words(self) -> str:
        """Say it."""
        return ("", "samples are missing", "a lead is flat", "at the rail")[self]


AT_ONCE = 600
"""Seconds that are looked at in one go, which bounds the memory."""


def cleaned(x: npt.NDArray[np.generic]) -> Float32:
    """Return a signal with NaN in place of what no recorder gives: infinite, or beyond 1e10.

    Example:
        >>> cleaned(np.array([[1.0, np.inf, -1e12]])).tolist()
        [[1.0, nan, nan]]
    """
    values = np.asarray(x, np.float64)
    return np.where(np.abs(values) <= LARGEST, values, np.nan).astype(np.float32)


def of_windows(x: Float32, rate: float) -> Codes:
    """Judge windows ``x (n, leads, samples)``, in which what is missing is NaN; ``(n,)`` of `Contact`.

    Example:
        >>> wave = np.sin(np.arange(1000) / 20.0).astype(np.float32)
        >>> of_windows(np.stack([wave, 0 * wave])[:, None], 250).tolist()
        [0, 2]
    """
    missing = np.isnan(x).any(axis=(1, 2))
    flat, saturated = soundness.doubtful(x, rate)
    found = np.zeros(len(x), np.int8)
    found[saturated], found[flat], found[missing] = Contact.SATURATED, Contact.FLAT, Contact.MISSING
    return found


class Seconds:
    """Judges second by second; each by itself and the one before and after it.

    A second is `samples` long: a whole number of them. The last one may be shorter.

    Example:
        >>> one = Seconds(250)
        >>> x = np.sin(np.arange(1000) / 20.0)[None].astype(np.float32)
        >>> x[0, 300:310] = np.nan
        >>> one.push(x).tolist(), one.end().tolist()
        ([0, 1, 0], [0])
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = float(rate)
        self.samples = max(1, round(rate))
        self._before: Float32 | None = None
        self._kept: Float32 | None = None

    def push(self, x: Float32) -> Codes:
        """Take ``x (leads, samples)`` as `cleaned` has it; return what is known of the next seconds."""
        held = x if self._kept is None else np.concatenate([self._kept, x], axis=1)
        ready = max(0, held.shape[1] // self.samples - 1)
        found = []
        for at in range(0, ready, AT_ONCE):
            end = min(at + AT_ONCE, ready)
            found.append(self._judged(held[:, at * self.samples : (end + 1) * self.samples], end - at))
        self._kept = held[:, ready * self.samples :].copy()
        return np.concatenate(found) if found else np.empty(0, np.int8)

    def end(self) -> Codes:
        """Return what is known of the rest."""
        held = self._kept
        if held is None or not held.shape[1]:
            return np.empty(0, np.int8)
        count = -(-held.shape[1] // self.samples)
        return self._judged(held, count)

    def _judged(self, x: Float32, count: int) -> Codes:
        """Judge the first ``count`` seconds of ``x``, in which the second after them may be too."""
        size = self.samples
        around = np.full((len(x), (count + 2) * size), np.nan, np.float32)
        if self._before is not None:
            around[:, :size] = self._before
        around[:, size : size + x.shape[1]] = x
        there = np.zeros((count + 2) * size, np.bool_)
        there[size : size + x.shape[1]] = True
        three = np.lib.stride_tricks.sliding_window_view(around, 3 * size, axis=1)[:, ::size]
        three = np.ascontiguousarray(three.transpose(1, 0, 2))
        inner = there.reshape(-1, size)[1 : count + 1, None]
        gap = np.isnan(three)
        low = np.min(three, axis=2, keepdims=True, where=~gap, initial=np.inf)
        high = np.max(three, axis=2, keepdims=True, where=~gap, initial=-np.inf)
        middle = slice(size, 2 * size)
        parts = inner.sum(axis=2)
        still = (soundness.still(three, self.rate)[..., middle] & inner).sum(axis=2) / parts
        rail = (soundness.railed(three, self.rate, low, high)[..., middle] & inner).sum(axis=2) / parts
        found = np.zeros(count, np.int8)
        found[(rail > soundness.SATURATED).any(axis=1)] = Contact.SATURATED
        found[(still > soundness.FLAT).any(axis=1)] = Contact.FLAT
        found[(gap[..., middle] & inner).any(axis=(1, 2))] = Contact.MISSING
        self._before = around[:, count * size : (count + 1) * size].copy()
        return found
