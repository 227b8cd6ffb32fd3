"""A recording beat by beat while its signal comes: beats found, windows cut round them, classes decided.

All that is kept is some seconds of signal, so that a day takes the memory of a minute. What comes out does
not depend on the length of the pieces that are pushed.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from atml.annotating.beats import Annotated, Beats
from atml.annotating.contact import Codes, Contact, Seconds, cleaned, of_windows
from atml.annotating.resampler import Resampler
from atml.arrays import Float32, Floats, Int64
from atml.artifacts import seen
from atml.artifacts.model import Session
from atml.data.beat_windows import detector_of, gather
from atml.data.rates import Rate
from atml.ecg.qrs import LATENCY_S
from atml.tasks import targets
from atml.tasks.task import Task

AT_ONCE = 256
"""Most windows that the network gets in one go, which bounds the memory."""

SPARE_S = 0.5
"""Seconds of signal that are kept beyond what the detector's latency asks for."""

MANY = 256
"""Parts of what is kept that are joined: a stream that goes on for days has few beats a part."""

EVERY = 8
"""Of so many windows one is measured, to tell whether the unit is that of the training."""


class Stream:
    """Annotates the signal of one recording that is pushed in pieces of any length.

    A beat is given out as soon as its window is there: the task's time after the beat, or the detector's
    latency where that is longer, and some 0.1 s more of what resampling asks for.

    Args:
        session: The model.
        task: Its task, whose windows lie round beats.
        rate: Of the signal, in Hz.
    """

    def __init__(self, session: Session, task: Task, rate: Rate) -> None:
        self.task, self.rate = task, rate
        self.samples = 0
        """Samples that were pushed."""
        self._session = session
        self._ratio = Fraction(rate) / task.sampling_rate
        self._resampler = Resampler(rate, task.sampling_rate, leads=task.leads)
        self._detector = detector_of(task)
        self._contact = Seconds(rate)
        self._second: list[Codes] = []
        self._parts: list[Beats] = []
        self._sizes: list[Floats] = []
        self._waiting: Int64 = np.empty(0, np.int64)
        latency = math.ceil((LATENCY_S + SPARE_S) * task.sampling_rate)
        self._keep = task.window + latency
        self._signal = _Kept(task.leads)
        self._raw = _Kept(task.leads)

    def push(self, x: npt.NDArray[np.generic]) -> Beats:
        """Take ``x (leads, samples)``; return the beats that are decided by now."""
        raw = cleaned(x)
        self.samples += raw.shape[1]
        if len(seconds := self._contact.push(raw)):
            self._second.append(seconds)
        if len(self._second) > MANY:
            self._second = [np.concatenate(self._second)]
        self._raw.add(raw)
        made = self._resampler.push(raw)
        self._signal.add(made)
        self._found(self._detector.push(made[0]))
        ready = self._waiting + self.task.samples_after_beat < self._signal.end
        return self._decided(int(ready.sum()))

    def end(self) -> Beats:
        """Return the beats that are left; beyond its last sample the signal keeps its value."""
        self._second.append(self._contact.end())
        made = self._resampler.end()
        self._signal.add(made)
        self._found(self._detector.push(made[0]))
        self._found(self._detector.end())
        return self._decided(len(self._waiting))

    def annotated(self) -> Annotated:
        """Return all that was found so far, at the end of the signal."""
        none = Beats.none(len(self.task.classes))
        return Annotated(
            beats=Beats.joined([none, *self._parts]),
            classes=self.task.classes,
            rate=self.rate,
            samples=self.samples,
            seconds=np.concatenate([np.empty(0, np.int8), *self._second]),
            second=self._contact.samples,
        )

    def sizes(self) -> Floats:
        """Return how large the signal is in some windows, as `atml.artifacts.seen.ranges` measures it."""
        return np.concatenate([np.empty(0), *self._sizes])

    def _found(self, beats: Int64) -> None:
        self._waiting = np.concatenate([self._waiting, beats])

    def _decided(self, count: int) -> Beats:
        """Decide the first of the waiting beats, and forget the signal that no other beat needs."""
        beats, self._waiting = self._waiting[:count], self._waiting[count:]
        none = Beats.none(len(self.task.classes))
        parts = [self._named(beats[at : at + AT_ONCE]) for at in range(0, count, AT_ONCE)]
        self._parts += parts
        if len(self._parts) > MANY:
            self._parts, self._sizes = [Beats.joined(self._parts)], [self.sizes()]
        first = self._signal.end - self._keep
        if len(self._waiting):
            first = min(first, int(self._waiting[0]) - self.task.window)
        self._signal.forget(first)
        self._raw.forget(math.floor(first * self._ratio))
        return Beats.joined([none, *parts])

    def _named(self, at: Int64) -> Beats:
        """Decide beats, given where they are at the task's rate."""
        signal = self._signal
        x = gather(signal.x, at, self.task, first=signal.first, samples=signal.end)
        why = self._why(at)
        why[(why == 0) & np.isnan(x).any(axis=(1, 2))] = Contact.MISSING
        sound = why == 0
        logits = np.full((len(at), len(self.task.classes)), np.nan, np.float32)
        label = np.full(len(at), -1, np.int64)
        if sound.any():
            windows = np.ascontiguousarray(x[sound])
            logits[sound] = self._session(windows)
            label[sound] = targets.of(self.task).labels(logits[sound])
            self._sizes.append(seen.ranges(windows[::EVERY]))
        sample = np.array([round(one * self._ratio) for one in at.tolist()], np.int64)
        return Beats(np.minimum(sample, self.samples - 1), label, logits, why)

    def _why(self, at: Int64) -> Codes:
        """Say what is the matter with the windows of beats, by the signal as it came."""
        length = round(self.task.window * self._ratio)
        after = self.task.samples_after_beat
        start = np.array(
            [math.floor((one + after + 1 - self.task.window) * self._ratio) for one in at.tolist()], np.int64
        )
        found = np.zeros(len(at), np.int8)
        whole = (start >= 0) & (start + length <= self._raw.end)
        if whole.any():
            place = start[whole, None] + np.arange(length) - self._raw.first
            windows = np.ascontiguousarray(self._raw.x[:, place].transpose(1, 0, 2))
            found[whole] = of_windows(windows, float(self.rate))
        for one in np.flatnonzero(~whole).tolist():  # at the ends: what there is of them
            low = max(0, int(start[one])) - self._raw.first
            high = int(start[one]) + length - self._raw.first
            found[one] = of_windows(self._raw.x[None, :, low:high], float(self.rate))[0]
        return found


class _Kept:
    """The last part of a signal ``x (leads, samples)``, which begins with sample number ``first``."""

    def __init__(self, leads: int) -> None:
        self.x: Float32 = np.empty((leads, 0), np.float32)
        self.first = 0

    @property
    def end(self) -> int:
        """Samples that came in all."""
        return self.first + int(self.x.shape[1])

    def add(self, x: Float32) -> None:
        self.x = np.concatenate([self.x, x], axis=1)

    def forget(self, first: int) -> None:
        """Forget what lies before a sample."""
        if first > self.first:
            self.x = self.x[:, first - self.first :].copy()
            self.first = first
