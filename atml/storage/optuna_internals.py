"""Everything private of Optuna that this package uses, as read in version 5.0.0.

Its tests say what is relied upon, and fail where another version differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import optuna
import sqlalchemy as sa
from optuna.storages import _CachedStorage as CachedStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["CachedStorage", "models"]

READ_IN = "5.0.0"
"""Version of Optuna that this module was written against."""

TABLES: tuple[sa.Table, ...] = tuple(models.BaseModel.metadata.sorted_tables)
"""All tables of Optuna, each after those that it refers to."""
STUDIES: sa.Table = models.StudyModel.__table__
TRIALS: sa.Table = models.TrialModel.__table__
PARAMS: sa.Table = models.TrialParamModel.__table__
VALUES: sa.Table = models.TrialValueModel.__table__
STEPS: sa.Table = models.TrialIntermediateValueModel.__table__
USER_ATTRS: sa.Table = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRS: sa.Table = models.TrialSystemAttributeModel.__table__


def trial_id(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the key of a trial in its storage, which differs from its number in the study."""
    return trial._trial_id


def set_trial_id(trial: FrozenTrial, key: int) -> None:
    """Give a trial the key that its storage chose for it."""
    trial._trial_id = key


def study_id(study: optuna.Study) -> int:
    """Return the key of a study in its storage."""
    return study._study_id


def constraint_attr(name: str) -> str:
    """Return the system attribute under which Optuna keeps the constraint ``name`` of a trial."""
    return f"{_CONSTRAINTS_KEY}:{name}"


@contextmanager
def session(storage: optuna.storages.RDBStorage) -> Iterator[Session]:
    """Open Optuna's session of this thread; commit at the end, roll back after an error."""
    with _create_scoped_session(storage.scoped_session) as opened:
        yield opened
