"""Where to put the decision threshold, and what it is worth on subjects it was not chosen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64
from atml.metrics import four_metrics
from atml.metrics.predictions import Predictions

Value = Callable[[Predictions], float]

CANDIDATES = 200

FEWER = 50
"""Candidates where the question is only whether tuning pays, and is asked once for every fold."""


def shifted(predictions: Predictions, threshold: float | npt.NDArray[np.floating]) -> Predictions:
    """Lower the positive logit by ``threshold`` (a number, or one for each row).

    What was decided at the threshold is then decided at 0, so that every objective can judge it.
    """
    logits = predictions.logits.copy()
    logits[:, predictions.positive] -= np.asarray(threshold, np.float32)
    return Predictions(logits, predictions.y, predictions.subject, predictions.positive)


def candidates(margin: Float32, count: int = CANDIDATES) -> npt.NDArray[np.float64]:
    """About ``count`` thresholds, ascending, with 0 among them: midpoints between neighbouring margins.

    All midpoints if there are no more than ``count``, else those at even ranks; the two ends call all
    segments and none.
    """
    levels = np.unique(margin).astype(np.float64)
    between = (levels[:-1] + levels[1:]) / 2
    if len(between) > count:
        between = between[np.unique(np.linspace(0, len(between) - 1, count).round().astype(np.int64))]
    ends = (levels[:1] - 1.0, levels[-1:] + 1.0)
    return np.unique(np.concatenate((ends[0], between, ends[1], [0.0])))


def choose_threshold(
    predictions: Predictions, value: Value, *, floor: float = 0.0, count: int = CANDIDATES
) -> float:
    """Return the threshold on the margin that makes ``value`` largest.

    Thresholds at which the lowest of F1, accuracy, precision and recall is below ``floor`` are left out,
    unless none reaches it: an objective that favours recall would else give away a model's qualification.
    Of several stretches of equally good candidates the one nearest 0 is taken, and its middle: the ends
    of a plateau are where it breaks first. 0 without predictions.
    """
    if len(predictions.y) == 0:
        return 0.0
    grid = candidates(predictions.margin(), count)
    moved = [shifted(predictions, t) for t in grid]
    values = np.array([value(p) for p in moved])
    if floor > 0:
        reached = np.array([_lowest(p) >= floor for p in moved])
        if reached.any():
            values = np.where(reached, values, -np.inf)
    best = np.flatnonzero(values >= values.max() - 1e-12)
    stretches = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    nearest = min(stretches, key=lambda places: float(np.abs(grid[places]).min()))
    # As float32, since that is what the bias it is folded into can hold.
    return float(np.float32(grid[nearest[len(nearest) // 2]]))


@dataclass(frozen=True)
class CrossFitted:
    """Decisions at thresholds that no subject had a say in for itself.

    ``predictions`` are shifted: they are decided at 0. ``thresholds[k]`` was used on fold k.
    """

    value: float
    predictions: Predictions
    thresholds: tuple[float, ...]


def cross_fitted(
    predictions: Predictions,
    fold: Int64,
    value: Value,
    *,
    floor: float = 0.0,
    count: int = CANDIDATES,
    careful: bool = False,
) -> CrossFitted:
    """Choose the threshold for each fold on all others and apply it there.

    A threshold chosen and judged on the same predictions looks better than it is; this estimate does not.
    ``fold (n,)`` is the number of the fold that held a row out. With one fold alone its threshold is 0.
    ``careful`` chooses by `choose_carried`: whether to tune at all is then decided on the others, too.
    """
    numbers = np.unique(fold)
    thresholds = []
    each_row = np.zeros(len(fold), np.float32)
    for number in numbers:
        rest = fold != number
        others = Predictions(
            predictions.logits[rest], predictions.y[rest], predictions.subject[rest], predictions.positive
        )
        if careful:
            threshold = choose_carried(others, fold[rest], value, floor=floor, count=count)
        else:
            threshold = choose_threshold(others, value, floor=floor, count=count)
        thresholds.append(threshold)
        each_row[~rest] = thresholds[-1]
    moved = shifted(predictions, each_row)
    return CrossFitted(value(moved), moved, tuple(thresholds))


def choose_carried(
    predictions: Predictions, fold: Int64, value: Value, *, floor: float = 0.0, count: int = CANDIDATES
) -> float:
    """Choose as `choose_threshold` does, but 0 where what it chooses does not carry from fold to fold.

    With few subjects a tuned threshold can be worse on those that had no say in it than none at all. 0 is
    kept where it has at least the cross-fitted value, and its lowest metric reaches ``floor`` or the
    cross-fitted one. With one fold alone it always is.
    """
    judged = cross_fitted(predictions, fold, value, floor=floor, count=min(count, FEWER))
    if value(predictions) >= judged.value and (
        floor <= 0 or _lowest(predictions) >= min(floor, _lowest(judged.predictions))
    ):
        return 0.0
    return choose_threshold(predictions, value, floor=floor, count=count)


def _lowest(predictions: Predictions) -> float:
    return min(four_metrics(predictions).values())
