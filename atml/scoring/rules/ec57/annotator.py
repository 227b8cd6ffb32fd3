"""What one annotator says of a record: its beats, and the times of fibrillation and of shutdown; pure.

Between ``[`` and ``]`` nothing is read. A shutdown begins with a ``~`` that has both bits for unreadable
signals set, and ends with the next ``~`` that has not. Where no such ``~`` follows, as in files converted
from the AHA's, it lasts from a window after the beat before it to a window before the annotation after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atml.arrays import Int64
from atml.data.formats.annotations import Marks
from atml.ecg.beat_matching import NEVER

CLASSES = "NSVFQ"
"""Classes of beats, in the order of the matrix's first rows and columns."""

NO_BEAT, SHUT_DOWN = 5, 6
"""Rows and columns O and X of the matrix: no beat of the other annotator, or its shutdown."""

OFFICIAL: Mapping[str, int] = {
    symbol: CLASSES.index(name)
    for name, symbols in {"N": "NLRB", "S": "AaJSejn", "V": "VEr", "F": "F", "Q": "Q/f?"}.items()
    for symbol in symbols
} | {"!": NO_BEAT}
"""Classes of the beats' symbols. A flutter wave outside brackets stands in the row of beats and is none."""

ESCAPES_AS_N: Mapping[str, int] = {**OFFICIAL, "e": 0, "j": 0}
"""The same with atrial and junctional escape beats as N, as papers after de Chazal (2004) have it."""

UNREADABLE = 0x30
"""Both bits of a ``~`` for a signal that can't be read."""

BEFORE = -1
"""The start and end of a period that has not been."""


@dataclass(frozen=True)
class Periods:
    """Periods of one kind, in order, and how many began before each beat.

    ``start`` and ``stop`` are samples. ``known (beats + 1,)`` counts the periods that begin before each beat,
    the last entry all of them. Where the annotations end within the last period, ``unended``, its ``stop`` is
    that of the period before it, or `BEFORE`.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]
    known: Int64
    unended: bool

    def before(self, beat: int) -> int:
        """Count the periods that begin before a beat; before none of them, there are all."""
        return int(self.known[min(beat, len(self.known) - 1)])

    def latest(self, beat: int) -> tuple[tuple[int, int], ...]:
        """Return the last two periods that begin before a beat, the last one first: (start, stop)."""
        last = self.before(beat)
        return tuple((self.start[at], self.stop[at]) for at in range(last - 1, max(last - 3, -1), -1))

    def covers(self, sample: int, beat: int) -> bool:
        """Whether a sample lies in one of the two periods before a beat; a last one without end goes on."""
        return any(
            BEFORE != start <= sample and (sample <= stop or (not at and stop == BEFORE))
            for at, (start, stop) in enumerate(self.latest(beat))
        )


@dataclass(frozen=True)
class Annotator:
    """The beats of one annotator: samples, classes and their places among the annotations, ``(beats,)``.

    ``interval (beats,)`` is the RR interval that ends with each beat, in samples, 0 where none counts.
    """

    sample: Int64
    kind: Int64
    mark: Int64
    interval: Int64
    fibrillation: Periods
    shutdown: Periods


def read(
    marks: Marks, window: int, classes: Mapping[str, int] = OFFICIAL, *, reference: bool = False
) -> Annotator:
    """Read the annotations of a record.

    Args:
        marks: In the order of time.
        window: Of the matching, in samples.
        classes: The class of each symbol that is a beat: `OFFICIAL` or `ESCAPES_AS_N`.
        reference: Whether they are the reference, whose last shutdown may go on to the end of the record.

    Example:
        >>> symbols = ["N", "[", "N", "]", "V"]
        >>> marks = Marks(np.array([100, 200, 300, 400, 500]), symbols, np.zeros(5, np.int64), [""] * 5)
        >>> found = read(marks, 54)
        >>> found.sample.tolist(), found.kind.tolist(), found.fibrillation.start
        ([100, 500], [0, 2], (200,))
    """
    times, symbols, subtypes = marks.sample.tolist(), list(marks.symbol), marks.subtype.tolist()
    beats: list[int] = []
    fibrillation, shutdown = _Log(), _Log()
    at = 0
    while at < len(times):
        symbol = symbols[at]
        if symbol in classes:
            beats.append(at)
            fibrillation.beat()
            shutdown.beat()
        elif symbol == "[":
            end = next((later for later in range(at + 1, len(times)) if symbols[later] == "]"), None)
            fibrillation.add(times[at], None if end is None else times[end])
            at = len(times) if end is None else end
        elif symbol == "~" and _unreadable(subtypes[at]):
            after = at + 1
            if after == len(times):
                shutdown.add(times[at], NEVER if reference else None)
            elif symbols[after] == "~" and not _unreadable(subtypes[after]):
                shutdown.add(times[at], times[after])
                at = after
            else:
                beat = times[beats[-1]] if beats else 0
                stop = times[after] - window
                shutdown.add(min(max(beat, fibrillation.stopped()) + window, stop), stop)
        at += 1
    place = np.array(beats, np.int64)
    sample = marks.sample[place]
    found = fibrillation.periods(), shutdown.periods()
    return Annotator(
        sample,
        np.array([classes[symbols[beat]] for beat in beats], np.int64),
        place,
        _intervals(sample, *found),
        *found,
    )


def _unreadable(subtype: int) -> bool:
    return subtype & UNREADABLE == UNREADABLE


class _Log:
    """Periods of one kind, as the annotations tell them one after the other."""

    def __init__(self) -> None:
        self._start: list[int] = []
        self._stop: list[int] = []
        self._known: list[int] = []
        self._unended = False

    def beat(self) -> None:
        self._known.append(len(self._start))

    def stopped(self) -> int:
        """The end of the last period."""
        return self._stop[-1] if self._stop else BEFORE

    def add(self, start: int, stop: int | None) -> None:
        """Take a period, None for the stop of one that the annotations end in."""
        self._unended = stop is None
        self._stop.append(self.stopped() if stop is None else stop)
        self._start.append(start)

    def periods(self) -> Periods:
        known = np.array([*self._known, len(self._start)], np.int64)
        return Periods(tuple(self._start), tuple(self._stop), known, self._unended)


def _intervals(sample: Int64, *kinds: Periods) -> Int64:
    """RR intervals; none to the first beat, after a beat at sample 0, or over the start of a period."""
    before = np.concatenate((np.zeros(1, np.int64), sample))[: len(sample)]
    found = np.where(before == 0, 0, sample - before)
    for periods in kinds:
        starts = np.array([BEFORE, BEFORE, *periods.start], np.int64)
        for back in (0, 1):  # the last two periods that begin before the beat
            start = starts[periods.known[: len(sample)] + 1 - back]
            found[(before <= start) & (start < sample)] = 0
    return found
