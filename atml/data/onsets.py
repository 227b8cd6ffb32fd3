"""Episodes of any data sets: what goes on for longer than a window, for the time that a decision takes."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from atml.data.episode import Episode, labelled
from atml.data.formats.detection import Paths, asked_of, look_all
from atml.data.labelling import Label, classes_of
from atml.data.subjects import matching
from atml.tasks.task import Task


def episodes(
    paths: Paths,
    *,
    task: Task,
    label: Label,
    split: str = "test",
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    leave_out: Collection[str] = (),
    labels: Path | None = None,
    subjects: os.PathLike[str] | str | None = None,
) -> tuple[Episode, ...]:
    """Return the stretches of one rhythm that outlast the task's window, of the rhythms that it knows.

    Of recordings an episode carries the clean signal before it, up to one window and nothing of its own
    class (`atml.data.episode.labelled`); of separate segments nothing. Subjects are named, and left out, as
    in `atml.data.open`; so are its arguments.

    Raises:
        DataError: As `atml.data.open`.

    Example:
        ``[episode.rhythm for episode in episodes("DIR", task=task, label=label)]``, where "DIR" holds records
        longer than the task's window. Synthetic ECG has none: ``episodes(None, ...)`` is empty.
    """
    asked = asked_of(
        task=task,
        label=label,
        sampling_rate=sampling_rate,
        leads=leads,
        labels=labels,
        subjects=subjects,
    )
    found = []
    for item in look_all(paths, asked, split):
        out = set() if item.splits else set(leave_out)
        for episode in item.episodes(split):
            subject = item.prefix + episode.subject
            if not matching([subject], out)[0]:
                found.append(replace(episode, subject=subject))
    names = {episode.rhythm for episode in found if episode.label < 0}
    names |= {rhythm for episode in found for rhythm, _ in episode.before}
    table = classes_of(sorted(names), task, label)
    return tuple(known for episode in found if (known := labelled(episode, table)) is not None)
