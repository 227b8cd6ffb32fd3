"""``studies.db``, or any SQLAlchemy URL: the only module that touches a database.

Trials are Optuna's, in Optuna's own tables. Beside them stand tables of ours (``atml_*``): slots, which
make a total exact over workers and restarts; out-of-fold predictions; exports; looks at test sets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import socket
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

from atml.errors import StudyError
from atml.types import Cost, Float32, Int64, ModelConfig, TrialRecord

SCHEMA = 1
"""Version of our tables; a database with a newer one is refused."""

DEFAULT_URL = "sqlite:///studies.db"

_SPEC = "atml"
_HOLDER_STALE_S = 90.0
_STATES = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}

_META = sa.MetaData()
_VERSION = sa.Table("atml_version", _META, sa.Column("version", sa.Integer, primary_key=True))
_HOLDERS = sa.Table(
    "atml_holders",
    _META,
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("beat", sa.Float, nullable=False),
)
_SLOTS = sa.Table(
    "atml_slots",
    _META,
    sa.Column("study", sa.String(255), primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("number", sa.Integer),
)
_PREDICTIONS = sa.Table(
    "atml_predictions",
    _META,
    sa.Column("study", sa.String(255), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("rows", sa.LargeBinary, nullable=False),
    sa.Column("logits", sa.LargeBinary, nullable=False),
    sa.Column("classes", sa.Integer, nullable=False),
)
_EXPORTS = sa.Table(
    "atml_exports",
    _META,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("study", sa.String(255), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
_LOOKS = sa.Table(
    "atml_looks",
    _META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("data_fingerprint", sa.String(64), nullable=False, index=True),
    sa.Column("export_sha256", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
)


class Store:
    """One database of studies.

    Raises StudyError, naming the database and the way out, when it is missing (with ``create=False``),
    is no database, is locked, can't be written, or was written by a newer atml.
    """

    def __init__(self, url: str = DEFAULT_URL, *, create: bool = True) -> None:
        self.url = url
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise StudyError(f"{url!r} is no database URL; write it as sqlite:///studies.db") from error
        self.name = parsed.render_as_string(hide_password=True)
        self.token = uuid.uuid4().hex
        self._beaten = 0.0
        self._sqlite = parsed.get_backend_name() == "sqlite"
        connect: dict[str, Any] = {}
        if self._sqlite:
            self.name = parsed.database or ":memory:"
            connect = {"timeout": 60.0}
            if parsed.database:
                _check_file(Path(parsed.database), create)
        with self.errors():
            self._storage = optuna.storages.RDBStorage(
                url, engine_kwargs={"connect_args": connect, "pool_pre_ping": not self._sqlite}
            )
            self._engine: sa.Engine = self._storage.engine
            if self._sqlite:
                # The log is synced at checkpoints only: a lost power supply may cost the last trials,
                # never the file. Ten times faster than the default.
                sa.event.listen(self._engine, "connect", _pragmas)
                self._engine.dispose()
            self._prepare()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the database raises into a StudyError that says what to do."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError) as error:
            raise StudyError(self._explain(error)) from error
        except (ImportError, ModuleNotFoundError) as error:
            raise StudyError(f"no driver for {self.name}: {error}") from error

    def _explain(self, error: BaseException) -> str:
        text = " ".join(str(part) for part in (error, error.__cause__) if part is not None)
        for sign, way_out in (
            ("not a database", "is not a study database; move it away, or name another with --storage"),
            ("malformed", "is damaged; restore a copy, or name another with --storage"),
            ("locked", "is locked by another program; close that and start the same line again"),
            ("readonly", "can't be written; check its permissions and those of its folder"),
            ("disk is full", "is on a full disk; free some space and start the same line again"),
            ("disk I/O error", "is on a disk that fails or is full; free space, start the same line again"),
            ("unable to open", "can't be opened; check that its folder exists and can be written"),
        ):
            if sign in text:
                return f"{self.name} {way_out}"
        return f"{self.name}: {text.splitlines()[0]}"

    def _prepare(self) -> None:
        """Make our tables where they are missing; refuse those of a newer version."""
        if "atml_version" not in sa.inspect(self._engine).get_table_names():
            _META.create_all(self._engine)
            with contextlib.suppress(sa.exc.IntegrityError), self._engine.begin() as db:
                db.execute(_VERSION.insert().values(version=SCHEMA))
        with self._engine.connect() as db:
            version = db.execute(sa.select(sa.func.max(_VERSION.c.version))).scalar()
        if version is not None and version > SCHEMA:
            raise StudyError(
                f"{self.name} has tables of version {version}, this atml knows {SCHEMA}; install a newer atml"
            )

    def check_writable(self) -> None:
        """Raise StudyError now, not hours later, where nothing can be written."""
        if not self._sqlite or ":memory:" in self.name:
            return
        with self.errors(), contextlib.closing(sqlite3.connect(self.name, timeout=5.0)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE atml_version SET version = version")
            db.rollback()

    def close(self) -> None:
        """Let go of every connection and of the slots still held."""
        with self.errors():
            with self._engine.begin() as db:
                db.execute(_HOLDERS.delete().where(_HOLDERS.c.token == self.token))
            self._storage.remove_session()
            self._engine.dispose()

    # --- studies

    def studies(self) -> list[str]:
        """Names of all studies of ours, in the order of their making."""
        with self.errors():
            every = self._storage.get_all_studies()
        return [s.study_name for s in every if _SPEC in s.user_attrs]

    def spec(self, name: str) -> dict[str, Any] | None:
        """What the study was made with (see `atml.search.spec`), None where there is no such study."""
        with self.errors():
            for study in self._storage.get_all_studies():
                if study.study_name == name:
                    if _SPEC not in study.user_attrs:
                        raise StudyError(f"study {name!r} in {self.name} was not made by atml; use another --study")
                    return dict(study.user_attrs[_SPEC])
        return None

    def study(
        self, name: str, spec: dict[str, Any] | None = None, sampler: optuna.samplers.BaseSampler | None = None
    ) -> optuna.Study:
        """Open a study, made if need be when ``spec`` is given; ``spec`` replaces the stored one."""
        storage = optuna.storages._CachedStorage(self._storage)
        with self.errors():
            if spec is None:
                return optuna.load_study(study_name=name, storage=storage, sampler=sampler)
            study = optuna.create_study(
                study_name=name, storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
            )
            if study.user_attrs.get(_SPEC) != spec:
                study.set_user_attr(_SPEC, spec)
            return study

    def trials(self, name: str) -> list[TrialRecord]:
        """All trials of a study by number."""
        with self.errors():
            study_id = self._storage.get_study_id_from_name(name)
            return [record(t) for t in self._storage.get_all_trials(study_id, deepcopy=False)]

    # --- slots: an exact total

    def beat(self) -> None:
        """Say that this process is alive; cheap to call often."""
        if time.monotonic() - self._beaten < _HOLDER_STALE_S / 6 and self._beaten:
            return
        with self.errors(), self._engine.begin() as db:
            now = {"host": socket.gethostname(), "pid": os.getpid(), "beat": time.time()}
            changed = db.execute(_HOLDERS.update().where(_HOLDERS.c.token == self.token).values(**now))
            if changed.rowcount == 0:
                db.execute(_HOLDERS.insert().values(token=self.token, **now))
        self._beaten = time.monotonic()

    def claim(self, study: str, total: int) -> int | None:
        """Take the lowest free slot below ``total``, None when all are taken.

        A slot is taken while its trial runs and for good once it has a result. Two processes that want
        the same one meet at the primary key, and the later tries the next.
        """
        self.beat()
        while True:
            with self.errors():
                with self._engine.connect() as db:
                    taken = set(db.execute(sa.select(_SLOTS.c.slot).where(_SLOTS.c.study == study)).scalars())
            if len(taken) >= total:
                return None
            slot = next(i for i in range(len(taken) + 1) if i not in taken)
            if self.take(study, slot):
                return slot

    def take(self, study: str, slot: int) -> bool:
        """Take one slot by its number; False where it is taken already."""
        try:
            with self._engine.begin() as db:
                db.execute(_SLOTS.insert().values(study=study, slot=slot, token=self.token))
        except sa.exc.IntegrityError:
            return False
        except sa.exc.SQLAlchemyError as error:
            raise StudyError(self._explain(error)) from error
        return True

    def assign(self, study: str, slot: int, number: int) -> None:
        """Write down which trial fills a claimed slot."""
        with self.errors(), self._engine.begin() as db:
            mine = (_SLOTS.c.study == study) & (_SLOTS.c.slot == slot)
            db.execute(_SLOTS.update().where(mine).values(number=number))

    def release(self, study: str, slot: int) -> None:
        """Give a slot back: its trial came to nothing."""
        with self.errors(), self._engine.begin() as db:
            db.execute(_SLOTS.delete().where((_SLOTS.c.study == study) & (_SLOTS.c.slot == slot)))

    def recover(self, name: str) -> list[int]:
        """Put back what processes that are gone left behind; return the trial numbers put back.

        Their running trials wait again, their unfinished slots are free. Trials held by a process that
        lives are left alone.
        """
        with self.errors(), self._engine.begin() as db:
            holders = {h.token: h for h in db.execute(sa.select(_HOLDERS))}
            slots = list(db.execute(sa.select(_SLOTS).where(_SLOTS.c.study == name)))
        alive = {t for t, h in holders.items() if t == self.token or _alive(h.host, h.pid, h.beat)}
        records = {t.number: t for t in self.trials(name)}
        put_back = []
        for trial in self.study(name).get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            holder = trial.user_attrs.get("holder")
            # Between asking for a trial and signing it a moment passes; another process may be there.
            being_asked = holder is None and alive - {self.token} and _age(trial) < _HOLDER_STALE_S
            if holder not in alive and not being_asked:
                self.put_back(trial._trial_id, trial.user_attrs.get("role", "search"))
                put_back.append(trial.number)
        for slot in slots:
            ended = slot.number is not None and records[slot.number].finished
            if not ended and slot.token not in alive:
                self.release(name, slot.slot)
        with self.errors(), self._engine.begin() as db:
            dead = [t for t in holders if t not in alive]
            db.execute(_HOLDERS.delete().where(_HOLDERS.c.token.in_(dead)))
        return put_back

    def put_back(self, trial_id: int, role: str = "search") -> None:
        """Let a running trial wait again, with its parameters, its number and so its seed.

        A finalist's repeat is marked failed instead: it is begun anew when the finalists are.
        """
        state = TrialState.WAITING if role == "search" else TrialState.FAIL
        with self.errors():
            self._storage.set_trial_state_values(trial_id, state)

    def begin_repeat(self, study: optuna.Study, of: TrialRecord, seed: int) -> optuna.Trial:
        """Start a repeat of trial ``of`` on another seed: a trial of the study that does not count."""
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
                    "holder": self.token,
                    "config": original.user_attrs["config"],
                    "cost": original.user_attrs["cost"],
                },
            )
            trial_id = self._storage.create_new_trial(study._study_id, template)
            return optuna.Trial(study, trial_id)

    def others_at_work(self, name: str) -> bool:
        """Whether another living process holds a running trial of this study."""
        with self.errors(), self._engine.connect() as db:
            holders = list(db.execute(sa.select(_HOLDERS).where(_HOLDERS.c.token != self.token)))
        alive = {h.token for h in holders if _alive(h.host, h.pid, h.beat)}
        running = self.study(name).get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(t.user_attrs.get("holder") in alive for t in running)

    # --- out-of-fold predictions

    def save_predictions(self, study: str, number: int, rows: Int64, logits: Float32) -> None:
        """Keep a trial's out-of-fold logits ``(n, classes)`` for dataset ``rows (n,)``, at half precision."""
        with self.errors(), self._engine.begin() as db:
            key = (_PREDICTIONS.c.study == study) & (_PREDICTIONS.c.number == number)
            db.execute(_PREDICTIONS.delete().where(key))
            db.execute(
                _PREDICTIONS.insert().values(
                    study=study,
                    number=number,
                    rows=zlib.compress(rows.astype("<i4").tobytes()),
                    logits=zlib.compress(logits.clip(-6e4, 6e4).astype("<f2").tobytes()),
                    classes=logits.shape[1],
                )
            )

    def predictions(self, study: str, number: int) -> tuple[Int64, Float32] | None:
        """Return ``(rows, logits)`` as saved, None where nothing was."""
        key = (_PREDICTIONS.c.study == study) & (_PREDICTIONS.c.number == number)
        with self.errors(), self._engine.connect() as db:
            found = db.execute(sa.select(_PREDICTIONS).where(key)).first()
        if found is None:
            return None
        rows = np.frombuffer(zlib.decompress(found.rows), "<i4").astype(np.int64)
        logits = np.frombuffer(zlib.decompress(found.logits), "<f2").astype(np.float32)
        return rows, logits.reshape(len(rows), found.classes)

    # --- exports and looks

    def save_export(self, study: str, number: int, folder: Path, sha256: str) -> None:
        """Remember an exported file."""
        row = {"study": study, "number": number, "folder": str(folder), "at": time.time()}
        with self.errors(), self._engine.begin() as db:
            db.execute(_EXPORTS.delete().where(_EXPORTS.c.sha256 == sha256))
            db.execute(_EXPORTS.insert().values(sha256=sha256, **row))

    def exports(self, study: str) -> list[tuple[int, Path]]:
        """List ``(trial number, folder)`` of a study's exports, oldest first."""
        query = sa.select(_EXPORTS).where(_EXPORTS.c.study == study).order_by(_EXPORTS.c.at)
        with self.errors(), self._engine.connect() as db:
            return [(row.number, Path(row.folder)) for row in db.execute(query)]

    def record(self, *, data_fingerprint: str, export_sha256: str, rule: str, result: dict[str, Any]) -> int:
        """Store a look at a test set; return how many there have been at this one, this look included."""
        with self.errors(), self._engine.begin() as db:
            db.execute(
                _LOOKS.insert().values(
                    data_fingerprint=data_fingerprint,
                    export_sha256=export_sha256,
                    rule=rule,
                    at=time.time(),
                    result=result,
                )
            )
            query = sa.select(sa.func.count()).where(_LOOKS.c.data_fingerprint == data_fingerprint)
            return int(db.execute(query).scalar_one())


def missing(url: str) -> bool:
    """Whether the URL names an SQLite file that is not there yet."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return False
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


def record(trial: FrozenTrial) -> TrialRecord:
    """Read one of Optuna's trials as ours."""
    attrs = trial.user_attrs
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        role=attrs.get("role", "search"),
        origin=attrs.get("origin", "sampled"),
        of=attrs.get("of"),
        value=trial.values[0] if trial.values else None,
        seed=attrs.get("seed", 0),
        params=dict(trial.params),
        config=ModelConfig.from_dict(attrs["config"]) if "config" in attrs else None,
        cost=Cost(**attrs["cost"]) if "cost" in attrs else None,
        constraints=dict(trial.constraints),
        steps=dict(trial.intermediate_values),
        result=dict(attrs.get("result", {})),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def cost_fields(cost: Cost) -> dict[str, int]:
    """Return a cost as a trial attribute."""
    return dataclasses.asdict(cost)


def _check_file(path: Path, create: bool) -> None:
    """Refuse what SQLite would only find out about later, with less clear words."""
    if not path.exists():
        if not create:
            raise StudyError(f"no {path} here; `atml search` makes it, --storage names another place")
        if not path.parent.is_dir():
            raise StudyError(f"{path} can't be made: {path.parent} is not a folder")
        return
    if path.is_dir():
        raise StudyError(f"{path} is a folder, not a study database; name another with --storage")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror}") from error
    if head and head != b"SQLite format 3\x00":
        raise StudyError(f"{path} is not a study database; move it away, or name another with --storage")


def _pragmas(connection: Any, _: Any) -> None:
    with contextlib.suppress(sqlite3.OperationalError):
        # Refused on read-only media, where reading works without it.
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _age(trial: FrozenTrial) -> float:
    """Seconds since a trial started."""
    if trial.datetime_start is None:
        return float("inf")
    return (datetime.datetime.now() - trial.datetime_start).total_seconds()


def _alive(host: str, pid: int, beat: float) -> bool:
    """Whether a process that said so at ``beat`` still runs."""
    if time.time() - beat > _HOLDER_STALE_S:
        return False
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
