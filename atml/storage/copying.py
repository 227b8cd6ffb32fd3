"""A whole study copied into another database, or deleted, in one transaction.

A copy is what a search that was stopped at this moment would have left. Rows are copied as they are, Optuna's
and ours; only their keys change. Running trials wait in the copy, with their numbers and so their seeds, as
after `Store.requeue`, and only finished trials have slots. Evaluations of test sets belong to no study: every
copy includes them, and no deletion touches them.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState

from atml.errors import AtmlError, StudyError
from atml.storage.optuna_internals import STUDIES, TABLES, TRIALS, USER_ATTRS
from atml.storage.schema import EVALUATIONS, EXPORTS, HOLDERS, PREDICTIONS, SLOTS
from atml.storage.store import Store
from atml.training.records import Role, State

Rows = list[dict[str, Any]]

_OF_TRIAL = [t for t in TABLES if "trial_id" in t.c and t is not TRIALS]
_OF_STUDY = [t for t in TABLES if "study_id" in t.c and t is not STUDIES and t is not TRIALS]
_MANY = 200
"""Trials read and written at a time: the predictions of thousands would not fit into memory."""
_NOBODY = "copied"
"""Holder of the slots of a copy: no process."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Counts of what a study consists of.

    ``trials`` includes repeats of finalists. Of the other trials ``finished`` have a result, and ``open``
    wait or run. ``evaluations`` are all those of test sets that the database knows.
    """

    study: str
    trials: int
    finished: int
    open: int
    predictions: int
    exports: int
    evaluations: int


def contents(store: Store, name: str) -> Contents:
    """Count what a study consists of, and the evaluations of test sets that its database knows."""
    trials = store.trials(name)
    with store.errors(), store._db.engine.connect() as db:
        of_study = {
            table: db.execute(sa.select(sa.func.count()).where(table.c.study == name)).scalar_one()
            for table in (PREDICTIONS, EXPORTS)
        }
        evaluations = db.execute(sa.select(sa.func.count()).select_from(EVALUATIONS)).scalar_one()
    return Contents(
        study=name,
        trials=len(trials),
        finished=sum(t.finished for t in trials if t.role == Role.SEARCH),
        open=sum(t.state in (State.RUNNING, State.WAITING) for t in trials if t.role == Role.SEARCH),
        predictions=of_study[PREDICTIONS],
        exports=of_study[EXPORTS],
        evaluations=evaluations,
    )


def at_work(store: Store, name: str) -> list[str]:
    """Return the living processes that work on a study, as "process 12 on host"."""
    with contextlib.suppress(StudyError):
        store._db.prepare_for_writing()
    if store._db.behind:
        # Tables of an earlier version, where nobody can write.
        return []

    def living(db: sa.Connection) -> Sequence[Any]:
        now, up_since = db.execute(sa.select(store._db.clock, store._db.up_since)).one()
        return [
            holder for holder in db.execute(sa.select(HOLDERS)) if store.slots.lives(holder, now, up_since)
        ]

    tokens = {token for _, token, _ in store.slots.of(name)}
    tokens.update(t.user_attrs.get("holder") or "" for t in store.running(name))
    return sorted(
        f"process {holder.pid} on {holder.host}"
        for holder in store._db.read(living)
        if holder.token != store.token and (holder.study == name or holder.token in tokens)
    )


# --- copy


def copy(source: Store, target: Store, names: Mapping[str, str]) -> int:
    """Copy studies and all evaluations of test sets; return how many evaluations the target did not have.

    ``names`` maps old to new names. The copy is one transaction of the target, read back and compared with
    the source before it is committed. Exports that belong to another study of the target are left with that
    one.

    Raises StudyError where a name is taken, and AtmlError where the copy differs from the source.
    """
    with _snapshot(source) as old, target.errors(), target._db.engine.begin() as new:
        # This row keeps others from copying into the same database: evaluations of both would be there twice.
        new.execute(SLOTS.insert().values(study="//copy", slot=0, token=_NOBODY))
        for name, as_name in names.items():
            _copy_study(_From(source, old, name), new, target, as_name)
        added = _copy_evaluations(source, old, new)
        new.execute(SLOTS.delete().where(SLOTS.c.study == "//copy"))
    return added


@contextlib.contextmanager
def _snapshot(store: Store) -> Iterator[sa.Connection]:
    """Open a connection that sees the database as it is now, whatever others write meanwhile."""
    with store.errors():
        db = store._db.engine.connect()
    with contextlib.closing(db), store.errors():
        if db.dialect.name == "sqlite":
            db.exec_driver_sql("BEGIN")
        else:
            db.execution_options(isolation_level="REPEATABLE READ")
        yield db


class _From:
    """The rows of one study, as a copy of it has them."""

    def __init__(self, store: Store, db: sa.Connection, name: str) -> None:
        self._store = store
        self._db = db
        self.name = name
        found = self.read(sa.select(STUDIES.c.study_id).where(STUDIES.c.study_name == name))
        if not found:
            raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
        self.study_id = found[0]["study_id"]
        # In UTC without a zone, as Optuna's tables have it.
        self._now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        of_study = TRIALS.c.study_id == self.study_id
        self.trials = self.read(sa.select(TRIALS).where(of_study).order_by(TRIALS.c.trial_id))
        marks = sa.select(USER_ATTRS.c.value_json).join(TRIALS).where(of_study, USER_ATTRS.c.key == "regions")
        # A running trial with a queued successor does not wait as well.
        self._again = {json.loads(row["value_json"]).get("again") for row in self.read(marks)}

    def read(self, query: sa.Select[Any]) -> Rows:
        with self._store.errors():
            return [dict(row._mapping) for row in self._db.execute(query)]

    def of_study(self) -> dict[sa.Table, Rows]:
        return {t: _bare(t, self.read(_by_key(t, t.c.study_id == self.study_id))) for t in _OF_STUDY}

    def batches(self) -> Iterator[Rows]:
        return (self.trials[at : at + _MANY] for at in range(0, len(self.trials), _MANY))

    def of_trials(self, some: Rows) -> tuple[Rows, dict[sa.Table, Rows]]:
        """Return these trials and the rows of each, with the index in ``some`` as ``trial_id``."""
        place = {row["trial_id"]: i for i, row in enumerate(some)}
        attached = {t: _bare(t, self.read(_by_key(t, t.c.trial_id.in_(place)))) for t in _OF_TRIAL}
        for rows in attached.values():
            for row in rows:
                row["trial_id"] = place[row["trial_id"]]
        attrs = attached[USER_ATTRS]
        trials = []
        for i, row in enumerate(some):
            kept = {key: row[key] for key in ("number", "state", "datetime_start", "datetime_complete")}
            if row["state"] == TrialState.RUNNING:
                mine = {attr["key"]: attr for attr in attrs if attr["trial_id"] == i}
                role = json.loads(mine["role"]["value_json"]) if "role" in mine else Role.SEARCH
                if role != Role.SEARCH or row["number"] in self._again:
                    # A finalist gets a new repeat.
                    kept |= {"state": TrialState.FAIL, "datetime_complete": self._now}
                else:
                    kept["state"] = TrialState.WAITING
                    if "holder" in mine:
                        mine["holder"]["value_json"] = "null"
            trials.append(kept)
        return trials, attached

    def predictions(self, some: Rows) -> Rows:
        numbers = [row["number"] for row in some]
        query = sa.select(PREDICTIONS).where(PREDICTIONS.c.study == self.name)
        return self.read(query.where(PREDICTIONS.c.number.in_(numbers)).order_by(PREDICTIONS.c.number))

    def slots(self) -> Rows:
        ended = {t["number"] for t in self.trials if t["state"] in (TrialState.COMPLETE, TrialState.PRUNED)}
        query = sa.select(SLOTS.c.study, SLOTS.c.slot, SLOTS.c.number).where(SLOTS.c.study == self.name)
        rows = self.read(query.order_by(SLOTS.c.slot))
        return [{**row, "token": _NOBODY} for row in rows if row["number"] in ended]

    def exports(self) -> Rows:
        return self.read(sa.select(EXPORTS).where(EXPORTS.c.study == self.name).order_by(EXPORTS.c.folder))


def _copy_study(source: _From, new: sa.Connection, target: Store, name: str) -> None:
    try:
        made = new.execute(STUDIES.insert().returning(STUDIES.c.study_id), {"study_name": name})
    except sa.exc.IntegrityError as error:
        raise StudyError(
            f"{target.name} already has a study {name!r}; give another name with --as NAME"
        ) from error
    study_id = made.scalar_one()
    for table, rows in source.of_study().items():
        _insert(new, table, [{**row, "study_id": study_id} for row in rows])
    for some in source.batches():
        trials, attached = source.of_trials(some)
        ids = (
            new.execute(
                TRIALS.insert().returning(TRIALS.c.trial_id, sort_by_parameter_order=True),
                [{**row, "study_id": study_id} for row in trials],
            )
            .scalars()
            .all()
        )
        for table, rows in attached.items():
            _insert(new, table, [{**row, "trial_id": ids[row["trial_id"]]} for row in rows])
        _insert(new, PREDICTIONS, [{**row, "study": name} for row in source.predictions(some)])
    _insert(new, SLOTS, [{**row, "study": name} for row in source.slots()])
    there = set(new.execute(sa.select(EXPORTS.c.folder)).scalars())
    exports = [{**row, "study": name} for row in source.exports() if row["folder"] not in there]
    _insert(new, EXPORTS, exports)
    _compare(source, _From(target, new, name), exports)


def _compare(source: _From, copied: _From, exports: Rows) -> None:
    """Raise AtmlError where a copy, read back, differs from its source."""

    def same(what: str, one: object, other: object) -> None:
        if one != other:
            raise AtmlError(
                f"{what} of study {source.name!r} read back from the copy are not those of the original;"
                " nothing was copied"
            )

    same("attributes", list(source.of_study().items()), list(copied.of_study().items()))
    same("the number of the trials", len(source.trials), len(copied.trials))
    for some, others in zip(source.batches(), copied.batches(), strict=True):
        same("trials", source.of_trials(some), copied.of_trials(others))
        same("predictions", _nameless(source.predictions(some)), _nameless(copied.predictions(others)))
    same("slots", _nameless(source.slots()), _nameless(copied.slots()))
    same("exports", _nameless(exports), _nameless(copied.exports()))


def _copy_evaluations(source: Store, old: sa.Connection, new: sa.Connection) -> int:
    """Add the evaluations that the target does not have yet, each with its time; return how many."""
    query = sa.select(*(column for column in EVALUATIONS.c if not column.primary_key)).order_by(
        EVALUATIONS.c.id
    )
    with source.errors():
        seen = [dict(row._mapping) for row in old.execute(query)]
    key = ("at", "data_fingerprint", "export_sha256", "rule")
    known = {tuple(row[k] for k in key) for row in new.execute(query).mappings()}
    fresh = [row for row in seen if tuple(row[k] for k in key) not in known]
    _insert(new, EVALUATIONS, fresh)
    return len(fresh)


def _insert(db: sa.Connection, table: sa.Table, rows: Rows) -> None:
    if rows:
        db.execute(table.insert(), rows)


def _by_key(table: sa.Table, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(table).where(where).order_by(*table.primary_key.columns)


def _bare(table: sa.Table, rows: Rows) -> Rows:
    """Leave out the keys that another database assigns itself."""
    gone = {column.name for column in table.primary_key.columns} | {"study_id"}
    return [{key: value for key, value in row.items() if key not in gone} for row in rows]


def _nameless(rows: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "study"} for row in rows]


# --- delete


def delete(store: Store, name: str) -> None:
    """Delete a study with all its rows; exports stay on disk, evaluations of test sets stay counted.

    Raises StudyError where there is no such study.
    """
    with store.errors(), store._db.engine.begin() as db:
        # Locks of its phases are deleted too, but not slots of a study whose name looks like one.
        others = set(
            db.execute(sa.select(STUDIES.c.study_name).where(STUDIES.c.study_name != name)).scalars()
        )
        study_id = db.execute(sa.select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)).scalar()
        if study_id is None:
            raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
        mine = sa.select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
        for table in _OF_TRIAL:
            db.execute(table.delete().where(table.c.trial_id.in_(mine)))
        for table in (*_OF_STUDY, TRIALS, STUDIES):
            db.execute(table.delete().where(table.c.study_id == study_id))
        for table in (PREDICTIONS, EXPORTS, SLOTS):
            db.execute(table.delete().where(table.c.study == name))
        phases = db.execute(
            sa.select(SLOTS.c.study).where(SLOTS.c.study.startswith(f"{name}//", autoescape=True))
        )
        db.execute(SLOTS.delete().where(SLOTS.c.study.in_(set(phases.scalars()) - others)))
