"""Whole recordings with the annotations of their beats, for what is judged beat by beat."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from atml.data.formats.detection import Paths, asked_of, look_all
from atml.data.subjects import matching
from atml.data.synthetic import ectopy
from atml.data.windowing import Recording
from atml.errors import DataError
from atml.tasks.task import Task


def annotated(
    paths: Paths,
    *,
    task: Task,
    split: str = "test",
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    leave_out: Collection[str] = (),
    labels: Path | None = None,
    subjects: os.PathLike[str] | str | None = None,
    seed: int = 0,
) -> Iterator[Recording]:
    """Yield the recordings of a split one by one, each with all its annotations in `Recording.marks`.

    Subjects are named, and left out, as in `atml.data.open`; so are the arguments. Names of recordings begin
    with their set where there are several. No paths mean synthetic ECG.

    Raises:
        DataError: As `atml.data.open`; at the first recording that can't be read.

    Example:
        >>> from atml.tasks.task import Task
        >>> task = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=250,
        ...     after_beat=1.0)
        >>> first = next(annotated(None, task=task))
        >>> first.subject, sorted(set(first.marks.symbol))
        ('test0', ['A', 'N', 'V'])
    """
    asked = asked_of(
        task=task,
        label=lambda name: None,
        sampling_rate=sampling_rate,
        leads=leads,
        labels=labels,
        subjects=subjects,
    )
    found = look_all(paths, asked, split)
    if not found:
        yield from ectopy.recordings(task, split, seed)
        return
    for item in found:
        if item.splits and split not in item.splits:
            raise DataError(f"no {split} split in {item.path}: it holds {', '.join(item.splits)} only")
        out = set() if item.splits else set(leave_out)
        for one in item.annotated(split):
            subject = item.prefix + one.subject
            if not matching([subject], out)[0]:
                yield replace(one, subject=subject, name=item.prefix + one.name)
