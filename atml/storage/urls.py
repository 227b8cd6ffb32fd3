"""The URL of a storage: read, checked, and shown without its password."""

from __future__ import annotations

import os
import re
from pathlib import Path

import sqlalchemy as sa

from atml.errors import StudyError
from atml.formatting import is_utf8

DEFAULT_URL = "sqlite:///studies.db"
ENVIRONMENT = "ATML_STORAGE"
"""Environment variable: the URL to use where no ``--storage`` is given."""

_SECRET = ("password", "sslpassword")
_DRIVER = "postgresql+psycopg"
_HOW = "write sqlite:///studies.db or postgresql+psycopg://USER@HOST/DATABASE"


def default() -> str:
    """Return the URL to use where none is given."""
    return os.environ.get(ENVIRONMENT) or DEFAULT_URL


def read(url: str) -> sa.URL:
    """Read a URL; ``postgres://`` and ``postgresql://`` use psycopg.

    Raises StudyError, which never holds a password, for anything but a URL of SQLite or PostgreSQL.

    >>> read("postgres://me@host/studies").drivername
    'postgresql+psycopg'
    """
    if not is_utf8(url):
        raise StudyError(
            f"{_masked(url)!r} holds a letter that is no UTF-8: rename the file, or its folder, or go into"
            " the folder and write sqlite:///studies.db"
        )
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StudyError(f"{_masked(url)!r} is not a database URL; {_HOW}") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername=_DRIVER)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", _DRIVER):
        raise StudyError(f"studies can't be kept in {parsed.drivername!r}; {_HOW}")
    if "@" in (parsed.host or "") or (parsed.password and "@" in _after_login(url)):
        raise StudyError(f"{_masked(url)!r} has an @ in its password; write that as %40")
    if parsed.drivername == _DRIVER and not (parsed.database or os.environ.get("PGDATABASE")):
        raise StudyError(f"{shown(parsed)!r} names no database; {_HOW}")
    return parsed


def shown(parsed: sa.URL) -> str:
    """Return the URL without its password, or the path of an SQLite file."""
    if parsed.get_backend_name() == "sqlite":
        return parsed.database or ":memory:"
    bare = sa.URL.create(
        parsed.drivername, parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query
    )
    hidden = [key for key in bare.query if key.lower() in _SECRET]
    return bare.difference_update_query(hidden).render_as_string()


def name(url: str) -> str:
    """Return the name of a storage in print: see `shown`."""
    return shown(read(url))


def secrets(parsed: sa.URL) -> list[str]:
    """Return the passwords in a URL, which must never be shown."""
    found = [parsed.password, *(value for key, value in parsed.query.items() if key.lower() in _SECRET)]
    return [secret for secret in found if isinstance(secret, str) and secret]


def from_command_line(url: str) -> str:
    """Return a URL given as an argument; raises StudyError where it holds a password.

    Everybody on a machine can read arguments, and a shell keeps them in its history.
    """
    if secrets(read(url)):
        raise StudyError(
            f"a password on the command line is visible to everybody on this machine: give the whole URL"
            f" in {ENVIRONMENT}, or the password in PGPASSWORD or ~/.pgpass"
        )
    return url


def missing(url: str) -> bool:
    """Whether the URL names an SQLite file that does not exist yet."""
    try:
        parsed = read(url)
    except StudyError:
        return False
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


def _masked(url: str) -> str:
    """Hide all that may be a password in text that is no valid URL."""
    url = re.sub(r"(password=)[^&]*", r"\1***", url, flags=re.IGNORECASE)
    # A URL with a mistyped start may hold a password too.
    return re.sub(r"^([a-z+]+(?=[:;/]))?([:;/]*).*@", r"\1\2***@", url, flags=re.DOTALL)


def _after_login(url: str) -> str:
    """Return the part behind the @ that ends user and password."""
    return url.split("://", 1)[-1].split("?", 1)[0].partition("@")[2]
