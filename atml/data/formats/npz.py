"""Segments in one ``.npz``: ``x, y`` or ``rhythm``, ``subject``, optional ``sampling_rate`` and ``split``.

Where ``--subjects`` says who is who, there may be a ``record`` in place of the subject, or neither.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64, Strings
from atml.data.episode import Episode, from_segments
from atml.data.formats.base import BLOCK, Format
from atml.data.parsing import SPLITS, Files, Parsed, assemble, at_rates
from atml.data.rows import Shape, make
from atml.data.text import decoded
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


Arrays = dict[str, npt.NDArray[Any]]
"""Arrays by name."""


def read(path: Path, split: str, task: Task, arrays: Arrays) -> Held:
    """Check the arrays of a file, and return one split.

    Raises:
        DataError: An array is missing, or of another shape or kind than its place needs.
    """
    unknown = "y" not in arrays and "rhythm" in arrays
    if unknown:
        arrays = {**arrays, "y": np.full(len(arrays["rhythm"]), -1)}
    for name in ("x", "y", "subject"):
        if name not in arrays:
            there = f"; there are {', '.join(sorted(arrays)[:8])}" if arrays else ""
            raise DataError(
                f"{path} has no array {name!r}; it needs x, y (or rhythm) and subject (or --subjects FILE, "
                f"which names rows by an array record, or by number) and may have split, sampling_rate{there}"
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
    bad: Int64 = (
        np.flatnonzero((y < 0) | (y >= len(task.classes))) if y.dtype.kind in "iub" else np.zeros(0, int)
    )
    if not unknown and (y.dtype.kind not in "iub" or len(bad)):
        which = f"row {bad[0]} has {y[bad[0]]}" if len(bad) else f"it is {y.dtype}"
        raise DataError(f"y in {path} must be class numbers 0 to {len(task.classes) - 1}; {which}")
    if x.shape[1] != task.leads:
        raise DataError(f"x in {path} has {x.shape[1]} leads where task {task.name!r} has {task.leads}")
    y = y.astype(np.int64)
    rows = np.arange(len(x))
    notes: tuple[str, ...] = ()
    if "split" in arrays:
        named = _splits_of(path, arrays)
        rows = np.flatnonzero(named == split)
        if not len(rows):
            there = ", ".join(np.unique(named))
            raise DataError(f"no {split} split in {path}: it holds {there} only")
        if (other := ~np.isin(named, SPLITS)).any():
            told = ", ".join(repr(str(name)) for name in np.unique(named[other]))
            notes = (f"{int(other.sum())} rows of split {told} are in neither train nor test, and left out",)
    else:
        notes = ("no split array inside: nothing separates train from test",)
    rhythm = arrays.get("rhythm")
    return Held(
        x=x[rows],
        y=y[rows],
        subject=_text(path, arrays["subject"], "subject")[rows],
        rhythm=(np.array(task.classes)[y] if rhythm is None else _text(path, rhythm, "rhythm"))[rows],
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


def splits(path: Path, held: Arrays) -> tuple[str, ...]:
    """Name the splits of a file: those in its split array, nothing where it has none."""
    if "split" not in held:
        return ()
    there = set(_splits_of(path, held).tolist())
    return tuple(name for name in SPLITS if name in there)


def _splits_of(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> Strings:
    """Return the split of each row, without blanks around it and in lower case."""
    return np.char.lower(np.char.strip(_text(path, arrays["split"], "split")))


def _text(path: Path, values: npt.NDArray[Any], name: str) -> Strings:
    """Return an array as text; raises DataError where that can't be."""
    if values.dtype.kind == "S":
        return np.array([decoded(v) for v in values.ravel().tolist()], np.str_).reshape(values.shape)
    if values.dtype.kind not in "Uiubf":
        raise DataError(f"{name} in {path} is {values.dtype}; save it as text: {name}.astype(str)")
    return values.astype(np.str_)


def _load(path: Path, only: str = "") -> dict[str, npt.NDArray[Any]]:
    try:
        # Opened here: np.load leaves a file open that turns out to be no whole zip.
        with path.open("rb") as raw, np.load(raw) as file:
            return {name: file[name] for name in file.files if not only or name == only}
    except ValueError as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path} holds an array of Python objects, a column of pandas perhaps: save it as text with"
                " .astype(str), or as numbers"
            ) from None
        raise DataError(f"can't read {path}: {' '.join(str(error).split())}; is it complete?") from None
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"can't read {path}: {' '.join(str(error).split())}; is it complete?") from None


class Npz(Format):
    """One ``.npz``."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell a file that is opened by numpy from all others."""
        return path.suffix.lower() == ".npz" and path.is_file()

    def load(self, only: str = "") -> Arrays:
        """Return the arrays of the file, or the one that is wanted alone; raises DataError."""
        return _load(self.path, only)

    def _arrays(self) -> Arrays:
        """Return the arrays; where ``--subjects`` says who is who, a row goes by its record or its number."""
        arrays = self.load()
        if self.asked.subjects is not None and "subject" not in arrays and len(arrays.get("x", ())):
            numbers = np.array([f"row {row}" for row in range(len(arrays["x"]))])
            arrays["subject"] = arrays.get("record", numbers)
        return arrays

    def splits(self) -> Sequence[str]:
        """Name the splits."""
        return splits(self.path, self.load("split"))

    def whose(self, split: str) -> list[tuple[str, str]]:
        """Name the subjects of the rows of a split."""
        held = read(self.path, split, self.asked.task, self._arrays())
        return [("", name) for name in np.unique(held.subject).tolist()]

    def read(self, split: str) -> Parsed:
        """Read one split; raises DataError for arrays that can't be used."""
        path, task = self.path, self.asked.task
        held = read(path, split, task, self._arrays())
        given = rate(path, held.sampling_rate, self.asked.sampling_rate)
        shape = Shape(task.sampling_rate, task.window, task.leads, given)
        files = Files(
            place=np.array([f"row {row}" for row in held.row], np.str_),
            subject=held.subject,
            rhythm=held.rhythm,
            given=held.y,
            given_is_class=True,
            named=held.named,
        )
        parts = [make(held.x[at : at + BLOCK], shape) for at in range(0, len(held.x), BLOCK)]
        notes = [*held.notes, *at_rates([given], task.sampling_rate)]
        return assemble(path, files, parts, [], notes)

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the rows that are longer than a window, of a rate that is known."""
        path, task = self.path, self.asked.task
        held = read(path, split, task, self._arrays())
        given = rate(path, held.sampling_rate, self.asked.sampling_rate)
        if given is None:  # a segment that is not one window is then refused in opening
            return ()
        made = from_segments(
            zip([""] * len(held.x), held.subject.tolist(), held.rhythm.tolist(), held.x, strict=True),
            task,
            given,
        )
        # Without rhythms they are called as their classes.
        return made if held.named else [replace(part, label=task.classes.index(part.rhythm)) for part in made]
