"""Whole recordings judged beat by beat: found, cut out, called, and set beside what is annotated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from atml import data
from atml.arrays import Float32, Int64
from atml.data.beat_windows import Beats, annotated
from atml.data.formats.annotations import Marks
from atml.data.soundness import doubtful
from atml.data.windowing import Recording
from atml.scoring.leakage import Paths
from atml.scoring.rules import BeatRecord
from atml.tasks.task import Task

Which = Literal["detected", "reference"]
"""The beats that are judged: those that the detector finds, or those that are annotated."""

Decide = Callable[[Float32], Int64]
"""From windows ``(n, leads, window)`` to labels ``(n,)``."""

UNDECIDED = "Q"
"""What a beat is called in whose window samples are missing, or a lead is flat or at its rail: unknown, as in
EC57's tables. `atml annotate` and the C of an export leave these undecided too."""


def beat_records(
    paths: Paths,
    deciders: Sequence[Decide],
    task: Task,
    opening: Mapping[str, Any],
    *,
    which: Which = "detected",
    only: Collection[str] | None = None,
) -> list[tuple[BeatRecord, ...]]:
    """Let each decider call the beats of every recording of a test set.

    Args:
        paths: Data sets, as in `atml.data.annotated`.
        deciders: From windows to labels.
        task: Of single beats; the names of its classes are the symbols that beats get.
        opening: Arguments of `atml.data.annotated` but for the task.
        which: The beats.
        only: Subjects to take; None for all.

    Returns:
        The recordings, once for each decider.

    Raises:
        DataError: As `atml.data.annotated`.
    """
    found: list[list[BeatRecord]] = [[] for _ in deciders]
    for recording in data.annotated(paths, task=task, **opening):
        if only is not None and recording.subject not in only:
            continue
        for made, one in zip(found, called(recording, deciders, task, which), strict=True):
            made.append(one)
    return [tuple(records) for records in found]


def called(
    recording: Recording, deciders: Sequence[Decide], task: Task, which: Which = "detected"
) -> list[BeatRecord]:
    """Let each decider call the beats of one recording that has annotations."""
    marks = recording.marks
    assert marks is not None
    given = annotated(marks)[0] if which == "reference" else None
    beats = Beats(recording.x, recording.rate, task, given)
    symbols: list[list[str]] = [[] for _ in deciders]
    for x in beats.windows():
        whole = np.isfinite(x).all(axis=(1, 2))
        flat, saturated = doubtful(np.nan_to_num(x), task.sampling_rate, round_beats=True)
        whole &= ~(flat | saturated)
        for names, decide in zip(symbols, deciders, strict=True):
            labels = np.full(len(x), -1, np.int64)
            labels[whole] = decide(np.ascontiguousarray(x[whole]))
            names += [task.classes[label] if label >= 0 else UNDECIDED for label in labels.tolist()]
    count = len(beats.sample)
    return [
        BeatRecord(
            name=recording.name,
            subject=recording.subject,
            rate=float(recording.rate),
            length=int(recording.x.shape[1]),
            reference=marks,
            test=Marks(beats.sample, tuple(names), np.zeros(count, np.int64), ("",) * count),
            given=which == "reference",
        )
        for names in symbols
    ]
