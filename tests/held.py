"""A search that stops in the middle of a trial for as long as a test wishes, however fast the machine is.

A test that kills, stops or cuts something within a trial asks for the moment by this, never by a clock.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.forked import Forked

REPO = Path(__file__).resolve().parent.parent

PATIENCE_S = 120.0
"""How long a worker may take to get there; a busy machine loads the libraries slowly."""

JUDGE = '''
import os, pathlib, time

HELD, DATABASE = pathlib.Path({gate!r}), {database!r}


def begun():
    """How many trials of the database have begun, repeats counted."""
    if DATABASE.startswith("sqlite:///"):
        import sqlite3 as library
        db = library.connect(DATABASE.removeprefix("sqlite:///"), timeout=60)
    else:
        import psycopg as library
        db = library.connect(DATABASE.replace("+psycopg", ""))
    try:
        return db.execute("SELECT COUNT(*) FROM trials WHERE state != 'WAITING'").fetchone()[0]
    finally:
        db.close()


def value(predictions):
    """Return what it is, once the gate is open for as many trials as have begun; only workers wait."""
    if pathlib.Path("/proc/self/comm").read_text().startswith("atml-worker-") and (HELD / "closed").exists():
        count = begun()
        while (limit := allowed()) is not None and count > limit:
            (HELD / f"{{count}}-{{os.getpid()}}").touch()
            time.sleep(0.01)
    return usual(predictions)


def allowed():
    try:
        return int((HELD / "closed").read_text())
    except FileNotFoundError:
        return None
'''


class Gate:
    """Holds the workers of a search at the next value they report, once enough trials have begun.

    ``judge`` is the objective to search with, that of the task afib but for the gate; ``database`` is the
    URL of the study, the only one there.
    """

    def __init__(self, folder: Path, database: str, trials: int) -> None:
        self._folder = folder / "gate"
        self._folder.mkdir()
        usual = (REPO / "objectives" / "afib.py").read_text(encoding="utf-8")
        assert "def value(" in usual
        text = JUDGE.format(gate=str(self._folder), database=database)
        self.judge = folder / "judge.py"
        self.judge.write_text(usual.replace("def value(", "def usual(") + text, encoding="utf-8")
        self.close(trials)

    def close(self, trials: int) -> None:
        """Let workers pass while at most so many trials have begun, those that have ended counted too."""
        self._trials = trials
        fresh = self._folder / "fresh"
        fresh.write_text(str(trials))
        fresh.replace(self._folder / "closed")

    def open(self) -> None:
        """Let every worker pass from now on."""
        (self._folder / "closed").unlink()

    def held(self, process: subprocess.Popen[str] | Forked) -> int:
        """Wait until a worker of the search stands there, within a trial, and return its process."""
        end = time.monotonic() + PATIENCE_S
        while True:
            for file in self._folder.glob("*-*"):
                count, pid = map(int, file.name.split("-"))
                if count > self._trials:
                    return pid
            ended = "it ended before a worker had reported a value with"
            assert process.poll() is None, (
                f"{ended} {self._trials + 1} trials begun:\n{process.communicate()[0]}"
            )
            assert time.monotonic() < end, f"no worker reports a value with {self._trials + 1} trials begun"
            time.sleep(0.01)
