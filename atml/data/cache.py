"""Cache of parsed data on disk: entries are complete or absent, memory-mapped, rebuilt when damaged.

An entry is a folder named by its key, with ``x.npy``, ``rows.npz`` (the small arrays) and ``meta.json`` with
their shapes and checksums. It is written under a temporary name in the same folder and then renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Inputs, Int64, release
from atml.errors import in_one_line

VERSION = 5
"""Increased whenever the content of entries changes; older ones are then ignored."""

ABANDONED = 24 * 3600
"""Age in s after which a half-written folder is taken for one that a killed process left."""

PARTS = ".parts-"
"""What begins the name of a folder with the parts that an interrupted reading has finished."""

UNWANTED = 7 * 24 * 3600
"""Age in s after which nobody is taken to go on with such a reading."""


KINDS = (np.dtype(np.float32), np.dtype(np.uint8))
"""What rows may be: signals and pictures."""

PART = 1 << 24
"""Bytes of rows that are written at once."""


@dataclass(frozen=True)
class Gathered:
    """Rows of ``x``, gathered slice by slice where they are written: no whole copy is made of a memory map.

    Example:
        >>> part = Gathered(np.arange(12).reshape(4, 3), np.array([3, 1]))
        >>> len(part), part.shape, part[1:].tolist(), int(np.concatenate([part]).sum())
        (2, (2, 3), [[3, 4, 5]], 42)
    """

    x: Inputs
    rows: Int64

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all of them."""
        return (len(self.rows), *self.x.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of their values."""
        return self.x.dtype

    def __len__(self) -> int:
        """Count them."""
        return len(self.rows)

    def __getitem__(self, part: slice) -> Inputs:
        """Gather some of them."""
        return self.x[self.rows[part]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Inputs:
        """Gather all."""
        return np.asarray(self.x[self.rows], dtype)


@dataclass(frozen=True)
class Entry:
    """``x (n, leads, samples)`` float32, or ``(n, 3, rows, columns)`` uint8, small arrays by name, notes.

    The small arrays are ``(n, ...)``.
    """

    x: Inputs
    arrays: dict[str, npt.NDArray[Any]]
    notes: tuple[str, ...]


def root(given: Path | None) -> Path:
    """Return where entries are: ``given``, ``$ATML_CACHE``, ``$XDG_CACHE_HOME/atml`` or ``~/.cache/atml``."""
    if given is not None:
        return given
    if named := os.environ.get("ATML_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "atml"
    except RuntimeError:  # no home
        return Path(tempfile.gettempdir()) / "atml-cache"


def key(*parts: object) -> str:
    """Return the name of an entry made from ``parts``."""
    return hashlib.sha256(json.dumps([VERSION, *map(str, parts)]).encode()).hexdigest()[:32]


def load(folder: Path) -> tuple[Entry | None, str]:
    """Open an entry; ``(None, "")`` where there is none, ``(None, why)`` where it is damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        small = (folder / "rows.npz").read_bytes()
        if hashlib.sha256(small).hexdigest() != meta["rows"]:
            return None, "rows.npz is not what was written"
        x = np.load(folder / "x.npy", mmap_mode="r")
        if list(x.shape) != meta["shape"] or x.dtype not in KINDS or checksum(x) != meta["x"]:
            return None, "x.npy is not what was written"
        with np.load(io.BytesIO(small)) as file:
            arrays = {name: file[name] for name in file.files}
        return Entry(x, arrays, tuple(meta["notes"])), ""
    except FileNotFoundError as error:
        return None, "" if not folder.exists() else f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        return None, in_one_line(error)


Built = tuple[Sequence[Inputs | Gathered], dict[str, npt.NDArray[Any]], Sequence[str]]
"""What `save` writes: blocks of x, small arrays, notes."""


def fetch(folder: Path, build: Callable[[], Built]) -> Entry:
    """Open an entry, or build and write it; one that can't be written stays in memory, with a note."""
    found, why = load(folder)
    if found is not None:
        return found
    notes = [f"the cached copy was damaged ({why}) and is built again"] if why else []
    blocks, arrays, said = build()
    try:
        save(folder, blocks, arrays, said)
        found, why = load(folder)
    except OSError as error:
        why = f"{error.strerror or error}"
    if found is None:
        notes.append(f"no cached copy in {folder.parent}: {why}; kept in memory, see ATML_CACHE")
        found = Entry(np.concatenate([np.asarray(block) for block in blocks]), arrays, tuple(said))
    return replace(found, notes=(*found.notes, *notes))


def checksum(x: Inputs, size: int = 1 << 20) -> int:
    """Return the CRC-32 of an array's size in bytes and its content, read ``size`` bytes at a time."""
    flat = x.reshape(-1).view(np.uint8).data
    total = zlib.crc32(str(flat.nbytes).encode())
    for at in range(0, flat.nbytes, size):
        total = zlib.crc32(flat[at : at + size], total)
        release(x)
    return total


def save(
    folder: Path,
    blocks: Sequence[Inputs | Gathered],
    arrays: dict[str, npt.NDArray[Any]],
    notes: Sequence[str],
) -> None:
    """Write an entry whose x is the concatenation of ``blocks``; several processes may do so at once.

    Raises:
        OSError: The disk is full or the folder can't be written to; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        shape = (sum(len(block) for block in blocks), *blocks[0].shape[1:])
        kind = "|u1" if blocks[0].dtype == np.uint8 else "<f4"
        # Written as a file, not through a memory map, where a full disk would raise SIGBUS.
        with (aside / "x.npy").open("wb") as file:
            header = {"descr": kind, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            rows = max(1, PART // max(1, np.dtype(kind).itemsize * math.prod(shape[1:])))
            for block in blocks:
                for at in range(0, len(block), rows):
                    file.write(np.ascontiguousarray(block[at : at + rows], kind).data)
                    release(block.x if isinstance(block, Gathered) else block)
        small = io.BytesIO()
        np.savez(small, allow_pickle=False, **arrays)
        (aside / "rows.npz").write_bytes(small.getvalue())
        x = np.load(aside / "x.npy", mmap_mode="r")
        meta = {
            "x": checksum(x),
            "shape": shape,
            "rows": hashlib.sha256(small.getvalue()).hexdigest(),
            "notes": list(notes),
        }
        (aside / "meta.json").write_text(json.dumps(meta))
        del x
        _put(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put(aside: Path, folder: Path) -> None:
    """Rename into place, unless another process has already put a whole entry there."""
    with contextlib.suppress(OSError):
        aside.rename(folder)
        return
    if load(folder)[0] is not None:
        return
    damaged = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
    try:
        with contextlib.suppress(FileNotFoundError):  # another process moved it
            folder.rename(damaged / "entry")
        with contextlib.suppress(OSError):  # another process was faster
            aside.rename(folder)
    finally:
        shutil.rmtree(damaged, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove half-written folders of killed processes, and the parts of readings that were given up."""
    for prefix, age in ((".new-", ABANDONED), (".old-", ABANDONED), (PARTS, UNWANTED)):
        for old in parent.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > age:
                    shutil.rmtree(old, ignore_errors=True)
