"""Windows round single beats: the beats of a recording, found by the detector, and what lies about each.

A device finds its beats itself, so a network learns from beats that the detector found: jittered as it is,
with its false ones among them and without those that it misses.
"""

from __future__ import annotations

import ast
import functools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Int64, release
from atml.data.formats.annotations import BEATS, Marks
from atml.data.parsing import Files, Parsed, assemble, at_rates
from atml.data.rates import Rate, resampled
from atml.data.reading import Part, Reading, without_x
from atml.data.rows import Rows, check, one_after_another
from atml.data.windowing import AT, Recording, clock
from atml.ecg import beat_matching, qrs, qrs_decision
from atml.ecg.beat_matching import WINDOW_S, labels_of, match, samples
from atml.ecg.qrs import FASTEST, SLOWEST, QrsDetector
from atml.errors import DataError
from atml.source_hash import source_hash
from atml.tasks.task import Task

NO_BEAT = "O"
"""What a detected beat is called where none is annotated, as in the tables of ANSI/AAMI EC57."""

FLUTTER = "["
"""What a detected beat is called inside ventricular flutter or fibrillation, where no beat is annotated."""

BLOCK = 256
"""Beats whose windows are cut at once."""

CHUNK_S = 60.0
"""Seconds of signal that the detector gets at once."""

MARGIN_S = 1.0
"""Seconds of signal on either side of a part that is resampled, to keep the filter's edges outside it."""


@functools.cache
def version() -> str:
    """Return a hash of the code that finds, names and cuts beats: a parsed copy is of one version of it."""
    files = (qrs.__file__, qrs_decision.__file__, beat_matching.__file__, __file__)
    return source_hash([ast.parse(Path(file).read_text(encoding="utf-8")) for file in files])


def gather(
    x: Float32, beats: npt.ArrayLike, task: Task, *, first: int = 0, samples: int | None = None
) -> Float32:
    """Cut the windows round beats of a signal ``x (leads, samples)`` at the task's rate.

    Before the recording begins a window holds its first sample, after it ends its last.

    Args:
        x: The signal, or the part of it that begins with sample ``first``.
        beats: Sample numbers of the beats, ``(n,)``, counted in the whole signal.
        task: Window, rate, and how much of a window comes after its beat.
        first: The first sample of ``x`` in the whole signal.
        samples: Samples of the whole signal; None for those of ``x``.

    Returns:
        ``(n, leads, window)``; `Task.samples_after_beat` samples of each come after its beat.

    Example:
        >>> beats = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=10, window=5,
        ...     after_beat=0.2)
        >>> gather(np.arange(8, dtype=np.float32)[None], [1, 5], beats).tolist()
        [[[0.0, 0.0, 1.0, 2.0, 3.0]], [[3.0, 4.0, 5.0, 6.0, 7.0]]]
    """
    place = np.asarray(beats, np.int64)[:, None] + np.arange(-task.window + 1, 1) + task.samples_after_beat
    last = (x.shape[1] if samples is None else samples) - 1
    found: Float32 = x[:, np.clip(place, 0, last) - first].transpose(1, 0, 2)
    return np.ascontiguousarray(found, np.float32)


def detector_of(task: Task) -> QrsDetector:
    """Return the detector that finds the beats of a task, at its rate.

    Raises:
        DataError: a rate at which no beats are looked for.

    Example:
        >>> slow = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=50, window=175,
        ...     after_beat=1.2)
        >>> detector_of(slow)
        Traceback (most recent call last):
        atml.errors.DataError: task 'b' has a rate of 50 Hz, and beats are looked for at 100 to 1000 Hz:
        change sampling_rate and window of its TASK
    """
    try:
        return QrsDetector(task.sampling_rate)
    except ValueError:
        raise DataError(
            f"task {task.name!r} has a rate of {task.sampling_rate} Hz, and beats are looked for at {SLOWEST}"
            f" to {FASTEST} Hz: change sampling_rate and window of its TASK"
        ) from None


@dataclass(frozen=True)
class Beats:
    """The beats of a recording ``x (leads, samples)`` in mV at ``rate`` Hz, NaN where a sample is missing.

    ``x`` may be a memory map: it is read in parts. ``given`` are sample numbers of beats that are known, in
    ``x``; None for those that the detector finds in the first lead.

    Example:
        >>> from atml.tasks.task import Task
        >>> task = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=250,
        ...     after_beat=1.0)
        >>> x = np.random.default_rng(0).normal(size=(1, 3600)).astype(np.float32)
        >>> next(Beats(x, 360, task, np.array([1000, 2000])).windows()).shape
        (2, 1, 250)
    """

    x: Float32
    rate: Rate
    task: Task
    given: Int64 | None = None

    @cached_property
    def samples(self) -> int:
        """Samples at the task's rate."""
        return int(self.x.shape[1] * self.task.sampling_rate // self.rate)

    @cached_property
    def at(self) -> Int64:
        """Samples of the beats at the task's rate, ``(n,)``, ascending."""
        if self.given is not None:
            place = np.round(self.given * float(self.task.sampling_rate / self.rate)).astype(np.int64)
            return np.clip(place, 0, max(0, self.samples - 1))
        detector = detector_of(self.task)
        every = round(CHUNK_S * self.task.sampling_rate)
        found = []
        for start in range(0, self.samples, every):
            x, missing = self._part(start, min(start + every, self.samples))
            lead = np.where(missing, np.nan, x[0])
            found.append(detector.push(lead))
        return np.concatenate([*found, detector.end()]).astype(np.int64)

    @cached_property
    def sample(self) -> Int64:
        """Samples of the beats in ``x``, ``(n,)``."""
        if self.given is not None:
            return self.given
        place = np.round(self.at * float(self.rate / self.task.sampling_rate)).astype(np.int64)
        return np.minimum(place, max(0, self.x.shape[1] - 1))

    def windows(self) -> Iterator[Float32]:
        """Yield the windows of the beats in their order, `BLOCK` at once, each ``(n, leads, window)``.

        A window with a missing sample has NaN there.
        """
        after = self.task.samples_after_beat
        start = 0
        while start < len(self.at):
            end = start + 1  # distant beats are parts of their own, which bounds the memory
            while (
                end < min(start + BLOCK, len(self.at))
                and self.at[end] - self.at[start] < BLOCK * self.task.window
            ):
                end += 1
            some = self.at[start:end]
            low = max(0, int(some[0]) + after - self.task.window + 1)
            high = min(self.samples, int(some[-1]) + after + 1)
            x, missing = self._part(low, high)
            x[:, missing] = np.nan
            yield gather(x, some, self.task, first=low, samples=self.samples)
            release(self.x)
            start = end

    def _part(self, start: int, end: int) -> tuple[Float32, Bools]:
        """Return samples ``start`` to ``end`` at the task's rate, gaps bridged, and which are gaps."""
        ratio = Fraction(self.rate) / self.task.sampling_rate
        down, up = ratio.numerator, ratio.denominator
        # It begins where samples of both rates coincide, so that places stay whole numbers.
        cycle = max(0, math.floor(start * ratio - MARGIN_S * self.rate) // down)
        begin = cycle * down
        stop = min(self.x.shape[1], math.ceil(end * ratio + MARGIN_S * self.rate))
        piece = np.array(self.x[:, begin:stop], np.float64)
        gap = ~np.isfinite(piece)
        place = np.arange(piece.shape[1])
        for lead, absent in zip(piece, gap, strict=True):
            if absent.any():
                lead[absent] = (
                    0.0 if absent.all() else np.interp(place[absent], place[~absent], lead[~absent])
                )
        skip = start - cycle * up
        made = resampled(piece, self.rate, self.task.sampling_rate)[:, skip : skip + end - start]
        nearest = np.round(np.arange(start, end) * float(ratio)).astype(np.int64) - begin
        missing = np.asarray(gap.any(axis=0))[np.clip(nearest, 0, piece.shape[1] - 1)]
        return made.astype(np.float32), missing


def names(beats: Int64, marks: Marks, rate: Rate) -> tuple[list[str], int]:
    """Name detected beats by the annotated ones that they match, and count those that none matches.

    Args:
        beats: Sample numbers of the detected beats, ``(n,)``, ascending.
        marks: The annotations.
        rate: Of the sample numbers of both, in Hz.

    Returns:
        The symbol of the annotated beat within `WINDOW_S`; `NO_BEAT` where there is none, and `FLUTTER` where
        that is inside ``[`` and ``]``. And how many annotated beats, of those outside, were missed.
    """
    inside = fluttering(beats, marks)
    sample, symbol = annotated(marks)
    calm = beats[~inside]
    last = int(max(sample.max(initial=0), calm.max(initial=0)))
    matching = match(sample, calm, samples(WINDOW_S, float(rate)), end=last)
    given = iter(labels_of(matching, symbol, len(calm)))
    found = [FLUTTER if fluttered else next(given) or NO_BEAT for fluttered in inside.tolist()]
    return found, len(matching.missed())


def annotated(marks: Marks) -> tuple[Int64, list[str]]:
    """Return sample numbers and symbols of the annotated beats; those inside ``[`` and ``]`` are left out."""
    inside = fluttering(np.asarray(marks.sample), marks)
    rows = [at for at, symbol in enumerate(marks.symbol) if symbol in BEATS and not inside[at]]
    return np.asarray(marks.sample)[rows], [marks.symbol[at] for at in rows]


def fluttering(samples: Int64, marks: Marks) -> Bools:
    """Tell which samples ``(n,)`` lie between ``[`` and ``]``, or after a ``[`` that none closes."""
    edges = [
        (at, symbol == "[")
        for at, symbol in zip(marks.sample.tolist(), marks.symbol, strict=True)
        if symbol in "[]"
    ]
    if not edges:
        return np.zeros(len(samples), np.bool_)
    last = np.searchsorted([at for at, _ in edges], samples, "right") - 1
    return np.array([at >= 0 and edges[at][1] for at in last.tolist()], np.bool_)


def parse(path: Path, recordings: Iterable[Recording], task: Task, reading: Reading) -> Parsed:
    """Cut the windows round the beats of recordings; a file of what is returned is one beat.

    What stands for its rhythm is the symbol of the beat, see `names`. A window that misses samples is a
    fault, as a flat one is.

    Raises:
        DataError: A recording without annotated beats.
    """
    place, subject, symbol = [], [], []
    parts: list[Rows] = []
    counts: Counter[str] = Counter()
    rates: set[Rate] = set()
    for recording in recordings:
        part = recording.part or _cut(path, recording, task, reading)
        reading.passed()
        told = part.about
        rates.add(recording.rate)
        counts.update(told["counts"])
        place += told["place"]
        subject += [recording.subject] * len(told["place"])
        symbol += told["symbol"]
        parts.append(part.rows)
    files = Files(
        place=np.array(place, np.str_),
        subject=np.array(subject, np.str_),
        rhythm=np.array(symbol, np.str_),
        given=np.full(len(place), -1, np.int64),
    )
    notes = at_rates(rates, task.sampling_rate)
    if counts["annotated"]:
        notes.append(
            f"{counts['found']:,} beats found by the detector: {counts['matched']:,} of the"
            f" {counts['annotated']:,} annotated ones, {counts['extra']:,} where none is"
        )
    return assemble(path, files, parts, [], notes, reading.blocks())


def _cut(path: Path, recording: Recording, task: Task, reading: Reading) -> Part:
    """Cut one recording."""
    marks = recording.marks
    if marks is None or not any(symbol in BEATS for symbol in marks.symbol):
        raise DataError(
            f"{path}: record {recording.name} has no annotated beat, and task {task.name!r} is about single"
            " beats; take it out, or give records with beat annotations"
        )
    beats = Beats(recording.x, recording.rate, task)
    symbol, missed = names(beats.sample, marks, recording.rate)
    parts: list[Rows] = []
    for x in beats.windows():
        rows = check(x, np.arange(len(x)), np.full(len(x), task.window, np.int64), [])
        reading.add(rows.x)
        parts.append(without_x(rows))
        reading.step((1 + sum(len(part.length) for part in parts) / len(beats.at)) / 2)
    extra = symbol.count(NO_BEAT)
    matched = len(symbol) - extra - symbol.count(FLUTTER)
    told = {
        "rate": float(recording.rate),
        "samples": recording.x.shape[1],
        "by_beats": False,
        "about": recording.about,
        "place": [
            f"{recording.name}{AT}{clock(float(at / recording.rate), 2)}" for at in beats.sample.tolist()
        ],
        "symbol": symbol,
        "counts": {"found": len(symbol), "matched": matched, "extra": extra, "annotated": matched + missed},
    }
    empty = np.empty((0, task.leads, task.window), np.float32)
    rows = (
        one_after_another(parts, empty)
        if parts
        else check(empty, np.empty(0, np.int64), np.empty(0, np.int64), [])
    )
    return reading.close(Part(recording.name, rows, told))


__all__ = ["FLUTTER", "NO_BEAT", "Beats", "annotated", "fluttering", "gather", "names", "parse"]
