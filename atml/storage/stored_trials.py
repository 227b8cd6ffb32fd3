"""The studies and trials of one database, in Optuna's tables."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from atml.errors import StudyError
from atml.storage import moved
from atml.storage.database import Database
from atml.storage.optuna_internals import constraint_attr, study_id
from atml.storage.ownership import HOLDER, Queue
from atml.storage.slots import Slots
from atml.storage.trial_records import CRASHED, FAILURE, Records
from atml.training.records import ParameterSource, Role, TrialRecord

SPEC = "atml"
"""Key of a study's attribute with the settings that it was made with."""


class StoredTrials:
    """Studies and trials of one database, opened for one process; raises what `Database` raises."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._db = Database(url, create=create)
        self.name = self._db.name
        self.slots = Slots(self._db)
        self._storage = Queue(self._db, self.token)
        self._records = Records()
        self.errors = self._db.errors
        self.steady = self._db.steady
        self.check_writable = self._db.check_writable

    @property
    def rdb(self) -> optuna.storages.RDBStorage:
        """Optuna's own storage in this database, for code that needs one."""
        return self._db.storage

    @property
    def token(self) -> str:
        """The name of this process among those that hold trials and slots."""
        return self.slots.token

    def close(self) -> None:
        """Give up the locks of this process, and close every connection."""
        self.slots.leave()
        self._db.close()

    # --- studies

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that a study's files may lie in: that of its SQLite file, and the working directory."""
        file = self._db.file
        return (*([] if file is None else [file.absolute().parent]), Path.cwd())

    def studies(self) -> list[str]:
        """Return the names of all studies made by atml, oldest first."""
        with self.errors():
            every = self._db.storage.get_all_studies()
        return [s.study_name for s in every if SPEC in s.user_attrs]

    def spec(self, name: str) -> dict[str, Any] | None:
        """Return the settings a study was made with (see `atml.searching.plan`); None for no such study.

        Paths in it are those where its data and files lie now, where its folder was moved (`moved`). Raises
        StudyError for a study of another program.
        """
        with self.errors():
            for study in self._db.storage.get_all_studies():
                if study.study_name == name:
                    if SPEC not in study.user_attrs:
                        raise StudyError(
                            f"study {name!r} in {self.name} was not made by atml; use another --study"
                        )
                    return moved.settings(study.user_attrs[SPEC], self.folders)
        return None

    def study(
        self,
        name: str,
        spec: dict[str, Any] | None = None,
        sampler: optuna.samplers.BaseSampler | None = None,
    ) -> optuna.Study:
        """Open a study. With ``spec`` it is made where it is missing, and its settings are replaced."""
        with self.errors():
            if spec is None:
                return optuna.load_study(study_name=name, storage=self._storage, sampler=sampler)
            study = optuna.create_study(
                study_name=name,
                storage=self._storage,
                sampler=sampler,
                direction="maximize",
                load_if_exists=True,
            )
            if study.user_attrs.get(SPEC) != spec:
                study.set_user_attr(SPEC, spec)
            return study

    def facts(self, name: str) -> dict[str, Any]:
        """Return all attributes of a study, by key (see `keep`)."""
        with self.errors():
            return self._storage.get_study_user_attrs(self._storage.get_study_id_from_name(name))

    def keep(self, name: str, key: str, value: Any) -> None:
        """Keep JSON types in a study under ``key``, in place of an earlier value."""
        study = self.study(name)
        with self.errors():
            if study.user_attrs.get(key) != value:
                study.set_user_attr(key, value)

    # --- trials

    def trials(self, name: str) -> list[TrialRecord]:
        """Return all trials of a study by number; cheap to call often. Records are shared: change none."""
        with self.errors():
            key = self._storage.get_study_id_from_name(name)
            return [self._records.of(t) for t in self._storage.get_all_trials(key, deepcopy=False)]

    def running(self, name: str) -> list[FrozenTrial]:
        """Return the trials of a study that run, whichever process holds them."""
        return self.study(name).get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def requeue(self, trial_id: int, role: str = Role.SEARCH, holder: str | None = None) -> bool:
        """Let a running trial wait again, with its parameters, its number and so its seed.

        Return False where it does not run, or ``holder`` is given and does not hold it. A finalist's repeat,
        which this process has to hold, is marked failed instead: another one is begun with the finalists.
        """
        if role == Role.SEARCH:
            return self._storage.requeue(trial_id, holder)
        try:
            with self.errors():
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        return True

    def fail(self, trial_id: int, why: str, *, tried: bool = False) -> None:
        """End a running trial without a result, and record why; it counts where it was ``tried`` enough."""
        with self.errors():
            self._storage.set_trial_user_attr(trial_id, FAILURE, why)
            if tried:
                self._storage.set_trial_system_attr(trial_id, constraint_attr(CRASHED), 1.0)
            self._storage.end(trial_id, TrialState.PRUNED if tried else TrialState.FAIL)

    def report(self, trial_id: int, step: int, value: float | None, attrs: Mapping[str, Any]) -> None:
        """Write what a running trial reports at a step: attributes, and a value unless that is None.

        Raises UpdateFinishedTrialError where the trial has ended.
        """
        with self.errors():
            self._storage.report(trial_id, step, value, attrs)

    def together(self, trial_id: int) -> AbstractContextManager[None]:
        """Write the parameters that a trial gets inside in one go at the end."""
        return self._storage.together(trial_id)

    def holds(self, trial_id: int) -> bool:
        """Whether this process holds a running trial, by the database as it is now."""
        with self.errors():
            return self.is_mine(self._storage.get_trial(trial_id))

    def is_mine(self, trial: FrozenTrial) -> bool:
        """Whether this process held a running trial when that was read."""
        return trial.state == TrialState.RUNNING and trial.user_attrs.get(HOLDER) == self.token

    def begin_repeat(self, study: optuna.Study, of: TrialRecord, seed: int, length: int = 1) -> optuna.Trial:
        """Start a repeat of trial ``of`` on another seed, as a trial that does not count.

        It has ``length`` times the optimiser steps of the trial.
        """
        self.slots.beat()
        with self.errors():
            original = study.get_trials(deepcopy=False)[of.number]
            config = original.user_attrs["config"] if length == 1 else of.lengthened(length).to_dict()
            template = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=original.params,
                distributions=original.distributions,
                user_attrs={
                    "origin": ParameterSource.REPEAT,
                    "role": Role.FINALIST,
                    "of": of.number,
                    "seed": seed,
                    HOLDER: self.token,
                    "config": config,
                    "cost": original.user_attrs["cost"],
                    **({} if length == 1 else {"length": length}),
                },
            )
            trial_id = self._storage.create_new_trial(study_id(study), template)
            return optuna.Trial(study, trial_id)

    def others_at_work(self, name: str, role: str | None = None) -> set[str]:
        """Return the tokens of other living processes that hold a running trial, of ``role`` if given."""
        running = self.running(name)
        alive = self.slots.alive() - {self.token}
        return alive & {
            t.user_attrs.get(HOLDER)
            for t in running
            if role is None or t.user_attrs.get("role", Role.SEARCH) == role
        }
