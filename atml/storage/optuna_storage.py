"""Optuna's storage, made to survive an outage: each call waits for the database, and takes effect once."""

from __future__ import annotations

import copy
import datetime
import functools
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from atml.storage import trial_rows
from atml.storage.optuna_internals import SYSTEM_ATTRS, TRIALS, USER_ATTRS, models, session, set_trial_id
from atml.storage.retrying import Steady

# Errors are raised with an explanation by `Database.errors`; its warnings would come on top.
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
"""Methods that may be called again after an outage: they read, or write the same a second time.

Making a study again raises that it exists, which all our callers allow for."""


class SteadyStorage(RDBStorage):
    """Optuna's storage in a database that may go away for a while.

    Where the answer to a commit is lost, the change is recognised by its time: that at which a trial was
    made, taken or ended, to the microsecond. ``now`` returns the time by the database's clock, since the
    clocks of hosts disagree.
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
        # Optuna treats braces in a URL as a template.
        super().__init__(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=engine_kwargs)
        # One statement is a transaction by itself; without BEGIN and COMMIT it is one round trip.
        self.single = self.engine
        if self.engine.dialect.name != "sqlite":
            self.single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    # --- read

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial; raises KeyError where there is none."""
        found = self._read(TRIALS.c.trial_id == trial_id)
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
        which = TRIALS.c.study_id == study_id
        if states is not None:
            which &= TRIALS.c.state.in_([state for state in TrialState if state in states])
        if trial_id_greater_than > -1:
            newer = TRIALS.c.trial_id > trial_id_greater_than
            which &= newer | TRIALS.c.trial_id.in_(sorted(included_trial_ids))
        return self._read(which)

    def _read(self, which: sa.ColumnElement[bool]) -> list[FrozenTrial]:
        def once() -> list[FrozenTrial]:
            with self.single.connect() as db:
                return trial_rows.read(db, which)

        return self._steady.do(once)

    # --- write

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of ours; raises UpdateFinishedTrialError where the trial has ended."""
        if not self._write(lambda db: trial_rows.write_attr(db, USER_ATTRS, trial_id, key, value)):
            self._steady.do(lambda: RDBStorage.set_trial_user_attr(self, trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of Optuna's; raises UpdateFinishedTrialError where the trial has ended."""
        if not self._write(lambda db: trial_rows.write_attr(db, SYSTEM_ATTRS, trial_id, key, value)):
            self._steady.do(lambda: RDBStorage.set_trial_system_attr(self, trial_id, key, value))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Write a value at a step; raises UpdateFinishedTrialError where the trial has ended."""
        if not self._write(lambda db: trial_rows.write_step(db, trial_id, step, intermediate_value)):
            self._steady.do(
                lambda: RDBStorage.set_trial_intermediate_value(self, trial_id, step, intermediate_value)
            )

    def report(self, trial_id: int, step: int, value: float | None, attrs: Mapping[str, Any]) -> None:
        """Write attributes of ours, and then a value at a step, None for none: on SQLite in one transaction.

        Raises UpdateFinishedTrialError where the trial has ended.
        """

        def both(db: sa.Connection) -> bool:
            kept = all(trial_rows.write_attr(db, USER_ATTRS, trial_id, key, attrs[key]) for key in attrs)
            return kept and (value is None or trial_rows.write_step(db, trial_id, step, value))

        if not self._write(both):
            for key in attrs:
                self.set_trial_user_attr(trial_id, key, attrs[key])
            if value is not None:
                self.set_trial_intermediate_value(trial_id, step, value)

    def set_params(self, trial_id: int, params: Mapping[str, tuple[float, BaseDistribution]]) -> None:
        """Write parameters as Optuna's numbers, whose distributions the study knows: on SQLite at once.

        Raises UpdateFinishedTrialError where the trial has ended.
        """
        if not self._write(
            lambda db: all(trial_rows.write_param(db, trial_id, name, *params[name]) for name in params)
        ):
            for name, (value, kind) in params.items():
                self._set_trial_param(trial_id, name, value, kind, kind)

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
        """Run one statement that may run twice; return False where Optuna has to raise the reason."""

        def once() -> bool:
            with self.single.begin() as db:
                return work(db)

        return self._steady.do(once)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        template = copy.deepcopy(template_trial) or optuna.trial.create_trial(state=TrialState.RUNNING)
        now = template.datetime_start = self._now()

        def make() -> FrozenTrial:
            with session(self) as db:
                # One process at a time, since the number of a trial is a count.
                models.StudyModel.find_or_raise_by_id(study_id, db, for_update=True)
                trial = self._get_prepared_new_trial(study_id, template, db)
                made = copy.deepcopy(template)
                row: Any = trial
                made.number = row.number
                set_trial_id(made, row.trial_id)
            return made

        def find_or_make() -> FrozenTrial:
            mine = (TRIALS.c.study_id == study_id) & (TRIALS.c.datetime_start == trial_rows.stored(now))
            with session(self) as db:
                found = db.execute(sa.select(TRIALS.c.trial_id).where(mine)).scalar()
            return make() if found is None else RDBStorage.get_trial(self, found)

        return self._steady.do(make, find_or_make)

    def set_trial_state_values(
        self,
        trial_id: int,
        state: TrialState,
        values: Sequence[float] | None = None,
        held: sa.ColumnElement[bool] | None = None,
    ) -> bool:
        """Change a trial's state; return False where another process took a waiting trial first.

        With the condition ``held``, a trial ends only while that is true: a process can't end a trial that
        was requeued while it could not reach the database.

        Raises UpdateFinishedTrialError for a trial that has ended or does not meet ``held``.
        """
        now = self._now()
        if state == TrialState.RUNNING:
            return self._steady.do(lambda: self._take(trial_id, now))
        before: list[datetime.datetime | None] = []

        def change(again: bool) -> bool:
            with session(self) as db:
                trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, db, for_update=True)
                if again and _is_done(trial, state, now, before):
                    return True
                before[:] = [trial.datetime_start]
                self.check_trial_is_updatable(trial_id, trial.state)
                if held is not None and not _still(db, trial_id, held):
                    raise UpdateFinishedTrialError(f"trial {trial.number} is held by another process")
                for objective, value in enumerate(values or ()):
                    self._set_trial_value_without_commit(db, trial, objective, value)
                trial.state = state
                if state.is_finished():
                    trial.datetime_complete = now
            return True

        return self._steady.do(lambda: change(False), lambda: change(True))

    def _take(self, trial_id: int, now: datetime.datetime) -> bool:
        """Take a waiting trial in one statement, so that only one of two processes gets it, on SQLite too."""
        this, state, start = (
            TRIALS.c.trial_id == trial_id,
            TRIALS.c.state,
            TRIALS.c.datetime_start,
        )
        runs = {state: TrialState.RUNNING, start: trial_rows.stored(now)}
        with session(self) as db:
            taken: Any = db.execute(sa.update(TRIALS).where(this, state == TrialState.WAITING).values(runs))
            if taken.rowcount:
                return True
            # Perhaps this call took it, and the answer to its commit was lost.
            mine = sa.select(TRIALS.c.trial_id).where(this, *(key == value for key, value in runs.items()))
            return db.execute(mine).first() is not None


def _still(db: Any, trial_id: int, held: sa.ColumnElement[bool]) -> bool:
    """Whether a condition on a trial is true; keep it so until the transaction ends.

    It is an update that changes nothing, because SQLite takes no lock for a query.
    """
    here = sa.update(TRIALS).where(TRIALS.c.trial_id == trial_id, held)
    return bool(db.execute(here.values(trial_id=trial_id)).rowcount)


def _is_done(
    trial: Any, state: TrialState, now: datetime.datetime, before: list[datetime.datetime | None]
) -> bool:
    """Whether a change was made although there was no answer to its commit."""
    if state.is_finished():
        return bool(trial.state == state and trial.datetime_complete == now)
    # Requeued, and perhaps taken by another process since.
    return bool(before and (trial.state == state or trial.datetime_start != before[0]))


def _again(name: str) -> Any:
    plain = getattr(RDBStorage, name)

    def method(self: SteadyStorage, *args: Any, **kwargs: Any) -> Any:
        return self._steady.do(lambda: plain(self, *args, **kwargs))

    method.__name__, method.__doc__ = name, plain.__doc__
    return method


for _name in _SAME_TWICE:
    setattr(SteadyStorage, _name, _again(_name))
