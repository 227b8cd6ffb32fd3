"""Trials in Optuna's tables, read and written with as few statements as possible.

Optuna reads each kind of row separately, through objects. The functions here return the same from the same
tables; a test compares both.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.dialects import postgresql, sqlite

from atml.storage.optuna_internals import PARAMS, STEPS, SYSTEM_ATTRS, TRIALS, USER_ATTRS, VALUES, models

_MANY = 500
"""Most trials whose keys are listed in a statement; for more, the condition is repeated as a subquery."""
_OPEN = (TrialState.RUNNING, TrialState.WAITING)


def read(db: sa.Connection, which: sa.ColumnElement[bool]) -> list[FrozenTrial]:
    """Return the trials that meet a condition, oldest first.

    Trials are read before the rows that belong to them: those of an ended trial were all written before its
    end.
    """
    found = db.execute(sa.select(TRIALS).where(which).order_by(TRIALS.c.trial_id)).all()
    ids = [row.trial_id for row in found]
    if not ids:
        return []
    some: Any = ids if len(ids) <= _MANY else sa.select(TRIALS.c.trial_id).where(which)
    params, values, steps, user, system = (
        _by_trial(db, table, some) for table in (PARAMS, VALUES, STEPS, USER_ATTRS, SYSTEM_ATTRS)
    )
    made = []
    for row in found:
        held = [
            (p.param_name, p.param_value, _distribution(p.distribution_json)) for p in params[row.trial_id]
        ]
        ends = {
            v.objective: models.TrialValueModel.stored_repr_to_value(v.value, v.value_type)
            for v in values[row.trial_id]
        }
        made.append(
            FrozenTrial(
                number=row.number,
                state=row.state,
                value=None,
                values=[ends[objective] for objective in sorted(ends)] or None,
                datetime_start=_local(row.datetime_start),
                datetime_complete=_local(row.datetime_complete),
                params={name: kind.to_external_repr(value) for name, value, kind in held},
                distributions={name: kind for name, _, kind in held},
                user_attrs={a.key: json.loads(a.value_json) for a in user[row.trial_id]},
                system_attrs={a.key: json.loads(a.value_json) for a in system[row.trial_id]},
                intermediate_values={
                    s.step: models.TrialIntermediateValueModel.stored_repr_to_intermediate_value(
                        s.intermediate_value, s.intermediate_value_type
                    )
                    for s in steps[row.trial_id]
                },
                trial_id=row.trial_id,
            )
        )
    return made


def _by_trial(db: sa.Connection, table: sa.Table, some: Any) -> dict[int, list[Any]]:
    """Return the rows of a table by the trial that they belong to, oldest first."""
    if not isinstance(some, list):
        rows = db.execute(sa.select(table).where(table.c.trial_id.in_(some)).order_by(*table.primary_key))
    elif len(some) == 1:
        rows = db.execute(_select(table, one=True), {"some": some[0]})
    else:
        rows = db.execute(_select(table, one=False), {"some": some})
    found = defaultdict(list)
    for row in rows:
        found[row.trial_id].append(row)
    return found


@functools.cache
def _select(table: sa.Table, *, one: bool) -> Any:
    """Make the statement that reads rows of some trials, once: to make it takes longer than to run it."""
    key = table.c.trial_id
    which = key == sa.bindparam("some") if one else key.in_(sa.bindparam("some", expanding=True))
    return sa.select(table).where(which).order_by(*table.primary_key)


@functools.lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    """Read a distribution, once for the thousands of trials that share it."""
    return json_to_distribution(text)


def _local(moment: datetime.datetime | None) -> datetime.datetime | None:
    """Convert a time from UTC, as Optuna's tables have it, to local time without a zone."""
    if moment is None:
        return None
    return moment.replace(tzinfo=datetime.UTC).astimezone().replace(tzinfo=None)


def stored(moment: datetime.datetime) -> datetime.datetime:
    """Convert a local time to UTC without a zone, as Optuna's tables have it."""
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)


# --- write: each returns False, and writes nothing, where the trial has ended


def write_attr(db: sa.Connection, table: sa.Table, trial_id: int, key: str, value: Any) -> bool:
    """Write an attribute into `USER_ATTRS` or `SYSTEM_ATTRS`, in place of an earlier value."""
    row = {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
    return _write(db, table, row, ("trial_id", "key"))


def write_step(db: sa.Connection, trial_id: int, step: int, value: float) -> bool:
    """Write the value reported at a step, in place of an earlier one."""
    number, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
    row = {
        "trial_id": trial_id,
        "step": step,
        "intermediate_value": number,
        "intermediate_value_type": kind,
    }
    return _write(db, STEPS, row, ("trial_id", "step"))


def write_param(db: sa.Connection, trial_id: int, name: str, value: float, kind: BaseDistribution) -> bool:
    """Write a parameter, unless it has a value already."""
    row = {
        "trial_id": trial_id,
        "param_name": name,
        "param_value": value,
        "distribution_json": distribution_to_json(kind),
    }
    return _write(db, PARAMS, row, ("trial_id", "param_name"), stays=True)


def _write(
    db: sa.Connection, table: sa.Table, row: Mapping[str, Any], key: tuple[str, ...], *, stays: bool = False
) -> bool:
    statement = _upsert(db.dialect.name, table, tuple(row), key, stays)
    given = {f"new_{name}": value for name, value in row.items()}
    return db.execute(statement, given).first() is not None


@functools.cache
def _upsert(dialect: str, table: sa.Table, names: tuple[str, ...], key: tuple[str, ...], stays: bool) -> Any:
    """Make the statement that writes a row of a trial that has not ended; it returns a row if it did."""
    kind: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    new = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    may = (TRIALS.c.trial_id == new["trial_id"]) & TRIALS.c.state.in_(_OPEN)
    insert = kind(table).from_select(list(names), sa.select(*new.values()).where(sa.exists().where(may)))
    if stays:
        insert = insert.on_conflict_do_nothing(index_elements=key)
    else:
        rest = {name: insert.excluded[name] for name in names if name not in key}
        insert = insert.on_conflict_do_update(index_elements=key, set_=rest)
    return insert.returning(table.c.trial_id)
