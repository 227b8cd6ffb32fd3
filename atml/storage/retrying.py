"""Work on a database that may go away for a while: wait, reconnect, continue, and print a line about it.

Work that fails because the connection was cut is done again. The first try may have taken effect, since the
answer to a commit can be lost. So a caller may pass a second function that finds out.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import optuna
import sqlalchemy as sa

from atml.errors import Stopped, StudyError

Made = TypeVar("Made")

ENVIRONMENT = "ATML_STORAGE_WAIT"
"""Environment variable: minutes to wait for a database that went away."""
WAIT_MIN = 20.0
LOCKED = "is locked by another program"
_CUT = "the connection was cut"
_FULL = "has no room left"

# By SQLSTATE (PostgreSQL's manual, appendix A): classes and codes of errors that waiting helps against.
_CLASSES = {"08": _CUT, "53": _FULL}
_CODES = {
    "57P01": _CUT,
    "57P02": _CUT,
    "57P03": "is just starting",
    "57P05": _CUT,
    "53300": "has too many connections",
    "25P03": _CUT,
    "25006": "can't be written at the moment",
    "40001": "",
    "40P01": "",
}
# A failed connection has no code. These texts are final: the next try would fail in the same way.
_FINAL = re.compile(
    "authentication|does not exist|no pg_hba|permission denied|no password|invalid|support SSL|certificate",
    re.I,
)
_STARTING = re.compile("starting up|shutting down|in recovery mode", re.I)
ERRORS = (sa.exc.SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError)


def wait_s() -> float:
    """Return the seconds to wait for a database; raises StudyError for a setting that is not a number."""
    given = os.environ.get(ENVIRONMENT) or WAIT_MIN
    try:
        minutes = float(given)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < float("inf"):
        raise StudyError(
            f"{ENVIRONMENT} {given!r} is not a number of minutes; write for example {WAIT_MIN:g}"
        )
    return 60 * minutes


def say_it(line: str) -> None:
    """Print a line to standard error, as `Steady.say` does until it is set."""
    sys.stderr.write(f"atml: {line}\n")


class Steady:
    """Repeats work until the database, called ``name`` in print, answers or ``limit`` seconds have passed.

    ``say`` prints a line. While ``hurry()`` is true, as after Ctrl-C, nothing is waited for. Before `begin`
    every error is final, since a wrong URL does not become right by waiting.
    """

    def __init__(self, name: str, limit: float) -> None:
        self.name = name
        self.limit = limit
        self.say: Callable[[str], None] = say_it
        self.hurry: Callable[[], bool] = lambda: False
        self.back_at = -float("inf")
        """When the last outage ended, in seconds of `time.monotonic`."""
        self._begun = False
        self._lock = threading.Lock()
        self._since: float | None = None
        self._said = False

    def begin(self) -> None:
        """Wait for the database from now on, since it has answered once."""
        self._begun = True

    def do(self, work: Callable[[], Made], again: Callable[[], Made] | None = None) -> Made:
        """Return what ``work`` returns; after a failure call ``again``, which may find the work done.

        Raises what ``work`` raises where waiting would not help, StudyError where the database does not come
        back in time, and Stopped where ``hurry`` becomes true meanwhile.
        """
        began, tries, why = time.monotonic(), 0, None
        while True:
            try:
                made = work()
            except ERRORS as error:
                why = passing(error)
                if why is None or not self._begun:
                    raise
                tries += 1
                self._gone(why, tries, began, error)
                work = again or work
            else:
                if self._since is not None:
                    self._back(why == _CUT)
                return made

    def _gone(self, why: str, tries: int, began: float, error: BaseException) -> None:
        if self.hurry() and tries > 1:
            raise Stopped(
                f"stopped while {self.name} did not answer; run the same command again to continue"
            ) from error
        # An outage is waited for once: what is put in order after giving up does not wait again.
        waited = time.monotonic() - (began if self._since is None else min(began, self._since))
        if waited > self.limit:
            raise StudyError(
                f"{self.name} did not come back within {_span(waited)} ({why or 'busy'}); run the"
                " same command again to continue"
            ) from error
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
            # The second try comes at once and mostly succeeds: then a connection was cut, without an outage.
            if tries > 1 and why and not self._said:
                self._said = True
                what = "does not answer" if why == _CUT else why
                self.say(f"{self.name} {what}; waiting up to {_span(self.limit)}")
        if tries > 1:
            self._sleep(min(0.2 * 2 ** (tries - 2), 5.0) * random.uniform(0.5, 1.0))

    def _back(self, cut: bool) -> None:
        with self._lock:
            if self._since is None:
                return
            now = time.monotonic()
            if self._said:
                self.say(f"{self.name} is back after {_span(now - self._since)}")
                self.back_at = now
            elif cut:
                self.say(f"{self.name} closed the connection; reconnecting")
            self._since, self._said = None, False

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.hurry():
            time.sleep(min(0.1, seconds))


def passing(error: BaseException) -> str | None:
    """Return what is wrong if waiting helps, "" for a clash that only needs another try, None otherwise."""
    for one in _chain(error):
        code = getattr(one, "sqlstate", None)
        if code is not None:
            return _CODES.get(code, _CLASSES.get(code[:2]))
        if isinstance(one, sqlite3.OperationalError):
            return LOCKED if re.search("locked|busy", str(one)) else None
    for one in _chain(error):
        if isinstance(one, sa.exc.DBAPIError) and one.connection_invalidated:
            return _CUT
        if isinstance(one, (sa.exc.OperationalError, sa.exc.InterfaceError)):
            text = str(one.orig)
            if _STARTING.search(text):
                return "is just starting"
            return None if _FINAL.search(text) else _CUT
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an error and those that caused it, SQLAlchemy's and the driver's."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__context__, one.__cause__, getattr(one, "orig", None)]


def _span(seconds: float) -> str:
    """Write a duration: 90 s, 20 min."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
