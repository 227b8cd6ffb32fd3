"""Optuna's storage, with the process that holds each running trial.

A new trial gets its holder in the transaction that makes it, a waiting trial right after it is taken. A trial
that is requeued loses its holder in the same transaction.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.trial import FrozenTrial, TrialState

from atml.storage.database import Database
from atml.storage.optuna_internals import TRIALS, USER_ATTRS, CachedStorage
from atml.storage.trial_records import value_of

HOLDER = "holder"
"""User attribute of a trial: token of the process that holds it, None for none."""


class Queue(CachedStorage):
    """The trials of a database, from which the process called ``token`` takes some and requeues others.

    It reads finished trials once, and the others anew each time.
    """

    def __init__(self, database: Database, token: str) -> None:
        super().__init__(database.storage)
        self._db = database
        self.token = token
        self._kinds: dict[BaseDistribution, BaseDistribution] = {}
        self._later: dict[str, tuple[float, BaseDistribution]] | None = None

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial and return its key; one without a template runs, held by this process."""
        if template_trial is None:
            template_trial = optuna.trial.create_trial(
                state=TrialState.RUNNING, user_attrs={HOLDER: self.token}
            )
        return super().create_new_trial(study_id, template_trial)

    def _add_trials_to_cache(self, study_id: int, trials: list[FrozenTrial]) -> None:
        """Keep what was read; the distributions of parameters, equal in all trials, are kept once."""
        for trial in trials:
            trial.params = {sys.intern(name): value for name, value in trial.params.items()}
            trial.distributions = {
                sys.intern(name): self._kinds.setdefault(kind, kind)
                for name, kind in trial.distributions.items()
            }
        super()._add_trials_to_cache(study_id, trials)

    @contextlib.contextmanager
    def together(self, trial_id: int) -> Iterator[None]:
        """Write the parameters that a trial gets inside in one go at the end, whatever ends it."""
        self._later = {}
        try:
            yield
        finally:
            params, self._later = self._later, None
            if params:
                self._db.storage.set_params(trial_id, params)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Write a parameter, inside `together` later, where the study has had one of this name."""
        study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
        known = self._studies[study_id].param_distribution.get(param_name)
        if self._later is None or known is None:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
            return
        check_distribution_compatibility(known, distribution)
        self._later[param_name] = (param_value_internal, distribution)

    def report(self, trial_id: int, step: int, value: float | None, attrs: Mapping[str, Any]) -> None:
        """Write what a trial reports at a step: attributes, and a value or None."""
        self._db.storage.report(trial_id, step, value, attrs)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study by number; cheap to call at every report of a trial."""
        self._read_trials_from_remote_storage(study_id)
        with self._lock:
            known = self._studies[study_id].trials
            try:
                # Numbers are counts. Sorting thousands of trials takes longer than to look them up.
                trials = [known[number] for number in range(len(known))]
            except KeyError:  # another process has just made one that was not read yet
                trials = [known[number] for number in sorted(known)]
        if states is not None:
            trials = [t for t in trials if t.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Change a trial's state; one that is made to run gets a holder, which alone can end it.

        A pruned trial gets the value that `atml.storage.trial_records.value_of` finds, not its last report.
        """
        if state.is_finished():
            if state == TrialState.PRUNED:
                trial = copy.copy(self.get_trial(trial_id))
                trial.state = state
                worth = value_of(trial)
                values = None if worth is None else [worth]
            return self._db.storage.set_trial_state_values(
                trial_id, state, values, held=_runs(trial_id, self.token)
            )
        done = super().set_trial_state_values(trial_id, state, values)
        if done and state == TrialState.RUNNING:
            self.set_trial_user_attr(trial_id, HOLDER, self.token)
        return done

    def end(self, trial_id: int, state: TrialState) -> None:
        """End a trial, whichever process holds it."""
        super().set_trial_state_values(trial_id, state)

    def requeue(self, trial_id: int, holder: str | None = None) -> bool:
        """Let a running trial wait again, without a holder, in one transaction.

        Return False where it does not run, or ``holder`` is given and does not hold it.
        """
        runs, signed = _runs(trial_id, holder), _signed(trial_id)

        def change(db: sa.Connection) -> bool:
            if db.execute(sa.update(TRIALS).where(runs).values(state=TrialState.WAITING)).rowcount != 1:
                return False
            db.execute(sa.update(USER_ATTRS).where(signed).values(value_json=json.dumps(None)))
            return True

        return self._db.write(change)


def _signed(trial_id: int) -> sa.ColumnElement[bool]:
    return (USER_ATTRS.c.trial_id == trial_id) & (USER_ATTRS.c.key == HOLDER)


def _runs(trial_id: int, holder: str | None) -> sa.ColumnElement[bool]:
    """Return the condition that a trial runs, held by ``holder`` if that is given."""
    runs = (TRIALS.c.trial_id == trial_id) & (TRIALS.c.state == TrialState.RUNNING)
    if holder is not None:
        runs &= sa.exists().where(_signed(trial_id) & (USER_ATTRS.c.value_json == json.dumps(holder)))
    return runs
