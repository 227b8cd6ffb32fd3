"""Windows for a model, from arrays at any rate; a long recording is never copied whole."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, release
from atml.data import soundness
from atml.data.rates import Rate, rate_of, resampled, shown
from atml.errors import DataError
from atml.tasks.task import Task

BLOCK = 256
"""Windows that are cut, resampled and decided at once, which bounds the memory for long recordings."""

MARGIN = 1.0
"""Seconds of signal added on either side of a block before resampling, to keep filter edges outside it."""

LARGEST = 1e10
"""Samples beyond this, either way, count as infinite: no converter gives them, and float32 overflows soon."""


@dataclass(frozen=True)
class Block:
    """Windows ``x (n, leads, window)`` for a model, and which of them (``(n,)``) hold no heart to decide on.

    ``missing`` have samples that are NaN, infinite or beyond `LARGEST`, ``flat`` and ``saturated`` as
    `atml.data.soundness.doubtful` has it.
    """

    x: Float32
    missing: Bools
    flat: Bools
    saturated: Bools

    @property
    def sound(self) -> Bools:
        """Tell which windows can be decided, ``(n,)``."""
        return ~(self.missing | self.flat | self.saturated)


def rate_in_hz(sampling_rate: float | None, task: Task) -> Rate:
    """Return a sampling rate in Hz, the task's for None.

    Raises:
        DataError: it is not a positive number, or below 1 Hz.
    """
    if sampling_rate is None:
        return task.sampling_rate
    if not (math.isfinite(sampling_rate) and sampling_rate >= 1):
        raise DataError(f"sampling_rate is {sampling_rate!r}; give Hz, 1 or more")
    return rate_of(float(sampling_rate))


def windows(x: npt.NDArray[Any], task: Task, rate: Rate) -> Float32:
    """Resample windows ``x (n, leads, samples)`` at ``rate`` Hz to the task's: ``(n, leads, task.window)``.

    Raises:
        DataError: leads or length are not the task's, or a sample is not finite.
    """
    n, leads, samples = x.shape
    wanted = float(task.window * rate / task.sampling_rate)
    if not fits(leads, samples, task, rate):
        raise DataError(
            f"x has shape {x.shape}; the model takes (n, {task.leads}, {wanted:g}) at {shown(rate)} Hz, or"
            f" one recording ({task.leads}, samples)"
        )
    found = np.asarray(x, np.float64)
    if (bad := _missing(found).any(axis=(1, 2))).any():
        odd = found[_missing(found)][0]
        raise DataError(
            f"window {int(np.flatnonzero(bad)[0])} of x has the sample {odd:g}; leave out the"
            f" {int(bad.sum())} windows with missing or infinite samples"
        )
    if n == 0:
        return np.empty((0, leads, task.window), np.float32)
    return np.asarray(resampled(found, rate, task.sampling_rate)[..., : task.window], np.float32)


def fits(leads: int, samples: int, task: Task, rate: Rate) -> bool:
    """Whether windows of so many leads, and of so many samples at ``rate`` Hz, are the task's.

    Example:
        >>> task = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> fits(1, 1250, task, 250), fits(1, 640, task, 128), fits(1, 1250, task, 128)
        (True, True, False)
    """
    return leads == task.leads and round(samples * task.sampling_rate / rate) == task.window


def block(x: npt.NDArray[Any], task: Task, rate: Rate) -> Block:
    """Return windows as `windows` does, which raises for missing samples, and which of them are doubtful."""
    made = windows(x, task, rate)
    return Block(made, np.zeros(len(made), np.bool_), *soundness.doubtful(np.asarray(x), float(rate)))


def _missing(values: npt.NDArray[np.float64]) -> Bools:
    """Tell which samples are no numbers that a recorder gives; same shape."""
    return ~(np.abs(values) <= LARGEST)


def check_adjoining(task: Task) -> None:
    """Raise DataError for a task whose windows are cut round beats, and do not adjoin, or about pictures.

    Example:
        >>> check_adjoining(Task(name="t", classes=("a", "b"), positive=1, sampling_rate=100, window=500))
    """
    if task.picture is not None:
        raise DataError(f"task {task.name!r} is about pictures of pages: give those, not a recording")
    if task.around_beats:
        raise DataError(
            f"task {task.name!r} is about single beats, and no recording is cut into adjacent windows for"
            f" it: run"
            f" `atml annotate EXPORT RECORD`, or give windows (n, {task.leads}, {task.window}) round beats"
        )


@dataclass(frozen=True)
class Recording:
    """One recording ``x (leads, samples)`` at ``rate`` Hz, to be cut for a task; it may be a memory map."""

    x: npt.NDArray[Any]
    rate: Rate
    task: Task

    @classmethod
    def of(cls, signal: npt.NDArray[Any], rate: Rate, task: Task) -> Recording:
        """Check a signal ``(samples,)`` or ``(leads, samples)``.

        Raises:
            DataError: other leads than the task's, or less than one window; a task of single beats.
        """
        check_adjoining(task)
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
                f"the signal is {float(x.shape[1] / rate):g} s long at {shown(rate)} Hz; the model needs"
                f" {task.seconds:g} s"
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

    def blocks(self, starts: Sequence[int] | npt.NDArray[np.int64]) -> Iterator[Block]:
        """Yield the windows at ``starts`` in blocks.

        Missing samples are interpolated linearly, so that every window can be run; the caller discards the
        outputs of those that a block marks.
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
            release(self.x)
            at = end

    @functools.cached_property
    def _rails(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lowest and highest value of each lead, ``(leads, 1)``, read piece by piece."""
        low, high = np.full((len(self.x), 1), np.inf), np.full((len(self.x), 1), -np.inf)
        every = BLOCK * self.task.window
        for at in range(0, self.x.shape[1], every):
            piece = np.array(self.x[:, at : at + every], np.float64)
            there = ~_missing(piece)
            low = np.minimum(low, piece.min(axis=1, keepdims=True, where=there, initial=np.inf))
            high = np.maximum(high, piece.max(axis=1, keepdims=True, where=there, initial=-np.inf))
            release(self.x)
        return low, high

    def _cut(self, firsts: Sequence[int]) -> Block:
        """Cut neighbouring windows out of one piece of the recording."""
        target, window = self.task.sampling_rate, self.task.window
        ratio = Fraction(self.rate) / target
        down, up = ratio.numerator, ratio.denominator
        # The piece starts where samples of both rates coincide, so that positions stay whole numbers.
        cycle = max(0, int((firsts[0] / target - MARGIN) * self.rate) // down)
        begin = cycle * down
        stop = min(
            self.x.shape[1], math.ceil((firsts[-1] + window) / target * self.rate + MARGIN * self.rate)
        )
        piece = np.array(self.x[:, begin:stop], np.float64)
        missing = _missing(piece)
        off = soundness.still(piece, float(self.rate)) & ~missing
        rail = soundness.railed(piece, float(self.rate), *self._rails) & ~missing
        if missing.any():
            _bridge(piece, missing)
        made = resampled(piece, self.rate, target)
        x = np.empty((len(firsts), len(piece), window), np.float32)
        gap, flat, saturated = np.empty((3, len(firsts)), np.bool_)
        for number, first in enumerate(firsts):
            place = first - cycle * up
            x[number] = made[:, place : place + window]
            low = min(place * self.rate // target, piece.shape[1])
            high = min(-(-(place + window) * self.rate // target), piece.shape[1])
            gap[number] = missing[:, low:high].any()
            flat[number] = (off[:, low:high].mean(axis=1) > soundness.FLAT).any()
            saturated[number] = (rail[:, low:high].mean(axis=1) > soundness.SATURATED).any()
        flat &= ~gap
        return Block(x, gap, flat, saturated & ~gap & ~flat)


def _bridge(piece: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> None:
    """Interpolate missing samples of each lead, in place; a lead without any sample becomes 0."""
    place = np.arange(piece.shape[1])
    for lead, gap in zip(piece, missing, strict=True):
        lead[gap] = 0.0 if gap.all() else np.interp(place[gap], place[~gap], lead[~gap])
