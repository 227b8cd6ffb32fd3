"""The gate of an objective: the figures that a model worth exporting has to reach.

A precision, and with it F1, falls when a set gets more windows without the positive class, at the very same
sensitivity and specificity; a gate of those two does not move with the data. An objectives file names its
figures in ``GATE``; without one the lowest of the four metrics has to reach its ``QUALIFIES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from atml.formatting import listed
from atml.metrics import FOUR, class_recall, class_specificity, confusion, confusion_matrix
from atml.metrics.multilabel import label_rates, prediction_label_counts
from atml.metrics.predictions import Predictions
from atml.tasks.targets import Target, Value
from atml.tasks.targets.binary import RATES
from atml.tasks.task import Task

OUT = 1e6
"""What is taken off the value of a decision that does not reach a gate: more than objectives differ by."""


@dataclass(frozen=True)
class Gate:
    """Least values of figures by name: of `atml.metrics.FOUR`, or rates of the kind of target.

    >>> gate = Gate({"sensitivity": 0.8, "specificity": 0.9})
    >>> gate.missing({"sensitivity": 0.95, "specificity": 0.85})
    ('specificity is 0.850, 0.90 qualifies',)
    """

    least: Mapping[str, float]

    @classmethod
    def of_four(cls, qualifies: float) -> Gate:
        """Return the gate that the lowest of the four metrics reaches ``qualifies``."""
        return cls(dict.fromkeys(FOUR, qualifies))

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> Gate:
        """Return the gate that a study was begun with, from its settings; earlier versions had the four."""
        kept = spec.get("gate")
        return cls.of_four(float(spec.get("qualifies") or 0.0)) if kept is None else cls(dict(kept))

    def to_spec(self) -> dict[str, float] | None:
        """Return what a study keeps of it; None where its ``qualifies`` says it."""
        return None if self.floor is not None else dict(self.least)

    @property
    def floor(self) -> float | None:
        """What the lowest of the four metrics has to reach; None for a gate of other figures."""
        values = set(self.least.values())
        return values.pop() if set(self.least) == set(FOUR) and len(values) == 1 else None

    def raised(self, by: float) -> Gate:
        """Return the same gate, higher ``by`` so much; where it is open it stays so."""
        return Gate({name: least + by if least > 0 else least for name, least in self.least.items()})

    def reached(self, figures: Mapping[str, float]) -> bool:
        """Whether all figures reach it; one that is not known does not."""
        return all(figures.get(name, -np.inf) >= least for name, least in self.least.items())

    def missing(self, figures: Mapping[str, float]) -> tuple[str, ...]:
        """Say of each figure that does not reach it what it is and what qualifies."""
        if self.floor is not None:
            if self.reached(figures):
                return ()
            lowest = min(figures.get(name, -np.inf) for name in FOUR)
            return (f"its lowest metric is {lowest:.3f}, {self.floor:g} qualifies",)
        return tuple(
            f"{name} is {figures.get(name, np.nan):.3f}, {least:.2f} qualifies"
            for name, least in self.least.items()
            if not figures.get(name, -np.inf) >= least
        )

    def nearest(self, figures: Mapping[str, float]) -> str:
        """Return the figure of the gate that has the least to spare, or lacks the most."""
        return min(self.least, key=lambda name: figures.get(name, -np.inf) - self.least[name])

    @property
    def words(self) -> str:
        """Say what it asks for."""
        if self.floor is not None:
            return f"lowest of F1, accuracy, precision and recall at least {self.floor:.2f}"
        return listed([f"{name} at least {least:.2f}" for name, least in self.least.items()])


def names(task: Task) -> tuple[str, ...]:
    """Return the figures that a gate of a task may name."""
    if task.positive is not None:
        return (*FOUR, *RATES)
    each = (f"{rate} {name}" for name in task.classes for rate in ("sensitivity", "specificity"))
    return (*FOUR, *each, "balanced accuracy")


def rates(task: Task, predictions: Predictions) -> dict[str, float]:
    """Return the rates of decisions over all windows, by the names of `Target.rates`, without intervals.

    A rate of a class that no window has is NaN.
    """
    if task.positive is not None:
        truth = predictions.truth()
        counts = confusion(truth, predictions.decided())
        both = (
            counts.sensitivity if truth.any() else np.nan,
            counts.specificity if not truth.all() else np.nan,
        )
        return dict(zip(RATES, (*both, float(np.mean(both))), strict=True))
    if predictions.multilabel:
        found = label_rates(prediction_label_counts(predictions).pooled(), task.classes)
        return {name: float(value) for name, value in found.items()}
    cells = confusion_matrix(predictions)
    recall = np.where(cells.sum(axis=1) > 0, class_recall(cells), np.nan)
    others = class_specificity(cells)
    each = {
        f"{rate} {name}": float(values[index])
        for index, name in enumerate(task.classes)
        for rate, values in (("sensitivity", recall), ("specificity", others))
    }
    return each | {"balanced accuracy": float(recall.mean())}


def figures(target: Target, predictions: Predictions) -> dict[str, float]:
    """Return all figures that a gate of a target may name."""
    return {**target.four(predictions), **rates(target.task, predictions)}


def choose(
    target: Target, predictions: Predictions, value: Value, gate: Gate | None, *, count: int
) -> tuple[float, ...]:
    """Choose offsets as `Target.choose` does, among those that reach the gate if any do."""
    if gate is None or all(least <= 0 for least in gate.least.values()):
        return target.choose(predictions, value, floor=0.0, count=count)
    if gate.floor is not None:
        return target.choose(predictions, value, floor=gate.floor, count=count)

    def within(moved: Predictions) -> float:
        return value(moved) - (0.0 if gate.reached(figures(target, moved)) else OUT)

    return target.choose(predictions, within, floor=0.0, count=count)
