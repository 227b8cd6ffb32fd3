"""What a kind of target knows: everything that depends on what is decided, and nothing of networks.

Loss weights, "has it learned anything", the decision, the figures a model is judged and named by: code that
needs one of these asks the target (`atml.tasks.targets.of`) and never looks at the task's classes itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from atml.arrays import Float32, Floats, Int64, Strings
from atml.metrics import Interval, Predictions
from atml.tasks.task import Task

Value = Callable[[Predictions], float]
"""An objective: what a search maximises."""

CANDIDATES = 200
"""Candidates for one decision threshold or offset."""


class SubjectTable(Protocol):
    """Counts of decisions by subject: `atml.metrics.Counts` or `atml.metrics.ClassCounts`."""

    @property
    def names(self) -> Strings:
        """Names of the subjects, sorted."""

    def rows(self) -> tuple[Any, ...]:
        """One dataclass a subject, the worst first."""


class Target(Protocol):
    """One kind of target, for one task.

    A decision is a tuple of one offset a class: the offsets are taken off the logits, and the largest of what
    is left wins. In an exported file they are part of the last biases.
    """

    @property
    def kind(self) -> str:
        """Name of the kind."""

    @property
    def task(self) -> Task:
        """The task that it is for."""

    def check(self) -> str:
        """Return what is wrong with the task, in words that name the way out; "" where it is sound."""

    def predictions(self, logits: Float32, y: Int64, subject: Strings) -> Predictions:
        """Return predictions that know the task's positive class, if it has one."""

    def labels(self, logits: Float32) -> Int64:
        """Class of each row of ``logits (n, classes)`` at offsets of 0, ``(n,)``."""

    def collapsed(self, predictions: Predictions) -> bool:
        """Whether every window is decided the same: a network that has learned nothing."""

    def auc(self, predictions: Predictions) -> float:
        """How well the outputs rank the windows: area under the ROC curve, 0.5 for a guess.

        NaN where the windows lack a class that it needs.
        """

    def spread(self, predictions: Predictions) -> float:
        """How far the outputs of different windows lie apart: a standard deviation, in logits.

        0 where every window gets the same answer.
        """

    def loss_weights(self, positive_weight: float) -> Floats:
        """Factor on the loss of each class, ``(classes,)``."""

    def choose(
        self, predictions: Predictions, value: Value, *, floor: float, count: int
    ) -> tuple[float, ...]:
        """Return the offsets at which ``value`` is largest, chosen on ``predictions`` themselves.

        Decisions whose lowest metric is below ``floor`` are left out unless none reaches it; about ``count``
        candidates are tried for each offset.
        """

    def four(self, predictions: Predictions) -> dict[str, float]:
        """The four metrics by the names in `atml.metrics.FOUR`, over all windows."""

    def table(self, predictions: Predictions) -> Any:
        """Count the decisions by subject: a `SubjectTable`."""

    def total(self, tables: Sequence[Any]) -> Any:
        """Add up tables of the same subjects."""

    def four_of(self, table: Any) -> dict[str, float]:
        """The four metrics of a table, over all windows."""

    def intervals(self, tables: Sequence[Any]) -> dict[str, Interval]:
        """Figures of repeats on the same subjects, with 95% intervals from resampling subjects.

        The names in `atml.metrics.FOUR`, "F" (the mean figure of a subject) and others of the kind.
        """

    def rates(self, table: Any) -> dict[str, Interval]:
        """Rates over all windows that tell errors of each kind apart, the last one "balanced accuracy"."""

    def balanced_gain(self, table: Any, other: Any) -> Interval:
        """Balanced accuracy of one model less that of another, drawn on the same subjects."""

    def describe_decision(self, offsets: Sequence[float]) -> str:
        """Say in words where the decision lies."""


def shifted(predictions: Predictions, offsets: Sequence[float] | Floats | Float32) -> Predictions:
    """Take ``offsets`` off the logits: ``(classes,)``, or ``(n, classes)`` for one decision a row.

    What was decided at the offsets is then decided at 0, so that every objective can judge it.
    """
    return predictions.lowered(np.asarray(offsets, np.float32))
