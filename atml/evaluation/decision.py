"""Where to put the decision, and what it is worth on subjects that had no say in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats, Int64
from atml.evaluation.gate import Gate, choose, figures
from atml.metrics import Interval
from atml.metrics.predictions import Predictions
from atml.metrics.value_difference import SubjectValues, value_difference
from atml.tasks.targets import Target, Value, shifted
from atml.tasks.targets.base import CANDIDATES

SURE = 0.98
"""Level of the interval that the gain of a tuned decision has to lie above 0 with: a chance of 1%."""

HEADROOM = 0.02
"""A threshold that only just qualifies where it is chosen does not elsewhere, half of the time."""


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
) -> CrossFitted:
    """Choose the offsets for each fold on all others and apply them there.

    A decision chosen and judged on the same predictions looks better than it is; this estimate does not.
    ``fold (n,)`` is the number of the fold that held a row out. With one fold alone its offsets are 0.
    """
    chosen = []
    each_row = np.zeros_like(predictions.logits)
    for number in np.unique(fold):
        rest = fold != number
        others = predictions.take(rest)
        offsets = choose(target, others, value, gate, count=count)
        chosen.append(offsets)
        each_row[~rest] = offsets
    moved = shifted(predictions, each_row)
    return CrossFitted(value(moved), moved, tuple(chosen))


@dataclass(frozen=True)
class Wish:
    """The least ``rate``, "sensitivity" or "specificity" of the positive class, that a decision has to reach.

    >>> str(Wish("sensitivity", 0.95))
    'sensitivity at least 0.95'
    """

    rate: str
    least: float

    def __str__(self) -> str:
        """Return what is asked for."""
        return f"{self.rate} at least {self.least:g}"

    def threshold(self, predictions: Predictions) -> float:
        """Return the threshold on the margin that just reaches it on ``predictions``, as float32.

        It lies halfway to the next margin, and where no window of the class is there it is 0.
        """
        margin, positive = predictions.margin().astype(np.float64), predictions.truth()
        levels = np.unique(margin)
        own = np.sort(margin[positive if self.rate == "sensitivity" else ~positive])
        if not len(own):
            return 0.0
        count = int(np.ceil(self.least * len(own) - 1e-9))
        if self.rate == "sensitivity":  # so many positives at the threshold or above it
            at = int(np.searchsorted(levels, own[len(own) - max(count, 1)]))
            other = levels[at - 1] if at else levels[0] - 2.0
        else:  # so many negatives below it
            at = int(np.searchsorted(levels, own[max(count, 1) - 1]))
            other = levels[at + 1] if at + 1 < len(levels) else levels[-1] + 2.0
        return float(np.float32((levels[at] + other) / 2))


@dataclass(frozen=True)
class Decision:
    """The decision that ships, and what a tuned one is worth on folds that had no say in it.

    ``offsets`` are 0 where the decision ships as trained. ``cross_fitted`` are the offsets of each row, ``(n,
    classes)`` for each run, chosen on the other folds; ``gain`` is what they have over none,
    None where they have nothing.
    """

    offsets: tuple[float, ...]
    cross_fitted: tuple[Floats, ...]
    gain: Interval | None

    @property
    def is_tuned(self) -> bool:
        """Whether a tuned decision ships."""
        return any(self.offsets)


def decide(
    target: Target,
    runs: Sequence[Predictions],
    folds: Sequence[Int64],
    value: Value,
    *,
    gate: Gate | None = None,
    wish: Wish | None = None,
) -> Decision:
    """Choose the decision that ships: as trained, unless tuning pays on folds that had no say in it.

    It pays where the gain of the cross-fitted decision, paired by subject over all runs, has an interval
    (`SURE`) above 0 (`atml.metrics.value_difference`), or where the cross-fitted decision reaches the
    ``gate`` and the one as trained does not. It does not where only the one as trained reaches the gate.
    ``folds[i] (n,)`` is the number of the fold that held each row of ``runs[i]`` out. With a ``wish`` nothing
    is asked of the value: the decision is the one that just reaches it.

    The better of two decisions looks better than it is. With so wide an interval that is next to nothing: of
    models that decide by chance some 3% ship tuned, and the values of all are too good by a tenth of
    their own standard error at most.
    """
    together, fold = Predictions.joined(runs), np.concatenate(folds)
    if wish is not None:
        return _wished(target, together, folds, wish)
    raised = None if gate is None else gate.raised(HEADROOM)
    judged = cross_fitted(target, together, fold, value, gate=raised)
    numbers = np.unique(fold)
    rows = tuple(np.array(judged.offsets)[np.searchsorted(numbers, one)] for one in folds)
    tuned = [shifted(run, offsets) for run, offsets in zip(runs, rows, strict=True)]
    plain, theirs = ([SubjectValues(one, value) for one in some] for some in (runs, tuned))
    over = float(np.mean([one.whole for one in theirs]) - np.mean([one.whole for one in plain]))
    reach = [gate is None or gate.reached(figures(target, p)) for p in (together, judged.predictions)]
    # Where it gains nothing, how sure that is is of no account, and takes long.
    gain = value_difference(theirs, plain, level=SURE) if over > 0 else None
    pays = gain is not None and gain.low > 0 if reach[0] == reach[1] else reach[1]
    zero = (0.0,) * int(together.logits.shape[1])
    offsets = choose(target, together, value, raised, count=CANDIDATES) if pays else zero
    return Decision(offsets, rows, gain)


def _wished(target: Target, together: Predictions, folds: Sequence[Int64], wish: Wish) -> Decision:
    """Choose the decision that just reaches a wish, for each fold on the others and once on all."""
    positive, classes = target.task.positive, int(together.logits.shape[1])
    assert positive is not None

    def offsets(some: Predictions) -> list[float]:
        threshold = wish.threshold(some)
        return [threshold if at == positive else 0.0 for at in range(classes)]

    every = np.concatenate(folds)
    each = {int(k): offsets(together.take(every != k)) for k in np.unique(every)}
    rows = tuple(np.array([each[int(k)] for k in fold]) for fold in folds)
    return Decision(tuple(offsets(together)), rows, None)
