"""Episodes of any data sets: what goes on for longer than a window, for the time that a decision takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from atml.data.episode import Episode, from_segments, labelled
from atml.data.file_tree import Source, find
from atml.data.formats import contest_text, matlab_struct, npz, wfdb_folder
from atml.data.formats.detection import Asked, Found, Paths, look_all
from atml.data.formats.number_text import BadText, parse
from atml.data.formats.physionet_challenge import Challenge
from atml.data.labelling import Label, call, classes_of
from atml.data.subjects import matching
from atml.ecg.resampling import resampled_length
from atml.errors import DataError
from atml.tasks.task import Task

Segment = tuple[str, str, npt.NDArray[np.floating]]
"""Subject, rhythm and ``x (leads, samples)``."""


def episodes(
    paths: Paths,
    *,
    task: Task,
    label: Label,
    split: str = "test",
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    leave_out: Collection[str] = (),
) -> tuple[Episode, ...]:
    """Return the stretches of one rhythm that outlast the task's window, of the rhythms that it knows.

    Of recordings an episode carries the clean signal before it, up to one window and nothing of its own
    class (`atml.data.episode.labelled`); of separate segments nothing. Subjects are named, and left out, as
    in `atml.data.open`; so are its arguments.

    Raises:
        DataError: As `atml.data.open`.
    """
    asked = Asked(task=task, label=label, sampling_rate=sampling_rate, leads=tuple(leads))
    found = []
    for item in look_all(paths, asked, split):
        out = set() if item.splits else set(leave_out)
        for episode in _of(item, split, asked):
            subject = item.prefix + episode.subject
            if not matching([subject], out)[0]:
                found.append(replace(episode, subject=subject))
    names = {episode.rhythm for episode in found if episode.label < 0}
    names |= {rhythm for episode in found for rhythm, _ in episode.before}
    table = classes_of(sorted(names), task, label)
    return tuple(known for episode in found if (known := labelled(episode, table)) is not None)


def _of(item: Found, split: str, asked: Asked) -> Sequence[Episode]:
    """Return the episodes of one set, of all rhythms."""
    task, rate = asked.task, asked.sampling_rate
    if item.kind == "wfdb":
        return wfdb_folder.episodes(item.path, split, task, asked.leads)
    if item.kind == "cinc2017":
        return Challenge(find(item.path), rate).episodes(split, task)
    if item.kind == "npz":
        held = npz.read(item.path, split, task)
        rate = npz.rate(item.path, held.sampling_rate, rate)
        # Where nothing tells the rate, a segment that is not one window is refused in opening.
        rows = zip(held.subject.tolist(), held.rhythm.tolist(), held.x, strict=True)
        made = from_segments(rows, task, rate) if rate is not None else []
        # Without rhythms they are called as their classes.
        return made if held.named else [replace(part, label=task.classes.index(part.rhythm)) for part in made]
    if item.kind == "matlab":
        return from_segments(_structs(item, split, asked), task, task.sampling_rate)
    samples, published = contest_text.PUBLISHED
    if rate is None and samples * task.sampling_rate <= task.window * published:
        return ()
    long = (part for part in _texts(find(item.path), split) if rate is not None or part[2].size == samples)
    return from_segments(long, task, rate or published)


def _structs(item: Found, split: str, asked: Asked) -> list[Segment]:
    """Return the longest segments of a MATLAB file whole, at the task's rate; as published all are alike."""
    longest = int(item.read(split).length.max(initial=0))
    window = resampled_length(longest, matlab_struct.RATE, asked.task.sampling_rate)
    if window <= asked.task.window:
        return []
    whole = matlab_struct.read(item.path, split, replace(asked.task, window=window), asked.label)
    rows = whole.files.take(whole.owner)
    x = (row for block in whole.blocks for row in block)
    return list(zip(rows.subject.tolist(), rows.rhythm.tolist(), x, strict=True))


def _texts(source: Source, split: str) -> Iterator[Segment]:
    """Read the segments of a contest set, but for flat ones, which opening leaves out."""
    layout = contest_text.layout(source)
    listed = {segment.name: segment for segment in layout.splits.get("train" if layout.bare else split, [])}
    with source.opened() as reading:
        for name, raw in reading(sorted(listed)):
            try:
                if isinstance(raw, str):
                    raise BadText(raw)
                values = parse(raw)
            except BadText as error:
                raise DataError(f"{call(source.path, name)}: {error}") from None
            if len(values) and values.min() < values.max():
                yield listed[name].subject, listed[name].rhythm, values[None]
