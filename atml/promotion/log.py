"""The log of promotions: JSON lines that are only ever added to, each whole, each with the hash of the last.

Every line names the one before by its sha256, so that a line that was changed, taken out or put in later is
found. Several processes may write: each holds a lock on the file while it checks the log and adds its line.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from atml.errors import InputError
from atml.formatting import utf8

BEGUN, DECIDED, BACK = "begun", "decided", "back"
"""What an entry is of: what was set beforehand, what came of it, and a return to an earlier model."""

Entry = Mapping[str, Any]

_KEYS = {
    BEGUN: ("margin", "asked", "by", "challenger", "champion", "frozen", "new"),
    DECIDED: ("of", "outcome", "reason", "challenger", "champion", "frozen", "new"),
    BACK: ("from", "to"),
}


class PromotionLog:
    """The log in ``file``, which need not be there yet."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def entries(self) -> list[Entry]:
        """Return the entries, the oldest first; none where there is no log.

        Raises InputError for a log that can't be read or is damaged.
        """
        try:
            return self._parsed(self.file.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"--log {self.file} can't be read: {error.strerror or error}") from error

    def check_writable(self) -> None:
        """Raise InputError where nothing could be added; makes no file."""
        folder = self.file.absolute().parent
        try:
            if self.file.exists():
                with self.file.open("r+b"):
                    return
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise InputError(
                    f"--log {self.file} can't be written; name a file in a folder that you may write"
                )
        except OSError as error:
            raise InputError(f"--log {self.file} can't be written: {error.strerror or error}") from error

    def add(self, made: Callable[[list[Entry]], Mapping[str, Any]]) -> Entry:
        """Add the entry that ``made`` returns of those before it, and return it as it stands there.

        No other process adds one meanwhile. The line is on the disk when this returns, whole or not at all.

        Raises InputError where it can't be written, or the log is damaged.
        """
        try:
            with self._locked() as handle:
                before = _all(handle)
                entries = self._parsed(before)
                entry = {
                    "n": len(entries) + 1,
                    "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                    **made(entries),
                    "previous": _hash(before.rstrip(b"\n").rpartition(b"\n")[2]) if entries else "",
                }
                line = utf8(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")
                try:
                    _written(handle, line)
                except OSError:
                    os.ftruncate(handle, len(before))
                    raise
                return entry
        except OSError as error:
            raise InputError(f"--log {self.file} can't be written: {error.strerror or error}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file, made where it is missing, with a lock that other processes wait for."""
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            with contextlib.suppress(ImportError):  # without fcntl nothing but the append is atomic
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def _parsed(self, text: bytes) -> list[Entry]:
        entries: list[Entry] = []
        previous = ""
        lines = text.split(b"\n")
        if lines.pop():
            raise self._damaged(len(lines) + 1, "it does not end")
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                missing = [key for key in _KEYS[entry["event"]] if key not in entry]
                if missing or entry["n"] != number:
                    raise self._damaged(
                        number, f"{missing[0]!r} is missing" if missing else "its number is another"
                    )
                if entry["previous"] != previous:
                    raise self._damaged(number, "the line before it was changed")
            except (ValueError, KeyError, TypeError) as error:
                raise self._damaged(number, "it is no entry") from error
            entries.append(entry)
            previous = _hash(line)
        return entries

    def _damaged(self, line: int, why: str) -> InputError:
        return InputError(
            f"--log {self.file} is damaged in line {line}: {why}; put a whole copy in its place, or begin"
            " another log"
        )


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _all(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _written(handle: int, line: bytes) -> None:
    done = 0
    while done < len(line):
        done += os.write(handle, line[done:])
    os.fsync(handle)
