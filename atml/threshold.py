"""Where to put the decision threshold, and what it is worth on subjects it was not chosen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.metrics import four_metrics
from atml.types import Float32, Int64, Predictions

Value = Callable[[Predictions], float]

CANDIDATES = 200


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
        reached = np.array([min(four_metrics(p).values()) >= floor for p in moved])
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
    predictions: Predictions, fold: Int64, value: Value, *, floor: float = 0.0, count: int = CANDIDATES
) -> CrossFitted:
    """Choose the threshold for each fold on all others and apply it there.

    A threshold chosen and judged on the same predictions looks better than it is; this estimate does not.
    ``fold (n,)`` is the number of the fold that held a row out. With one fold alone its threshold is 0.
    """
    numbers = np.unique(fold)
    thresholds = []
    each_row = np.zeros(len(fold), np.float32)
    for number in numbers:
        rest = fold != number
        others = Predictions(
            predictions.logits[rest], predictions.y[rest], predictions.subject[rest], predictions.positive
        )
        thresholds.append(choose_threshold(others, value, floor=floor, count=count))
        each_row[~rest] = thresholds[-1]
    moved = shifted(predictions, each_row)
    return CrossFitted(value(moved), moved, tuple(thresholds))
