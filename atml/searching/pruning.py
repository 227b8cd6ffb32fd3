"""When to stop a trial, and when to stop a search.

A trial reports at fixed fractions of each fold, as step ``fold * POINTS + point``. It is compared with other
trials at the same step. Within a fold the comparison is lenient. At the end of a fold, where the value is the
objective over all subjects predicted so far, it decides whether the next fold is worth its cost. Lenient
wins: in the Optuna maintainers' comparison of pruners under multivariate TPE, keeping three quarters scored
83, no pruning 75, keeping half 69 and keeping a quarter 26.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from atml.training.records import Role

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""Shares of a fold's training at which a trial reports."""

POINTS = len(FRACTIONS)

MIN_PEERS = 5
"""Fewest other trials at the same step for a comparison."""

KEEP_WITHIN = 0.75
KEEP_AFTER_FIRST = 0.4
KEEP_AFTER = 0.75
"""Shares of trials that continue: at a step within a fold, after the first fold, after a later one."""

LEAST_GAIN = 0.001
"""Smallest difference that counts as an improvement."""


def step(fold: int, fraction: float) -> int:
    """Number the report of ``fold`` at ``fraction``, one of `FRACTIONS`."""
    return fold * POINTS + FRACTIONS.index(fraction)


def holds_up(value: float, step: int, peers: Sequence[float]) -> bool:
    """Whether a trial that reports ``value`` at ``step`` continues; ``peers`` are the values of others there.

    >>> holds_up(0.4, step(0, 1.0), [0.1, 0.2, 0.3, 0.4, 0.5])
    True
    """
    if len(peers) < MIN_PEERS:
        return True
    fold, point = divmod(step, POINTS)
    if point < POINTS - 1:
        keep = KEEP_WITHIN
    else:
        keep = KEEP_AFTER_FIRST if fold == 0 else KEEP_AFTER
    # A tie with the quantile does not pass: trials that learned nothing all share one value.
    return bool(value > np.quantile(np.asarray(peers), 1 - keep) or value >= max(peers))


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


class Peers:
    """Values that the trials of a study reported, by step; each finished trial is read only once."""

    def __init__(self) -> None:
        self._read: set[int] = set()
        self._values: dict[int, list[float]] = defaultdict(list)

    def at(self, step: int, trials: Sequence[FrozenTrial], but: int) -> list[float]:
        """Return the values of all search trials except number ``but`` at ``step``."""
        unfinished = []
        for trial in trials:
            if trial.number in self._read:
                continue
            if trial.state.is_finished():
                self._read.add(trial.number)
            if trial.user_attrs.get("role", Role.SEARCH) != Role.SEARCH:
                continue
            if trial.state.is_finished():
                for at, value in trial.intermediate_values.items():
                    self._values[at].append(value)
            elif trial.number != but and step in trial.intermediate_values:
                unfinished.append(trial.intermediate_values[step])
        return self._values[step] + unfinished
