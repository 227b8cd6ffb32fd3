"""What `atml.storage` relies on in Optuna beyond its public names, as read in version 5.0.0.

A failure here after an upgrade of Optuna says what to read again.
"""

from __future__ import annotations

import importlib.metadata
import inspect

import optuna
import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from atml.storage import Store
from atml.storage.optuna_internals import (
    READ_IN,
    STUDIES,
    SYSTEM_ATTRS,
    TABLES,
    TRIALS,
    CachedStorage,
    constraint_attr,
    session,
    set_trial_id,
    study_id,
    trial_id,
)
from atml.storage.optuna_storage import SteadyStorage
from atml.storage.ownership import Queue

WHERE = f"read in Optuna {READ_IN}, this is {importlib.metadata.version('optuna')}"


def test_keys_of_trials_and_studies(store: Store) -> None:
    store.study("before", {"task": "afib"}).ask()
    study = store.study("s", {"task": "afib"})
    asked = study.ask()
    with store._db.engine.connect() as db:
        assert study_id(study) == db.scalar(
            sa.select(STUDIES.c.study_id).where(STUDIES.c.study_name == "s")
        ), WHERE
        key = db.scalar(sa.select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id(study)))
    assert trial_id(asked) == key != asked.number, WHERE
    frozen = study.trials[0]
    assert trial_id(frozen) == key, WHERE
    set_trial_id(frozen, 17)
    assert trial_id(frozen) == 17, WHERE


def test_the_attribute_of_a_constraint(store: Store) -> None:
    trial = store.study("s", {"task": "afib"}).ask()
    trial.set_constraint("size", 0.5)
    with store._db.engine.connect() as db:
        keys = db.scalars(sa.select(SYSTEM_ATTRS.c.key)).all()
    assert constraint_attr("size") in keys, WHERE


def test_a_session_is_committed_or_rolled_back(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    rename = sa.update(STUDIES).where(STUDIES.c.study_id == study_id(study))
    with pytest.raises(ZeroDivisionError), session(store.rdb) as db:
        db.execute(rename.values(study_name="never"))
        raise ZeroDivisionError
    assert store.studies() == ["s"], WHERE
    with session(store.rdb) as db:
        db.execute(rename.values(study_name="renamed"))
    assert store.studies() == ["renamed"], WHERE


def test_every_row_of_a_study_hangs_on_it_or_on_its_trials() -> None:
    apart = {t.name for t in TABLES if not {"study_id", "trial_id"} & {c.name for c in t.columns}}
    assert apart == {"version_info"}, f"copying leaves out {apart}; {WHERE}"


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (SteadyStorage, RDBStorage, "_get_trials"),
        (SteadyStorage, RDBStorage, "_set_trial_param"),
        (SteadyStorage, RDBStorage, "_create_new_trial"),
        (Queue, CachedStorage, "_add_trials_to_cache"),
        (Queue, CachedStorage, "set_trial_state_values"),
        (Queue, CachedStorage, "create_new_trial"),
        (Queue, CachedStorage, "get_all_trials"),
        (Queue, CachedStorage, "set_trial_param"),
    ],
)
def test_methods_that_take_the_place_of_optunas(ours: type, theirs: type, name: str) -> None:
    mine, other = (inspect.signature(getattr(kind, name)).parameters for kind in (ours, theirs))
    assert list(mine) == list(other), WHERE


def test_methods_that_are_called(store: Store) -> None:
    prepared = inspect.signature(RDBStorage._get_prepared_new_trial).parameters
    assert list(prepared) == ["self", "study_id", "template_trial", "session"], WHERE
    valued = inspect.signature(RDBStorage._set_trial_value_without_commit).parameters
    assert list(valued) == ["self", "session", "trial", "objective", "value"], WHERE
    study = store.study("s", {"task": "afib"})
    template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"holder": store.token})
    with session(store.rdb) as db:
        row = store.rdb._get_prepared_new_trial(study_id(study), template, db)
        store.rdb._set_trial_value_without_commit(db, row, 0, 0.25)
    assert study.trials[0].values == [0.25], WHERE
