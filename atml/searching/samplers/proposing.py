"""TPE as a search uses it: it proposes what Optuna's does, and reads each finished trial once.

Optuna's sampler goes through all trials anew for each group of parameters that it proposes together, 11 in
the search spaces of atml: at 3,000 trials that took 280 ms of computing a trial, here it takes a third. A
trial that has finished never changes, so what is read of it stays true. What is private of Optuna here was
read in version 5.0.0; `tests/searching/test_proposing.py` compares the proposals of both.
"""

from __future__ import annotations

import copy
import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace, _SearchSpaceGroup
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from atml.storage.optuna_internals import study_id

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_SEEN = (*_ENDED, TrialState.RUNNING)


def tpe(seed: int) -> TPESampler:
    """Return the sampler used after the reference draws."""
    with warnings.catch_warnings():
        # Conditional spaces need `group`, which Optuna still calls experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return ByNumber(seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=10)


def seed_of(*parts: object) -> int:
    """Hash what identifies a draw to a seed of 32 bits."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


class Once(TPESampler):
    """Multivariate, grouped TPE with a constant liar that reads each finished trial of a study once."""

    def __init__(self, seed: int, **how: Any) -> None:
        super().__init__(seed=seed, **how)
        self._study: tuple[optuna.storages.BaseStorage, int] | None = None
        self._parts: tuple[_Part, _Part] | None = None

    def _begin(self, study: optuna.Study) -> None:
        """Forget what was read of another study."""
        this = (study._storage, study_id(study))
        if self._study is None or self._study[0] is not this[0] or self._study[1] != this[1]:
            self._study, self._ended = this, _Ended()
            self._group_decomposed_search_space = _Groups(include_pruned=True)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that finished trials have, in groups that occur together."""
        self._begin(study)
        return super().infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose all groups, from one reading of the trials."""
        self._parts = self._below_and_above(study, trial)
        try:
            return super().sample_relative(study, trial, search_space)
        finally:
            self._parts = None

    def _below_and_above(self, study: optuna.Study, trial: FrozenTrial) -> tuple[_Part, _Part]:
        """Return the best trials, and the rest with those that run."""
        self._begin(study)
        others = [t for t in study.get_trials(deepcopy=False, states=_SEEN) if t.number != trial.number]
        self._ended.read(others, -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0)
        running = [t for t in others if t.state == TrialState.RUNNING]
        order = self._ended.best_first()
        most = min(math.ceil(0.1 * len(order)), 25)
        guesses = [(t.number, self._get_params(t, study)) for t in running]
        return _Part(np.sort(order[:most])), _Part(np.sort(order[most:]), guesses)

    def _sample(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        below, above = (
            self._parzen_estimator_cls(
                self._ended.observed(part, search_space), search_space, self._parzen_estimator_parameters
            )
            for part in self._parts or self._below_and_above(study, trial)
        )
        candidates = below.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(candidates, self._compute_acquisition_func(candidates, below, above))
        return {name: kind.to_external_repr(best[name]) for name, kind in search_space.items()}


class ByNumber(Once):
    """TPE whose random state depends on the number of the trial.

    So a resumed search proposes as if it had never stopped, and several searches of one study propose
    different parameters, since each trial has a number of its own.
    """

    def __init__(self, seed: int, **how: Any) -> None:
        super().__init__(seed, **how)
        self._seed = seed

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Seed the random state for this trial."""
        self._rng.rng.seed(seed_of(self._seed, trial.number, "tpe"))
        self._random_sampler._rng.rng.seed(seed_of(self._seed, trial.number, "random"))
        super().before_trial(study, trial)


@dataclass(frozen=True)
class _Part:
    """Some trials: the numbers of finished ones, ascending, and number and parameters of running ones."""

    numbers: npt.NDArray[np.int64]
    running: Sequence[tuple[int, dict[str, Any]]] = ()


class _Ended:
    """Finished trials in arrays whose rows are numbers of trials.

    Parameters have a column each, as the numbers that TPE takes them for, NaN without the parameter. In
    ``_rank`` a complete trial has 0 and its value, one that was cut short 1, its last step and its value
    there, one that broke a constraint 2 and by how much: less is better, and NaN is no finished trial.
    """

    def __init__(self) -> None:
        self._values = np.full((0, 0), np.nan)
        self._rank = np.full((0, 3), np.nan)
        self._columns: dict[str, int] = {}

    def read(self, trials: Sequence[FrozenTrial], sign: float) -> None:
        """Read those that have finished since; values times ``sign`` are to become small."""
        most = max((t.number for t in trials[-1:]), default=-1)
        if most >= len(self._rank):
            self._grow(2 * (most + 1))
        known = ~np.isnan(self._rank[:, 0])
        for trial in trials:
            if known[trial.number] or not trial.state.is_finished():
                continue
            self._rank[trial.number] = _rank(trial, sign)
            for name in trial.params:
                self._columns.setdefault(name, len(self._columns))
            if len(self._columns) > self._values.shape[1]:
                self._grow(len(self._rank))
            for name, value in trial.params.items():
                number = trial.distributions[name].to_internal_repr(value)
                self._values[trial.number, self._columns[name]] = number

    def _grow(self, rows: int) -> None:
        for name, columns in (("_values", len(self._columns)), ("_rank", 3)):
            before = getattr(self, name)
            after = np.full((rows, columns), np.nan)
            after[: before.shape[0], : before.shape[1]] = before
            setattr(self, name, after)

    def best_first(self) -> npt.NDArray[np.int64]:
        """Return the numbers of finished trials, best first, of equals the first one."""
        order = np.lexsort(self._rank.T[::-1])
        return np.asarray(order[~np.isnan(self._rank[order, 0])], np.int64)

    def observed(
        self, part: _Part, search_space: dict[str, BaseDistribution]
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Return the values of the trials that have all these parameters, by number of the trial."""
        rows = np.full((len(part.numbers), len(search_space)), np.nan)
        for at, name in enumerate(search_space):
            if name in self._columns:
                rows[:, at] = self._values[part.numbers, self._columns[name]]
        has = ~np.isnan(rows).any(axis=1)
        rows, numbers = rows[has], part.numbers[has]
        for number, params in part.running:
            if search_space.keys() <= params.keys():
                row = [kind.to_internal_repr(params[name]) for name, kind in search_space.items()]
                at = int(np.searchsorted(numbers, number))
                rows, numbers = np.insert(rows, at, row, axis=0), np.insert(numbers, at, number)
        return {name: rows[:, at] for at, name in enumerate(search_space)}


def _rank(trial: FrozenTrial, sign: float) -> tuple[int, float, float]:
    excess = sum(v for v in trial.constraints.values() if v > 0)
    if excess > 0:
        return 2, excess, 0.0
    if trial.state == TrialState.COMPLETE:
        assert trial.value is not None
        return 0, sign * trial.value, 0.0
    if not trial.intermediate_values:
        return 1, 1.0, 0.0
    step, value = max(trial.intermediate_values.items())
    return 1, -float(step), math.inf if math.isnan(value) else sign * value


class _Groups(_GroupDecomposedSearchSpace):
    """The groups of parameters that occur together; a trial that was added once is not added again."""

    def __init__(self, include_pruned: bool) -> None:
        super().__init__(include_pruned)
        self._added: set[int] = set()

    def calculate(self, study: optuna.Study, use_cache: bool = False) -> _SearchSpaceGroup:
        """Return the groups by the trials that have finished."""
        for trial in study._get_trials(deepcopy=False, states=_ENDED, use_cache=use_cache):
            if trial.number not in self._added:
                self._added.add(trial.number)
                self._search_space.add_distributions(trial.distributions)
        return copy.deepcopy(self._search_space)
