"""When to stop a trial, and when to stop a search.

A trial reports at fixed fractions of each fold, as step ``fold * POINTS + point``. `SCHEDULE` says at which
of these report points it is compared with the other trials that got there, and how many of them continue:
few, forgiving comparisons, in the first fold and at the ends of folds. Comparisons compound: with one at
each of the 20 points 4% of trials saw the end, and many were lost to noise. The value after a quarter of fold
1 has a rank correlation of .5 with the final one, that after the fold .85, and one fold's standard deviation
over seeds is as large as the differences between good configs.

Two things are not left to the value. After a quarter of the first fold many networks still decide every
window the same, those that are about to learn among them, so the area under the ROC curve is compared there.
And a network whose outputs hardly differ after half of a fold has `learned_nothing`: it ends without a
comparison.

Folds are trained as dealt: their order was measured on the 337 recorded trials of `afib` and brings nothing.
A value of .87 took 513 s with the hardest fold first, 516 s with a fold at random, and 477 s with the most
telling one, which lies within the error (35 s less, 90% interval 76 s less to 6 s more).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atml.training.records import POINTS_KEPT, ReportPoint, Role, points_from

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""Shares of a fold's training at which a trial reports."""

POINTS = len(FRACTIONS)

MIN_PEERS = 5
"""Fewest other trials at the same step for a comparison."""

LEAST_SPREAD = 0.1
"""Smallest `ReportPoint.spread`, in logits, of a network that has learned; see `learned_nothing`."""

LEARNED_AUC = 0.7
"""Area under the ROC curve from which a network has learned something, however small its outputs are."""

LEAST_GAIN = 0.001
"""Smallest difference that counts as an improvement."""


def step(fold: int, fraction: float) -> int:
    """Number the report of ``fold`` at ``fraction``, one of `FRACTIONS`."""
    return fold * POINTS + FRACTIONS.index(fraction)


@dataclass(frozen=True)
class Schedule:
    """At which report points trials are compared, and the share of them that continues there.

    ``folds[k]`` has the shares of fold k by fraction; the last entry is that of all later folds as well.

    >>> Schedule(({0.25: 0.75, 1.0: 0.4}, {1.0: 0.6})).share(step(0, 1.0))
    0.4
    """

    folds: tuple[Mapping[float, float], ...]

    def share(self, step: int) -> float | None:
        """Return the share that continues at ``step``; None where nothing is compared."""
        fold, point = divmod(step, POINTS)
        return self.folds[min(fold, len(self.folds) - 1)].get(FRACTIONS[point])


SCHEDULE = Schedule(({0.25: 0.75, 0.5: 0.75, 1.0: 0.4}, {1.0: 0.6}, {1.0: 0.75}))
"""The schedule of a search."""


def holds_up(value: float, step: int, peers: Sequence[float], schedule: Schedule = SCHEDULE) -> bool:
    """Whether a trial that reports ``value`` at ``step`` continues; ``peers`` are the values of others there.

    A tie with the quantile is lost, since trials that learned nothing share one value; only a value that no
    other trial exceeds continues whatever it ties with, or nothing would where all are perfect.

    >>> holds_up(0.4, step(0, 1.0), [0.1, 0.2, 0.3, 0.4, 0.5])
    True
    >>> holds_up(0.0, step(1, 0.5), [0.1, 0.2, 0.3, 0.4, 0.5])  # nothing is compared inside fold 2
    True
    """
    keep = schedule.share(step)
    if keep is None or len(peers) < MIN_PEERS:
        return True
    return bool(value > np.quantile(np.asarray(peers), 1 - keep) or value >= max(peers))


def learned_nothing(point: ReportPoint) -> bool:
    """Whether a network still answers every held-out window the same after half of a fold's training or more.

    That is a fact about its training, not a comparison. The outputs of a network at its initial weights lie
    within a few hundredths of a logit of each other. Of 29 networks of the afib space that ended with one
    answer for everything none had a spread above .05 after a quarter of fold 1, and those that ended well had
    .45 after half: .1 lies between. It is a number of logits, the unit that the loss sees: a margin that
    varies by .1 moves a probability by .025 at most, whatever the scale of the signal or of earlier layers.
    So the logits are the network's own, after any temperature of its, and are not normalised before it is
    taken. A network that ranks the windows with `LEARNED_AUC` or better has learned, though its outputs be
    small.

    >>> learned_nothing(ReportPoint(0, 0.5, value=0.37, auc=0.52, spread=0.02))
    True
    >>> learned_nothing(ReportPoint(0, 0.25, value=0.37, auc=0.52, spread=0.02))  # it may still begin
    False
    """
    late = point.fraction >= FRACTIONS[1]
    return late and point.spread < LEAST_SPREAD and not point.auc >= LEARNED_AUC


def nothing_in_words(point: ReportPoint) -> str:
    """Say why a network that `learned_nothing` ended."""
    at = f"{point.fraction:.0%} of fold {point.fold + 1}"
    found = f"its outputs differ by {point.spread:.2g} logits (SD), AUC {point.auc:.2f}"
    return f"has learned nothing: at {at} {found}"


def since_improved(values: Sequence[float | None]) -> int:
    """Count the results after the last one that was better than all before it by `LEAST_GAIN`.

    ``values`` are results in the order in which they ended; None is a result without a value.

    >>> since_improved([0.5, 0.7, None, 0.7])
    2
    """
    best, last = -np.inf, 0
    for index, value in enumerate(values):
        if value is not None and value >= best + LEAST_GAIN:
            best, last = value, index + 1
    return len(values) - last


def points(trial: FrozenTrial) -> dict[int, tuple[float, float]]:
    """Return the AUC and the spread that a trial reported, by step; empty for trials of earlier versions."""
    return points_from(trial.user_attrs.get(POINTS_KEPT))


class Peers:
    """What the trials of a study reported, by step; each finished trial is read only once.

    ``trials`` are always all trials of one study, by number.
    """

    def __init__(self) -> None:
        self._read: set[int] = set()
        self._first = 0
        self._values: dict[int, list[float]] = defaultdict(list)
        self._aucs: dict[int, list[float]] = defaultdict(list)

    def at(self, step: int, trials: Sequence[FrozenTrial], but: int) -> list[float]:
        """Return the values of all search trials except number ``but`` at ``step``."""
        return self._values[step] + [
            trial.intermediate_values[step]
            for trial in self._unfinished(trials, but)
            if step in trial.intermediate_values
        ]

    def aucs_at(self, step: int, trials: Sequence[FrozenTrial], but: int) -> list[float]:
        """Return the AUC of all search trials except number ``but`` at ``step``, where they reported one."""
        running = [points(trial)[step][0] for trial in self._unfinished(trials, but) if step in points(trial)]
        return self._aucs[step] + [auc for auc in running if math.isfinite(auc)]

    def allow(self, point: ReportPoint, trials: Sequence[FrozenTrial], but: int) -> bool:
        """Whether trial ``but`` holds up at ``point``: by its AUC at the first one, by its value later.

        Where too few others reported an AUC, as in a study of an earlier version, its value counts at the
        first one too.
        """
        at = step(point.fold, point.fraction)
        if at == 0 and math.isfinite(point.auc):
            aucs = self.aucs_at(at, trials, but)
            if len(aucs) >= MIN_PEERS:
                return holds_up(point.auc, at, aucs)
        return holds_up(point.value, at, self.at(at, trials, but))

    def _unfinished(self, trials: Sequence[FrozenTrial], but: int) -> list[FrozenTrial]:
        """Read what has finished since the last call; return the search trials that have not."""
        unfinished = []
        while self._first < len(trials) and trials[self._first].number in self._read:
            self._first += 1
        for trial in trials[self._first :]:
            if trial.number in self._read:
                continue
            finished = trial.state.is_finished()
            if finished:
                self._read.add(trial.number)
            if trial.user_attrs.get("role", Role.SEARCH) != Role.SEARCH:
                continue
            if not finished:
                if trial.number != but:
                    unfinished.append(trial)
                continue
            for at, value in trial.intermediate_values.items():
                self._values[at].append(value)
            for at, (auc, _) in points(trial).items():
                if math.isfinite(auc):
                    self._aucs[at].append(auc)
        return unfinished
