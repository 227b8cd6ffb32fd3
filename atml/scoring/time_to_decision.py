"""Time to decision: how soon after the onset of a rhythm a model calls it positive, and how often wrongly.

A device judges the latest window repeatedly; soon after an onset, most of that window is from before it. For
each time after the onset, this module counts the episodes that last that long, the share of them whose window
ending at that time is called positive, and the share called positive by then. Binary tasks only.

The signal before an onset is of another class (`atml.data.Episode`): if one shockable rhythm followed
another, windows with little of the new one would be called right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64
from atml.artifacts.model import infer
from atml.data import Episode
from atml.tasks import targets
from atml.tasks.task import Task

Bools = npt.NDArray[np.bool_]
Decide = Callable[[Float32], Int64]

LONGEST_S = 10.0
"""Times are measured up to this, or up to two windows if that is longer."""


@dataclass(frozen=True)
class Moment:
    """Decisions ``seconds`` after the onset, over the episodes that have a window ending at that time.

    ``called`` is the share called positive at that time, ``by_then`` the share called positive then or
    earlier; both are None without episodes.
    """

    seconds: float
    episodes: int
    subjects: int
    called: float | None
    by_then: float | None


@dataclass(frozen=True)
class Streaming:
    """Moments of the positive episodes and of the others, at the same times.

    ``name`` is that of the positive class, ``window`` in s. ``episodes``, ``subjects`` and ``onsets`` count
    positive ones first. ``onsets`` counts the episodes with signal before them. The others have no known
    onset, or followed a rhythm of their own class; their times run from the start of their signal. Of an
    episode that is not positive only windows wholly inside it count, since a positive decision on an earlier
    window may be right about the rhythm before.
    """

    name: str
    window: float
    episodes: tuple[int, int]
    subjects: tuple[int, int]
    positive: tuple[Moment, ...]
    others: tuple[Moment, ...]
    onsets: tuple[int, int] = (0, 0)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return dataclasses.asdict(self)


def times(task: Task) -> tuple[float, ...]:
    """Seconds after the onset that are measured: each half second up to the window, then each second.

    Example:
        >>> times(Task(name="t", classes=("calm", "shock"), positive=1, sampling_rate=100, window=200))[:5]
        (0.5, 1.0, 1.5, 2.0, 3.0)
    """
    last = max(LONGEST_S, 2 * task.seconds)
    fine = [0.5 * i for i in range(1, int(2 * task.seconds) + 1)]
    coarse = [t for t in np.arange(1, int(last) + 1, dtype=float).tolist() if t > task.seconds]
    return tuple(sorted({*fine, task.seconds, *coarse}))


def decider(model: bytes, task: Task) -> Decide:
    """Return a function from windows ``(n, leads, samples)`` to labels ``(n,)``, by an ONNX model.

    A tie counts as positive.
    """
    target = targets.of(task)
    return lambda x: target.labels(infer(model, x))


def measure(episodes: Sequence[Episode], decide: Decide, task: Task) -> Streaming:
    """Label the window that ends at each time of each episode, where the episode contains all of it.

    ``decide`` maps windows ``(n, leads, samples)`` to labels ``(n,)``. An episode contains some signal before
    its onset. Nothing positive precedes a positive onset: a model that needs half a window of the rhythm
    calls it half a window after the onset at the earliest.

    Raises:
        ValueError: the task has no positive class.
    """
    positive = targets.binary(task).positive
    moments = times(task)
    asked = np.zeros((len(episodes), len(moments)), np.bool_)
    called = np.zeros_like(asked)
    for column, seconds in enumerate(moments):
        ends = [episode.onset + round(seconds * task.sampling_rate) for episode in episodes]
        there = [task.window <= end <= e.x.shape[1] for end, e in zip(ends, episodes, strict=True)]
        asked[:, column] = there
        some = np.flatnonzero(there).tolist()
        if some:
            x = np.stack([episodes[i].x[:, ends[i] - task.window : ends[i]] for i in some])
            called[some, column] = decide(x) == positive
    return curve(asked, called, episodes, task)


def curve(asked: Bools, called: Bools, episodes: Sequence[Episode], task: Task) -> Streaming:
    """Count decisions ``called (episodes, times)`` where they were ``asked``; times as in `times`."""
    moments = np.array(times(task))
    positive = np.array([episode.label == task.positive for episode in episodes], np.bool_)
    subject = np.array([episode.subject for episode in episodes], np.str_)
    known = np.array([episode.onset > 0 for episode in episodes], np.bool_)
    called = called & asked
    inside = asked & (moments >= task.seconds)
    return Streaming(
        name=targets.binary(task).positive_name,
        window=task.seconds,
        episodes=(int(positive.sum()), int((~positive).sum())),
        subjects=(len(np.unique(subject[positive])), len(np.unique(subject[~positive]))),
        positive=_moments(moments, asked[positive], called[positive], subject[positive]),
        others=_moments(moments, inside[~positive], (called & inside)[~positive], subject[~positive]),
        onsets=(int((known & positive).sum()), int((known & ~positive).sum())),
    )


def _moments(
    moments: npt.NDArray[np.float64], asked: Bools, called: Bools, subject: npt.NDArray[np.str_]
) -> tuple[Moment, ...]:
    ever = np.logical_or.accumulate(called, axis=1)
    found = []
    for column, seconds in enumerate(moments):
        there = asked[:, column]
        n = int(there.sum())
        found.append(
            Moment(
                seconds=float(seconds),
                episodes=n,
                subjects=len(np.unique(subject[there])),
                called=float(called[there, column].mean()) if n else None,
                by_then=float(ever[there, column].mean()) if n else None,
            )
        )
    return tuple(found)
