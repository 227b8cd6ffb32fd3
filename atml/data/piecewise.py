"""Long signals in pieces: what comes of each piece is, bit by bit, what would come of the whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats, Int64, release
from atml.data.rates import Rate, ratio
from atml.data.soundness import RAIL, STILL, Mask, railed, still
from atml.ecg.resampling import resample, resampled_length

PIECE = 1 << 20
"""Samples of a lead that are handled at once: more than two hours at 128 Hz."""


def pieces(samples: int) -> Iterator[tuple[int, int]]:
    """Yield first sample and end of each piece."""
    for at in range(0, samples, PIECE):
        yield at, min(at + PIECE, samples)


def gaps(x: Float32) -> tuple[Int64, bool]:
    """Return where ``x (leads, samples)`` begins or ceases to miss samples, and whether it begins so."""
    edges: list[Int64] = []
    first = last = False
    for start, end in pieces(x.shape[1]):
        gap = np.asarray(np.isnan(x[:, start:end]).any(axis=0))
        release(x)
        if not start:
            first = last = bool(gap[0])
        elif gap[0] != last:
            edges.append(np.array([start], np.int64))
        edges.append(np.flatnonzero(gap[1:] != gap[:-1]) + 1 + start)
        last = bool(gap[-1])
    return np.concatenate(edges) if edges else np.empty(0, np.int64), first


class Resampled:
    """A signal ``x (leads, samples)`` at ``rate`` Hz, any part of which can be had at ``target`` Hz."""

    def __init__(self, x: Float32, rate: Rate, target: int) -> None:
        # That of the whole: of a rate that is no whole number, each piece by itself might take a simpler one.
        used = ratio(rate, target, x.shape[1])
        self.x, self.up, self.down = x, used.numerator, used.denominator
        self.samples = resampled_length(x.shape[1], self.down, self.up)
        self._whole: Float32 | None = x if self.up == self.down else None

    def part(self, start: int, end: int) -> Float32:
        """Return samples ``start`` to ``end`` (not included) at the target rate, ``(leads, end - start)``."""
        if self._whole is None and self.x.shape[1] <= PIECE:
            # Lead by lead, which takes the memory of one in float64 and not of all.
            self._whole = np.stack([self._resampled(lead) for lead in self.x])
        if self._whole is not None:
            return self._whole[:, start:end]
        return np.stack([self._cut(lead, start, end) for lead in self.x])

    def _resampled(self, lead: npt.NDArray[np.floating]) -> Float32:
        return resample(lead, self.down, self.up).astype(np.float32)

    def _cut(self, lead: Float32, start: int, end: int) -> Float32:
        """Resample what the filter of `atml.ecg.resampling.resample` reaches, and cut its edges off.

        It begins where samples of both rates coincide. Beyond the ends of the signal goes the line on which
        that filter has its first and last sample.
        """
        samples, up, down = len(lead), self.up, self.down
        reach = 10 * max(up, down)
        first = (start * down - reach) // up // down * down
        last = -(-(end * down + reach) // up) + 1
        ends = lead[[0, -1]].astype(np.float64)
        slope = (ends[1] - ends[0]) / (samples - 1)
        before: Floats = ends[0] + np.arange(min(first, 0), 0) * slope
        after: Floats = ends[1] + np.arange(1, max(0, last - samples) + 1) * slope
        middle = lead[max(0, first) : min(samples, last)].astype(np.float64)
        skip = first // down * up
        return self._resampled(np.concatenate([before, middle, after]))[start - skip : end - skip]


class Doubts:
    """Where the leads of a recording ``x (leads, samples)`` are still, or at their rail.

    The rail is the lowest or the highest value of the recording (`atml.data.soundness`).
    """

    def __init__(self, x: Float32, rate: float) -> None:
        self.x, self.rate = x, rate
        self.low, self.high = np.full((len(x), 1), np.inf, x.dtype), np.full((len(x), 1), -np.inf, x.dtype)
        for start, end in pieces(x.shape[1]):
            piece = x[:, start:end]
            there = ~np.isnan(piece)
            low = np.min(piece, axis=1, keepdims=True, where=there, initial=np.inf)
            high = np.max(piece, axis=1, keepdims=True, where=there, initial=-np.inf)
            self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
            release(x)
        self._first = self._last = 0
        self._masks: tuple[Mask, Mask] = (np.empty((len(x), 0), np.bool_),) * 2

    def within(self, start: int, end: int) -> tuple[Mask, Mask]:
        """Return both for samples ``start`` to ``end`` (not included), or to the last there is."""
        end = min(end, self.x.shape[1])
        if not (self._first <= start and end <= self._last):
            self._look(start, end)
        still, rail = self._masks
        part = slice(start - self._first, end - self._first)
        return still[:, part], rail[:, part]

    def _look(self, start: int, end: int) -> None:
        samples = self.x.shape[1]
        whole = samples <= PIECE
        self._first, self._last = (0, samples) if whole else (start, min(max(start + PIECE, end), samples))
        # A run that goes on beyond this margin is long enough without the rest of it.
        margin = int(max(RAIL, STILL) * self.rate) + 2
        first, last = max(0, self._first - margin), min(samples, self._last + margin)
        piece = np.asarray(self.x[:, first:last])
        inner = slice(self._first - first, self._last - first)
        masks = still(piece, self.rate), railed(piece, self.rate, self.low, self.high)
        self._masks = masks[0][:, inner].copy(), masks[1][:, inner].copy()
        release(self.x)
