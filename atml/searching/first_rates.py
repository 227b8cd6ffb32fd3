"""Which rates of a winner stand on a first screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from atml.metrics import Interval
from atml.metrics.waveform import READ_DB
from atml.tasks.task import MULTILABEL, WAVEFORM

if TYPE_CHECKING:
    from atml.evaluation.cross_validation_result import CrossValidationResult

T = TypeVar("T")

MANY = 6
"""Classes beyond which the first screen leaves the sensitivity of each out."""

OVER_LABELS = {"F1": "macro F1", "accuracy": "binary accuracy", "always no": "accuracy of calling nothing"}
"""Figures over all labels of a multilabel task that stand first beside its balanced accuracy.

Binary accuracy says little without that of calling nothing.
"""


def rates_of(result: CrossValidationResult) -> dict[str, Interval]:
    """Return the rates of a result; of several labels figures over all of them come first.

    Of leads that are read the one rate is how many of them were.
    """
    if result.target.task.kind == WAVEFORM:
        return {f"share of leads with {READ_DB:g} dB": result.intervals["recall"]}
    if result.target.task.kind != MULTILABEL:
        return result.rates
    return {name: result.intervals[key] for key, name in OVER_LABELS.items()} | result.rates


def of_labels(card: Mapping[str, Any]) -> bool:
    """Whether a metrics.json is of a multilabel task."""
    return set(OVER_LABELS) <= set(card.get("intervals", {}))


def headline(rates: Mapping[str, T]) -> dict[str, T]:
    """Return sensitivity and specificity; of several classes each sensitivity, and the balanced accuracy.

    Of more than `MANY` classes, or labels, not the sensitivities: they have tables elsewhere.
    """
    if "sensitivity" in rates:
        return {name: rates[name] for name in ("sensitivity", "specificity") if name in rates}
    many = sum(name.startswith("sensitivity ") for name in rates) > MANY
    left_out = ("specificity ", "sensitivity ") if many else ("specificity ",)
    return {name: rate for name, rate in rates.items() if not name.startswith(left_out)}
