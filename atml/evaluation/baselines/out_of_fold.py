"""Fit any baseline, on all rows or fold by fold, and decide the rows that a fit has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Int64, Strings, release
from atml.data.dataset import Dataset, Fold
from atml.evaluation import baselines
from atml.evaluation.baselines.base import Baseline
from atml.metrics.predictions import Predictions
from atml.tasks.targets import Value
from atml.tasks.task import Task

ROWS = 20_000
"""Most windows that are measured for a fit; they are taken evenly from all."""

PIECE = 4096
"""Windows that are decided at once, which holds memory down."""


@dataclass(frozen=True)
class OutOfFold:
    """A baseline fitted for each fold without its held-out rows, and what those are worth on them.

    ``baseline`` is fitted on all rows, ``folds[k]`` without those of fold k; ``predictions`` belong to
    ``rows`` of the data set.
    """

    baseline: Baseline
    folds: tuple[Baseline, ...]
    rows: Int64
    predictions: Predictions


def fit(name: str, x: Float32, y: Int64, subject: Strings, task: Task, value: Value) -> Baseline:
    """Fit the method called ``name`` to ``x (n, leads, samples)``: make ``value(Predictions)`` large.

    Raises:
        TaskFileError: an unknown name, or a method that is not for this kind of task.
    """
    method = baselines.method(name, task)
    rows = _some(len(y))
    return method.fit(method.measure(x[rows], task.sampling_rate), y[rows], subject[rows], task, value)


def out_of_fold(name: str, dataset: Dataset, folds: Sequence[Fold], task: Task, value: Value) -> OutOfFold:
    """Fit for each fold on its training rows alone, and once on all; decide the held-out rows.

    Raises:
        TaskFileError: an unknown name, or a method that is not for this kind of task.
    """
    method = baselines.method(name, task)
    rows = _some(len(dataset))
    measured = method.measure(dataset.x[rows], task.sampling_rate)
    release(dataset.x)

    def fitted(which: Int64) -> Baseline:
        of = rows[which]
        return method.fit(measured[which], dataset.y[of], dataset.subject[of], task, value)

    each = tuple(fitted(np.flatnonzero(np.isin(rows, fold.train))) for fold in folds)
    return decided(fitted(np.arange(len(rows))), each, dataset, folds)


def decided(
    baseline: Baseline, fitted: Sequence[Baseline], dataset: Dataset, folds: Sequence[Fold]
) -> OutOfFold:
    """Decide each fold's held-out rows with what was fitted for it; ``fitted[k]`` belongs to fold k."""
    rows = np.concatenate([fold.held_out for fold in folds])
    parts = []
    for one, fold in zip(fitted, folds, strict=True):
        for at in range(0, len(fold.held_out), PIECE):
            parts.append(one.logits(dataset.x[fold.held_out[at : at + PIECE]], dataset.sampling_rate))
            release(dataset.x)
    predictions = Predictions(
        np.concatenate(parts), dataset.y[rows], dataset.subject[rows], baseline.positive
    )
    return OutOfFold(baseline, tuple(fitted), rows, predictions)


def _some(n: int) -> Int64:
    return np.unique(np.linspace(0, n - 1, min(n, ROWS)).round().astype(np.int64))
