"""A reading that goes on where an earlier one was interrupted: its rows lie on disk, part by part.

Beside the parsed copy that they are to become lies a folder, named by the same key, with all rows in one file
``x``, and a file ``000001.npz`` and so on for each batch of parts that were closed. The rows of a batch are
written first; a batch names the end and the checksum of its rows, and is there whole or not at all. So what a
process that was killed left behind counts as far as its last batch, and is cut off there.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from atml.arrays import Inputs
from atml.data import cache as store
from atml.data.reading import Part, Reading
from atml.data.rows import Rows
from atml.errors import AtmlError

EVERY = 1.0
"""Seconds after which what was read is written, so that an interruption costs no more."""

MOST = 1 << 25
"""Bytes of rows that are held in memory."""

VERSION = 2
"""Increased whenever what a batch says, or how, changes."""

ARRAYS = ("owner", "digest", "length", "low", "high")
"""What a batch keeps of rows, each ``(rows, ...)`` or ``(files,)``."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@contextlib.contextmanager
def resuming(path: Path, folder: Path | None) -> Iterator[Resuming]:
    """Read a set with its rows in ``folder``, which an interruption leaves for the next reading.

    It is gone once the rows are used, and after a DataError, which other files or options are the answer to.
    None takes a folder of its own among the parsed copies, gone whatever happens.
    """
    reading = Resuming(path, folder)
    try:
        yield reading
    except AtmlError:
        reading.end()
        raise
    except BaseException:
        reading.end(interrupted=True)
        raise
    reading.end()


class Resuming(Reading):
    """The rows of one split in a folder, which appears once there is something worth it.

    A folder that another process is filling is left to it, and rows go to a folder of their own; where none
    can be written to, they stay in memory.
    """

    def __init__(self, path: Path, folder: Path | None) -> None:
        """Begin to read the set at ``path``."""
        super().__init__(path)
        self._folder, self._wanted = folder, folder
        self._file: IO[bytes] | None = None
        self._lock: int | None = None
        self._looked = self._full = False
        self._earlier: dict[str, list[tuple[Part, int]]] = {}
        self._shape: tuple[int, ...] = ()
        self._kind: np.dtype[Any] = np.dtype("<f4")
        self._rows: list[tuple[int, int]] = []  # of each block, in order: the first, and the end
        self._held: list[tuple[int, Inputs]] = []  # blocks not yet written, with their first row
        self._bytes = 0  # of these
        self._count = self._begun = 0  # rows there are, and those of parts that are closed
        self._written = self._saved = self._sum = self._batches = 0
        self._closed: list[tuple[Part, int]] = []  # parts of no batch yet, with their first row
        self._since = time.monotonic()

    def finished(self, key: str) -> Part | None:
        """Return a part that an interrupted reading closed; it is then one of this reading."""
        if not self._looked:
            self._looked = True
            if self._folder is not None and self._folder.is_dir():
                self._take_up()
        if not (found := self._earlier.get(key)):
            return None
        part, at = found.pop(0)
        self._rows.append((at, at + len(part.rows.owner)))
        return part

    def add(self, x: Inputs) -> None:
        """Take rows ``(n, ...)`` of the part that is being read, all of one shape and type."""
        if not len(x):
            return
        self._shape, self._kind = x.shape[1:], np.dtype("|u1" if x.dtype == np.uint8 else "<f4")
        self._rows.append((self._count, self._count + len(x)))
        self._held.append((self._count, x))
        self._count += len(x)
        self._bytes += x.nbytes
        if self._bytes >= MOST:
            self._write()

    def close(self, part: Part) -> Part:
        """Take a whole part; returns it without its x."""
        part = super().close(part)
        self._closed.append((part, self._begun))
        self._begun = self._count
        if time.monotonic() - self._since >= EVERY:
            self._save()
        return part

    def blocks(self) -> list[Inputs]:
        """Return the rows of all parts, those that are on disk as maps of the file."""
        held = dict(self._held)
        if not self._written:
            return list(held.values())
        assert self._file is not None
        there = np.memmap(self._file, self._kind, "r", shape=(self._written, *self._shape))
        joined: list[list[int]] = []
        for first, end in self._rows:
            if joined and joined[-1][1] == first and first not in held:
                joined[-1][1] = end
            else:
                joined.append([first, end])
        return [held[first] if first in held else there[first:end] for first, end in joined]

    def end(self, interrupted: bool = False) -> None:
        """Leave the folder, for the next reading where this one was ``interrupted``."""
        if interrupted and self._closed and self._wanted is not None:
            self._save()
        if self._file is not None:
            self._file.close()
        if self._folder is not None and self._file is not None and not (interrupted and self._batches):
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._file = None

    @property
    def _row(self) -> int:
        """Bytes of a row."""
        return self._kind.itemsize * math.prod(self._shape)

    def _write(self) -> None:
        """Write what is held in memory; where that can't be done, it is held on."""
        if self._full:
            return
        try:
            file = self._opened()
            size, total, at = self._row, self._sum, self._written
            file.seek(at * size)
            for first, block in self._held:
                if first < at:  # written just before an interruption
                    continue
                view = np.ascontiguousarray(block, self._kind).reshape(-1).view(np.uint8).data
                total = zlib.crc32(view, total)
                while view:
                    view = view[file.write(view) :]
                at = first + len(block)
        except OSError:
            self._full = True
            return
        self._sum, self._written = total, at
        self._held, self._bytes = [], 0

    def _save(self) -> None:
        """Write all rows, and a batch of the parts that were closed."""
        self._write()
        if self._full or self._folder is None:
            return
        parts = self._closed
        listed = [
            {
                "key": part.key,
                "about": part.about,
                "faults": part.rows.faults,
                "rows": len(part.rows.owner),
                "files": len(part.rows.length),
                "at": at,
            }
            for part, at in parts
        ]
        about = {
            "version": VERSION,
            "shape": self._shape,
            "kind": self._kind.str,
            "from": self._saved,
            "end": self._written,
            "sum": self._sum,
            "parts": listed,
        }
        arrays = {name: np.concatenate([getattr(part.rows, name) for part, _ in parts]) for name in ARRAYS}
        content = io.BytesIO()
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(content, allow_pickle=False, about=text, **arrays)
        file = self._folder / f"{self._batches + 1:06}.npz"
        try:
            aside = file.with_suffix(".new")
            aside.write_bytes(content.getvalue())
            aside.replace(file)
        except OSError:
            self._full = True
            return
        self._batches, self._saved, self._sum, self._closed = self._batches + 1, self._written, 0, []
        self._since = time.monotonic()

    def _opened(self) -> IO[bytes]:
        """Return the file of the rows, in the folder that is wanted or in one of its own."""
        if self._file is None:
            if self._folder is not None and self._lock is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(self._folder)
            if self._folder is None or self._lock is None:
                parent = store.root(None) if self._folder is None else self._folder.parent
                parent.mkdir(parents=True, exist_ok=True)
                self._folder, self._wanted = Path(tempfile.mkdtemp(prefix=".new-", dir=parent)), None
            self._file = (self._folder / "x").open("w+b", buffering=0)
        return self._file

    def _take_up(self) -> None:
        """Find the parts that an interrupted reading closed, and cut off what came after them."""
        assert self._folder is not None
        self._lock = _locked(self._folder)
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            self._file = (self._folder / "x").open("r+b", buffering=0)
            while (file := self._folder / f"{self._batches + 1:06}.npz").is_file():
                try:
                    self._take(file)
                except _DAMAGED:
                    break
            for file in self._folder.glob("*.npz"):
                if int(file.stem) > self._batches:
                    file.unlink()
            self._file.truncate(self._written * self._row)

    def _take(self, file: Path) -> None:
        """Take the parts of a batch; raises where it, or its rows, are not what was written."""
        assert self._file is not None
        with np.load(file, allow_pickle=False) as batch:
            arrays = {name: batch[name] for name in ARRAYS}
            about: dict[str, Any] = json.loads(batch["about"].tobytes())
        first, end, shape = about["from"], about["end"], tuple(about["shape"])
        if about["version"] != VERSION or first != self._saved:
            raise ValueError("a batch of another reading")
        kind = np.dtype(about["kind"])
        size = kind.itemsize * math.prod(shape)
        total, left = 0, (end - first) * size
        self._file.seek(first * size)
        while left and (content := self._file.read(min(left, 1 << 20))):
            total, left = zlib.crc32(content, total), left - len(content)
        if left or total != about["sum"]:
            raise ValueError("rows are not what was written")
        rows = files = 0
        found: list[tuple[Part, int]] = []
        for part in about["parts"]:
            of_rows, of_files = slice(rows, rows + part["rows"]), slice(files, files + part["files"])
            rows, files = of_rows.stop, of_files.stop
            made = Rows(
                x=np.empty((0, *shape), kind),
                owner=arrays["owner"][of_rows],
                digest=arrays["digest"][of_rows],
                length=arrays["length"][of_files],
                low=arrays["low"][of_files],
                high=arrays["high"][of_files],
                faults=[(number, kind, detail) for number, kind, detail in part["faults"]],
            )
            found.append((Part(part["key"], made, part["about"]), part["at"]))
        for known, at in found:
            self._earlier.setdefault(known.key, []).append((known, at))
        self._batches, self._shape, self._kind = self._batches + 1, shape, kind
        self._saved = self._written = self._count = self._begun = end


def _locked(folder: Path) -> int | None:
    """Lock a folder for this process, for as long as the number returned is open; None where that fails."""
    try:
        import fcntl
    except ImportError:
        return None
    with contextlib.suppress(OSError):
        number = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it may have removed the folder meanwhile.
            if (folder / "lock").stat().st_ino == os.fstat(number).st_ino:
                return number
        except OSError:
            pass
        os.close(number)
    return None
