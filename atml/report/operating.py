"""What outputs say beyond one threshold: ROC, precision-recall, areas, calibration (numpy, pure).

Intervals are percentiles over resampled subjects, as everywhere in atml: windows of one subject repeat each
other. Repeats on the same subjects are drawn together, and the mean over them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats, Strings
from atml.metrics import Interval, resampled, subject_codes
from atml.metrics.predictions import Predictions

DRAWS = 1000
"""Sets of subjects that an interval of an area is taken from."""

LEVELS = 4000
"""Different margins that an area is worked out with; more than that are put into as many of like size."""

BINS = 10


@dataclass(frozen=True)
class Curve:
    """Rates at every threshold from the highest margin down, each ``(points,)``.

    The first point calls none; ``precision`` is 1 there by convention.
    """

    threshold: Floats
    sensitivity: Floats
    specificity: Floats
    precision: Floats

    def at(self, threshold: float) -> tuple[float, float, float]:
        """Return sensitivity, specificity and precision of calling margins at or above ``threshold``."""
        place = int(np.searchsorted(-self.threshold, -threshold, side="right")) - 1
        return float(self.sensitivity[place]), float(self.specificity[place]), float(self.precision[place])

    def thinned(self, points: int = 300) -> Curve:
        """Return about so many of its points, evenly along the curve, both ends among them."""
        way = np.abs(np.diff(self.sensitivity)) + np.abs(np.diff(self.specificity))
        along = np.concatenate(([0.0], np.cumsum(way)))
        keep = np.unique(np.searchsorted(along, np.linspace(0, along[-1], points)).clip(0, len(along) - 1))
        keep = np.unique(np.concatenate(([0], keep, [len(along) - 1])))
        return Curve(
            self.threshold[keep], self.sensitivity[keep], self.specificity[keep], self.precision[keep]
        )


def curve(predictions: Predictions) -> Curve:
    """Return the rates at every threshold; raises ValueError where a class is missing."""
    margin, truth = predictions.margin().astype(np.float64), predictions.truth()
    if not truth.any() or truth.all():
        raise ValueError("a curve needs both classes")
    order = np.argsort(-margin, kind="stable")
    margin, truth = margin[order], truth[order]
    last = np.append(margin[1:] != margin[:-1], True)  # ties are decided together
    tp, fp = np.cumsum(truth)[last], np.cumsum(~truth)[last]
    tp, fp = np.append(0, tp), np.append(0, fp)
    called = np.maximum(tp + fp, 1)
    return Curve(
        threshold=np.append(np.inf, margin[last]),
        sensitivity=tp / tp[-1],
        specificity=1 - fp / fp[-1],
        precision=np.where(tp + fp > 0, tp / called, 1.0),
    )


@dataclass(frozen=True)
class Areas:
    """Area under the ROC curve and average precision, with 95% intervals over subjects."""

    roc: Interval
    precision_recall: Interval


def against_rest(run: Predictions, index: int) -> Predictions:
    """Return one class of several as the positive class of a binary task, by its share of the softmax.

    The margin is the logarithm of the odds of that share. Its curve is that of a threshold on the share of
    one class; a decision among all classes need not lie on it.

    Example:
        >>> run = Predictions(np.zeros((1, 3), np.float32), np.array([2]), np.array(["S1"]), None)
        >>> one = against_rest(run, 2)
        >>> round(float(one.margin()[0]), 3), one.truth().tolist()  # 1 to 2
        (-0.693, [True])
    """
    logits = run.logits.astype(np.float64)
    own, others = logits[:, index], np.delete(logits, index, axis=1)
    largest = others.max(axis=1)
    margin = own - largest - np.log(np.exp(others - largest[:, None]).sum(axis=1))
    both = np.stack([np.zeros_like(margin), margin], axis=1).astype(np.float32)
    return Predictions(both, (run.y == index).astype(np.int64), run.subject, 1)


def of_label(run: Predictions, index: int) -> Predictions:
    """Return one label of a multilabel task as the positive class of a binary task, by its own logit.

    The softmax of what is returned is the sigmoid of the logit.

    Example:
        >>> logits = np.array([[1.5, -2.0]], np.float32)
        >>> one = of_label(Predictions(logits, np.array([2]), np.array(["S1"]), None, multilabel=True), 1)
        >>> float(one.margin()[0]), one.truth().tolist()
        (-2.0, [True])
    """
    own = run.logits[:, index]
    both = np.stack([np.zeros_like(own), own], axis=1)
    return Predictions(both, run.truths()[:, index].astype(np.int64), run.subject, 1)


def of_any_label(run: Predictions) -> Predictions:
    """Return every label of every row, one after the other, as a binary task: see `of_label`."""
    return Predictions.joined([of_label(run, index) for index in range(run.logits.shape[1])])


def areas(runs: Sequence[Predictions], *, draws: int = DRAWS, seed: int = 0, level: float = 0.95) -> Areas:
    """Return the areas, means over repeats on the same subjects.

    The area under the ROC curve is the chance that a positive window has the larger margin of a pair, half
    for a tie; average precision is the mean precision over the recalls reached, by steps, not by trapezia,
    which flatter (Davis and Goadrich 2006). A draw of subjects without one of the classes is left out.

    Raises ValueError for repeats on different subjects and where a class is missing.
    """
    names = subject_codes(runs[0].subject)[0]
    tables = [_table(run, names) for run in runs]
    if any((table.sum(axis=(0, 2)) == 0).any() for table in tables):
        raise ValueError("an area needs both classes")
    n = len(names)
    random = np.random.default_rng(seed)
    found = []
    for at in range(0, draws + 1, 100):
        often = random.multinomial(n, np.full(n, 1 / n), size=min(100, draws + 1 - at)).astype(np.float64)
        if at == 0:
            often[0] = 1.0  # the sample itself
        found.append(np.mean([_areas(table, often) for table in tables], axis=0))
    values = np.concatenate(found, axis=1)
    return Areas(*(_interval(row, level) for row in values))


def _table(run: Predictions, names: Strings) -> Floats:
    """Count each subject's negatives and positives by margin, the largest first: (subjects, 2, levels)."""
    own, code = subject_codes(run.subject)
    if own.tolist() != names.tolist():
        raise ValueError("repeats on different subjects can't be resampled together")
    margin = run.margin().astype(np.float64)
    values, place = np.unique(-margin, return_inverse=True)
    if len(values) > LEVELS:
        place = place * LEVELS // len(values)
    levels = int(place.max()) + 1
    cell = (code * 2 + run.truth()) * levels + place
    return (
        np.bincount(cell, minlength=len(names) * 2 * levels).reshape(len(names), 2, levels).astype(np.float64)
    )


def _areas(table: Floats, often: Floats) -> Floats:
    """Both areas for each row of ``often (draws, subjects)``: ``(2, draws)``, NaN without a class."""
    negative, positive = (often @ table[:, i] for i in (0, 1))
    tp, fp = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = tp - positive / 2  # positives above a level, and half of those on it
        roc = (negative * ahead).sum(axis=1) / (tp[:, -1] * fp[:, -1])
        precision = np.where(tp + fp > 0, tp / np.maximum(tp + fp, 1e-9), 0.0)
        average = (positive * precision).sum(axis=1) / tp[:, -1]
    both = (tp[:, -1] > 0) & (fp[:, -1] > 0)
    return np.where(both, np.stack([roc, average]), np.nan)


def _interval(values: Floats, level: float) -> Interval:
    told = values[1:][np.isfinite(values[1:])]
    low, high = np.quantile(told, ((1 - level) / 2, (1 + level) / 2)) if len(told) else (0.0, 1.0)
    return Interval(float(values[0]), float(low), float(high))


@dataclass(frozen=True)
class Bin:
    """Windows of probabilities from ``low`` to ``high``.

    ``windows`` counts them, a mean over repeats; ``said`` is their mean probability, ``seen`` the share that
    is positive, with an interval over subjects.
    """

    low: float
    high: float
    windows: int
    said: float
    seen: Interval


@dataclass(frozen=True)
class Calibration:
    """Bins that hold a window, and the expected calibration error over all of them."""

    bins: tuple[Bin, ...]
    error: Interval


def probability(predictions: Predictions) -> Floats:
    """Return the softmax share of the positive class ``(n,)``."""
    logits = predictions.logits.astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares[:, predictions.positive] / shares.sum(axis=1))


def calibration(runs: Sequence[Predictions], bins: int = BINS) -> Calibration:
    """Compare the probabilities that outputs stand for with how often they come true.

    ``bins`` of equal width, all runs together in each. The expected calibration error is the mean over
    windows of the distance between the two in their bin (Naeini et al. 2015), and here the mean over runs:
    one training that is too sure would make up for another that is too little sure. With few windows it is
    above 0 for perfect outputs too.
    """
    said = np.concatenate([probability(run) for run in runs])
    truth = np.concatenate([run.truth() for run in runs])
    names, code = subject_codes(np.concatenate([run.subject for run in runs]))
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    place += bins * np.repeat(np.arange(len(runs)), [len(run.truth()) for run in runs])
    width = bins * len(runs)
    cell = code * width + place
    size = len(names) * width
    # Whole numbers are resampled, so sums of probabilities are held in millionths.
    n, positive, total = (
        np.bincount(cell, weights=w, minlength=size).reshape(-1, width)
        for w in (np.ones(len(said)), truth.astype(float), np.rint(said * 1e6))
    )
    cells = np.rint(np.concatenate([n, positive, total], axis=1)).astype(np.int64)
    found = resampled(cells, _figures(bins))
    count, total = (part.sum(axis=0).reshape(-1, bins).sum(axis=0) for part in (n, total))
    filled = tuple(
        Bin(i / bins, (i + 1) / bins, round(count[i] / len(runs)), total[i] / 1e6 / count[i], found[str(i)])
        for i in range(bins)
        if count[i]
    )
    return Calibration(filled, found["error"])


def _figures(bins: int) -> Callable[[Floats], dict[str, Floats]]:
    """Return what makes shares and the error of sums ``(draws, 3 * runs * bins)``."""

    def figures(sums: Floats) -> dict[str, Floats]:
        n, positive, total = (part.reshape(len(sums), -1, bins) for part in np.split(sums, 3, axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            seen, apart = positive.sum(axis=1) / n.sum(axis=1), np.abs(positive - total / 1e6) / n
        error = np.where(n > 0, apart * n, 0.0).sum(axis=2) / n.sum(axis=2)
        return {**{str(i): seen[:, i] for i in range(bins)}, "error": error.mean(axis=1)}

    return figures
