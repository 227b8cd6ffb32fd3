"""The difference of an objective's value between models on the same subjects, with an interval.

An objective may be any function of predictions. Where it is a mean over subjects, as an F-beta or an accuracy
by subject is, models are compared subject by subject. Where it is not, as a rate of all windows or a balanced
accuracy is not, subjects are resampled and it is computed anew on each draw, on the same draws for every
model, for the standard error. Intervals are Student's, with as many degrees of freedom as subjects less one:
percentiles of resampled subjects are far too sure of a handful of people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from atml.arrays import Floats, Int64
from atml.errors import TaskFileError
from atml.metrics.intervals import Interval
from atml.metrics.predictions import Predictions

LEVEL = 0.90
"""Of the intervals: with one end beyond 0 there is a difference, at 5% to each side."""

RECOMPUTED = 200
"""Draws of subjects where the objective is computed on each."""

_ZERO = 1e-12
"""Differences below this are rounding."""

_SAME = 2e-5
"""Objectives round: a mean over subjects is one up to this."""


class SubjectValues:
    """The value of one run's predictions, over all subjects and by subject."""

    def __init__(self, found: Predictions, value: Callable[[Predictions], float]) -> None:
        self._found, self._value = found, value
        self.names, self._code = np.unique(found.subject, return_inverse=True)
        self.whole = value(found)

    @cached_property
    def each(self) -> Floats | None:
        """Value of each subject alone, ``(subjects,)``; None where their mean is not the value of all."""
        values = np.empty(len(self.names))
        try:
            for at in range(len(self.names)):
                values[at] = self._value(self._rows(np.flatnonzero(self._code == at)))
        except (TaskFileError, ValueError, ZeroDivisionError):
            return None  # an objective that needs every class, of a subject that has one
        return values if abs(float(values.mean()) - self.whole) <= _SAME else None

    @cached_property
    def drawn(self) -> Floats:
        """Values on `RECOMPUTED` draws of subjects, NaN where the objective has none for a draw."""
        rows = [np.flatnonzero(self._code == at) for at in range(len(self.names))]
        values = np.full(RECOMPUTED, np.nan)
        for at, pick in enumerate(_picks(len(rows), RECOMPUTED)):
            some = self._rows(np.concatenate([rows[i] for i in pick]))
            # Someone who is drawn twice counts as two.
            place = np.repeat(np.arange(len(pick)), [len(rows[i]) for i in pick])
            twice = replace(some, subject=place.astype(str))
            try:
                values[at] = self._value(twice)
            except (TaskFileError, ValueError, ZeroDivisionError):
                continue  # a draw without a class says nothing
        return values

    def _rows(self, rows: Int64) -> Predictions:
        return self._found.take(rows)


def value_difference(
    first: Sequence[SubjectValues], second: Sequence[SubjectValues], level: float = LEVEL
) -> Interval:
    """Return by how much the mean value of ``first`` exceeds that of ``second``, with its interval.

    Each is one run or several, on fresh seeds; all are of the same subjects, which are what is resampled.

    Raises:
        ValueError: no runs, or runs of different subjects.

    Example:
        >>> subject = np.repeat(["a", "b", "c", "d"], 5)
        >>> y = np.arange(20) % 2
        >>> right = Predictions(np.eye(2, dtype=np.float32)[y], y, subject)
        >>> wrong = Predictions(np.eye(2, dtype=np.float32)[1 - y], y, subject)
        >>> accuracy = lambda found: float((found.labels() == found.y).mean())
        >>> value_difference([SubjectValues(right, accuracy)], [SubjectValues(wrong, accuracy)])
        Interval(value=1.0, low=1.0, high=1.0)
    """
    runs = [*first, *second]
    if not first or not second or any(not np.array_equal(r.names, runs[0].names) for r in runs):
        raise ValueError("values can be compared on the same subjects only")
    value = float(np.mean([r.whole for r in first]) - np.mean([r.whole for r in second]))
    each = [one for one in (r.each for r in runs) if one is not None]
    count = len(runs[0].names)
    if count < 2:
        return Interval(value, -np.inf, np.inf)
    gaps: Floats
    if len(each) == len(runs):
        gaps = np.mean(each[: len(first)], axis=0) - np.mean(each[len(first) :], axis=0)
        error = float(gaps.std(ddof=1) / np.sqrt(count))
    else:
        gaps = np.mean([r.drawn for r in first], axis=0) - np.mean([r.drawn for r in second], axis=0)
        gaps = gaps[np.isfinite(gaps)]
        if len(gaps) < 2:
            return Interval(value, -np.inf, np.inf)
        error = float(gaps.std(ddof=1) * np.sqrt(count / (count - 1)))
    half = float(stdtrit(count - 1, (1 + level) / 2)) * error if error > _ZERO else 0.0
    value = 0.0 if abs(value) < _ZERO else value
    return Interval(value, value - half, value + half)


def _picks(subjects: int, draws: int) -> Iterator[Int64]:
    """Draw subjects with replacement, ``(subjects,)`` each time: the same draws for all models."""
    random = np.random.default_rng(0)
    for _ in range(draws):
        yield random.integers(0, subjects, subjects)
