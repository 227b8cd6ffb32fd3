"""The published MATLAB struct of 4-s segments for defibrillation: ``data``, a row of structs.

Fields: ``pat_ID`` (or it is missing), ``name``, ``s_ns`` (whether a shock is due, in one of two codings),
``r_type`` (rhythm), ``s_ecg`` (1 x 1000 values, 250 Hz), ``source`` or ``o_ddbb`` (the set it is from), and
``train`` (1 train, 0 test; or it is missing).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64, Strings
from atml.data.episode import Episode, from_segments
from atml.data.file_tree import file_there
from atml.data.formats import hdf5
from atml.data.formats.annotations import rhythm_of
from atml.data.formats.base import BLOCK, Format
from atml.data.isolated import Crashed, isolated
from atml.data.labelling import Label, classes_of
from atml.data.parsing import SPLITS, AboutPeople, Fault, Files, Parsed, assemble, at_rates, some
from atml.data.rows import Shape, make
from atml.data.synthetic.rhythms import RHYTHMS
from atml.ecg.resampling import resampled_length
from atml.errors import DataError, in_one_line
from atml.tasks.task import Task

RATE = 250
"""Of all segments, in Hz; the file does not say it."""

# What scipy raises for files that are damaged, beside its own MatReadError.
_DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, UnboundLocalError),
    *(struct.error, zlib.error),
)

SOURCES = "segments come from "
"""Begins the note on the sets that a file was put together from; exports keep such notes."""


@dataclass(frozen=True)
class Struct:
    """A file as read, all ``(n,)``: ``shock`` is ``s_ns`` as stored, ``train`` None for no such field."""

    subject: Strings
    rhythm: Strings
    shock: Int64
    signal: Sequence[npt.NDArray[np.floating] | tuple[str, str]]
    train: Int64 | None
    notes: tuple[str, ...]


def splits(path: Path) -> tuple[str, ...]:
    """Name the splits of a file: those in its field ``train``, nothing where it has none."""
    data = _load(path)
    train = _train(path, data)
    return () if train is None else tuple(name for name in SPLITS if (train == _number(name)).any())


def read(path: Path, split: str, task: Task, label: Label) -> Parsed:
    """Read one split.

    ``label`` is asked about each rhythm to find out whether 1 in ``s_ns`` means shock or no shock: both are
    about. Segments longer than the task's window are cut, shorter ones are faults.

    Raises:
        DataError: Not such a file; no such split; ``s_ns`` contradicts the rhythms
            however it is coded; the task has more than one lead.
    """
    if task.leads != 1:
        raise DataError(
            f"{path} has one lead, task {task.name!r} has {task.leads}: use a WFDB folder or an .npz"
        )
    held = _read(path)
    notes = list(held.notes)
    rows = np.arange(len(held.subject))
    if held.train is None:
        notes.append("no field 'train' inside: nothing separates train from test")
    else:
        rows = np.flatnonzero(held.train == _number(split))
        if not len(rows):
            there = ", ".join(name for name in SPLITS if (held.train == _number(name)).any())
            raise DataError(f"no {split} split in {path}: it holds {there} only")
    given, coding = _given(path, held, task, label)
    notes += [*coding, *at_rates([RATE], task.sampling_rate)]
    files = Files(
        place=np.array([f"row {row}" for row in rows.tolist()], np.str_),
        subject=held.subject[rows],
        rhythm=held.rhythm[rows],
        given=given[rows],
    )
    shape = Shape(task.sampling_rate, task.window, task.leads, RATE)
    chosen = [held.signal[row] for row in rows.tolist()]
    parts = [make(chosen[at : at + BLOCK], shape) for at in range(0, len(chosen), BLOCK)]
    faults: list[Fault] = []
    return assemble(path, files, parts, faults, notes)


def _number(split: str) -> int:
    """Return what the field ``train`` holds for a split."""
    return 1 if split == "train" else 0


def _given(path: Path, held: Struct, task: Task, label: Label) -> tuple[Int64, list[str]]:
    """Return 1 where the file says shock and 0 where not, ``(n,)``, by the coding that fits the rhythms.

    Raises:
        DataError: Neither coding does; the message names a row that the better of the two does not explain.
    """
    if task.positive is None:  # whether a shock is due is no question of the task's
        return np.full(len(held.shock), -1, np.int64), []
    names, which = np.unique(held.rhythm, return_inverse=True)
    table = classes_of([str(name) for name in names], task, label)
    says = np.array([-1 if (klass := table[str(name)]) is None else klass == task.positive for name in names])
    truth = says.astype(np.int64)[which]
    known = truth >= 0
    if not known.any():
        return np.full(len(truth), -1, np.int64), []
    same, other = held.shock[known] == truth[known], held.shock[known] != truth[known]
    if same.all():
        return held.shock, []
    if other.all():
        return 1 - held.shock, ["s_ns is 0 for shock and 1 for none in this file, as its r_type tells"]
    contradicts = np.flatnonzero(known)[~same if same.sum() >= other.sum() else ~other]
    row = int(contradicts[0])
    raise DataError(
        f"{path} row {row}: s_ns {held.shock[row]} with r_type {str(held.rhythm[row])!r}, where most rows "
        f"code it the other way ({len(contradicts)} of {known.sum()} rows contradict): mend the file"
    )


def _read(path: Path) -> Struct:
    """Read all of a file; raises DataError for fields that are missing or of another kind."""
    data = _load(path)
    fields = data.dtype.names or ()
    for name in ("s_ns", "r_type", "s_ecg"):
        if name not in fields:
            raise DataError(f"'data' in {path} has no field {name!r}; it has {', '.join(fields)}")
    shock = _integers(path, data, "s_ns")
    subject, notes = _subjects(path, data)
    return Struct(
        subject=subject,
        rhythm=np.array([rhythm_of(_text(value)) for value in data["r_type"]], np.str_),
        shock=shock,
        signal=[_signal(value) for value in data["s_ecg"]],
        train=_train(path, data),
        notes=tuple([*notes, *_source(data)]),
    )


def _subjects(path: Path, data: npt.NDArray[Any]) -> tuple[Strings, list[str]]:
    """Return whose each segment is: ``pat_ID``, or ``name`` where that is missing."""
    fields = data.dtype.names or ()
    numbers = [_text(value) for value in data["pat_ID"]] if "pat_ID" in fields else [""] * len(data)
    names = [_text(value) for value in data["name"]] if "name" in fields else [""] * len(data)
    without = [row for row, number in enumerate(numbers) if number in ("", "nan", "NaN")]
    for row in without:
        if not names[row]:
            raise DataError(f"{path} row {row} has neither pat_ID nor name: the segment's subject is unknown")
        numbers[row] = names[row]
    if not without:
        return np.array(numbers, np.str_), []
    called = some(sorted({names[row] for row in without}))
    return np.array(numbers, np.str_), [
        AboutPeople(
            f"{len(without)} segments have no pat_ID and are taken for the subject that their name says:"
            f" {called}"
        )
    ]


def _source(data: npt.NDArray[Any]) -> list[str]:
    """Return a note on the sets that the segments were taken from, where the file names them."""
    field = next((name for name in ("source", "o_ddbb") if name in (data.dtype.names or ())), None)
    if field is None:
        return []
    names, counts = np.unique([_text(value) for value in data[field]], return_counts=True)
    listed = ", ".join(f"{name or 'not told'} ({count})" for name, count in zip(names, counts, strict=True))
    return [f"{SOURCES}{listed}"]


def sources(note: str) -> list[str]:
    """Return the sets that such a note names; nothing for another note."""
    _, found, listed = note.partition(SOURCES)
    return [part.rsplit(" (", 1)[0] for part in listed.split(", ")] if found else []


def _train(path: Path, data: npt.NDArray[Any]) -> Int64 | None:
    return _integers(path, data, "train") if "train" in (data.dtype.names or ()) else None


def _integers(path: Path, data: npt.NDArray[Any], field: str) -> Int64:
    """Return a field of zeros and ones, ``(n,)``."""
    found = []
    for row, value in enumerate(data[field]):
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub" or array.item() not in (0, 1):
            raise DataError(f"{path} row {row}: {field} is {_short(array)}, neither 0 nor 1")
        found.append(int(array.item()))
    return np.array(found, np.int64)


def _signal(value: Any) -> npt.NDArray[np.floating] | tuple[str, str]:
    """Return ``(1, samples)``, or the kind of fault and the detail."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.size != max(array.shape, default=0) or not array.size:
        return "signal", f"s_ecg is {array.dtype} {array.shape}, not one row of numbers"
    return array.reshape(1, -1).astype(np.float64)


def _text(value: Any) -> str:
    """Return what a field says as text: "" for an empty one, whole numbers without a point."""
    array = np.asarray(value)
    if not array.size:
        return ""
    item = array.ravel()[0]
    if isinstance(item, np.ndarray):  # text in a cell
        return _text(item)
    if isinstance(item, float | np.floating) and np.isfinite(item) and item == int(item):
        item = int(item)
    return str(item).strip()


def _short(array: npt.NDArray[Any]) -> str:
    return repr(array.item()) if array.size == 1 else f"{array.dtype} {array.shape}"


def _load(path: Path) -> npt.NDArray[Any]:
    """Return the struct array of a file, ``(n,)``."""
    import scipy.io  # slow to import, and few files are of this kind
    from scipy.io.matlab import MatReadError

    try:
        held = isolated(lambda: scipy.io.loadmat(str(path), appendmat=False, variable_names=["data"]))
    except Crashed:
        raise DataError(
            f"can't read {path}: what reads MATLAB files crashes on it; is it complete?"
        ) from None
    except NotImplementedError:
        found = hdf5.struct(path)
        held = {} if found is None else {"data": found}
    except (*_DAMAGED, MatReadError) as error:
        reason = in_one_line(error)
        raise DataError(f"can't read {path}: {reason}; is it complete?") from None
    if "data" not in held:
        of_set = file_there(path.parent, "REFERENCE.csv")
        hint = f": one record of a set with a list; give its folder, {path.parent}" if of_set else ""
        raise DataError(f"{path} holds no 'data'{hint}")
    data = np.asarray(held["data"])
    if data.dtype.names is None or not data.size:
        raise DataError(f"'data' in {path} must be a row of structs, not {data.dtype} {data.shape}")
    return data.reshape(-1)


class MatlabStruct(Format):
    """One ``.mat`` file of that struct."""

    tells_rate = True

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell a ``.mat`` file."""
        return path.suffix.lower() == ".mat" and path.is_file()

    @property
    def options(self) -> tuple[object, ...]:
        """The classes of rhythms: they tell which of two codings a file has."""
        return (sorted(classes_of(list(RHYTHMS), self.asked.task, self.asked.label).items()),)

    def splits(self) -> Sequence[str]:
        """Name the splits."""
        return splits(self.path)

    def read(self, split: str) -> Parsed:
        """Read one split."""
        return read(self.path, split, self.asked.task, self.asked.label)

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the longest segments whole, where they outlast a window; as published all are alike."""
        task = self.asked.task
        longest = int(self.read(split).length.max(initial=0))
        window = resampled_length(longest, RATE, task.sampling_rate)
        if window <= task.window:
            return ()
        whole = read(self.path, split, replace(task, window=window), self.asked.label)
        rows = whole.files.take(whole.owner)
        x = (row for block in whole.blocks for row in block)
        segments = zip([""] * len(rows.subject), rows.subject.tolist(), rows.rhythm.tolist(), x, strict=True)
        return from_segments(segments, task, task.sampling_rate)
