"""Episodes: whole stretches of one rhythm, for the time that a decision takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32
from atml.data.rates import Rate, resampled
from atml.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One stretch of one rhythm: ``x (leads, samples)`` in mV at the task's rate.

    The rhythm begins at sample ``onset``; what lies before is the signal before it, at most one window and
    nothing of the same class. ``onset`` is 0 where nothing is known of the time before. ``label`` is the
    class index of the rhythm, -1 until a task was asked; until then ``before`` names the rhythms that the
    signal before holds, each with the sample at which it ends. ``place`` names the recording, "" for a row of
    an array.
    """

    subject: str
    rhythm: str
    x: Float32
    onset: int
    label: int = -1
    place: str = ""
    before: tuple[tuple[str, int], ...] = ()


def labelled(episode: Episode, table: Mapping[str, int | None]) -> Episode | None:
    """Give an episode the class of its rhythm in ``table``; None where that names none.

    The signal before it is cut to begin after the last sample of its own class: a window must not be called
    right about a new rhythm for an earlier one that asks for the same. A rhythm without a class stays.
    """
    label = table.get(episode.rhythm) if episode.label < 0 else episode.label
    if label is None:
        return None
    first = max((end for rhythm, end in episode.before if table.get(rhythm) == label), default=0)
    x = np.ascontiguousarray(episode.x[:, first:]) if first else episode.x
    return replace(episode, x=x, onset=episode.onset - first, label=label, before=())


def from_segments(
    segments: Iterable[tuple[str, str, str, npt.NDArray[np.floating]]], task: Task, rate: Rate
) -> list[Episode]:
    """Make episodes of separate segments ``(place, subject, rhythm, x (leads, samples))`` at ``rate`` Hz.

    Nothing is known of the time before a segment: its onset is 0. A segment that is no longer than the
    task's window, has other leads or samples that are not finite makes none.
    """
    found = []
    for place, subject, rhythm, x in segments:
        if x.shape[0] != task.leads or not np.isfinite(x).all():
            continue
        values = resampled(x, rate, task.sampling_rate).astype(np.float32)
        if values.shape[1] > task.window:
            found.append(Episode(place=place, subject=subject, rhythm=rhythm, x=values, onset=0))
    return found
