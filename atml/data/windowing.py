"""A recording cut into windows of one rhythm each, with an account of every second that is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32, Strings, release
from atml.data.episode import Episode
from atml.data.formats.annotations import Marks
from atml.data.parsing import Files, Parsed, Seconds, assemble, at_rates
from atml.data.piecewise import Doubts, Resampled, gaps
from atml.data.rates import Rate, rate_of
from atml.data.reading import Part, Reading, without_x
from atml.data.rows import Rows, check, in_one_file, one_after_another
from atml.data.soundness import FLAT, SATURATED
from atml.data.stretch import Stretch
from atml.ecg.resampling import windows
from atml.tasks.task import Task

MISSING = "missing samples"

BLOCK = 1 << 21
"""Samples of windows that are handled at once."""

AT = " at "
"""Between the name of a record and the time at which a stretch of it begins."""


@dataclass(frozen=True)
class Recording:
    """One record: ``x (leads, samples)`` in mV at ``rate`` Hz, NaN where a sample is missing.

    ``by_beats`` says that its rhythm is told by beats alone, ``about``, in JSON types, what else its format
    wants to know of it again. ``part`` is what came of it where it was cut before; then it has no lead.
    ``marks`` are its annotations, None in a format that has none of single beats.
    """

    name: str
    subject: str
    rate: Rate
    x: Float32
    stretches: Sequence[Stretch]
    by_beats: bool = False
    about: dict[str, Any] = field(default_factory=dict)
    part: Part | None = None
    marks: Marks | None = None


@dataclass(frozen=True)
class _Piece:
    """A stretch that can be used, as samples ``start`` to ``end`` of a signal: resampled and without a gap.

    ``before`` are the rhythms earlier in it, each with the sample at which it ends.
    """

    stretch: Stretch
    signal: Resampled
    offset: int
    start: int
    end: int
    before: tuple[tuple[str, int], ...]


def past(reading: Reading, name: str, subject: str) -> Recording | None:
    """Return a recording whose windows an interrupted reading has cut already; its signal is not read."""
    part = reading.finished(name)
    if part is None:
        return None
    told = part.about
    x = np.empty((0, told["samples"]), np.float32)
    return Recording(name, subject, rate_of(told["rate"]), x, (), told["by_beats"], told["about"], part)


def parse(path: Path, recordings: Iterable[Recording], task: Task, reading: Reading) -> Parsed:
    """Cut recordings into windows of one rhythm each; a file of what is returned is one stretch.

    ``reading`` takes the windows.
    """
    place, subject, rhythm = [], [], []
    parts: list[Rows] = []
    account: list[Seconds] = []
    rates: set[Rate] = set()
    for recording in recordings:
        part = recording.part or _cut(recording, task, reading)
        reading.passed()
        told = part.about
        rates.add(recording.rate)
        account += [Seconds(recording.name, recording.subject, *one) for one in told["seconds"]]
        place += told["place"]
        subject += [recording.subject] * len(told["place"])
        rhythm += told["rhythm"]
        parts.append(part.rows)
    files = Files(
        place=np.array(place, np.str_),
        subject=np.array(subject, np.str_),
        rhythm=np.array(rhythm, np.str_),
        given=np.full(len(place), -1, np.int64),
    )
    parsed = assemble(path, files, parts, [], at_rates(rates, task.sampling_rate), reading.blocks())
    parsed.seconds = sorted(account, key=lambda row: (row.record, row.rhythm))
    return parsed


def _cut(recording: Recording, task: Task, reading: Reading) -> Part:
    """Cut adjacent windows inside each stretch; none has a gap, noise, a flat or a saturated lead in it.

    A lead is saturated where more than `SATURATED` of a window lies in runs of `atml.data.soundness.RAIL` s
    and longer at the lowest or at the highest value of the recording, flat where more than `FLAT` of it lies
    in runs of `atml.data.soundness.STILL` s and longer of one value. One such lead is enough.
    """
    rate, window, seconds = recording.rate, task.window, task.window / task.sampling_rate
    doubts, account = Doubts(recording.x, float(rate)), _Account(recording)
    whole, most = apart(recording), max(1, BLOCK // (window * max(1, len(recording.x))))
    for stretch in whole:
        account.found(stretch)
    rows: list[Rows] = []
    place, rhythm = [], []
    for piece in _pieces(recording, whole, task.sampling_rate):
        stretch, cut = piece.stretch, []
        count = (piece.end - piece.start) // window
        for at in range(0, max(count, 1), most):
            first, last = piece.start + at * window, piece.start + min(at + most, count) * window
            x = windows(piece.signal.part(first, last), window)
            good = np.ones(len(x), np.bool_)
            for number in range(len(x)):
                begin = first + number * window
                masks = doubts.within(
                    piece.offset + begin * rate // task.sampling_rate,
                    piece.offset + -(-(begin + window) * rate // task.sampling_rate),
                )
                for reason, mask, share in zip(("flat", "saturated"), masks, (FLAT, SATURATED), strict=True):
                    if good[number] and (mask.mean(axis=1) > share).any():
                        good[number] = False
                        account.lose(stretch, reason, seconds)
            x = x[good].astype(np.float32, copy=False)
            samples = np.array([stretch.end - stretch.start], np.int64)
            cut.append(check(x, np.zeros(len(x), np.int64), samples, []))
            reading.add(cut[-1].x)
            cut[-1] = without_x(cut[-1])
            release(recording.x)
            done = piece.offset + first * rate // task.sampling_rate
            reading.step((1 + done / recording.x.shape[1]) / 2)  # the first half is that it was read
        left = float((stretch.end - stretch.start) / rate) - count * seconds
        account.lose(stretch, "rest of a stretch" if count else "stretch shorter than the window", left)
        rows.append(in_one_file(cut))
        place.append(f"{recording.name}{AT}{clock(float(stretch.start / rate))}")
        rhythm.append(stretch.rhythm)
    told = {
        "rate": float(rate),
        "samples": recording.x.shape[1],
        "by_beats": recording.by_beats,
        "about": recording.about,
        "place": place,
        "rhythm": rhythm,
        "seconds": account.seconds(),
    }
    shape = (0, task.leads, window)
    return reading.close(Part(recording.name, one_after_another(rows, np.empty(shape, np.float32)), told))


def records(place: Strings) -> Strings:
    """Return the record that each stretch of `parse` is from, by its place; ``(n,)``."""
    return np.array([name.rpartition(AT)[0] for name in place.tolist()], np.str_)


def clock(seconds: float, decimals: int = 0) -> str:
    """Return "12:31", or "1:12:31" from an hour on, rounded down; with decimals of a second "12:31.25".

    Example:
        >>> clock(751.987), clock(4351.987, 2)
        ('12:31', '1:12:31.98')
    """
    whole = int(seconds)
    part = f".{int((seconds - whole) * 10**decimals):0{decimals}}" if decimals else ""
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}") + part


def episodes(recording: Recording, task: Task) -> list[Episode]:
    """Return the stretches that hold more than a window, each with up to a window of clean signal before.

    Which rhythms that signal holds goes with it: whether they are of the same class, a task must say.
    """
    found = []
    for piece in _pieces(recording, apart(recording), task.sampling_rate):
        if piece.end - piece.start > task.window:
            first = max(0, piece.start - task.window)
            found.append(
                Episode(
                    subject=recording.subject,
                    place=recording.name,
                    rhythm=piece.stretch.rhythm,
                    x=np.ascontiguousarray(piece.signal.part(first, piece.end), np.float32),
                    onset=piece.start - first,
                    before=tuple((name, end - first) for name, end in piece.before if end > first),
                )
            )
    return found


def apart(recording: Recording) -> list[Stretch]:
    """Return the stretches of a recording, parted where samples are missing; nothing overlaps or is lost."""
    edges, begins = gaps(recording.x)
    found = []
    for stretch in recording.stretches:
        inner = edges[(edges > stretch.start) & (edges < stretch.end)].tolist()
        for start, end in zip([stretch.start, *inner], [*inner, stretch.end], strict=True):
            passed = int(np.searchsorted(edges, start, "right"))
            reason = MISSING if begins != bool(passed % 2) else stretch.reason
            found.append(Stretch(start, end, stretch.rhythm, reason))
    return found


def _pieces(recording: Recording, whole: Sequence[Stretch], target: int) -> Iterator[_Piece]:
    """Yield the stretches that can be used, at ``target`` Hz.

    What adjoins is resampled in one: a filter then has no edge inside, and a gap or noise is never near it.
    """
    rate = recording.rate
    at = 0
    while at < len(whole):
        run = [whole[at]]
        while at + len(run) < len(whole) and not run[0].reason and not whole[at + len(run)].reason:
            run.append(whole[at + len(run)])
        at += len(run)
        if run[0].reason:
            continue
        offset = run[0].start
        signal = Resampled(recording.x[:, offset : run[-1].end], rate, target)
        before: list[tuple[str, int]] = []
        for stretch in run:
            start = -(-(stretch.start - offset) * target // rate)
            end = max(start, min((stretch.end - offset) * target // rate, signal.samples))
            yield _Piece(stretch, signal, offset, start, end, tuple(before))
            # Rounded up: no sample of it is left in what comes after.
            before.append((stretch.rhythm, min(-(-(stretch.end - offset) * target // rate), signal.samples)))


class _Account:
    """Seconds of one recording, by rhythm."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.time: dict[str, float] = defaultdict(float)
        self.left: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def found(self, stretch: Stretch) -> None:
        """Count a stretch, and leave out all of it that has a reason."""
        seconds = float((stretch.end - stretch.start) / self.recording.rate)
        self.time[stretch.rhythm] += seconds
        if stretch.reason:
            self.lose(stretch, stretch.reason, seconds)

    def lose(self, stretch: Stretch, reason: str, seconds: float) -> None:
        """Leave out a part of a stretch."""
        if seconds > 1e-9:
            self.left[stretch.rhythm][reason] += seconds

    def seconds(self) -> list[tuple[str, float, float, dict[str, float]]]:
        """Return rhythm, time found, kept, and left out by reason, by name of rhythm."""
        return [
            (
                rhythm,
                found,
                max(0.0, found - sum(self.left[rhythm].values())),
                dict(sorted(self.left[rhythm].items())),
            )
            for rhythm, found in sorted(self.time.items())
        ]
