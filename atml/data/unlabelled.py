"""Signals without labels, for a model to decide on: whole recordings, or the segments of a set."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.arrays import release
from atml.data import text
from atml.data.file_names import plain
from atml.data.file_tree import file_there, find
from atml.data.formats import challenge_record, column_file, edf_file, wfdb_header, wfdb_record
from atml.data.formats.base import BLOCK, Asked
from atml.data.formats.contest_text import split_name
from atml.data.formats.detection import kind_of, look_all
from atml.data.formats.wfdb_header import Unusable
from atml.data.leads import NoLead, meant
from atml.data.parsing import SPLITS
from atml.data.rates import Rate, shown
from atml.data.resuming import resuming
from atml.errors import DataError
from atml.tasks.task import Task
from atml.watching import Counter

TABLES = column_file.ENDINGS
FILES = (*TABLES, *edf_file.ENDINGS, ".npy")


@dataclass(frozen=True)
class Signal:
    """One signal ``x (leads, samples)``; ``rate`` in Hz, None where the file doesn't tell it.

    ``name`` is what to call it: the record, the file without its ending, or the segment. ``subject`` is whose
    it is, "" where nothing but the name can tell. ``start`` is when it begins, a time of day where the file
    has no date; None where it tells nothing. ``leads`` are names, where the file has some, and ``unit`` is
    "mV" where it tells one. ``header`` is the header of a WFDB record, ``comments`` are those in it.
    """

    name: str
    x: npt.NDArray[np.floating]
    rate: Rate | None
    subject: str = ""
    start: datetime.datetime | datetime.time | None = None
    header: Path | None = None
    comments: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    unit: str = ""


def signals(
    path: Path,
    task: Task,
    *,
    leads: Sequence[str] = (),
    sampling_rate: int | None = None,
    trained: Sequence[str] = (),
) -> Iterator[Signal]:
    """Read the signals at a path, one after another; labels are neither needed nor read.

    Args:
        path: A WFDB record (its header, its signal file, or its name), a folder of WFDB records, an array
            ``(samples,)`` or ``(leads, samples)`` in ``.npy``, which is mapped and not loaded, a table in
            ``.csv``, ``.tsv`` or ``.txt`` with one sample a line and one lead a column, an EDF file, a folder
            of these, or a set of segments as `atml.data.open` takes it.
        task: Its leads, window and rate.
        leads: Lead by name or number, one entry a lead of the task; of records and tables.
        sampling_rate: Of segments that don't tell it, in Hz; a record that tells another is refused.
        trained: Leads as ``leads``, of a training: those taken of a file with more leads where none are
            asked for.

    Yields:
        Signals; in mV where the file tells its unit.

    Raises:
        DataError: Nothing of a kind that is known, or a file that can't be read: one line that names it.
        MissingExtraError: A WFDB record, and the package wfdb is not installed.
    """
    if leads and len(leads) != task.leads:
        raise DataError(f"--lead {' '.join(leads)} names {len(leads)} leads, the model takes {task.leads}")
    header = _header_of(path)
    if header is not None:
        names = {header: text.name(header.stem)}
    elif path.is_dir():
        names = _records(path)
    else:
        names = {}
    counter = Counter(path)
    if names:
        counter.expect(len(names), "records")
        for file, name in names.items():
            signal = _record(file, task, leads or trained, name=name)
            if sampling_rate not in (None, signal.rate):
                raise DataError(
                    f"{file} tells {shown(signal.rate or 0)} Hz; leave out --sampling-rate {sampling_rate}"
                )
            yield signal
            counter.passed()
    elif path.is_file() and path.suffix.lower() in FILES:
        yield _file(path, task, leads, trained, sampling_rate)
    elif path.is_dir() and (files := _files(path)):
        counter.expect(len(files), "files")
        for file in files:
            yield _file(file, task, leads, trained, sampling_rate)
            counter.passed()
    else:
        yield from _segments(path, task, leads, trained, sampling_rate)


def _header_of(path: Path) -> Path | None:
    """Return the header of the WFDB record that a path means, None where it means none."""
    if path.is_dir():
        return None
    if path.suffix.lower() == ".hea":
        return file_there(path.parent, path.name)
    if path.suffix.lower() in (*FILES, ".npz"):
        return None
    names = (path.with_suffix(".hea").name, f"{path.name}.hea")
    return next((found for name in names if (found := file_there(path.parent, name))), None)


def _records(folder: Path) -> dict[Path, str]:
    """Return headers and names of the records in and below a folder; parts of others are left out."""
    names = [name[:-4] for name in find(folder).names if name.lower().endswith(".hea")]
    parts: set[str] = set()
    for name in names:
        file = folder / f"{name}.hea"
        try:
            if wfdb_header.is_of_parts(folder, name):
                head = wfdb_header.header(folder, name)
                parts |= {plain(head.beside(part)) for part in head.parts}
        except Unusable as unusable:
            raise _refused(file, unusable) from None
    return {folder / f"{name}.hea": text.name(name) for name in names if plain(name) not in parts}


def _record(file: Path, task: Task, leads: Sequence[str], *, name: str) -> Signal:
    folder, stem = file.parent, file.stem
    try:
        raw = (file_there(folder, file.name) or file).read_bytes()
        if re.search(r"\s16\+24\s", text.decoded(raw)):
            head = challenge_record.header(file.name, raw)
            data = (file_there(folder, f"{stem}.mat") or file.with_suffix(".mat")).read_bytes()
            return Signal(name, challenge_record.signal(stem, head, data), head.rate)
        found = wfdb_header.header(folder, stem)
        chosen = wfdb_header.choose(found, leads, task.leads)
        x = wfdb_record.signal(folder, found, chosen)
    except Unusable as unusable:
        raise _refused(file, unusable) from None
    except OSError as error:
        raise DataError(f"{error.filename or file} can't be read: {error.strerror or error}") from None
    day, time = found.raw.base_date, found.raw.base_time
    start = datetime.datetime.combine(day, time) if day and time else time
    comments = tuple(str(line) for line in found.raw.comments or ())
    return Signal(
        name,
        x,
        found.rate,
        start=start,
        header=file,
        comments=comments,
        leads=tuple(found.leads[number] for number in chosen),
        unit="mV",
    )


def _refused(file: Path, unusable: Unusable) -> DataError:
    return DataError(f"{file.parent / unusable.fault.file}: {unusable.fault.detail}")


def _files(folder: Path) -> list[Path]:
    """Return the arrays and tables in a folder; nothing where they are segments of a contest."""
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in FILES and file.is_file() and not file.name.startswith(".")
    )
    return files if any(split_name(file.name) is None for file in files) else []


def _file(path: Path, task: Task, leads: Sequence[str], trained: Sequence[str], asked: int | None) -> Signal:
    """Read an array, a table of numbers or an EDF file."""
    ending = path.suffix.lower()
    if ending == ".npy":
        return Signal(text.name(path.stem), _array(path, task, leads, trained), None)
    x: npt.NDArray[np.floating]
    rate: Rate | None
    start: datetime.datetime | datetime.time | None = None
    try:
        if ending in edf_file.ENDINGS:
            held, start = edf_file.opened(path, path.name), edf_file.start(path)
            names, rate, unit = held.leads, held.rate, "mV"
            chosen = _chosen(path, names, task, leads, trained)
            x = held.load(chosen)
        else:
            table = column_file.read(path, path.name)
            names = table.names if table.named else ()
            rate, unit = table.rate, "mV" if table.units else ""
            chosen = _chosen(path, table.names, task, leads, trained)
            x = table.x[chosen]
    except Unusable as unusable:
        raise _refused(path, unusable) from None
    if rate is not None and asked not in (None, rate):
        raise DataError(f"{path} tells {shown(rate)} Hz; leave out --sampling-rate {asked}")
    named = tuple(names[number] for number in chosen) if names else ()
    return Signal(text.name(path.stem), x, rate, start=start, leads=named, unit=unit)


def _array(path: Path, task: Task, leads: Sequence[str], trained: Sequence[str]) -> npt.NDArray[np.floating]:
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} can't be read as an array: {error}") from None
    x = x[None] if x.ndim == 1 else x
    if x.ndim != 2 or x.dtype.kind not in "fiu":
        raise DataError(f"{path} holds {x.dtype} {x.shape}; give numbers (samples,) or (leads, samples)")
    if x.shape[0] > x.shape[1] == task.leads:
        raise DataError(f"{path} has shape {x.shape}: give (leads, samples), it seems to be transposed")
    names = [str(number) for number in range(len(x))]
    chosen = _chosen(path, names, task, leads, trained)
    whole: npt.NDArray[np.floating] = x
    return whole if chosen == list(range(len(x))) else whole[chosen]


def _chosen(
    path: Path, names: Sequence[str], task: Task, leads: Sequence[str], trained: Sequence[str]
) -> list[int]:
    """Return the numbers of the leads to take; a file with more than the model takes needs a choice."""
    if not leads and len(names) == task.leads:
        return list(range(task.leads))
    try:
        chosen = meant(names, leads or trained)
    except NoLead as error:
        raise DataError(
            f"{path} has no lead {error.entry!r}; it has {', '.join(names[:8])}: choose with --lead"
        ) from None
    if chosen:
        return chosen
    raise DataError(
        f"{path} has {len(names)} columns ({', '.join(names[:8])}), the model takes {task.leads} lead(s):"
        " choose with --lead NAME or --lead NUMBER"
    )


def _segments(
    path: Path, task: Task, leads: Sequence[str], trained: Sequence[str], rate: int | None
) -> Iterator[Signal]:
    """Read the segments of a set, each a signal of its own at the task's rate."""
    if not path.exists():
        find(path)  # says that nothing is there
    if kind_of(path) is None or (path.is_dir() and not any(path.iterdir())):
        raise DataError(
            f"can't read {path}: it holds neither a WFDB record, nor EDF, nor .npy, nor a table"
            f" ({', '.join(TABLES)}), nor a set that --data takes"
        )
    asked = Asked(task=task, label=lambda rhythm: None, sampling_rate=rate, leads=tuple(leads))
    (found,) = look_all(path, asked)
    if trained and not leads and found.contents.chooses_leads:
        (found,) = look_all(path, replace(asked, leads=tuple(trained)))
    for split in found.splits or SPLITS[:1]:
        with resuming(path, None) as reading:
            parsed = found.read(split, reading)
            row = 0
            reading.expect(len(parsed.owner), "windows")
            for number, block in enumerate(parsed.blocks):
                parsed.blocks[number] = block[:0]  # what was yielded need not stay in memory
                for x in block:
                    owner = parsed.owner[row]
                    place, subject = parsed.files.place[owner], parsed.files.subject[owner]
                    yield Signal(str(place), x, task.sampling_rate, str(subject))
                    row += 1
                    reading.passed()
                    if not row % BLOCK:
                        release(block)
