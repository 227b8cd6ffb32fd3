"""A database: opened, checked, and its errors said in words that help."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa

from atml.errors import StudyError
from atml.store.schema import META, VERSION, VERSION_NOW

Made = TypeVar("Made")


class Database:
    """One database, with Optuna's storage on it and our tables beside.

    Raises StudyError, naming the database and the way out, when it is missing (with ``create=False``),
    is no database, is locked, can't be written, or was written by a newer atml. ``name`` is the URL
    without its password, or the path of an SQLite file.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise StudyError(f"{url!r} is no database URL; write it as sqlite:///studies.db") from error
        self.name = parsed.render_as_string(hide_password=True)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        connect: dict[str, Any] = {}
        if self._sqlite:
            self.name = parsed.database or ":memory:"
            connect = {"timeout": 60.0}
            if parsed.database:
                _check_file(Path(parsed.database), create)
        with self.errors():
            self.storage = _made_once(
                lambda: optuna.storages.RDBStorage(
                    url, engine_kwargs={"connect_args": connect, "pool_pre_ping": not self._sqlite}
                )
            )
            self.engine: sa.Engine = self.storage.engine
            if self._sqlite:
                # The log is synced at checkpoints only: a lost power supply may cost the last trials,
                # never the file. Ten times faster than the default.
                sa.event.listen(self.engine, "connect", _pragmas)
                self.engine.dispose()
            self._prepare()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the database raises into a StudyError that says what to do."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError) as error:
            raise self.as_error(error) from error
        except (ImportError, ModuleNotFoundError) as error:
            raise StudyError(f"no driver for {self.name}: {error}") from error

    def as_error(self, error: BaseException) -> StudyError:
        """Say what the database raised, and what to do."""
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
                return StudyError(f"{self.name} {way_out}")
        return StudyError(f"{self.name}: {text.splitlines()[0]}")

    def _prepare(self) -> None:
        """Make our tables where they are missing; refuse those of a newer version."""
        if "atml_version" not in sa.inspect(self.engine).get_table_names():
            _made_once(lambda: META.create_all(self.engine))
            with contextlib.suppress(sa.exc.IntegrityError), self.engine.begin() as db:
                db.execute(VERSION.insert().values(version=VERSION_NOW))
        with self.engine.connect() as db:
            version = db.execute(sa.select(sa.func.max(VERSION.c.version))).scalar()
        if version is not None and version > VERSION_NOW:
            raise StudyError(
                f"{self.name} has tables of version {version}, newer than {VERSION_NOW}; install a newer atml"
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
        """Let go of every connection."""
        self.storage.remove_session()
        self.engine.dispose()


def _made_once(make: Callable[[], Made], tries: int = 10) -> Made:
    """Make tables while another process may be making the same: who comes second finds them there."""
    for left in reversed(range(tries)):
        try:
            return make()
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError) as error:
            if not left or not re.search("already exists|duplicate|unique constraint", str(error), re.I):
                raise
            time.sleep(0.2)
    raise AssertionError("unreachable")


def missing(url: str) -> bool:
    """Whether the URL names an SQLite file that is not there yet."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return False
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


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
