"""Where to put the decision, and what it is worth on subjects that had no say in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Int64
from atml.evaluation.gate import Gate, choose, figures, holds
from atml.metrics.predictions import Predictions
from atml.tasks.targets import Target, Value, shifted
from atml.tasks.targets.base import CANDIDATES

FEWER = 50
"""Candidates where the question is only whether tuning pays, and is asked once for every fold."""


@dataclass(frozen=True)
class CrossFitted:
    """Decisions at offsets that no subject had a say in for itself.

    ``predictions`` are shifted: they are decided at 0. ``offsets[k]`` were used on fold k.
    """

    value: float
    predictions: Predictions
    offsets: tuple[tuple[float, ...], ...]


def cross_fitted(
    target: Target,
    predictions: Predictions,
    fold: Int64,
    value: Value,
    *,
    gate: Gate | None = None,
    count: int = CANDIDATES,
    careful: bool = False,
) -> CrossFitted:
    """Choose the offsets for each fold on all others and apply them there.

    A decision chosen and judged on the same predictions looks better than it is; this estimate does not.
    ``fold (n,)`` is the number of the fold that held a row out. With one fold alone its offsets are 0.
    ``careful`` chooses by `choose_carried`: whether to tune at all is then decided on the others, too.
    """
    chosen = []
    each_row = np.zeros_like(predictions.logits)
    for number in np.unique(fold):
        rest = fold != number
        others = predictions.take(rest)
        if careful:
            offsets = choose_carried(target, others, fold[rest], value, gate=gate, count=count)
        else:
            offsets = choose(target, others, value, gate, count=count)
        chosen.append(offsets)
        each_row[~rest] = offsets
    moved = shifted(predictions, each_row)
    return CrossFitted(value(moved), moved, tuple(chosen))


def choose_carried(
    target: Target,
    predictions: Predictions,
    fold: Int64,
    value: Value,
    *,
    gate: Gate | None = None,
    count: int = CANDIDATES,
) -> tuple[float, ...]:
    """Choose as `Target.choose` does, but 0 where what it chooses does not carry from fold to fold.

    With few subjects a tuned decision can be worse on those that had no say in it than none at all. 0 is
    kept where it has at least the cross-fitted value, and its figures reach the ``gate`` or the cross-fitted
    ones. With one fold alone it always is.
    """
    judged = cross_fitted(target, predictions, fold, value, gate=gate, count=min(count, FEWER))
    if value(predictions) >= judged.value and (
        gate is None or holds(gate, figures(target, predictions), figures(target, judged.predictions))
    ):
        return (0.0,) * int(predictions.logits.shape[1])
    return choose(target, predictions, value, gate, count=count)
