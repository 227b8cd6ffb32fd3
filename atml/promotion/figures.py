"""What a challenger has over a champion, paired by subject: the figure that a promotion is decided by.

Every interval is the wider, at each end, of a bootstrap over subjects (percentiles, subjects drawn together
for both models) and of Student's for as many subjects: percentiles alone are too sure of a few people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from atml.arrays import Floats
from atml.comparison.judging import by_subject
from atml.errors import InputError, TaskFileError
from atml.metrics import Interval, paired
from atml.metrics.predictions import Predictions
from atml.metrics.value_difference import SubjectValues, value_difference
from atml.promotion import beat_figures
from atml.promotion.decision import Difference
from atml.promotion.drawn import LEVEL, student, wider
from atml.scoring.recording import Pending
from atml.task_files.definition import TaskDefinition
from atml.tasks import targets
from atml.tasks.targets.base import Value
from atml.tasks.task import Task

OBJECTIVE = "objective"
"""The figure that searches of the task maximise."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Both models' figure on one set of people, and the difference of the challenger from the champion."""

    challenger: float
    champion: float
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure by its name and in words, and what compares two models by it.

    ``compare(challenger, champion)`` takes two that were judged on the same windows. It raises InputError
    where these people don't have the figure, such as an objective that needs every class.
    """

    name: str
    words: str
    compare: Callable[[Pending, Pending], Compared]


def figure(name: str, definition: TaskDefinition) -> Figure:
    """Return the figure called ``name`` of a task; raises InputError for one that it doesn't have.

    It is `OBJECTIVE`, one of a subject (`atml.metrics.paired.MEASURES`), or, of single beats, one of
    `atml.promotion.beat_figures.FIGURES`.
    """
    if name == OBJECTIVE:
        if definition.awarded:
            raise InputError(
                f"objective {definition.objective_name} counts latency and size, which are not measured here:"
                " name another with --objective, or a figure of a subject with --by"
            )
        return Figure(
            name=name, words=definition.value_name, compare=partial(_of_objective, definition.value)
        )
    offered = names(definition.task)
    if name not in offered:
        raise InputError(f"--by {name!r} is no figure here; known: {', '.join((OBJECTIVE, *offered))}")
    if name in beat_figures.FIGURES:
        words = f"{beat_figures.FIGURES[name]}, gross, by rule ec57"
        return Figure(name=name, words=words, compare=partial(_of_beats, name))
    return Figure(name=name, words=f"mean {name} of a subject", compare=partial(_of_subjects, name))


def names(task: Task) -> tuple[str, ...]:
    """Return the figures of a task beside its objective."""
    offered = paired.MEASURES if len(task.classes) == 2 else paired.MEASURES[:1]
    return (*offered, *beat_figures.FIGURES) if task.around_beats else offered


def _of_subjects(name: str, challenger: Pending, champion: Pending) -> Compared:
    """Compare the mean over subjects of a figure that each has alone."""
    (_, mine), (_, theirs) = (by_subject(one, one.report.score.rule) for one in (challenger, champion))
    first, second = mine[name], theirs[name]
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        raise InputError(f"nobody of {challenger.report.data_name} has a {name}; choose another --by")
    first, second = first[both], second[both]
    told = paired.difference(first, second)
    gaps: Floats = first - second
    error = float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else np.inf
    interval = wider(told.value, student(told.value.value, error, len(gaps)))
    return Compared(
        challenger=float(first.mean()),
        champion=float(second.mean()),
        difference=Difference(value=interval, subjects=told.subjects, better=told.better, worse=told.worse),
    )


def _of_objective(value: Value, challenger: Pending, champion: Pending) -> Compared:
    """Compare an objective: subject by subject where it is a mean over them, else on drawn subjects."""
    try:
        mine, theirs = (SubjectValues(_predictions(one), value) for one in (challenger, champion))
    except (TaskFileError, ValueError, ZeroDivisionError) as error:
        data = challenger.report.data_name
        raise InputError(
            f"the objective has no value on {data}: {error}; choose a figure of a subject with --by"
        ) from error
    interval = value_difference([mine], [theirs], level=LEVEL)
    first, second = mine.each, theirs.each
    better = worse = None
    if first is not None and second is not None:
        told = paired.difference(first, second)
        interval, better, worse = wider(interval, told.value), told.better, told.worse
    else:
        gaps = mine.drawn - theirs.drawn
        gaps = gaps[np.isfinite(gaps)]
        if len(gaps) > 1:
            low, high = (float(end) for end in np.quantile(gaps, (0.025, 0.975)))
            interval = wider(interval, Interval(interval.value, low, high))
    return Compared(
        challenger=mine.whole,
        champion=theirs.whole,
        difference=Difference(value=interval, subjects=len(mine.names), better=better, worse=worse),
    )


def _of_beats(name: str, challenger: Pending, champion: Pending) -> Compared:
    """Compare a gross figure of single beats, which counts of all recordings make together."""
    mine, theirs = (beat_figures.counts(one) for one in (challenger, champion))
    first, second, interval = beat_figures.difference(name, mine, theirs)
    if not np.isfinite(interval.value):
        raise InputError(f"{name} has no value on {challenger.report.data_name}; choose another --by")
    return Compared(
        challenger=first,
        champion=second,
        difference=Difference(value=interval, subjects=len(mine)),
    )


def _predictions(pending: Pending) -> Predictions:
    """Return what a model made of the windows, as an objective judges it; it is not tried on changed ones."""
    judged = pending.judged
    assert judged.logits is not None
    found = targets.of(judged.task).predictions(judged.logits, judged.y_true, judged.subject)
    return replace(found, changed={})
