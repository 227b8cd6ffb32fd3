"""Binary targets: one positive class, one threshold on its margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats, Int64, Strings
from atml.metrics import (
    Counts,
    Interval,
    Predictions,
    bootstrap,
    four_metrics,
    prediction_counts,
    roc_auc,
)
from atml.metrics.intervals import drawn_interval, subject_draws
from atml.tasks.targets.base import Value, shifted
from atml.tasks.task import BINARY, Task

RATES = ("sensitivity", "specificity", "balanced accuracy")
"""Rates over all windows that tell misses from false alarms; the last is the mean of the two."""


@dataclass(frozen=True)
class BinaryTarget:
    """The positive class of ``task`` against all others; see `atml.tasks.targets.base.Target`.

    Of more than two classes all but the positive one are negative.
    """

    task: Task
    kind: str = BINARY

    @property
    def positive(self) -> int:
        """Number of the positive class."""
        if self.task.positive is None:
            raise ValueError(f"task {self.task.name!r} is binary and has no positive class")
        return self.task.positive

    @property
    def positive_name(self) -> str:
        """Name of the positive class."""
        return self.task.classes[self.positive]

    @property
    def negative_name(self) -> str:
        """Names of all other classes."""
        return " or ".join(name for i, name in enumerate(self.task.classes) if i != self.positive)

    def check(self) -> str:
        """Say what is wrong with the task's positive class, "" where it is one of the classes."""
        positive, classes = self.task.positive, self.task.classes
        if positive is None:
            return (
                "a binary task has a positive class: give TASK positive=, the index of one of "
                f'{classes}, or kind="multiclass"'
            )
        return "" if 0 <= positive < len(classes) else f"TASK.positive is {positive}, no index of {classes}"

    def predictions(self, logits: Float32, y: Int64, subject: Strings) -> Predictions:
        """Return predictions that know the positive class."""
        return Predictions(logits, y, subject, self.positive)

    def labels(self, logits: Float32) -> Int64:
        """Class of each row ``(n,)``: the largest logit, and the positive one where it is one of several."""
        return self.predictions(logits, np.empty(0, np.int64), np.empty(0, np.str_)).labels()

    def collapsed(self, predictions: Predictions) -> bool:
        """Whether all windows are called positive, or none."""
        called = predictions.decided()
        return bool(called.all() or not called.any())

    def auc(self, predictions: Predictions) -> float:
        """Area under the ROC curve of the margin; NaN without positive or without negative windows."""
        return roc_auc(predictions.margin(), predictions.truth())

    def spread(self, predictions: Predictions) -> float:
        """Standard deviation of the margin, in logits."""
        margin = predictions.margin().astype(np.float64)
        return float(margin.std()) if len(margin) else 0.0

    def loss_weights(self, positive_weight: float) -> Floats:
        """1 for each class and ``positive_weight`` for the positive one, ``(classes,)``."""
        weights = np.ones(len(self.task.classes))
        weights[self.positive] = positive_weight
        return weights

    def offsets(self, threshold: float) -> tuple[float, ...]:
        """Return a threshold on the margin as offsets."""
        return tuple(threshold if i == self.positive else 0.0 for i in range(len(self.task.classes)))

    def choose(
        self, predictions: Predictions, value: Value, *, floor: float, count: int
    ) -> tuple[float, ...]:
        """Return the threshold on the margin that makes ``value`` largest, as offsets.

        Of several stretches of equally good candidates the one nearest 0 is taken, and its middle: the ends
        of a plateau are where it breaks first. 0 without predictions.
        """
        if len(predictions.y) == 0:
            return self.offsets(0.0)
        grid = candidates(predictions.margin(), count)
        values, reached = np.empty(len(grid)), np.ones(len(grid), bool)
        for at, threshold in enumerate(grid):
            moved = shifted(predictions, self.offsets(threshold))
            values[at] = value(moved)
            if floor > 0:
                reached[at] = min(four_metrics(moved).values()) >= floor
        if reached.any():
            values = np.where(reached, values, -np.inf)
        best = np.flatnonzero(values >= values.max() - 1e-12)
        stretches = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
        nearest = min(stretches, key=lambda places: float(np.abs(grid[places]).min()))
        # As float32, since that is what the bias it is folded into can hold.
        return self.offsets(float(np.float32(grid[nearest[len(nearest) // 2]])))

    def four(self, predictions: Predictions) -> dict[str, float]:
        """F1, accuracy, precision and recall of the positive class over all windows."""
        return four_metrics(predictions)

    def table(self, predictions: Predictions) -> Counts:
        """Count true and false calls by subject."""
        return prediction_counts(predictions)

    def total(self, tables: Sequence[Counts]) -> Counts:
        """Add up tables of the same subjects."""
        parts = {
            cell: np.sum([getattr(t, cell) for t in tables], axis=0) for cell in ("tp", "fp", "fn", "tn")
        }
        return Counts(tables[0].names, **parts)

    def four_of(self, table: Counts) -> dict[str, float]:
        """F1, accuracy, precision and recall of the positive class over all windows."""
        return table.pooled().four()

    def intervals(self, tables: Sequence[Counts]) -> dict[str, Interval]:
        """Figures by the names of `atml.metrics.bootstrap`."""
        return bootstrap(*tables)

    def rates(self, table: Counts) -> dict[str, Interval]:
        """Rates by the names in `RATES`.

        A draw of subjects that lacks a class tells nothing about its rate and is left out.
        """
        return {name: drawn_interval(row) for name, row in zip(RATES, _drawn_rates(table), strict=True)}

    def balanced_gain(self, table: Counts, other: Counts) -> Interval:
        """Balanced accuracy of one model less that of another, drawn on the same subjects."""
        if table.names.tolist() != other.names.tolist():
            raise ValueError("two models on different subjects can't be compared")
        return drawn_interval(_drawn_rates(table)[2] - _drawn_rates(other)[2])

    def describe_decision(self, offsets: Sequence[float]) -> str:
        """Say the threshold: "threshold +0.120"."""
        return f"threshold {offsets[self.positive]:+.3f}"


def candidates(margin: Float32, count: int) -> Floats:
    """About ``count`` thresholds, ascending, with 0 among them: midpoints between neighbouring margins.

    All midpoints if there are no more than ``count``, else those at even ranks; the two ends call all
    windows and none.
    """
    levels = np.unique(margin).astype(np.float64)
    between = (levels[:-1] + levels[1:]) / 2
    if len(between) > count:
        between = between[np.unique(np.linspace(0, len(between) - 1, count).round().astype(np.int64))]
    ends = (levels[:1] - 1.0, levels[-1:] + 1.0)
    return np.unique(np.concatenate((ends[0], between, ends[1], [0.0])))


def _drawn_rates(table: Counts) -> list[Floats]:
    """Return each rate of `RATES` for the subjects as they are and for resampled sets of them."""
    pick = subject_draws(len(table.names))
    tp, fp, fn, tn = (cell[pick].sum(axis=1) for cell in (table.tp, table.fp, table.fn, table.tn))
    sensitivity, specificity = (
        np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
        for part, whole in ((tp, tp + fn), (tn, tn + fp))
    )
    return [sensitivity, specificity, (sensitivity + specificity) / 2]
