"""``studies.db``, or any SQLAlchemy URL: the only package that touches a database.

Trials are Optuna's, in Optuna's own tables. Beside them stand tables of ours (``atml_*``): slots, which
make a total exact over workers and restarts; out-of-fold predictions; exports; looks at test sets.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.trial import FrozenTrial, TrialState

from atml.arrays import Float32, Int64
from atml.errors import StudyError
from atml.storage.database import Database
from atml.storage.ownership import HOLDER, Queue
from atml.storage.recovery import CRASHED, FAILURE, Recovery
from atml.storage.schema import EXPORTS, LOOKS, PREDICTIONS
from atml.storage.slots import Slots
from atml.storage.trial_records import Records, record
from atml.storage.urls import missing
from atml.training.records import TrialRecord

__all__ = ["CRASHED", "DEFAULT_URL", "FAILURE", "SPEC", "Records", "Store", "missing", "record"]

DEFAULT_URL = "sqlite:///studies.db"

SPEC = "atml"
"""What a study keeps the settings under that it was made with."""
_SEEN = "seen_subjects"
_LEDGER, _LIFT = "regions", "region_lift:"


class Store:
    """The studies of one database; raises what `Database` raises."""

    def __init__(self, url: str = DEFAULT_URL, *, create: bool = True) -> None:
        self._db = Database(url, create=create)
        self.name = self._db.name
        self.slots = Slots(self._db)
        # One for all: it reads finished trials once, and the others anew each time.
        self._storage = Queue(self._db, self.token)
        self._records = Records()
        self._recovery = Recovery(self)
        self.errors = self._db.errors
        self.steady = self._db.steady
        self.check_writable = self._db.check_writable

    @property
    def rdb(self) -> optuna.storages.RDBStorage:
        """Optuna's own storage in this database, for what is made to read it."""
        return self._db.storage

    @property
    def token(self) -> str:
        """What this process is called among those that hold trials."""
        return self.slots.token

    def close(self) -> None:
        """Say that this process is done, and let go of every connection."""
        self.slots.leave()
        self._db.close()

    # --- studies

    def studies(self) -> list[str]:
        """Names of all studies of ours, in the order of their making."""
        with self.errors():
            every = self._db.storage.get_all_studies()
        return [s.study_name for s in every if SPEC in s.user_attrs]

    def spec(self, name: str) -> dict[str, Any] | None:
        """What the study was made with (see `atml.searching.study`), None where there is no such study."""
        with self.errors():
            for study in self._db.storage.get_all_studies():
                if study.study_name == name:
                    if SPEC not in study.user_attrs:
                        raise StudyError(
                            f"study {name!r} in {self.name} was not made by atml; use another --study"
                        )
                    return dict(study.user_attrs[SPEC])
        return None

    def study(
        self,
        name: str,
        spec: dict[str, Any] | None = None,
        sampler: optuna.samplers.BaseSampler | None = None,
    ) -> optuna.Study:
        """Open a study, made if need be when ``spec`` is given; ``spec`` replaces the stored one."""
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
        """Return all that a study keeps, by key (see `keep`)."""
        with self.errors():
            return self._storage.get_study_user_attrs(self._storage.get_study_id_from_name(name))

    def keep(self, name: str, key: str, value: Any) -> None:
        """Keep JSON types in a study under ``key``, in place of what was there before."""
        study = self.study(name)
        with self.errors():
            if study.user_attrs.get(key) != value:
                study.set_user_attr(key, value)

    # --- regions

    def ledger(self, name: str) -> dict[str, Any] | None:
        """What a study keeps of its regions (see `atml.regions.Ledger`), None where it keeps none."""
        attrs = self.study(name).user_attrs
        if _LEDGER not in attrs:
            return None
        lifts = [attrs[key] for key in sorted(attrs) if key.startswith(_LIFT)]
        return {**attrs[_LEDGER], "lifts": sorted(lifts, key=lambda one: (one["at"], one["id"]))}

    def save_ledger(self, name: str, ledger: dict[str, Any]) -> None:
        """Keep what a study knows of its regions.

        Lifts are kept apart, one by one: a search that writes what it found can't undo what a person decided
        in the meantime.
        """
        study = self.study(name)
        rest = {**ledger, "lifts": []}
        with self.errors():
            for one in ledger["lifts"]:
                if f"{_LIFT}{one['id']}" not in study.user_attrs:
                    study.set_user_attr(f"{_LIFT}{one['id']}", one)
            if study.user_attrs.get(_LEDGER) != rest:
                study.set_user_attr(_LEDGER, rest)

    def trials(self, name: str) -> list[TrialRecord]:
        """All trials of a study by number; cheap to call often. Records are shared: change none."""
        with self.errors():
            study_id = self._storage.get_study_id_from_name(name)
            return [self._records.of(t) for t in self._storage.get_all_trials(study_id, deepcopy=False)]

    # --- trials in hand

    def recover(self, name: str, say: Callable[[str], None] = lambda line: None) -> list[int]:
        """Put back what processes that are gone left behind; return the numbers of trials that run no more.

        Their running trials wait again, their unfinished slots are free (see `atml.storage.recovery`). Trials
        held by a process that lives are left alone. Nothing is done while another process does the same.
        """
        if not self.slots.lock(name, "recover"):
            return []
        try:
            return self._recovery(name, say)
        finally:
            self.slots.unlock(name, "recover")

    def let_go(self, name: str, slot: int, number: int) -> None:
        """Free a slot of this process whose trial is in other hands, unless it is what counts that trial."""
        self._recovery.free(name, [(slot, self.token, number)])

    def _running(self, name: str) -> list[FrozenTrial]:
        return self.study(name).get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def put_back(self, trial_id: int, role: str = "search", holder: str | None = None) -> bool:
        """Let a running trial wait again, with its parameters, its number and so its seed.

        False where it does not run, or not in the hands of ``holder``, if that is given. A finalist's repeat,
        which has to be in this process's hands, is marked failed instead: it is begun anew when the finalists
        are.
        """
        if role == "search":
            return self._storage.put_back(trial_id, holder)
        try:
            with self.errors():
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        return True

    def fail(self, trial_id: int, why: str, *, tried: bool = False) -> None:
        """End a running trial that came to nothing, and say why; one that was ``tried`` enough counts."""
        with self.errors():
            self._storage.set_trial_user_attr(trial_id, FAILURE, why)
            if tried:
                self._storage.set_trial_system_attr(trial_id, f"{_CONSTRAINTS_KEY}:{CRASHED}", 1.0)
            self._storage.end(trial_id, TrialState.PRUNED if tried else TrialState.FAIL)

    def holds(self, trial_id: int) -> bool:
        """Whether a trial runs in this process's hands, as the database has it now."""
        with self.errors():
            return self.is_mine(self._storage.get_trial(trial_id))

    def is_mine(self, trial: FrozenTrial) -> bool:
        """Whether a trial, as it was read, runs in this process's hands."""
        return trial.state == TrialState.RUNNING and trial.user_attrs.get(HOLDER) == self.token

    def begin_repeat(self, study: optuna.Study, of: TrialRecord, seed: int) -> optuna.Trial:
        """Start a repeat of trial ``of`` on another seed: a trial of the study that does not count."""
        self.slots.beat()
        with self.errors():
            original = study.get_trials(deepcopy=False)[of.number]
            template = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=original.params,
                distributions=original.distributions,
                user_attrs={
                    "origin": "repeat",
                    "role": "finalist",
                    "of": of.number,
                    "seed": seed,
                    HOLDER: self.token,
                    "config": original.user_attrs["config"],
                    "cost": original.user_attrs["cost"],
                },
            )
            trial_id = self._storage.create_new_trial(study._study_id, template)
            return optuna.Trial(study, trial_id)

    def others_at_work(self, name: str, role: str | None = None) -> set[str]:
        """Tokens of other living processes that hold a running trial of this study, of ``role`` if given."""
        running = self._running(name)
        alive = self.slots.alive() - {self.token}
        return alive & {
            t.user_attrs.get(HOLDER)
            for t in running
            if role is None or t.user_attrs.get("role", "search") == role
        }

    # --- out-of-fold predictions

    def save_predictions(self, study: str, number: int, rows: Int64, logits: Float32) -> None:
        """Keep a trial's out-of-fold logits ``(n, classes)`` for dataset ``rows (n,)``, at half precision."""
        key = (PREDICTIONS.c.study == study) & (PREDICTIONS.c.number == number)
        row = PREDICTIONS.insert().values(
            study=study,
            number=number,
            rows=zlib.compress(rows.astype("<i4").tobytes()),
            logits=zlib.compress(logits.clip(-6e4, 6e4).astype("<f2").tobytes()),
            classes=logits.shape[1],
        )
        self._db.write(lambda db: (db.execute(PREDICTIONS.delete().where(key)), db.execute(row)))

    def predictions(self, study: str, number: int) -> tuple[Int64, Float32] | None:
        """Return ``(rows, logits)`` as saved, None where nothing was."""
        key = (PREDICTIONS.c.study == study) & (PREDICTIONS.c.number == number)
        found = self._db.read(lambda db: db.execute(sa.select(PREDICTIONS).where(key)).first())
        if found is None:
            return None
        rows = np.frombuffer(zlib.decompress(found.rows), "<i4").astype(np.int64)
        logits = np.frombuffer(zlib.decompress(found.logits), "<f2").astype(np.float32)
        return rows, logits.reshape(len(rows), found.classes)

    # --- exports and looks

    def save_export(self, study: str, number: int, folder: Path, sha256: str) -> None:
        """Remember what was exported to ``folder``, in place of what was there before."""
        before = EXPORTS.delete().where(EXPORTS.c.folder == str(folder))
        row = EXPORTS.insert().values(
            folder=str(folder), study=study, number=number, sha256=sha256, at=self._db.clock
        )
        self._db.write(lambda db: (db.execute(before), db.execute(row)))

    def exports(self, study: str) -> list[tuple[int, Path]]:
        """List ``(trial number, folder)`` of a study's exports, oldest first."""
        query = sa.select(EXPORTS).where(EXPORTS.c.study == study).order_by(EXPORTS.c.at)
        return self._db.read(lambda db: [(row.number, Path(row.folder)) for row in db.execute(query)])

    def record(
        self,
        *,
        data_fingerprint: str,
        export_sha256: str,
        rule: str,
        result: dict[str, Any],
        subjects: Mapping[str, Sequence[str]],
    ) -> int:
        """Store a look at a test set; return how many there have been at this one, this look included.

        ``subjects`` are whom it saw, by set; nobody of generated ones. A look was at the same test set if
        its data have the same fingerprint, or if it saw any of them: another window, another lead or one set
        more changes the fingerprint, not the people. Looks of old that name nobody count by fingerprint.
        """
        people = {name: sorted(who) for name, who in subjects.items()}
        # By its moment a look is known again, where the answer to its commit was lost.
        row = {"data_fingerprint": data_fingerprint, "export_sha256": export_sha256, "at": time.time()}

        def look(db: sa.Connection) -> Sequence[Any]:
            db.execute(LOOKS.insert().values(**row, rule=rule, result={**result, _SEEN: people}))
            return all_looks(db)

        def all_looks(db: sa.Connection) -> Sequence[Any]:
            return db.execute(sa.select(LOOKS.c.data_fingerprint, LOOKS.c.result[_SEEN])).all()

        def look_once(db: sa.Connection) -> Sequence[Any]:
            same = sa.and_(*(LOOKS.c[key] == value for key, value in row.items()))
            there = db.execute(sa.select(LOOKS.c.id).where(same)).first()
            return look(db) if there is None else all_looks(db)

        looks = self._db.write(look, look_once)
        return sum(found == data_fingerprint or _share(seen, people) for found, seen in looks)


def _share(seen: Mapping[str, Sequence[str]] | None, people: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether anybody of a set is among those of a set of the same name."""
    return any(not set(who).isdisjoint((seen or {}).get(name, ())) for name, who in people.items())
