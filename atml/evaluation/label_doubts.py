"""Labels to look at again: windows of one person and one rhythm that detectors call something else.

Nothing is changed or left out for it. A label may be right where every detector is wrong: a list like this
one is where to look first, and by how much the figures depend on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atml.arrays import Int64, Strings
from atml.data.dataset import Dataset
from atml.data.folds import folds
from atml.errors import DataError
from atml.evaluation.baselines.out_of_fold import OutOfFold, out_of_fold
from atml.metrics import Interval
from atml.metrics.predictions import Predictions
from atml.tasks.targets import Target, Value
from atml.tasks.task import Task

LEAST = 10
"""Fewest windows of one person, rhythm and class that are judged together."""

BOTH = 0.75
"""Share of them that the network and the detector without one each have to call another class."""

ALONE = 0.80
"""The same where one detector alone is asked."""


@dataclass(frozen=True, kw_only=True)
class LabelDoubt:
    """Windows of one person whose label is doubted.

    ``label`` is their class, ``called`` the class that most of them are called by the detector without a
    network. ``network`` and ``baseline`` are the shares that each calls another class than their label;
    ``network`` is the mean over repeats, None where no network was asked.
    """

    subject: str
    rhythm: str
    label: int
    called: int
    windows: int
    network: float | None
    baseline: float


@dataclass(frozen=True, kw_only=True)
class LabelDoubts:
    """All doubts, and what the figures are without the windows in doubt.

    Those are NaN and {} where there is no doubt, and where too little is left.

    ``rates`` and ``value`` are of the network, as in `CrossValidationResult`, the others of the baseline. The
    models were trained and their thresholds chosen with these labels all the same.
    """

    doubts: tuple[LabelDoubt, ...]
    value: float = float("nan")
    rates: dict[str, Interval] = field(default_factory=dict)
    baseline_value: float = float("nan")
    baseline_rates: dict[str, Interval] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return dataclasses.asdict(self)


def doubted_by_both(
    target: Target,
    runs: Sequence[Predictions],
    rows: Sequence[Int64],
    baseline: OutOfFold,
    rhythm: Strings,
    value: Value,
) -> LabelDoubts:
    """Find labels that a network and a detector without one contradict, each on subjects that it never saw.

    Args:
        target: The task's.
        runs: Out-of-fold predictions of the network, as decided at 0, one a repeat.
        rows: The rows of the data set that each run belongs to; all runs have the same ones.
        baseline: The detector without a network, on the same folds.
        rhythm: Of the whole data set, ``(n,)``.
        value: The objective.
    """
    simple = dict(_groups([baseline.predictions], [baseline.rows], rhythm))
    found = []
    for key, (windows, network, _) in _groups(runs, rows, rhythm):
        share, called = simple[key][1:] if key in simple else (0.0, -1)
        if windows >= LEAST and min(network, share) >= BOTH:
            found.append(_doubt(key, called, windows, network, share))
    if not found:
        return LabelDoubts(doubts=())
    doubts = tuple(sorted(found, key=lambda one: (-one.windows, one.subject, one.rhythm)))
    rest = [run.take(~_in_doubt(run, part, rhythm, doubts)) for run, part in zip(runs, rows, strict=True)]
    other = baseline.predictions.take(~_in_doubt(baseline.predictions, baseline.rows, rhythm, doubts))
    if len(np.unique(rest[0].y)) < len(np.unique(runs[0].y)):
        return LabelDoubts(doubts=doubts)
    return LabelDoubts(
        doubts=doubts,
        value=float(np.mean([value(run) for run in rest])),
        rates=target.rates(target.total([target.table(run) for run in rest])),
        baseline_value=value(dataclasses.replace(other, changed={})),
        baseline_rates=target.rates(target.table(other)),
    )


def fitted(name: str, dataset: Dataset, task: Task, value: Value) -> OutOfFold:
    """Fit the baseline called ``name`` fold by fold, in five folds or as many as the subjects allow.

    Raises:
        DataError: The subjects don't allow two folds.
        TaskFileError: An unknown name, or a baseline that is not for this task.
    """

    def judged(count: int) -> OutOfFold:
        dealt = folds(dataset.y, dataset.subject, count, 0, labels=dataset.labels)
        return out_of_fold(name, dataset, dealt, task, value)

    for count in (5, 4, 3):
        with contextlib.suppress(DataError):
            return judged(count)
    return judged(2)


def doubted_by_one(baseline: OutOfFold, rhythm: Strings) -> tuple[LabelDoubt, ...]:
    """Find labels that a detector without a network contradicts almost wholly, most windows first."""
    return tuple(
        sorted(
            (
                _doubt(key, called, windows, None, share)
                for key, (windows, share, called) in _groups([baseline.predictions], [baseline.rows], rhythm)
                if windows >= LEAST and share >= ALONE
            ),
            key=lambda one: (-one.windows, one.subject, one.rhythm),
        )
    )


Key = tuple[str, str, int]
"""Subject, rhythm and class of windows."""


def _doubt(key: Key, called: int, windows: int, network: float | None, baseline: float) -> LabelDoubt:
    subject, rhythm, label = key
    return LabelDoubt(
        subject=subject,
        rhythm=rhythm,
        label=label,
        called=called,
        windows=windows,
        network=network,
        baseline=baseline,
    )


def _groups(
    runs: Sequence[Predictions], rows: Sequence[Int64], rhythm: Strings
) -> list[tuple[Key, tuple[int, float, int]]]:
    """Return of each person, rhythm and class: windows, the share called otherwise, and as what mostly."""
    every = Predictions.joined([dataclasses.replace(run, changed=None) for run in runs])
    names = rhythm[np.concatenate(rows)]
    called = every.labels()
    wrong = _differs(every)(called)
    found = []
    keys = list(zip(every.subject.tolist(), names.tolist(), every.y.tolist(), strict=True))
    places: dict[Key, list[int]] = {}
    for at, key in enumerate(keys):
        places.setdefault(key, []).append(at)
    for key, which in sorted(places.items()):
        others = called[which][wrong[which]]
        mostly = int(np.bincount(others).argmax()) if len(others) else -1
        found.append((key, (len(which) // len(runs), float(wrong[which].mean()), mostly)))
    return found


def _differs(every: Predictions) -> Callable[[Int64], Any]:
    """Compare calls with labels; of a binary task all classes but the positive one are one."""
    positive = every.positive
    if positive is None:
        return lambda called: called != every.y
    return lambda called: (called == positive) != (every.y == positive)


def _in_doubt(run: Predictions, rows: Int64, rhythm: Strings, doubts: Sequence[LabelDoubt]) -> Any:
    """Which rows of a run are of windows in doubt, ``(n,)`` of bool."""
    keys = {(one.subject, one.rhythm, one.label) for one in doubts}
    every = zip(run.subject.tolist(), rhythm[rows].tolist(), run.y.tolist(), strict=True)
    return np.array([key in keys for key in every], np.bool_)
