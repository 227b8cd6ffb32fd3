"""Optuna's storage, made to stay: every call waits for a database that went away, and none is done twice."""

from __future__ import annotations

import copy
import datetime
import functools
from collections.abc import Callable, Container, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState

from atml.storage import trial_rows
from atml.storage.retrying import Steady

# What it warns of is told by ours, in words that help.
optuna.logging.set_verbosity(optuna.logging.ERROR)

_SAME_TWICE = (
    "create_new_study",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_trial_user_attrs",
    "get_trial_system_attrs",
    "get_all_studies",
    "get_trial_param",
    "get_trial_id_from_study_id_trial_number",
    "_get_best_trial_id",
)
"""Methods that read, or write what is the same when it is written twice. A study made twice is there already,
which every caller of ours allows for."""


class SteadyStorage(RDBStorage):
    """Optuna's storage in a database that may go away.

    A trial is known again by the moment it was made, taken or ended, to the microsecond. ``now`` tells the
    time: of the database's clock, since the clocks of hosts disagree.
    """

    def __init__(
        self,
        url: str,
        steady: Steady,
        now: Callable[[], datetime.datetime],
        engine_kwargs: dict[str, Any],
    ) -> None:
        self._steady = steady
        self._now = now
        # Optuna takes braces for a template of its own.
        super().__init__(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=engine_kwargs)
        # A single statement is a transaction by itself: without BEGIN and COMMIT it is one question.
        self.single = self.engine
        if self.engine.dialect.name != "sqlite":
            self.single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    # --- read

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial; raises KeyError where there is none."""
        found = self._read(trial_rows.TRIALS.c.trial_id == trial_id)
        if not found:
            raise KeyError(f"no trial with id {trial_id}")
        return found[0]

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        which = trial_rows.TRIALS.c.study_id == study_id
        if states is not None:
            which &= trial_rows.TRIALS.c.state.in_([state for state in TrialState if state in states])
        if trial_id_greater_than > -1:
            newer = trial_rows.TRIALS.c.trial_id > trial_id_greater_than
            which &= newer | trial_rows.TRIALS.c.trial_id.in_(sorted(included_trial_ids))
        return self._read(which)

    def _read(self, which: sa.ColumnElement[bool]) -> list[FrozenTrial]:
        def once() -> list[FrozenTrial]:
            with self.single.connect() as db:
                return trial_rows.read(db, which)

        return self._steady.do(once)

    # --- write

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of ours; raises UpdateFinishedTrialError where the trial has ended."""
        if not self._write(lambda db: trial_rows.write_attr(db, trial_rows.USER, trial_id, key, value)):
            self._steady.do(lambda: RDBStorage.set_trial_user_attr(self, trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of Optuna's; raises UpdateFinishedTrialError where the trial has ended."""
        if not self._write(lambda db: trial_rows.write_attr(db, trial_rows.SYSTEM, trial_id, key, value)):
            self._steady.do(lambda: RDBStorage.set_trial_system_attr(self, trial_id, key, value))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Write a value at a step; raises UpdateFinishedTrialError where the trial has ended."""
        if not self._write(lambda db: trial_rows.write_step(db, trial_id, step, intermediate_value)):
            self._steady.do(
                lambda: RDBStorage.set_trial_intermediate_value(self, trial_id, step, intermediate_value)
            )

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        if previous_distribution is not None:
            check_distribution_compatibility(previous_distribution, distribution)
            if self._write(
                lambda db: trial_rows.write_param(
                    db, trial_id, param_name, param_value_internal, distribution
                )
            ):
                return
        plain = functools.partial(RDBStorage._set_trial_param, self, trial_id, param_name)
        self._steady.do(lambda: plain(param_value_internal, distribution, previous_distribution))

    def _write(self, work: Callable[[sa.Connection], bool]) -> bool:
        """Do with one statement what may be done twice; False where Optuna is to say why not."""

        def once() -> bool:
            with self.single.begin() as db:
                return work(db)

        return self._steady.do(once)

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""

        def gone() -> None:
            try:
                RDBStorage.delete_study(self, study_id)
            except KeyError:
                return

        self._steady.do(lambda: RDBStorage.delete_study(self, study_id), gone)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        template = copy.deepcopy(template_trial) or optuna.trial.create_trial(state=TrialState.RUNNING)
        now = template.datetime_start = self._now()

        def make() -> FrozenTrial:
            with _create_scoped_session(self.scoped_session) as session:
                # One at a time, for a trial's number is a count.
                models.StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
                trial = self._get_prepared_new_trial(study_id, template, session)
                made = copy.deepcopy(template)
                row: Any = trial
                made.number, made._trial_id = row.number, row.trial_id
            return made

        def find_or_make() -> FrozenTrial:
            mine = (trial_rows.TRIALS.c.study_id == study_id) & (
                trial_rows.TRIALS.c.datetime_start == trial_rows.stored(now)
            )
            with _create_scoped_session(self.scoped_session) as session:
                found = session.execute(sa.select(trial_rows.TRIALS.c.trial_id).where(mine)).scalar()
            return make() if found is None else RDBStorage.get_trial(self, found)

        return self._steady.do(make, find_or_make)

    def set_trial_state_values(
        self,
        trial_id: int,
        state: TrialState,
        values: Sequence[float] | None = None,
        in_hand: sa.ColumnElement[bool] | None = None,
    ) -> bool:
        """Change a trial's state; False where a waiting trial was taken by another process.

        With ``in_hand`` only a trial of which that is true as it ends: one that was put back while the
        database could not be reached is no more its former holder's to end. Raises UpdateFinishedTrialError
        otherwise.
        """
        now = self._now()
        if state == TrialState.RUNNING:
            return self._steady.do(lambda: self._take(trial_id, now))
        before: list[datetime.datetime | None] = []

        def change(again: bool) -> bool:
            with _create_scoped_session(self.scoped_session) as session:
                trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
                if again and _is_done(trial, state, now, before):
                    return True
                before[:] = [trial.datetime_start]
                self.check_trial_is_updatable(trial_id, trial.state)
                if in_hand is not None and not _still(session, trial_id, in_hand):
                    raise UpdateFinishedTrialError(f"trial {trial.number} is in other hands")
                for objective, value in enumerate(values or ()):
                    self._set_trial_value_without_commit(session, trial, objective, value)
                trial.state = state
                if state.is_finished():
                    trial.datetime_complete = now
            return True

        return self._steady.do(lambda: change(False), lambda: change(True))

    def _take(self, trial_id: int, now: datetime.datetime) -> bool:
        """Take a waiting trial in one step: of two processes that want it one gets it, on SQLite too."""
        this, state, start = (
            trial_rows.TRIALS.c.trial_id == trial_id,
            trial_rows.TRIALS.c.state,
            trial_rows.TRIALS.c.datetime_start,
        )
        runs = {state: TrialState.RUNNING, start: trial_rows.stored(now)}
        with _create_scoped_session(self.scoped_session) as session:
            taken: Any = session.execute(
                sa.update(trial_rows.TRIALS).where(this, state == TrialState.WAITING).values(runs)
            )
            if taken.rowcount:
                return True
            # Perhaps it was taken by this call, and the answer to its commit was lost.
            mine = sa.select(trial_rows.TRIALS.c.trial_id).where(
                this, *(key == value for key, value in runs.items())
            )
            return session.execute(mine).first() is not None


def _still(session: Any, trial_id: int, in_hand: sa.ColumnElement[bool]) -> bool:
    """Tell whether a condition on a trial is true, and keep it so until the transaction ends.

    By a write, which changes nothing: SQLite takes no lock for a question.
    """
    here = sa.update(trial_rows.TRIALS).where(trial_rows.TRIALS.c.trial_id == trial_id, in_hand)
    return bool(session.execute(here.values(trial_id=trial_id)).rowcount)


def _is_done(
    trial: Any, state: TrialState, now: datetime.datetime, before: list[datetime.datetime | None]
) -> bool:
    """Tell whether a change whose commit had no answer was made after all."""
    if state.is_finished():
        return bool(trial.state == state and trial.datetime_complete == now)
    # Put back, and perhaps taken by another process since.
    return bool(before and (trial.state == state or trial.datetime_start != before[0]))


def _again(name: str) -> Any:
    plain = getattr(RDBStorage, name)

    def method(self: SteadyStorage, *args: Any, **kwargs: Any) -> Any:
        return self._steady.do(lambda: plain(self, *args, **kwargs))

    method.__name__, method.__doc__ = name, plain.__doc__
    return method


for _name in _SAME_TWICE:
    setattr(SteadyStorage, _name, _again(_name))
