"""``studies.db``, or any SQLAlchemy URL: the only package that touches a database.

Trials are Optuna's, in Optuna's own tables. Beside them stand tables of ours, ``atml_*``: slots, which make a
total exact over workers and restarts; out-of-fold predictions; exports; evaluations of test sets.

::

    store              a `Store`: the studies of one database, with all that is kept of them
    stored_trials      the part of it that is about studies and trials
    recovery           trials whose process is gone, requeued
    ownership          which process holds a trial
    slots              which trials count, and which processes are alive
    trial_records      Optuna's trials read as `TrialRecord`
    copying            a study copied or deleted in one transaction
    study_transfer     the same from one URL to another, checked before
    database           a database opened and checked, its errors explained
    optuna_storage     Optuna's storage, made to survive an outage
    retrying           waiting for a database that went away
    trial_rows         Optuna's rows read and written in few statements
    schema             our tables; `migrating` and `migrations` bring earlier ones up to date
    urls, postgresql   what is particular to URLs and to PostgreSQL
    optuna_internals   everything private of Optuna that the others use
"""

from atml.storage.slots import ProcessRole
from atml.storage.store import Store
from atml.storage.stored_trials import SPEC
from atml.storage.trial_records import CRASHED, FAILURE, Records, record
from atml.storage.urls import DEFAULT_URL, missing

__all__ = [
    "CRASHED",
    "DEFAULT_URL",
    "FAILURE",
    "SPEC",
    "ProcessRole",
    "Records",
    "Store",
    "missing",
    "record",
]
