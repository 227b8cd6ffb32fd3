"""A database opened and checked, with its errors explained."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from atml.errors import MissingExtraError, StudyError
from atml.storage import migrating, postgresql, urls
from atml.storage.optuna_storage import SteadyStorage
from atml.storage.retrying import ERRORS, LOCKED, Steady, wait_s
from atml.storage.schema import VERSION_NOW

Made = TypeVar("Made")

_SQLITE = (
    ("not a database", "is not a study database; move it away, or name another with --storage"),
    ("malformed", "is damaged; restore a copy, or name another with --storage"),
    ("locked", f"{LOCKED}; close it and run the same command again"),
    ("readonly", "can't be written; check its permissions and those of its folder"),
    ("disk is full", "is on a full disk; free some space and run the same command again"),
    ("disk I/O error", "is on a disk that fails or is full; free space and run the same command again"),
    ("unable to open", "can't be opened; check that its folder exists and can be written"),
)


class Database:
    """One database, with Optuna's storage in it and our tables beside.

    ``name`` is the URL without its password, or the path of an SQLite file. Once it is open, a database that
    goes away is waited for: see `Steady`.

    Raises StudyError, with the name and the way out, where it is missing (with ``create=False``), is no
    database, can't be reached, is locked, can't be written, or was written by a newer atml. Raises
    MissingExtraError where the driver for PostgreSQL is not installed.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._url = urls.read(url)
        self.name = urls.shown(self._url)
        self.steady = Steady(self.name, wait_s())
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self.file = Path(self._url.database) if self._sqlite and self._url.database else None
        """The file of an SQLite database; None for one in memory or on a server."""
        self._ahead = datetime.timedelta(0)
        self.behind = False
        """Whether its tables are still of an earlier version."""
        with self.errors():
            if self._sqlite:
                if self._url.database:
                    _check_file(Path(self._url.database), create)
                self.storage = _made_once(lambda: self._open({"connect_args": {"timeout": 60.0}}))
                # The log is synced at checkpoints only, which is ten times faster than the default: a power
                # cut may cost the last trials, never the file.
                sa.event.listen(self.storage.engine, "connect", _pragmas)
                self.storage.engine.dispose()
            else:
                self.storage = self._open_server(create)
            self.engine: sa.Engine = self.storage.engine
            try:
                self._prepare(create)
            except BaseException:
                self.close()
                raise
        # A process that ends without `close` disconnects from the server properly too.
        weakref.finalize(self, self.engine.dispose)
        self.steady.begin()

    def _open(self, options: dict[str, Any]) -> SteadyStorage:
        url = self._url.render_as_string(hide_password=False)
        return SteadyStorage(url, self.steady, self.now, options)

    def _open_server(self, create: bool) -> SteadyStorage:
        """Connect to PostgreSQL once to check it, and then for good."""
        options = {"connect_args": postgresql.reach(self._url)}
        first = sa.create_engine(self._url, poolclass=sa.pool.NullPool, **options)
        with first.connect() as db:
            if not postgresql.check(db, self.name, create=create):
                migrating.hold(db)
            # Hundreds of workers share the server: each keeps one connection, and opens more only for a
            # moment.
            storage = self._open({"pool_size": 1, "max_overflow": 9, **options})
        postgresql.ping_after_idling(storage.engine)
        return storage

    # --- errors

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of the database as a StudyError that says what to do."""
        try:
            yield
        except ERRORS as error:
            raise self.as_error(error) from error
        except ImportError as error:
            if self._sqlite:
                raise StudyError(f"no driver for {self.name}: {error}") from error
            raise MissingExtraError("PostgreSQL", "postgresql") from error

    def as_error(self, error: BaseException) -> StudyError:
        """Return an error of the database as a StudyError that says what to do."""
        text = " ".join(str(part) for part in (error, error.__cause__) if part is not None)
        if self._sqlite:
            way_out = next((words for sign, words in _SQLITE if sign in text), None)
        else:
            way_out = postgresql.words(self._url, text)
        if way_out is not None:
            return StudyError(f"{self.name} {way_out}")
        first = text.splitlines()[0]
        for secret in urls.secrets(self._url):
            first = first.replace(secret, "***")
        return StudyError(f"{self.name}: {first}")

    # --- work

    def read(self, work: Callable[[sa.Connection], Made]) -> Made:
        """Return what ``work`` reads; call it again after an outage."""

        def once() -> Made:
            with self.engine.connect() as db:
                return work(db)

        with self.errors():
            return self.steady.do(once)

    def write(
        self, work: Callable[[sa.Connection], Made], again: Callable[[sa.Connection], Made] | None = None
    ) -> Made:
        """Return what ``work`` returns, run in one transaction.

        After an outage it runs again, although the first run may have been committed. Where that would do
        harm, pass ``again`` to run in its place.
        """

        def once(what: Callable[[sa.Connection], Made]) -> Made:
            with self.engine.begin() as db:
                return what(db)

        with self.errors():
            self.prepare_for_writing()
            return self.steady.do(lambda: once(work), lambda: once(again or work))

    # --- clock

    def now(self) -> datetime.datetime:
        """Return the local time by the database's clock, without a zone, as Optuna keeps times."""
        return datetime.datetime.now() + self._ahead

    @property
    def clock(self) -> sa.ColumnElement[float]:
        """An SQL expression: seconds of the database's clock, the same for every host."""
        if self._sqlite:
            return sa.literal(time.time(), sa.Float)
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)

    @property
    def up_since(self) -> sa.ColumnElement[float]:
        """An SQL expression: when the server was started, in seconds of the database's clock."""
        if self._sqlite:
            return sa.literal(0.0, sa.Float)
        return sa.cast(sa.extract("epoch", sa.func.pg_postmaster_start_time()), sa.Float)

    def set_clock(self, db: sa.Connection) -> None:
        """Measure by how much the database's clock is ahead of this host's."""
        if not self._sqlite:
            theirs = float(db.execute(sa.select(self.clock)).scalar_one())
            self._ahead = datetime.timedelta(seconds=theirs - time.time())

    # --- tables

    def _prepare(self, create: bool) -> None:
        """Make our tables where they are missing; raise StudyError for those of a newer version."""
        version = migrating.version(self.engine)
        if version is not None and version > VERSION_NOW:
            raise StudyError(
                f"{self.name} has tables of version {version}, newer than {VERSION_NOW}; install a newer atml"
            )
        if version is None:
            migrating.migrate(self.engine)
        elif version < VERSION_NOW:
            self.behind = True
            if create:
                with contextlib.suppress(StudyError):
                    self.prepare_for_writing()
            if self.behind and (create or not self._may_write()):
                self.steady.say(
                    f"{self.name} is of an earlier atml and can't be written, so it is read as it is"
                )
        with self.engine.connect() as db:
            self.set_clock(db)

    def prepare_for_writing(self) -> None:
        """Bring tables of an earlier version up to date, before the first row is written."""
        if self.behind:
            with self.errors():
                migrating.migrate(self.engine)
            self.behind = False

    def _may_write(self) -> bool:
        if self._sqlite:
            return os.access(self.name, os.W_OK)
        with self.engine.connect() as db:
            return postgresql.owns(db)

    def check_writable(self) -> None:
        """Raise StudyError now, not hours later, where nothing can be written."""
        with self.errors():
            if not self._sqlite:
                self.prepare_for_writing()
                with self.engine.connect() as db:
                    postgresql.check_writable(db, self.name)
            elif self.name != ":memory:":
                with contextlib.closing(sqlite3.connect(self.name, timeout=5.0)) as raw:
                    raw.execute("BEGIN IMMEDIATE")
                    raw.execute("UPDATE atml_version SET version = version")
                    raw.rollback()
                self.prepare_for_writing()

    def close(self) -> None:
        """Close every connection."""
        self.storage.remove_session()
        self.engine.dispose()


def _made_once(make: Callable[[], Made], tries: int = 10) -> Made:
    """Make tables while another process may be making the same; the second one finds them made."""
    for left in reversed(range(tries)):
        try:
            return make()
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError) as error:
            if not left or not re.search("already exists|duplicate|unique constraint", str(error), re.I):
                raise
            time.sleep(0.2)
    raise AssertionError("unreachable")


def _check_file(path: Path, create: bool) -> None:
    """Raise StudyError for what SQLite would report later and less clearly."""
    if not path.exists():
        if not create:
            raise StudyError(f"no {path} here; run `atml search` first, or name another place with --storage")
        if not path.parent.is_dir():
            raise StudyError(f"{path} can't be made: {path.parent} is not a folder")
        return
    if path.is_dir():
        raise StudyError(f"{path} is a folder, not a study database; name another with --storage")
    # Not opened here: closing it would drop every lock of this process on the file, SQLite's too.
    if not os.access(path, os.R_OK):
        raise StudyError(f"{path} can't be read: {os.strerror(errno.EACCES)}")


def _pragmas(connection: Any, _: Any) -> None:
    with contextlib.suppress(sqlite3.OperationalError):
        # It is refused on read-only media, where reading works without it.
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
