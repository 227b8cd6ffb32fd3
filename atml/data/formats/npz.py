"""Segments in one ``.npz``: ``x, y, subject``, optional ``rhythm``, ``sampling_rate`` and ``split``."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64, Strings
from atml.errors import DataError
from atml.tasks.task import Task


@dataclass(frozen=True)
class Held:
    """One split of a file: ``x (n, leads, samples)``, the rest ``(n,)``; ``row`` is the place in the file."""

    x: npt.NDArray[np.floating]
    y: Int64
    subject: Strings
    rhythm: Strings
    row: Int64
    sampling_rate: int | None
    notes: tuple[str, ...]
    named: bool
    """Whether the file has a rhythm; where not, it is the name of the class."""


def read(path: Path, split: str, task: Task) -> Held:
    """Read and check one split.

    Raises:
        DataError: Not an npz, an array missing, or of another shape or kind than its place needs.
    """
    arrays = _load(path)
    for name in ("x", "y", "subject"):
        if name not in arrays:
            raise DataError(
                f"{path} has no array {name!r}; it needs x, y, subject and may have rhythm, sampling_rate"
            )
    x, y = arrays["x"], arrays["y"]
    if x.ndim == 2:
        x = x[:, None]
    if x.ndim != 3 or x.dtype.kind not in "fiu" or not x.size:
        raise DataError(
            f"x in {path} must be numbers (n, samples) or (n, leads, samples), not {x.dtype} {x.shape}"
        )
    for name in ("y", "subject", "rhythm", "split"):
        if name in arrays and arrays[name].shape != (len(x),):
            raise DataError(f"{name} in {path} has shape {arrays[name].shape} for {len(x)} segments")
    if y.dtype.kind not in "iub" or (len(bad := np.flatnonzero((y < 0) | (y >= len(task.classes))))):
        which = f"row {bad[0]} has {y[bad[0]]}" if y.dtype.kind in "iub" else f"it is {y.dtype}"
        raise DataError(f"y in {path} must be class numbers 0 to {len(task.classes) - 1}; {which}")
    if x.shape[1] != task.leads:
        raise DataError(f"x in {path} has {x.shape[1]} leads where task {task.name!r} has {task.leads}")
    y = y.astype(np.int64)
    rows = np.arange(len(x))
    notes: tuple[str, ...] = ()
    if "split" in arrays:
        rows = np.flatnonzero(arrays["split"].astype(np.str_) == split)
        if not len(rows):
            there = ", ".join(np.unique(arrays["split"].astype(np.str_)))
            raise DataError(f"no {split} split in {path}: it holds {there} only")
    else:
        notes = ("no split array inside: train and test are not told apart",)
    rhythm = arrays.get("rhythm")
    return Held(
        x=x[rows],
        y=y[rows],
        subject=arrays["subject"].astype(np.str_)[rows],
        rhythm=(np.array(task.classes)[y] if rhythm is None else rhythm.astype(np.str_))[rows],
        row=rows.astype(np.int64),
        sampling_rate=_rate(path, arrays),
        notes=notes,
        named=rhythm is not None,
    )


def _rate(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> int | None:
    if "sampling_rate" not in arrays:
        return None
    rate = arrays["sampling_rate"]
    if (
        rate.size != 1
        or rate.dtype.kind not in "fiu"
        or not (rate > 0).all()
        or rate.item() != int(rate.item())
    ):
        raise DataError(f"sampling_rate in {path} must be one whole number of Hz, not {rate.tolist()}")
    return int(rate.item())


def rate(path: Path, held: int | None, asked: int | None) -> int | None:
    """Return the rate in Hz of a file's segments; raises DataError where file and person disagree."""
    if held is not None and asked is not None and held != asked:
        raise DataError(f"{path} says {held} Hz, --sampling-rate says {asked}: leave one out")
    return held if held is not None else asked


def splits(path: Path) -> tuple[str, ...]:
    """Name the splits of a file: those in its split array, nothing where it has none."""
    held = _load(path, only="split")
    if "split" not in held:
        return ()
    return tuple(name for name in ("train", "test") if name in set(held["split"].astype(np.str_).tolist()))


def _load(path: Path, only: str = "") -> dict[str, npt.NDArray[Any]]:
    try:
        # Opened here: np.load leaves a file open that turns out to be no whole zip.
        with path.open("rb") as raw, np.load(raw) as file:
            return {name: file[name] for name in file.files if not only or name == only}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"can't read {path}: {' '.join(str(error).split())}; is it complete?") from None
