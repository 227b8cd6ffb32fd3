"""A study taken whole: copied into another database, or deleted. Each is one transaction.

What is copied is what a search that stopped at this moment would have left. Its rows are Optuna's and ours,
as they are; only their keys change. Trials in somebody's hands wait again, with their numbers and so their
seeds, as `Store.put_back` would have it; slots are those of finished trials. Looks at test sets belong to no
study: they go along with every copy, and no deletion touches them.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from optuna.storages._rdb import models
from optuna.trial import TrialState

from atml.errors import AtmlError, StudyError
from atml.storage.schema import EXPORTS, HOLDERS, LOOKS, PREDICTIONS, SLOTS

if TYPE_CHECKING:
    from atml.storage import Store

Rows = list[dict[str, Any]]

_STUDIES, _TRIALS = models.StudyModel.__table__, models.TrialModel.__table__
_ATTRS = models.TrialUserAttributeModel.__table__
_TABLES: Sequence[sa.Table] = models.BaseModel.metadata.sorted_tables
_OF_TRIAL = [t for t in _TABLES if "trial_id" in t.c and t is not _TRIALS]
_OF_STUDY = [t for t in _TABLES if "study_id" in t.c and t is not _STUDIES and t is not _TRIALS]
_MANY = 200
"""Trials read and written in one go: predictions of thousands would not fit into memory."""
_NOBODY = "copied"
"""Who holds the slots of a copy."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """How much there is of a study.

    ``trials`` are all, repeats of finalists too. Of the others, ``finished`` have a result, and ``open`` wait
    or are in somebody's hands.
    """

    study: str
    trials: int
    finished: int
    open: int
    predictions: int
    exports: int
    looks: int


def contents(store: Store, name: str) -> Contents:
    """Count what a study consists of, and the looks at test sets that its database remembers."""
    trials = store.trials(name)
    with store.errors(), store._db.engine.connect() as db:
        of_study = {
            table: db.execute(sa.select(sa.func.count()).where(table.c.study == name)).scalar_one()
            for table in (PREDICTIONS, EXPORTS)
        }
        looks = db.execute(sa.select(sa.func.count()).select_from(LOOKS)).scalar_one()
    return Contents(
        study=name,
        trials=len(trials),
        finished=sum(t.finished for t in trials if t.role == "search"),
        open=sum(t.state in ("running", "waiting") for t in trials if t.role == "search"),
        predictions=of_study[PREDICTIONS],
        exports=of_study[EXPORTS],
        looks=looks,
    )


def at_work(store: Store, name: str) -> list[str]:
    """Say which living processes have a hand in a study: "process 12 on host"."""
    with contextlib.suppress(StudyError):
        store._db._for_writing()
    if store._db._behind:
        # Of an earlier version, and in a place that nobody writes to.
        return []

    def living(db: sa.Connection) -> Sequence[Any]:
        now, up_since = db.execute(sa.select(store._db.clock, store._db.up_since)).one()
        return [
            holder for holder in db.execute(sa.select(HOLDERS)) if store.slots._lives(holder, now, up_since)
        ]

    hands = {token for _, token, _ in store.slots.of(name)}
    hands.update(t.user_attrs.get("holder") or "" for t in store._running(name))
    return sorted(
        f"process {holder.pid} on {holder.host}"
        for holder in store._db.read(living)
        if holder.token != store.token and (holder.study == name or holder.token in hands)
    )


# --- copy


def copy(source: Store, target: Store, names: Mapping[str, str]) -> int:
    """Copy studies, ``names`` old to new, and all looks at test sets; return how many looks came anew.

    All of it counts at once or not at all: it is one transaction of the target, read back and compared with
    the source before its end. Exports that the target knows as another study's stay with that one.

    Raises StudyError where a name is taken.
    """
    with _snapshot(source) as old, target.errors(), target._db.engine.begin() as new:
        # Nobody else copies into this database meanwhile: the looks of both would be there twice.
        new.execute(SLOTS.insert().values(study="//copy", slot=0, token=_NOBODY))
        for name, as_name in names.items():
            _copy_study(_From(source, old, name), new, target, as_name)
        looks = _copy_looks(source, old, new)
        new.execute(SLOTS.delete().where(SLOTS.c.study == "//copy"))
    return looks


@contextlib.contextmanager
def _snapshot(store: Store) -> Iterator[sa.Connection]:
    """A connection that sees the database as it is now, whatever others write."""
    with store.errors():
        db = store._db.engine.connect()
    with contextlib.closing(db), store.errors():
        if db.dialect.name == "sqlite":
            db.exec_driver_sql("BEGIN")
        else:
            db.execution_options(isolation_level="REPEATABLE READ")
        yield db


class _From:
    """The rows of one study, as they go into a copy of it."""

    def __init__(self, store: Store, db: sa.Connection, name: str) -> None:
        self._store = store
        self._db = db
        self.name = name
        found = self.read(sa.select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == name))
        if not found:
            raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
        self.study_id = found[0]["study_id"]
        # As Optuna's tables have it: in UTC, without saying so.
        self._now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        of_study = _TRIALS.c.study_id == self.study_id
        self.trials = self.read(sa.select(_TRIALS).where(of_study).order_by(_TRIALS.c.trial_id))
        marks = sa.select(_ATTRS.c.value_json).join(_TRIALS).where(of_study, _ATTRS.c.key == "regions")
        # A trial that was queued once more before its end was told does not wait too.
        self._again = {json.loads(row["value_json"]).get("again") for row in self.read(marks)}

    def read(self, query: sa.Select[Any]) -> Rows:
        with self._store.errors():
            return [dict(row._mapping) for row in self._db.execute(query)]

    def of_study(self) -> dict[sa.Table, Rows]:
        return {t: _bare(t, self.read(_by_key(t, t.c.study_id == self.study_id))) for t in _OF_STUDY}

    def batches(self) -> Iterator[Rows]:
        return (self.trials[at : at + _MANY] for at in range(0, len(self.trials), _MANY))

    def of_trials(self, some: Rows) -> tuple[Rows, dict[sa.Table, Rows]]:
        """Return these trials and what hangs on them, ``trial_id`` replaced by the place in ``some``."""
        place = {row["trial_id"]: i for i, row in enumerate(some)}
        hanging = {t: _bare(t, self.read(_by_key(t, t.c.trial_id.in_(place)))) for t in _OF_TRIAL}
        for rows in hanging.values():
            for row in rows:
                row["trial_id"] = place[row["trial_id"]]
        attrs = hanging[_ATTRS]
        trials = []
        for i, row in enumerate(some):
            kept = {key: row[key] for key in ("number", "state", "datetime_start", "datetime_complete")}
            if row["state"] == TrialState.RUNNING:
                mine = {attr["key"]: attr for attr in attrs if attr["trial_id"] == i}
                role = json.loads(mine["role"]["value_json"]) if "role" in mine else "search"
                if role != "search" or row["number"] in self._again:
                    # A finalist's repeat is begun anew.
                    kept |= {"state": TrialState.FAIL, "datetime_complete": self._now}
                else:
                    kept["state"] = TrialState.WAITING
                    if "holder" in mine:
                        mine["holder"]["value_json"] = "null"
            trials.append(kept)
        return trials, hanging

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
        made = new.execute(_STUDIES.insert().returning(_STUDIES.c.study_id), {"study_name": name})
    except sa.exc.IntegrityError as error:
        raise StudyError(
            f"there is a study {name!r} in {target.name} already; give another name: --as NEW"
        ) from error
    study_id = made.scalar_one()
    for table, rows in source.of_study().items():
        _insert(new, table, [{**row, "study_id": study_id} for row in rows])
    for some in source.batches():
        trials, hanging = source.of_trials(some)
        ids = (
            new.execute(
                _TRIALS.insert().returning(_TRIALS.c.trial_id, sort_by_parameter_order=True),
                [{**row, "study_id": study_id} for row in trials],
            )
            .scalars()
            .all()
        )
        for table, rows in hanging.items():
            _insert(new, table, [{**row, "trial_id": ids[row["trial_id"]]} for row in rows])
        _insert(new, PREDICTIONS, [{**row, "study": name} for row in source.predictions(some)])
    _insert(new, SLOTS, [{**row, "study": name} for row in source.slots()])
    there = set(new.execute(sa.select(EXPORTS.c.folder)).scalars())
    exports = [{**row, "study": name} for row in source.exports() if row["folder"] not in there]
    _insert(new, EXPORTS, exports)
    _compare(source, _From(target, new, name), exports)


def _compare(source: _From, copied: _From, exports: Rows) -> None:
    """Raise AtmlError where a copy, read back, is not what was to be copied."""

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


def _copy_looks(source: Store, old: sa.Connection, new: sa.Connection) -> int:
    """Add the looks that the target does not remember yet, each with its moment; return how many."""
    query = sa.select(*(column for column in LOOKS.c if not column.primary_key)).order_by(LOOKS.c.id)
    with source.errors():
        seen = [dict(row._mapping) for row in old.execute(query)]
    key = ("at", "data_fingerprint", "export_sha256", "rule")
    known = {tuple(row[k] for k in key) for row in new.execute(query).mappings()}
    fresh = [row for row in seen if tuple(row[k] for k in key) not in known]
    _insert(new, LOOKS, fresh)
    return len(fresh)


def _insert(db: sa.Connection, table: sa.Table, rows: Rows) -> None:
    if rows:
        db.execute(table.insert(), rows)


def _by_key(table: sa.Table, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(table).where(where).order_by(*table.primary_key.columns)


def _bare(table: sa.Table, rows: Rows) -> Rows:
    """Leave out the keys that another database gives anew."""
    gone = {column.name for column in table.primary_key.columns} | {"study_id"}
    return [{key: value for key, value in row.items() if key not in gone} for row in rows]


def _nameless(rows: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "study"} for row in rows]


# --- delete


def delete(store: Store, name: str) -> None:
    """Delete a study with all that is kept of it; exports stay on disk, looks at test sets are remembered.

    Raises StudyError where there is no such study.
    """
    with store.errors(), store._db.engine.begin() as db:
        # Locks of its phases go too, but not the slots of a study that is called like one.
        others = set(
            db.execute(sa.select(_STUDIES.c.study_name).where(_STUDIES.c.study_name != name)).scalars()
        )
        study_id = db.execute(sa.select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == name)).scalar()
        if study_id is None:
            raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
        mine = sa.select(_TRIALS.c.trial_id).where(_TRIALS.c.study_id == study_id)
        for table in _OF_TRIAL:
            db.execute(table.delete().where(table.c.trial_id.in_(mine)))
        for table in (*_OF_STUDY, _TRIALS, _STUDIES):
            db.execute(table.delete().where(table.c.study_id == study_id))
        for table in (PREDICTIONS, EXPORTS, SLOTS):
            db.execute(table.delete().where(table.c.study == name))
        phases = db.execute(
            sa.select(SLOTS.c.study).where(SLOTS.c.study.startswith(f"{name}//", autoescape=True))
        )
        db.execute(SLOTS.delete().where(SLOTS.c.study.in_(set(phases.scalars()) - others)))
