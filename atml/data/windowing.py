"""A recording cut into windows of one rhythm each, with an account of every second that is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Strings
from atml.data.episode import Episode
from atml.data.parsing import Files, Parsed, Seconds, assemble, at_rates
from atml.data.rates import Rate, resampled
from atml.data.rows import Rows, check
from atml.data.soundness import FLAT, SATURATED, railed, still
from atml.ecg.resampling import windows
from atml.tasks.task import Task

MISSING = "missing samples"

AT = " at "
"""Between the name of a record and the time at which a stretch of it begins."""


@dataclass(frozen=True)
class Stretch:
    """Samples ``start`` to ``end`` (not included) of one rhythm, "" where none is named.

    ``reason`` says why it can't be used, "" where it can.
    """

    start: int
    end: int
    rhythm: str
    reason: str = ""


@dataclass(frozen=True)
class Recording:
    """One record: ``x (leads, samples)`` in mV at ``rate`` Hz, NaN where a sample is missing.

    ``by_beats`` says that its rhythm is told by beats alone.
    """

    name: str
    subject: str
    rate: Rate
    x: Float32
    stretches: Sequence[Stretch]
    by_beats: bool = False


@dataclass(frozen=True)
class Cut:
    """Windows of one stretch, ``x (windows, leads, window)``, and where the stretch begins, in s."""

    rhythm: str
    start: float
    samples: int
    x: Float32


@dataclass(frozen=True)
class _Piece:
    """A stretch that can be used, as samples ``start`` to ``end`` of ``x``: resampled and without a gap.

    ``before`` are the rhythms earlier in ``x``, each with the sample at which it ends.
    """

    stretch: Stretch
    x: Float32
    offset: int
    start: int
    end: int
    before: tuple[tuple[str, int], ...]


def cut(recording: Recording, task: Task) -> tuple[list[Cut], list[Seconds]]:
    """Cut adjacent windows inside each stretch; none has a gap, noise, a flat or a saturated lead in it.

    A lead is saturated where more than `SATURATED` of a window lies in runs of `atml.data.soundness.RAIL` s
    and longer at the lowest or at the highest value of the recording, flat where more than `FLAT` of it lies
    in runs of `atml.data.soundness.STILL` s and longer of one value. One such lead is enough.
    """
    rate, window = recording.rate, task.window
    off, rail = still(recording.x, float(rate)), _railed(recording)
    account = _Account(recording)
    cuts = []
    whole = apart(recording)
    for stretch in whole:
        account.found(stretch)
    for piece in _pieces(recording, whole, task.sampling_rate):
        stretch, seconds = piece.stretch, window / task.sampling_rate
        x = windows(piece.x[:, piece.start : piece.end], window)
        good = np.ones(len(x), np.bool_)
        for number in range(len(x)):
            at = piece.start + number * window
            first = piece.offset + at * rate // task.sampling_rate
            last = piece.offset + -(-(at + window) * rate // task.sampling_rate)
            for reason, mask, most in (("flat", off, FLAT), ("saturated", rail, SATURATED)):
                if good[number] and (mask[:, first:last].mean(axis=1) > most).any():
                    good[number] = False
                    account.lose(stretch, reason, seconds)
        left = float((stretch.end - stretch.start) / rate) - len(x) * seconds
        account.lose(stretch, "rest of a stretch" if len(x) else "stretch shorter than the window", left)
        samples = stretch.end - stretch.start
        cuts.append(
            Cut(stretch.rhythm, float(stretch.start / rate), samples, x[good].astype(np.float32, copy=False))
        )
    return cuts, account.seconds()


def parse(path: Path, recordings: Iterable[Recording], task: Task) -> Parsed:
    """Cut recordings into windows of one rhythm each; a file of what is returned is one stretch."""
    place, subject, rhythm = [], [], []
    parts: list[Rows] = []
    account: list[Seconds] = []
    rates: set[Rate] = set()
    for recording in recordings:
        rates.add(recording.rate)
        cuts, seconds = cut(recording, task)
        account += seconds
        place += [f"{recording.name}{AT}{_clock(cut.start)}" for cut in cuts]
        subject += [recording.subject] * len(cuts)
        rhythm += [cut.rhythm for cut in cuts]
        # A part each: joined, they would be in memory twice.
        parts += [
            check(cut.x, np.zeros(len(cut.x), np.int64), np.array([cut.samples], np.int64), [])
            for cut in cuts
        ]
    files = Files(
        place=np.array(place, np.str_),
        subject=np.array(subject, np.str_),
        rhythm=np.array(rhythm, np.str_),
        given=np.full(len(place), -1, np.int64),
    )
    parsed = assemble(path, files, parts, [], at_rates(rates, task.sampling_rate))
    parsed.seconds = sorted(account, key=lambda row: (row.record, row.rhythm))
    return parsed


def records(place: Strings) -> Strings:
    """Return the record that each stretch of `parse` is from, by its place; ``(n,)``."""
    return np.array([name.rpartition(AT)[0] for name in place.tolist()], np.str_)


def _clock(seconds: float) -> str:
    """Return "12:31", or "1:12:31" from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
                    x=np.ascontiguousarray(piece.x[:, first : piece.end], np.float32),
                    onset=piece.start - first,
                    before=tuple((name, end - first) for name, end in piece.before if end > first),
                )
            )
    return found


def apart(recording: Recording) -> list[Stretch]:
    """Return the stretches of a recording, parted where samples are missing; nothing overlaps or is lost."""
    gap = np.asarray(np.isnan(recording.x).any(axis=0))
    edges = np.flatnonzero(np.diff(gap)) + 1
    found = []
    for stretch in recording.stretches:
        inner = edges[(edges > stretch.start) & (edges < stretch.end)].tolist()
        for start, end in zip([stretch.start, *inner], [*inner, stretch.end], strict=True):
            reason = MISSING if gap[start] else stretch.reason
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
        x = _at(recording.x[:, offset : run[-1].end], rate, target)
        before: list[tuple[str, int]] = []
        for stretch in run:
            start = -(-(stretch.start - offset) * target // rate)
            end = max(start, min((stretch.end - offset) * target // rate, x.shape[1]))
            yield _Piece(stretch, x, offset, start, end, tuple(before))
            # Rounded up: no sample of it is left in what comes after.
            before.append((stretch.rhythm, min(-(-(stretch.end - offset) * target // rate), x.shape[1])))


def _at(x: Float32, rate: Rate, target: int) -> Float32:
    """Resample lead by lead, which takes the memory of one in float64 and not of all."""
    if rate == target:
        return x
    return np.stack([resampled(lead, rate, target).astype(np.float32) for lead in x])


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

    def seconds(self) -> list[Seconds]:
        """Return the account, by name of rhythm."""
        return [
            Seconds(
                record=self.recording.name,
                subject=self.recording.subject,
                rhythm=rhythm,
                found=found,
                kept=max(0.0, found - sum(self.left[rhythm].values())),
                left_out=dict(sorted(self.left[rhythm].items())),
            )
            for rhythm, found in sorted(self.time.items())
        ]


def _railed(recording: Recording) -> npt.NDArray[np.bool_]:
    """Tell where each lead keeps to one of its extremes for some time, ``(leads, samples)``."""
    there = ~np.isnan(recording.x)
    low = np.min(recording.x, axis=1, keepdims=True, where=there, initial=np.inf)
    high = np.max(recording.x, axis=1, keepdims=True, where=there, initial=-np.inf)
    return railed(recording.x, float(recording.rate), low, high)
