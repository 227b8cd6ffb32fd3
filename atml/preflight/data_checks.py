"""The data, once they are open: how many people stand for a class, and what has no heart in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import evenly
from atml.data.cases import case_of
from atml.data.dataset import Dataset
from atml.data.soundness import doubtful
from atml.formatting import plural
from atml.preflight.finding import Finding, Level
from atml.tasks import targets
from atml.tasks.task import WAVEFORM, Task

FEW_PEOPLE = 10
"""With fewer of a class its figures rest on one or two in each fold."""

RARE = 0.02
"""Share of the windows below which a class is rare."""

ONE_PERSON = 0.5
"""Share of the windows of a class above which one person is most of it."""

SOME = 1000
"""Windows that are looked at for flat and saturated leads, taken evenly from all."""


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What a search would train on: ``windows`` and ``people`` of each class."""

    name: str
    subjects: int
    windows: dict[str, int]
    people: dict[str, int]


def summary(dataset: Dataset, task: Task) -> DataSummary:
    """Count windows and people by class."""
    rows = dict(zip(task.classes, targets.having(task, dataset.y).T, strict=True))
    return DataSummary(
        name="synthetic ECG" if dataset.synthetic else dataset.name,
        subjects=len(np.unique(dataset.subject)),
        windows={name: int(mine.sum()) for name, mine in rows.items()},
        people={name: len(np.unique(dataset.subject[mine])) for name, mine in rows.items()},
    )


def fast(dataset: Dataset, task: Task) -> list[Finding]:
    """Look at balance, people, and some windows: a second at most, however many there are.

    Only what is wrong is returned.
    """
    found, case = [], case_of(task)
    if task.kind == WAVEFORM:
        # Leads are no classes: nearly all are on every page.
        count = len(np.unique(dataset.subject))
        few = f"there are pages of {plural(count, 'subject')}: figures will say little about others"
        return [Finding("data", Level.WARNING, few)] if count < FEW_PEOPLE else []
    for name, mine in zip(task.classes, targets.having(task, dataset.y).T, strict=True):
        subject = dataset.subject[mine]
        if not len(subject):
            continue
        people, each = np.unique(subject, return_counts=True)
        if len(people) < FEW_PEOPLE and not dataset.synthetic:
            found.append(
                f"{name!r} is seen in {plural(len(people), 'subject')}: figures will say little about others"
            )
        if len(people) > 1 and each.max() > ONE_PERSON * len(subject):
            found.append(
                f"{people[each.argmax()]} has {each.max() / len(subject):.0%} of the {case.many} of {name!r}"
            )
        if len(subject) < RARE * len(dataset):
            found.append(f"{name!r} is rare: {len(subject)} of {case.count(len(dataset))}")
    if task.picture is not None:  # blank ones are not among the rows
        return [Finding("data", Level.WARNING, text) for text in found]
    rows = evenly(len(dataset), SOME)
    flat, saturated = doubtful(
        np.asarray(dataset.x[rows]), dataset.sampling_rate, round_beats=task.around_beats
    )
    if flat.any() or saturated.any():
        found.append(
            f"of {case.count(len(rows))} {int(flat.sum())} have a flat lead and {int(saturated.sum())} one"
            " at its rail: there is no heart in them to learn from"
        )
    return [Finding("data", Level.WARNING, text) for text in found]
