"""Optuna's storage, in which every trial says whose hands it is in.

A new trial is signed in the transaction that makes it, one that waited right after it was taken, and one that
is put back loses its holder in the same step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

from atml.storage.database import Database

HOLDER = "holder"
"""User attribute of a trial: token of the process that has it in hand, None for nobody."""

TRIALS = models.TrialModel.__table__
ATTRS = models.TrialUserAttributeModel.__table__


class Queue(optuna.storages._CachedStorage):
    """The trials of a database as the process called ``token`` takes them and gives them back.

    It reads finished trials once, and the others anew each time.
    """

    def __init__(self, database: Database, token: str) -> None:
        super().__init__(database.storage)
        self._db = database
        self.token = token
        self._kinds: dict[BaseDistribution, BaseDistribution] = {}

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial; one without a template runs, in this process's hands."""
        if template_trial is None:
            template_trial = optuna.trial.create_trial(
                state=TrialState.RUNNING, user_attrs={HOLDER: self.token}
            )
        return super().create_new_trial(study_id, template_trial)

    def _add_trials_to_cache(self, study_id: int, trials: list[FrozenTrial]) -> None:
        """Keep what was read; the ranges of parameters, the same for all, are kept once."""
        for trial in trials:
            trial._params = {sys.intern(name): value for name, value in trial._params.items()}
            trial._distributions = {
                sys.intern(name): self._kinds.setdefault(kind, kind)
                for name, kind in trial._distributions.items()
            }
        super()._add_trials_to_cache(study_id, trials)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Change a trial's state; one that is made to run is signed, and ended by whoever signed it alone."""
        if state.is_finished():
            return self._db.storage.set_trial_state_values(
                trial_id, state, values, in_hand=_runs(trial_id, self.token)
            )
        done = super().set_trial_state_values(trial_id, state, values)
        if done and state == TrialState.RUNNING:
            self.set_trial_user_attr(trial_id, HOLDER, self.token)
        return done

    def end(self, trial_id: int, state: TrialState) -> None:
        """End a trial in whosever hands it is."""
        super().set_trial_state_values(trial_id, state)

    def put_back(self, trial_id: int, holder: str | None = None) -> bool:
        """Let a running trial wait again, held by nobody, in one step.

        False where it does not run, or not in the hands of ``holder``, if that is given.
        """
        runs, signed = _runs(trial_id, holder), _signed(trial_id)

        def change(db: sa.Connection) -> bool:
            if db.execute(sa.update(TRIALS).where(runs).values(state=TrialState.WAITING)).rowcount != 1:
                return False
            db.execute(sa.update(ATTRS).where(signed).values(value_json=json.dumps(None)))
            return True

        return self._db.write(change)


def _signed(trial_id: int) -> sa.ColumnElement[bool]:
    signed: sa.ColumnElement[bool] = (ATTRS.c.trial_id == trial_id) & (ATTRS.c.key == HOLDER)
    return signed


def _runs(trial_id: int, holder: str | None) -> sa.ColumnElement[bool]:
    """Say that a trial runs, in the hands of ``holder`` if that is given."""
    runs: sa.ColumnElement[bool] = (TRIALS.c.trial_id == trial_id) & (TRIALS.c.state == TrialState.RUNNING)
    if holder is not None:
        runs &= sa.exists().where(_signed(trial_id) & (ATTRS.c.value_json == json.dumps(holder)))
    return runs
