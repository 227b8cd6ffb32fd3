"""The machine: versions, cores, memory, disk, and whether the database's folder can lock a file."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sqlite3
import struct
import tempfile
from importlib import metadata
from pathlib import Path

from atml.data.formats.contest_reader import cores
from atml.formatting import listed, plural
from atml.preflight.finding import Finding, Level

PACKAGES = ("atml", "torch", "numpy", "scipy", "optuna", "sqlalchemy", "onnx", "onnxruntime")

GB = 1e9
LITTLE_GB = 1.0
"""Less free disk than this is little, whatever a search writes."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a search depends on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def free_memory_gb() -> float | None:
    """Return the memory that programs can still have, in GB (1e9 bytes); None where it is not known."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024 / GB
    return None


def free_disk_gb(folder: Path) -> float:
    """Return the free disk in GB (1e9 bytes) where a folder is, or will be."""
    return shutil.disk_usage(_there(folder)).free / GB


def disk(folders: dict[str, Path]) -> list[Finding]:
    """Warn where there is little room; the keys say what a folder is for."""
    rooms: dict[tuple[int, float], list[str]] = {}
    for use, folder in folders.items():
        device = _there(folder).stat().st_dev
        rooms.setdefault((device, round(free_disk_gb(folder), 1)), []).append(use)
    return [
        Finding(
            "disk",
            Level.WARNING if free < LITTLE_GB else Level.FINE,
            f"{free:.1f} GB free for {listed(uses)}"
            + ("" if free >= LITTLE_GB else ": free some, or give --storage or ATML_CACHE elsewhere"),
        )
        for (_, free), uses in rooms.items()
    ]


def load() -> list[Finding]:
    """Warn where other programs keep the cores busy; silent where the system does not say."""
    with contextlib.suppress(OSError, AttributeError):
        busy, have = os.getloadavg()[0], cores()
        if busy > 0.5 * have:
            return [
                Finding(
                    "load",
                    Level.WARNING,
                    f"other programs keep {busy:.1f} of {plural(have, 'core')} busy: trials take longer now",
                )
            ]
    return []


def locks(database: Path) -> Finding:
    """Try what SQLite does, in the folder of a database: a lock that keeps others out, and a shared log.

    A temporary file is written there and removed.
    """
    folder = _there(database.parent)
    elsewhere = "give --storage on a local disk, or PostgreSQL"
    try:
        with tempfile.TemporaryDirectory(prefix=".atml-check-", dir=folder) as place:
            if (why := _locked(Path(place) / "lock")) or (why := _logged(Path(place) / "log.db")):
                return Finding(
                    "locks",
                    Level.WARNING,
                    f"{folder}: {why}; two processes on one study would spoil it: {elsewhere}",
                )
    except OSError as error:
        reason = error.strerror or error
        return Finding("locks", Level.REFUSED, f"{folder} can't be written: {reason}; {elsewhere}")
    return Finding("locks", Level.FINE, f"file locks and SQLite's log work in {folder}")


def _locked(file: Path) -> str:
    """Say why a lock does not keep a second opening of the file out, "" where it does."""
    try:
        import fcntl

        command = fcntl.F_OFD_SETLK
    except (ImportError, AttributeError):  # locks of this kind, which hold within a process, are Linux's
        return ""
    whole = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with file.open("w+b") as first, file.open("r+b") as second:
        try:
            fcntl.fcntl(first, command, whole)
        except OSError as error:
            return f"files can't be locked ({error.strerror})"
        try:
            fcntl.fcntl(second, command, whole)
        except OSError:
            return ""
    return "a locked file can be locked again"


def _logged(file: Path) -> str:
    """Say why SQLite can't keep its write-ahead log, "" where it can."""
    try:
        with contextlib.closing(sqlite3.connect(file)) as db:
            mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            db.execute("CREATE TABLE t (n)")
            db.commit()
    except sqlite3.Error as error:
        return f"SQLite can't write ({error})"
    return "" if mode == "wal" else f"SQLite can't share its log (journal mode {mode})"


def _there(folder: Path) -> Path:
    """Return the folder, or the nearest above it that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())
