"""One record compared beat by beat: matrix of counts, shutdown and error of RR intervals; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atml.arrays import Int64
from atml.data.formats.annotations import Marks
from atml.ecg import beat_matching
from atml.ecg.beat_matching import EXTRA, LEARNING_S, MISSED, WINDOW_S, Matching
from atml.errors import InputError
from atml.scoring.rules.ec57.annotator import (
    CLASSES,
    NO_BEAT,
    OFFICIAL,
    SHUT_DOWN,
    Annotator,
    read,
)

SIZE = len(CLASSES) + 2
"""Rows and columns of the matrix: N S V F Q O X."""

UNCOUNTED = -1
"""The reference's side of an extra beat in fibrillation, which is neither right nor wrong."""


@dataclass(frozen=True)
class Pairs:
    """The beats of a record as they were counted, in order of time, ``(n,)`` each.

    ``reference`` and ``test`` are places among the annotations of each, -1 for none. ``true`` and ``called``
    are rows and columns of the matrix, ``true`` `UNCOUNTED` for an extra beat in fibrillation.
    """

    reference: Int64
    test: Int64
    true: Int64
    called: Int64


@dataclass(frozen=True)
class Comparison:
    """What EC57 counts in a record.

    ``counts (7, 7)`` has a row for each class of the reference, N S V F Q, then O (no beat) and X (shutdown),
    and the same columns for the test. ``shutdown`` is the time in s of the test's shutdown. ``rr_squares``
    sums the squared errors of ``rr_count`` RR intervals, in ms.
    """

    counts: Int64
    shutdown: int
    rr_squares: float
    rr_count: int
    pairs: Pairs

    @property
    def rr_error(self) -> float | None:
        """Root of the mean squared error of RR intervals, in ms; None without any."""
        return math.sqrt(self.rr_squares / self.rr_count) if self.rr_count else None


def compare(
    reference: Marks,
    test: Marks,
    rate: float,
    *,
    length: int | None = None,
    learning: float = LEARNING_S,
    window: float = WINDOW_S,
    classes: Mapping[str, int] = OFFICIAL,
) -> Comparison:
    """Compare the beats of a record with those of its reference.

    Args:
        reference: Annotations in order of time, in samples of the record.
        test: Those to be judged, likewise.
        rate: Samples a second.
        length: Samples of the record; None compares up to the last beat of the reference.
        learning: Time at the start of which no beat counts, in s; the standard has 300.
        window: The furthest that two beats may be apart to be the same, in s; the standard has 0.15.
        classes: The class of each symbol, `OFFICIAL` or `ESCAPES_AS_N`.

    Raises:
        InputError: The record ends within the learning period, or annotations are out of order.

    Example:
        >>> at = np.array([100, 400, 700])
        >>> known = Marks(at, "NVN", np.zeros(3, np.int64), [""] * 3)
        >>> called = Marks(at + 5, "NNN", np.zeros(3, np.int64), [""] * 3)
        >>> found = compare(known, called, 250, length=1000, learning=0)
        >>> found.counts[:3, :3].tolist(), found.rr_error
        ([[2, 0, 0], [0, 0, 0], [1, 0, 0]], 0.0)
    """
    start, width = beat_matching.samples(learning, rate), beat_matching.samples(window, rate)
    if length is not None and length < start:
        raise InputError(
            f"{length / rate:g} s long, which ends within the learning period of {learning:g} s;"
            " give a shorter one (not standard)"
        )
    known, judged = read(reference, width, classes, reference=True), read(test, width, classes)
    try:
        matching = beat_matching.match(known.sample, judged.sample, width, start=start, end=length or None)
    except ValueError as error:
        raise InputError(str(error)) from None
    pairs = _pairs(known, judged, matching)
    counts = np.zeros((SIZE, SIZE), np.int64)
    counted = (pairs.true != UNCOUNTED) & ((pairs.true < NO_BEAT) | (pairs.called < NO_BEAT))
    np.add.at(counts, (pairs.true[counted], pairs.called[counted]), 1)
    errors = _rr_errors(known, judged, matching) * (1000 / beat_matching.samples(1, rate))
    return Comparison(
        counts=counts,
        shutdown=_shutdown(judged, matching.end, rate, length or 0),
        rr_squares=float((errors**2).sum()),
        rr_count=len(errors),
        pairs=pairs,
    )


def _pairs(known: Annotator, judged: Annotator, matching: Matching) -> Pairs:
    """Return the classes of each step's two sides."""
    alone, over = matching.outcome == MISSED, matching.outcome == EXTRA
    padded = [np.append(one, -1) for one in (known.kind, judged.kind, known.mark, judged.mark)]
    at, also = matching.reference, matching.test
    true, called, mark, test_mark = padded[0][at], padded[1][also], padded[2][at], padded[3][also]
    for step in np.flatnonzero(over).tolist():
        beat, sample = int(at[step]), int(judged.sample[also[step]])
        if known.fibrillation.covers(sample, beat + 1):
            true[step] = UNCOUNTED
        else:
            true[step] = SHUT_DOWN if known.shutdown.covers(sample, beat + 1) else NO_BEAT
    for step in np.flatnonzero(alone).tolist():
        beat, sample = int(also[step]), int(known.sample[at[step]])
        called[step] = SHUT_DOWN if judged.shutdown.covers(sample, beat + 1) else NO_BEAT
    return Pairs(np.where(over, -1, mark), np.where(alone, -1, test_mark), true, called)


def _rr_errors(known: Annotator, judged: Annotator, matching: Matching) -> Int64:
    """Differences of RR intervals in samples at each step, of a beat alone too, where both have one."""
    ours, theirs = np.append(known.interval, 0), np.append(judged.interval, 0)
    one, other = ours[matching.reference], theirs[matching.test]
    return np.asarray((one - other)[(one > 0) & (other > 0)], np.int64)


def _shutdown(judged: Annotator, beat: int, rate: float, length: int) -> int:
    """Time of the shutdowns up to the beat after the last one compared, in whole s."""
    periods = judged.shutdown
    count = periods.before(beat + 1)
    ended = count - (periods.unended and count == len(periods.start))
    total = beat_matching.samples(0.5, rate)
    total += sum(periods.stop[:ended]) - sum(periods.start[:ended])
    if ended < count and length:
        total += length - periods.start[-1]
    return int(total / beat_matching.samples(1, rate))
