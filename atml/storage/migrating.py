"""Our tables made or brought up to date, by one process at a time and in one transaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from atml.storage.migrations import EVERY
from atml.storage.schema import META, VERSION, VERSION_NOW

_LOCK = 0x61746D6C
"""Number of PostgreSQL's advisory lock that a process holds while it makes tables."""


def version(engine: sa.Engine) -> int | None:
    """Return the version of our tables; None where some or all of them are missing."""
    with engine.connect() as db:
        return _version(db)


def hold(db: sa.Connection) -> None:
    """Keep other processes from making tables until the transaction of ``db`` ends."""
    if db.dialect.name == "sqlite":
        db.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def migrate(engine: sa.Engine) -> None:
    """Make our tables, or bring them up to date. Rows stay; a second process waits, then finds it done."""
    with engine.connect() as db:
        hold(db)
        found = _version(db)
        if found is None:
            # A process that was killed meanwhile may have left tables of any version.
            META.create_all(db)
        if found is None or found < VERSION_NOW:
            operations = Operations(MigrationContext.configure(db))
            for number in range((found or 1) + 1, VERSION_NOW + 1):
                EVERY[number](operations)
            db.execute(VERSION.delete())
            db.execute(VERSION.insert().values(version=VERSION_NOW))
        db.commit()


def _version(db: sa.Connection) -> int | None:
    if not sa.inspect(db).has_table(VERSION.name):
        return None
    return db.execute(sa.select(sa.func.max(VERSION.c.version))).scalar()
