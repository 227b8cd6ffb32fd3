"""What a challenger has over a champion, paired by subject: the figure that a promotion is decided by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from atml.arrays import Floats
from atml.comparison.judging import by_subject
from atml.errors import InputError, TaskFileError
from atml.metrics import Interval, paired
from atml.metrics.predictions import Predictions
from atml.metrics.value_difference import SubjectValues, value_difference
from atml.promotion.decision import Difference
from atml.scoring.recording import Pending
from atml.task_files.definition import TaskDefinition
from atml.tasks import targets

OBJECTIVE = "objective"
"""The figure that searches of the task maximise."""

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Both models' figure on one set of people, and the difference of the challenger from the champion."""

    challenger: float
    champion: float
    difference: Difference


@dataclass(frozen=True)
class Figure:
    """A figure by its name: `OBJECTIVE`, or one of a subject (`atml.metrics.paired.MEASURES`)."""

    name: str
    words: str
    value: Callable[[Predictions], float] | None = None
    """The objective; None for a figure of a subject."""

    def compare(self, challenger: Pending, champion: Pending) -> Compared:
        """Compare two models that were judged on the same windows.

        An interval is the wider, at each end, of a bootstrap over subjects (percentiles, subjects drawn
        together for both models) and of Student's for as many subjects: percentiles alone are too sure of a
        few people.

        Raises:
            InputError: These people don't have the figure, such as an objective that needs every class.
        """
        if self.value is not None:
            return self._of_objective(challenger, champion)
        (_, mine), (_, theirs) = (by_subject(one, one.report.score.rule) for one in (challenger, champion))
        first, second = mine[self.name], theirs[self.name]
        both = np.isfinite(first) & np.isfinite(second)
        if not both.any():
            raise InputError(
                f"nobody of {challenger.report.data_name} has a {self.name}; choose another --by"
            )
        first, second = first[both], second[both]
        told = paired.difference(first, second)
        interval = _wider(told.value, _student(first - second))
        return Compared(
            challenger=float(first.mean()),
            champion=float(second.mean()),
            difference=Difference(
                value=interval, subjects=told.subjects, better=told.better, worse=told.worse
            ),
        )

    def _of_objective(self, challenger: Pending, champion: Pending) -> Compared:
        assert self.value is not None
        try:
            mine, theirs = (SubjectValues(_predictions(one), self.value) for one in (challenger, champion))
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
            interval, better, worse = _wider(interval, told.value), told.better, told.worse
        else:
            gaps = mine.drawn - theirs.drawn
            gaps = gaps[np.isfinite(gaps)]
            if len(gaps) > 1:
                low, high = (float(end) for end in np.quantile(gaps, (0.025, 0.975)))
                interval = _wider(interval, Interval(interval.value, low, high))
        return Compared(
            challenger=mine.whole,
            champion=theirs.whole,
            difference=Difference(value=interval, subjects=len(mine.names), better=better, worse=worse),
        )


def figure(name: str, definition: TaskDefinition) -> Figure:
    """Return the figure called ``name`` of a task; raises InputError for one that it doesn't have."""
    if name == OBJECTIVE:
        if definition.awarded:
            raise InputError(
                f"objective {definition.objective_name} counts latency and size, which are not measured here:"
                " name another with --objective, or a figure of a subject with --by"
            )
        return Figure(name, definition.value_name, definition.value)
    offered = paired.MEASURES if len(definition.task.classes) == 2 else paired.MEASURES[:1]
    if name not in offered:
        raise InputError(f"--by {name!r} is no figure here; known: {', '.join((OBJECTIVE, *offered))}")
    return Figure(name, f"mean {name} of a subject")


def _predictions(pending: Pending) -> Predictions:
    """Return what a model made of the windows, as an objective judges it; it is not tried on changed ones."""
    judged = pending.judged
    assert judged.logits is not None
    found = targets.of(judged.task).predictions(judged.logits, judged.y_true, judged.subject)
    return replace(found, changed={})


def _student(gaps: Floats) -> Interval:
    """Return the mean of differences of subjects ``(subjects,)`` with Student's interval."""
    from scipy.special import stdtrit

    mean = float(gaps.mean())
    if len(gaps) < 2:
        return Interval(mean, -np.inf, np.inf)
    half = float(stdtrit(len(gaps) - 1, (1 + LEVEL) / 2) * gaps.std(ddof=1) / np.sqrt(len(gaps)))
    return Interval(mean, mean - half, mean + half)


def _wider(one: Interval, other: Interval) -> Interval:
    return Interval(one.value, min(one.low, other.low), max(one.high, other.high))
