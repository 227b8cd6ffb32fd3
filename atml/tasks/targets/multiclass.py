"""Multiclass targets: several classes alike, one offset a class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats, Int64, Strings
from atml.metrics import (
    ClassCounts,
    Interval,
    Predictions,
    class_intervals,
    class_recall,
    class_specificity,
    confusion_matrix,
    macro_four,
    prediction_class_counts,
    roc_auc,
)
from atml.metrics.intervals import drawn_interval, subject_draws
from atml.tasks.targets.base import Value, shifted
from atml.tasks.targets.binary import candidates
from atml.tasks.task import MULTICLASS, Task

RARE = 0.1
"""A class that fewer than this share of the windows are of is rare."""

SWEEPS = 2
"""Times that the offset of each class is chosen in turn, the others as they are."""


@dataclass(frozen=True)
class MulticlassTarget:
    """The classes of ``task``, none of them special; see `atml.tasks.targets.base.Target`.

    Figures are macro means: every class counts the same, however rare.
    """

    task: Task
    kind: str = MULTICLASS

    def check(self) -> str:
        """Say what is wrong with the task's classes, "" where nothing is."""
        if self.task.positive is not None:
            return (
                f"a multiclass task has no positive class: leave positive={self.task.positive} out,"
                ' or give kind="binary"'
            )
        if len(self.task.classes) < 3:
            return (
                f"classes {self.task.classes} are too few for a multiclass task:"
                ' give kind="binary" and a positive class'
            )
        return ""

    def predictions(self, logits: Float32, y: Int64, subject: Strings) -> Predictions:
        """Return predictions without a positive class."""
        return Predictions(logits, y, subject, None)

    def labels(self, logits: Float32) -> Int64:
        """Class of each row ``(n,)``: the largest logit, the first of equal ones."""
        return np.asarray(logits.argmax(axis=1), np.int64)

    def collapsed(self, predictions: Predictions) -> bool:
        """Whether one class is called for every window."""
        called = predictions.labels()
        return bool((called == called[:1]).all())

    def auc(self, predictions: Predictions) -> float:
        """Mean over classes of the area under the ROC curve of one class against the rest.

        A class is ranked by its centred logit, see `spread`. One that no window has, or every window, is left
        out; NaN where none is left.
        """
        centred = _centred(predictions.logits)
        each = [roc_auc(centred[:, label], predictions.y == label) for label in range(centred.shape[1])]
        known = [area for area in each if not math.isnan(area)]
        return float(np.mean(known)) if known else math.nan

    def spread(self, predictions: Predictions) -> float:
        """Mean over classes of the standard deviation of a logit less the mean of its row.

        What is added to all logits of a window alike decides nothing, so that is taken off first.
        """
        if not len(predictions.logits):
            return 0.0
        return float(_centred(predictions.logits).std(axis=0).mean())

    def loss_weights(self, positive_weight: float) -> Floats:
        """1 for each class: there is no positive one to favour; ``(classes,)``."""
        return np.ones(len(self.task.classes))

    def choose(
        self, predictions: Predictions, value: Value, *, floor: float, count: int
    ) -> tuple[float, ...]:
        """Return the offsets that make ``value`` largest, chosen one class at a time, the first kept at 0.

        `SWEEPS` times over the classes: candidates lie between neighbouring margins of the class. Only an
        offset that is better than the one it has replaces it; of equally good ones the nearest to it.

        Where a class is rare (`RARE`), its candidates lie between the margins of its own windows too, which
        even ranks pass over, and the choice begins a second time from offsets at which each class is called
        as often as it occurs: the better of both is returned.
        """
        zero = np.zeros(len(self.task.classes))
        if len(predictions.y) == 0:
            return tuple(zero.tolist())

        def worth(trial: Floats) -> tuple[bool, float]:
            moved = shifted(predictions, trial)
            return floor <= 0 or min(self.four(moved).values()) >= floor, value(moved)

        offsets, best = _climbed(predictions, worth, zero, count)
        if min(_shares(predictions, len(zero))[1:]) < RARE:
            other, found = _climbed(predictions, worth, _as_often(predictions, len(zero)), count)
            if found[0] > best[0] or (found[0] == best[0] and found[1] > best[1] + 1e-12):
                offsets = other
        return tuple(float(np.float32(offset)) for offset in offsets)

    def four(self, predictions: Predictions) -> dict[str, float]:
        """Macro F1, accuracy, macro precision and macro recall over all windows."""
        return _floats(macro_four(confusion_matrix(predictions)))

    def table(self, predictions: Predictions) -> ClassCounts:
        """Count true and called classes by subject."""
        return prediction_class_counts(predictions)

    def total(self, tables: Sequence[ClassCounts]) -> ClassCounts:
        """Add up tables of the same subjects."""
        return ClassCounts(tables[0].names, np.sum([table.cells for table in tables], axis=0))

    def four_of(self, table: ClassCounts) -> dict[str, float]:
        """Macro F1, accuracy, macro precision and macro recall over all windows."""
        return _floats(macro_four(table.pooled()))

    def intervals(self, tables: Sequence[ClassCounts]) -> dict[str, Interval]:
        """Figures by the names of `atml.metrics.class_intervals`."""
        return class_intervals(tables, self.task.classes)

    def rates(self, table: ClassCounts) -> dict[str, Interval]:
        """Sensitivity and specificity of each class against the rest, and their mean sensitivity.

        A draw of subjects that lacks a class tells nothing about its rates and is left out.
        """
        drawn = table.cells[subject_draws(len(table.names))].sum(axis=1)
        recall, specificity = _recall(drawn), class_specificity(drawn)
        found = {}
        for index, name in enumerate(self.task.classes):
            found[f"sensitivity {name}"] = drawn_interval(recall[:, index])
            found[f"specificity {name}"] = drawn_interval(specificity[:, index])
        return found | {"balanced accuracy": drawn_interval(recall.mean(axis=1))}

    def balanced_gain(self, table: ClassCounts, other: ClassCounts) -> Interval:
        """Balanced accuracy (mean sensitivity) of one model less that of another, on the same subjects."""
        if table.names.tolist() != other.names.tolist():
            raise ValueError("two models on different subjects can't be compared")
        pick = subject_draws(len(table.names))
        one, two = (_recall(t.cells[pick].sum(axis=1)).mean(axis=1) for t in (table, other))
        return drawn_interval(one - two)

    def describe_decision(self, offsets: Sequence[float]) -> str:
        """Say the offsets: "offsets N +0.000, AF -0.210, O +0.050"."""
        named = zip(self.task.classes, offsets, strict=True)
        return "offsets " + ", ".join(f"{name} {offset:+.3f}" for name, offset in named)


def _centred(logits: Float32) -> Floats:
    """Take the mean of its row off each logit, ``(n, classes)``."""
    centred: Floats = logits.astype(np.float64) - logits.mean(axis=1, keepdims=True, dtype=np.float64)
    return centred


def _recall(cells: Int64) -> Floats:
    """Recall of each class of ``cells (..., classes, classes)``, NaN where it does not occur."""
    return np.where(cells.sum(axis=-1) > 0, class_recall(cells), np.nan)


def _floats(figures: dict[str, Floats]) -> dict[str, float]:
    return {key: float(value) for key, value in figures.items()}


def _climbed(
    predictions: Predictions, worth: Callable[[Floats], tuple[bool, float]], start: Floats, count: int
) -> tuple[Floats, tuple[bool, float]]:
    """Improve offsets one class at a time, and return them with what they are worth."""
    offsets = start
    best = worth(offsets)
    shares = _shares(predictions, len(offsets))
    for _ in range(SWEEPS):
        for index in range(1, len(offsets)):
            margin = _margin(predictions, offsets, index)
            grid = candidates(margin, count)
            if 0 < shares[index] < RARE:
                own = candidates(margin[predictions.y == index], count)
                grid = np.unique(np.concatenate((grid, own)))
            for candidate in grid[np.argsort(np.abs(grid - offsets[index]), kind="stable")]:
                trial = offsets.copy()
                trial[index] = np.float32(candidate)
                found = worth(trial)
                if found[0] > best[0] or (found[0] == best[0] and found[1] > best[1] + 1e-12):
                    best, kept = found, trial[index]
                    offsets = np.where(np.arange(len(offsets)) == index, kept, offsets)
    return offsets, best


def _margin(predictions: Predictions, offsets: Floats, index: int) -> Float32:
    """Return by how much the logit of a class lies above the largest other one at the offsets, ``(n,)``."""
    others = np.delete(predictions.logits - offsets.astype(np.float32), index, axis=1)
    margin: Float32 = predictions.logits[:, index] - others.max(axis=1)
    return margin


def _shares(predictions: Predictions, classes: int) -> list[float]:
    """Return the share of the windows that are of each class."""
    shares: list[float] = (np.bincount(predictions.y, minlength=classes) / len(predictions.y)).tolist()
    return shares


def _as_often(predictions: Predictions, classes: int) -> Floats:
    """Return offsets at which each class is called about as often as it occurs, the first at 0."""
    offsets = np.zeros(classes)
    shares = _shares(predictions, classes)
    for _ in range(2 * SWEEPS):
        for index in range(1, classes):
            margin = _margin(predictions, offsets, index)
            offsets[index] = np.float32(np.quantile(margin, 1 - shares[index]))
    return offsets
