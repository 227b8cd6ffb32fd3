"""TPE as a search uses it: it proposes what Optuna's does, and reads each finished trial once.

Optuna's sampler goes through all trials anew for each group of parameters that it proposes together, 11 in
the search spaces of atml: at 3,000 trials that took 280 ms of computing a trial, here it takes a third. A
trial that has finished never changes, so what is read of it stays true. What is private of Optuna here was
read in version 5.0.0; `tests/searching/test_proposing.py` compares the proposals of both.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import _split_trials as split
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace, _SearchSpaceGroup
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
        self._parts: tuple[list[FrozenTrial], list[FrozenTrial]] | None = None

    def _begin(self, study: optuna.Study) -> None:
        """Forget what was read of another study."""
        this = (study._storage, study_id(study))
        if self._study is None or self._study[0] is not this[0] or self._study[1] != this[1]:
            self._study, self._values = this, _Values()
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
        self._parts = None
        try:
            self._parts = self._below_and_above(study, trial)
            return super().sample_relative(study, trial, search_space)
        finally:
            self._parts = None

    def _below_and_above(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Return the best trials and the rest, those that run among the rest, each by number."""
        self._begin(study)
        others = [t for t in study.get_trials(deepcopy=False, states=_SEEN) if t.number != trial.number]
        ended = sum(t.state != TrialState.RUNNING for t in others)
        return split(study, others, optuna.samplers._tpe.sampler.default_gamma(ended))

    def _sample(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        below, above = self._parts or self._below_and_above(study, trial)
        good = self._build_parzen_estimator(study, search_space, below, handle_below=True)
        rest = self._build_parzen_estimator(study, search_space, above, handle_below=False)
        candidates = good.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(candidates, self._compute_acquisition_func(candidates, good, rest))
        return {name: kind.to_external_repr(best[name]) for name, kind in search_space.items()}

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: optuna.Study
    ) -> dict[str, npt.NDArray[np.float64]]:
        self._values.read(trials)
        rows = self._values.of([t.number for t in trials], list(search_space))
        for at, trial in enumerate(trials):
            if trial.state == TrialState.RUNNING:
                params = self._get_params(trial, study)
                if search_space.keys() <= params.keys():
                    rows[at] = [kind.to_internal_repr(params[name]) for name, kind in search_space.items()]
        rows = rows[~np.isnan(rows).any(axis=1)]
        return {name: rows[:, at] for at, name in enumerate(search_space)}


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


class _Values:
    """Parameters of finished trials as TPE's numbers: a row a trial, a column a parameter, NaN for none."""

    def __init__(self) -> None:
        self._table = np.full((0, 0), np.nan)
        self._columns: dict[str, int] = {}
        self._read: set[int] = set()

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Read those that have finished since."""
        new = [t for t in trials if t.number not in self._read and t.state.is_finished()]
        for trial in new:
            for name in trial.params:
                self._columns.setdefault(name, len(self._columns))
        most = max((t.number for t in trials), default=-1)
        rows, columns = self._table.shape
        if most >= rows or len(self._columns) > columns:
            grown = np.full((max(rows, 2 * (most + 1)), len(self._columns)), np.nan)
            grown[:rows, :columns] = self._table
            self._table = grown
        for trial in new:
            for name, value in trial.params.items():
                self._table[trial.number, self._columns[name]] = trial.distributions[name].to_internal_repr(
                    value
                )
            self._read.add(trial.number)

    def of(self, numbers: Sequence[int], names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return ``(numbers, names)``."""
        found = np.full((len(numbers), len(names)), np.nan)
        for at, name in enumerate(names):
            if name in self._columns:
                found[:, at] = self._table[numbers, self._columns[name]]
        return found


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
