"""What is particular to PostgreSQL: connection options, checks at the start, explanations of errors."""

from __future__ import annotations

import re
import time
from typing import Any

import sqlalchemy as sa

from atml.errors import StudyError
from atml.storage.optuna_internals import TABLES
from atml.storage.schema import META

OLDEST = 100000
"""Oldest ``server_version_num`` that psycopg supports: PostgreSQL 10."""

_REACH: dict[str, Any] = {
    # A client that stops in the middle of a transaction (suspended, swapped out, cut off) would keep its
    # locks and the others waiting. The server ends that transaction, and the client begins it again.
    "options": "-c idle_in_transaction_session_timeout=30000",
    "connect_timeout": 10,
    # A peer that vanished silently (a cable, a firewall) is noticed after a minute instead of hours.
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "atml",
}

_FACTS = sa.text(
    "SELECT current_setting('server_version_num')::int AS version, current_user AS who,"
    " current_schema() AS schema, current_database() AS database, pg_is_in_recovery() AS standby,"
    " current_schema() IS NOT NULL AND has_schema_privilege(current_schema(), 'CREATE') AS may_create"
)
_COLUMNS = sa.text(
    "SELECT c.relname AS t, a.attname AS c FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = current_schema()"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
)
_OWNER = sa.text(
    "SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = current_schema() AND c.relname = 'atml_version'"
)
_NO_INSERT = sa.text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
    " AND n.nspname = current_schema() AND c.relname IN :names AND NOT has_table_privilege(c.oid, 'INSERT')"
).bindparams(sa.bindparam("names", expanding=True))


def reach(url: sa.URL) -> dict[str, Any]:
    """Return the options to connect with, without those that the URL itself sets."""
    return {key: value for key, value in _REACH.items() if key not in url.query}


def check_version(version: int, name: str) -> None:
    """Raise StudyError for a server too old, by its ``server_version_num``."""
    if version < OLDEST:
        # Two numbers before version 10, one since.
        says = f"{version // 10000}.{version // 100 % 100}" if version < 100000 else str(version // 10000)
        raise StudyError(f"{name} runs on PostgreSQL {says}; atml needs {OLDEST // 10000} or newer")


def check(db: sa.Connection, name: str, *, create: bool) -> bool:
    """Return whether all tables exist; raises StudyError where this database can't hold studies."""
    facts = db.execute(_FACTS).one()
    check_version(facts.version, name)
    there: dict[str, set[str]] = {}
    for table, column in db.execute(_COLUMNS):
        there.setdefault(table, set()).add(column)
    for table in TABLES:
        known = there.get(table.name)
        lacking = sorted({column.name for column in table.columns} - (known or set()))
        # A table of another program would otherwise be noticed only when one of ours can't be made.
        if known is not None and lacking and table.name in ("studies", "trials"):
            raise StudyError(
                f"{name} has a table {table.name!r} of another program, without {lacking[0]!r}: keep studies"
                f" in a separate database: `createdb atml`"
            )
    if {"studies", "trials", "alembic_version", "atml_version"} <= set(there):
        return True
    if not create:
        raise StudyError(f"no studies in {name} yet; `atml search` makes them")
    if facts.standby:
        raise StudyError(f"{name} is a standby that can't be written; name the primary server")
    if not facts.may_create:
        raise StudyError(
            f"{name}: {facts.who} may not create tables in {facts.database}; its owner allows it:"
            f" GRANT CREATE ON SCHEMA {facts.schema or 'public'} TO {facts.who}"
        )
    return False


def owns(db: sa.Connection) -> bool:
    """Whether this user may alter our tables."""
    return bool(db.execute(_OWNER).scalar())


def check_writable(db: sa.Connection, name: str) -> None:
    """Raise StudyError where this user can't write rows."""
    facts = db.execute(_FACTS).one()
    if facts.standby:
        raise StudyError(f"{name} is a standby that can't be written; name the primary server")
    tables = [table.name for table in (*META.sorted_tables, *TABLES)]
    refused = db.execute(_NO_INSERT, {"names": tables}).scalars().first()
    if refused is not None:
        raise StudyError(
            f"{name}: {facts.who} may read but not write; its owner allows it: GRANT ALL ON ALL TABLES IN"
            f" SCHEMA {facts.schema} TO {facts.who}; GRANT ALL ON ALL SEQUENCES IN SCHEMA {facts.schema}"
            f" TO {facts.who}"
        )


def words(url: sa.URL, text: str) -> str | None:
    """Explain an error of the server or the connection, and what to do; None for an unknown one."""
    host, port = url.host or "localhost", url.port or 5432
    who = url.username or "the user"
    found = re.search(r'database "([^"]*)" does not exist', text)
    if found:
        login = f" -U {url.username}" if url.username else ""
        return f"has no such database; make it: createdb -h {host} -p {port}{login} {found[1]}"
    for sign, way_out in (
        ("authentication failed", f"refuses the password of {who}; {_PASSWORD}"),
        ("no password supplied", f"asks for the password of {who}; {_PASSWORD}"),
        ("Connection refused", f"can't be reached: nothing answers at {host}:{port}; is the server started?"),
        ("failed to resolve host", f"can't be reached: no host is called {host!r}"),
        ("could not translate host", f"can't be reached: no host is called {host!r}"),
        ("timeout expired", f"can't be reached: {host}:{port} does not answer"),
        ("No route to host", f"can't be reached: no route to {host}"),
        (
            "no pg_hba.conf entry",
            f"refuses connections from this machine as {who}: see pg_hba.conf of the server",
        ),
        ("starting up", "is kept by a server that is just starting; try again in a moment"),
        ("too many clients", "has too many connections; raise max_connections of the server"),
        ("remaining connection slots", "has too many connections; raise max_connections of the server"),
        ("permission denied", f"denies {who} the permission for this; ask its owner for GRANT ALL"),
        ("No space left", "is on a full disk; free some space and run the same command again"),
        ("could not extend file", "is on a full disk; free some space and run the same command again"),
        ("read-only transaction", "can't be written; name the primary server, or ask its owner"),
    ):
        if sign in text:
            return way_out
    found = re.search(r'role "([^"]*)" does not exist', text)
    return f"knows no user {found[1]!r}; make it: createuser -P {found[1]}" if found else None


_PASSWORD = "give it in PGPASSWORD, ~/.pgpass or ATML_STORAGE"


def ping_after_idling(engine: sa.Engine, seconds: float = 10.0) -> None:
    """Test a connection that was idle for some ``seconds`` before it is used: it may be cut."""

    def put_away(_: Any, record: Any) -> None:
        record.info["at"] = time.monotonic()

    def taken_out(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("at", time.monotonic()) > seconds:
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:
                raise sa.exc.DisconnectionError(str(error)) from error

    sa.event.listen(engine, "checkin", put_away)
    sa.event.listen(engine, "checkout", taken_out)
