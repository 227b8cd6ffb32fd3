"""Multilabel targets: any number of labels true at once, each a question of its own with one threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats, Int64, Strings
from atml.metrics import Interval, Predictions, roc_auc
from atml.metrics.intervals import drawn_interval, subject_draws
from atml.metrics.label_sets import MOST, bits, truth
from atml.metrics.multilabel import (
    LabelCounts,
    label_intervals,
    label_rates,
    macro_label_four,
    prediction_label_counts,
)
from atml.tasks.targets.base import Value, shifted
from atml.tasks.targets.binary import candidates
from atml.tasks.targets.multiclass import RARE
from atml.tasks.task import MULTILABEL, Task

SWEEPS = 2
"""Times that the threshold of each label is chosen in turn, the others as they are."""

RANKS = 0.55
"""Mean area under the ROC curve from which a network has learned something, whatever it calls."""


@dataclass(frozen=True)
class MultilabelTarget:
    """The classes of ``task``, any of which may be true at once; see `atml.tasks.targets.base.Target`.

    There is one logit a label. A label is called where its logit is 0 or more; the threshold of a label is
    taken off its logit. Figures are macro means: every label counts the same, however rare.
    """

    task: Task
    kind: str = MULTILABEL

    def check(self) -> str:
        """Say what is wrong with the task's labels, "" where nothing is."""
        if self.task.positive is not None:
            return (
                "a multilabel task has no positive class, each of its labels is one: leave"
                f" positive={self.task.positive} out"
            )
        if not 2 <= len(self.task.classes) <= MOST:
            return (
                f"{len(self.task.classes)} labels are not for a multilabel task, which has 2 to {MOST}:"
                ' give kind="binary" for one'
            )
        return ""

    def predictions(self, logits: Float32, y: Int64, subject: Strings) -> Predictions:
        """Return predictions whose labels are sets."""
        return Predictions(logits, y, subject, None, multilabel=True)

    def labels(self, logits: Float32) -> Int64:
        """Set of labels of each row, ``(n,)``: bit i is set where logit i is 0 or more."""
        return bits(np.asarray(logits) >= 0)

    def collapsed(self, predictions: Predictions) -> bool:
        """Whether all get the same labels and are not ranked either.

        Rare labels are called by nobody long after a network has learned to rank them.
        """
        called = predictions.labels()
        return bool((called == called[:1]).all()) and not self.auc(predictions) >= RANKS

    def auc(self, predictions: Predictions) -> float:
        """Mean over labels of the area under the ROC curve.

        A label that nothing has, or everything, is left out; NaN where none is left.
        """
        true = predictions.truths()
        each = [roc_auc(predictions.logits[:, label], true[:, label]) for label in range(true.shape[1])]
        known = [area for area in each if not math.isnan(area)]
        return float(np.mean(known)) if known else math.nan

    def spread(self, predictions: Predictions) -> float:
        """Mean over labels of the standard deviation of a logit."""
        if not len(predictions.logits):
            return 0.0
        return float(predictions.logits.astype(np.float64).std(axis=0).mean())

    def loss_weights(self, positive_weight: float) -> Floats:
        """``positive_weight`` on what has each label, ``(classes,)``."""
        return np.full(len(self.task.classes), positive_weight)

    def choose(
        self, predictions: Predictions, value: Value, *, floor: float, count: int
    ) -> tuple[float, ...]:
        """Return the thresholds that make ``value`` largest, chosen one label at a time.

        `SWEEPS` times over the labels: candidates lie between neighbouring logits, of a rare label between
        those of what has it too. Only one that is better than the one it has replaces it; of equally good
        ones the nearest to it. The choice begins twice, at 0 and where each label is called as often as it
        occurs, and the better of both is returned.
        """
        labels = len(self.task.classes)
        if len(predictions.y) == 0:
            return (0.0,) * labels
        true = predictions.truths()

        def worth(trial: Floats) -> tuple[bool, float]:
            moved = shifted(predictions, trial)
            return floor <= 0 or min(self.four(moved).values()) >= floor, value(moved)

        def climbed(thresholds: Floats) -> tuple[tuple[bool, float], Floats]:
            best = worth(thresholds)
            for _ in range(SWEEPS):
                for label in range(labels):
                    grid = candidates(predictions.logits[:, label], count)
                    if 0 < true[:, label].mean() < RARE:
                        own = candidates(predictions.logits[true[:, label], label], count)
                        grid = np.unique(np.concatenate((grid, own)))
                    for candidate in grid[np.argsort(np.abs(grid - thresholds[label]), kind="stable")]:
                        trial = thresholds.copy()
                        trial[label] = np.float32(candidate)
                        found = worth(trial)
                        if found[0] > best[0] or (found[0] == best[0] and found[1] > best[1] + 1e-12):
                            best, thresholds = found, trial
            return best, thresholds

        often = [np.quantile(predictions.logits[:, i], 1 - true[:, i].mean()) for i in range(labels)]
        (first, plain), (second, other) = climbed(np.zeros(labels)), climbed(np.asarray(often, np.float64))
        better = second[0] > first[0] or (second[0] == first[0] and second[1] > first[1] + 1e-12)
        return tuple(float(np.float32(one)) for one in (other if better else plain))

    def four(self, predictions: Predictions) -> dict[str, float]:
        """Macro F1, binary accuracy, macro precision and macro recall."""
        return self.four_of(self.table(predictions))

    def table(self, predictions: Predictions) -> LabelCounts:
        """Count true and called labels by subject."""
        return prediction_label_counts(predictions)

    def total(self, tables: Sequence[LabelCounts]) -> LabelCounts:
        """Add up tables of the same subjects."""
        cells = np.sum([table.cells for table in tables], axis=0)
        return LabelCounts(tables[0].names, cells, np.sum([table.right for table in tables], axis=0))

    def four_of(self, table: LabelCounts) -> dict[str, float]:
        """Macro F1, binary accuracy, macro precision and macro recall."""
        return {key: float(value) for key, value in macro_label_four(table.pooled()).items()}

    def intervals(self, tables: Sequence[LabelCounts]) -> dict[str, Interval]:
        """Figures by the names of `atml.metrics.multilabel.label_intervals`."""
        return label_intervals(tables, self.task.classes)

    def rates(self, table: LabelCounts) -> dict[str, Interval]:
        """Sensitivity and specificity of each label, and the mean of all of them, "balanced accuracy"."""
        drawn = table.cells[subject_draws(len(table.names))].sum(axis=1)
        return {key: drawn_interval(found) for key, found in label_rates(drawn, self.task.classes).items()}

    def balanced_gain(self, table: LabelCounts, other: LabelCounts) -> Interval:
        """Balanced accuracy of one model less that of another, on the same subjects.

        Raises:
            ValueError: Their subjects are not the same.
        """
        if table.names.tolist() != other.names.tolist():
            raise ValueError("two models on different subjects can't be compared")
        pick = subject_draws(len(table.names))
        one, two = (
            label_rates(t.cells[pick].sum(axis=1), self.task.classes)["balanced accuracy"]
            for t in (table, other)
        )
        return drawn_interval(one - two)

    def describe_decision(self, offsets: Sequence[float]) -> str:
        """Say the thresholds: "thresholds AF +0.000, PVC -0.210"."""
        named = zip(self.task.classes, offsets, strict=True)
        return "thresholds " + ", ".join(f"{name} {offset:+.3f}" for name, offset in named)


__all__ = ["MultilabelTarget", "bits", "truth"]
