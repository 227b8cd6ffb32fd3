"""Windows for a model, from arrays at any rate; a long recording is never copied whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32
from atml.ecg.resampling import resample
from atml.errors import DataError
from atml.tasks.task import Task

BLOCK = 256
"""Windows that are cut, resampled and decided at once, which bounds the memory for long recordings."""

MARGIN = 1.0
"""Seconds of signal added on either side of a block before resampling, to keep filter edges outside it."""


def whole_rate(sampling_rate: float | None, task: Task) -> int:
    """Return a sampling rate in Hz, the task's for None.

    Raises:
        DataError: it is not a positive whole number.
    """
    if sampling_rate is None:
        return task.sampling_rate
    if not (math.isfinite(sampling_rate) and sampling_rate > 0 and sampling_rate == int(sampling_rate)):
        raise DataError(f"sampling_rate is {sampling_rate!r}; give a positive whole number of Hz")
    return int(sampling_rate)


def windows(x: npt.NDArray[Any], task: Task, rate: int) -> Float32:
    """Resample windows ``x (n, leads, samples)`` at ``rate`` Hz to the task's: ``(n, leads, task.window)``.

    Raises:
        DataError: leads or length are not the task's, or a sample is not finite.
    """
    n, leads, samples = x.shape
    wanted = task.window * rate / task.sampling_rate
    if leads != task.leads or round(samples * task.sampling_rate / rate) != task.window:
        raise DataError(
            f"x has shape {x.shape}; the model takes (n, {task.leads}, {wanted:g}) at {rate} Hz, or one"
            f" recording ({task.leads}, samples)"
        )
    found = np.asarray(x, np.float64)
    if (bad := ~np.isfinite(found).all(axis=(1, 2))).any():
        raise DataError(
            f"window {int(np.flatnonzero(bad)[0])} of x has the sample {_first_odd(found)}; leave out the"
            f" {int(bad.sum())} windows with missing or infinite samples"
        )
    if n == 0:
        return np.empty((0, leads, task.window), np.float32)
    return np.asarray(resample(found, rate, task.sampling_rate)[..., : task.window], np.float32)


def _first_odd(values: npt.NDArray[np.float64]) -> float:
    return float(values[~np.isfinite(values)][0])


@dataclass(frozen=True)
class Recording:
    """One recording ``x (leads, samples)`` at ``rate`` Hz, to be cut for a task; it may be a memory map."""

    x: npt.NDArray[Any]
    rate: int
    task: Task

    @classmethod
    def of(cls, signal: npt.NDArray[Any], rate: int, task: Task) -> Recording:
        """Check a signal ``(samples,)`` or ``(leads, samples)``.

        Raises:
            DataError: other leads than the task's, or less than one window.
        """
        x = signal[None] if signal.ndim == 1 else signal
        if x.ndim != 2 or x.shape[0] != task.leads:
            raise DataError(
                f"the signal has shape {signal.shape}; give ({task.leads}, samples)"
                + (", (samples,)" if task.leads == 1 else "")
                + f" or windows (n, {task.leads}, samples)"
            )
        found = cls(x, rate, task)
        if found.samples < task.window:
            raise DataError(
                f"the signal is {x.shape[1] / rate:g} s long at {rate} Hz; the model needs {task.seconds:g} s"
            )
        return found

    @property
    def samples(self) -> int:
        """Samples at the task's rate, rounded down, so that none lies beyond the end of the recording."""
        return int(self.x.shape[1]) * self.task.sampling_rate // self.rate

    def starts(self, step: float | None) -> npt.NDArray[np.int64]:
        """First samples of windows ``step`` seconds apart (None: adjacent), at the task's rate.

        If they do not reach the end of the recording, one more window ends there and overlaps the one before
        it.

        Raises:
            DataError: a step that is not longer than 0.
        """
        window, every = self.task.window, self.task.window
        if step is not None:
            if not (math.isfinite(step) and step > 0):
                raise DataError(f"step is {step!r}; give seconds from one window to the next, above 0")
            every = max(1, round(step * self.task.sampling_rate))
        last = self.samples - window
        starts = np.arange(0, last + 1, every, dtype=np.int64)
        rest = last - int(starts[-1])
        return np.append(starts, last) if rest and every <= window else starts

    def still(self, starts: Sequence[int] | npt.NDArray[np.int64]) -> Bools:
        """Tell which windows at ``starts`` have one value throughout in every lead, ``(n,)``: no signal."""
        target, found = self.task.sampling_rate, np.empty(len(starts), np.bool_)
        for number, first in enumerate(starts):
            low = int(first) * self.rate // target
            high = -(-(int(first) + self.task.window) * self.rate // target)
            part = np.asarray(self.x[:, low:high])
            found[number] = bool((part == part[:, :1]).all())
        return found

    def blocks(self, starts: Sequence[int] | npt.NDArray[np.int64]) -> Iterator[tuple[Float32, Any]]:
        """Yield the windows at ``starts`` in blocks ``(n, leads, window)``, each with a mask ``(n,)``.

        Missing samples (NaN or infinite) are interpolated linearly, so that every window can be run; the
        mask is False for windows that contain any, and the caller discards their outputs.
        """
        # A block spans all from its first to its last window, so distant windows get their own blocks.
        firsts = [int(start) for start in starts]
        at = 0
        while at < len(firsts):
            end = at + 1
            limit = firsts[at] + BLOCK * self.task.window
            while end < len(firsts) and end - at < BLOCK and firsts[end] <= limit:
                end += 1
            yield self._cut(firsts[at:end])
            at = end

    def _cut(self, firsts: Sequence[int]) -> tuple[Float32, Any]:
        """Cut neighbouring windows out of one piece of the recording."""
        target, window = self.task.sampling_rate, self.task.window
        common = gcd(self.rate, target)
        down, up = self.rate // common, target // common
        # The piece starts where samples of both rates coincide, so that positions stay whole numbers.
        cycle = max(0, int((firsts[0] / target - MARGIN) * self.rate) // down)
        begin = cycle * down
        stop = min(
            self.x.shape[1], math.ceil((firsts[-1] + window) / target * self.rate + MARGIN * self.rate)
        )
        piece = np.array(self.x[:, begin:stop], np.float64)
        missing = ~np.isfinite(piece)
        if missing.any():
            _bridge(piece, missing)
        made = resample(piece, self.rate, target)
        gaps = np.concatenate(([0], np.cumsum(missing.any(axis=0))))
        x = np.empty((len(firsts), len(piece), window), np.float32)
        sound = np.empty(len(firsts), np.bool_)
        for number, first in enumerate(firsts):
            place = first - cycle * up
            x[number] = made[:, place : place + window]
            low = min(place * self.rate // target, piece.shape[1])
            high = min(-(-(place + window) * self.rate // target), piece.shape[1])
            sound[number] = gaps[high] == gaps[low]
        return x, sound


def _bridge(piece: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> None:
    """Interpolate missing samples of each lead, in place; a lead without any sample becomes 0."""
    place = np.arange(piece.shape[1])
    for lead, gap in zip(piece, missing, strict=True):
        lead[gap] = 0.0 if gap.all() else np.interp(place[gap], place[~gap], lead[~gap])
