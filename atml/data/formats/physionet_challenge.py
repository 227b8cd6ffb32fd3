"""Folders as the PhysioNet/CinC Challenge 2017 has them: short records of one rhythm, named in REFERENCE.csv.

``A00001.mat`` holds the samples (MATLAB version 4, 16 bit), ``A00001.hea`` their rate and unit, and
``REFERENCE.csv`` a line ``A00001,N`` for each record. Where several versions of the list lie side by side
(``REFERENCE-v3.csv``), the highest counts. All of it may lie a few folders down, or in a zip.

Source: https://physionet.org/content/challenge-2017/ and, for headers,
https://physionet.org/physiotools/wag/header-5.htm. The first line of these headers gives the date before the
time, against that format; nothing here needs either.
"""

from __future__ import annotations

import csv
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from atml.arrays import Float32
from atml.data import windowing
from atml.data.episode import Episode
from atml.data.file_tree import DEPTH, Read, Source, find
from atml.data.formats.annotations import Stretch
from atml.data.formats.contest_text import SPLITS, Fault, some
from atml.data.formats.wfdb_record import MILLIVOLTS, Unusable
from atml.data.parsing import Parsed
from atml.data.windowing import Recording
from atml.errors import DataError
from atml.tasks.task import Task

RHYTHMS = {"N": "N", "A": "AF", "O": "O", "~": "NOISE"}
"""Label in the list -> the rhythm's name, which a task's ``label`` is asked about."""

RATE, GAIN = 300, 1000.0
"""Hz and units a mV of all records that were published."""

MATLAB_4 = struct.Struct("<5i4s")
"""Kind, rows, columns, imaginary part, length of the name, and the name ``val``."""

INT16 = 30
"""The kind of a little-endian matrix of 16-bit integers."""

MISSING = -(1 << 15)
"""The value that says that a sample is missing."""

_LIST = re.compile(r"REFERENCE(-original|-v(\d+))?\.csv", re.IGNORECASE)


def is_challenge(path: Path) -> bool:
    """Tell whether a folder or a zip holds ``.mat`` records beside a REFERENCE.csv; reads names alone."""
    if path.is_dir():
        lists = [
            file
            for depth in range(DEPTH)
            for file in path.glob("*/" * depth + "[Rr][Ee][Ff][Ee][Rr][Ee][Nn][Cc][Ee]*.[Cc][Ss][Vv]")
        ]
        return any(_LIST.fullmatch(file.name) and any(file.parent.glob("*.mat")) for file in lists)
    return path.suffix.lower() == ".zip" and path.is_file() and bool(_lists(find(path)))


def _lists(source: Source) -> dict[str, str]:
    """Return folder -> its list of labels, the latest version of it, where there are records beside it."""
    with_records = {_folder(name) for name in source.names if name.endswith(".mat")}
    found: dict[str, tuple[int, str]] = {}
    for name in source.names:
        match = _LIST.fullmatch(PurePosixPath(name).name)
        if match and _folder(name) in with_records:
            version = int(match[2]) if match[2] else -1 if match[1] else 0
            found[_folder(name)] = max(found.get(_folder(name), (-2, "")), (version, name))
    return {folder: name for folder, (_, name) in found.items()}


def _folder(name: str) -> str:
    """Return the folder of a file with a slash behind it, "" at the top."""
    return name[: name.rfind("/") + 1]


@dataclass
class _Split:
    """The records of a split: rhythm by name in the source (no ending), faults and notes."""

    rhythm: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Challenge:
    """A set of this layout; ``rate`` (Hz) is that of records without a header."""

    def __init__(self, source: Source, rate: int | None = None) -> None:
        self.source, self.rate = source, rate

    @cached_property
    def folders(self) -> dict[str, str]:
        """Split -> its list; "" for a set that does not tell train from test."""
        lists = _lists(self.source)
        named = {
            split: [name for folder, name in lists.items() if folder.endswith(f"{split}_data/")]
            for split in SPLITS
        }
        if len(lists) == 1 and not any(named.values()):
            return {"": next(iter(lists.values()))}
        if len(lists) > sum(map(len, named.values())) or any(len(names) > 1 for names in named.values()):
            raise DataError(
                f"{len(lists)} folders of {self.source.path} have labels ({some(sorted(lists.values()))}) "
                "and are not just train_data and test_data: give one of them"
            )
        return {split: names[0] for split, names in named.items() if names}

    @property
    def rate_told(self) -> bool:
        """Whether there are headers, which tell the rate."""
        return any(name.endswith(".hea") for name in self.source.names)

    def splits(self) -> tuple[str, ...]:
        """Name the splits, nothing where train and test are not told apart."""
        return tuple(name for name in self.folders if name)

    def read(self, split: str, task: Task) -> Parsed:
        """Read one split: adjacent windows of each record at the task's rate, in mV.

        Every record is a subject. Records shorter than the task's window are left out, and a note says how
        many. The noisy ones (``~``) are of the rhythm "NOISE": left out as well but by a task that has a
        class for it.

        Raises:
            DataError: No such split; a task of more than one lead; a list that can't be read.
        """
        found = self._split(split, task)
        short: list[str] = []

        def recordings() -> Iterator[Recording]:
            for recording in self._recordings(found):
                if recording.x.shape[1] * task.sampling_rate < task.window * recording.rate:
                    short.append(recording.name)
                yield recording

        parsed = windowing.parse(self.source.path, recordings(), task)
        if short:
            found.notes.append(
                f"{len(short)} of {len(found.rhythm)} records are shorter than the window of "
                f"{task.seconds:g} s and left out: {some(short)}"
            )
        parsed.faults[:0] = found.faults
        parsed.notes += found.notes
        return parsed

    def episodes(self, split: str, task: Task) -> list[Episode]:
        """Return the records that hold more than a window; raises as `read` does, and for a fault."""
        found = self._split(split, task)
        result = [item for record in self._recordings(found) for item in windowing.episodes(record, task)]
        if found.faults:
            first, path = found.faults[0], self.source.path
            raise DataError(f"{path / first.file}: {first.detail}; see `atml data inspect {path}`")
        return result

    def _split(self, split: str, task: Task) -> _Split:
        """Read the list of a split."""
        path, names = self.source.path, set(self.source.names)
        if task.leads != 1:
            raise DataError(f"records in {path} have one lead, task {task.name!r} has {task.leads}")
        if "" not in self.folders and split not in self.folders:
            raise DataError(f"no {split} split in {path}: it holds {', '.join(self.folders)} only")
        listing = self.folders.get("") or self.folders[split]
        folder, found = _folder(listing), _Split()
        if "" in self.folders:
            found.notes.append("neither train_data nor test_data inside: train and test are not told apart")
        wanted = self._wanted(folder, names)
        for number, (record, label) in enumerate(self._rows(listing), 1):
            name, at = folder + record, f"line {number}"
            if label not in RHYTHMS:
                detail = f"{at}: label {label!r} is none of {', '.join(RHYTHMS)}"
                found.faults.append(Fault("index", listing, detail))
            elif name in found.rhythm:
                found.faults.append(Fault("index", listing, f"{at}: lists {record} again"))
            elif f"{name}.mat" in names:
                found.rhythm[name] = RHYTHMS[label]
            elif wanted is None or record in wanted:
                detail = f"is not there, but {at} of {listing} lists it"
                found.faults.append(Fault("missing", f"{name}.mat", detail))
        there = {name[:-4] for name in names if name.endswith(".mat") and _folder(name) == folder}
        if other := sorted(there - set(found.rhythm)):
            found.notes.append(f"{len(other)} records are not in {listing} and left out: {some(other)}")
        noisy = [PurePosixPath(name).name for name, rhythm in found.rhythm.items() if rhythm == "NOISE"]
        if noisy:
            found.notes.append(f"{len(noisy)} records are labelled too noisy, rhythm 'NOISE': {some(noisy)}")
        found.notes.append("each record is taken for one subject, as far as is known")
        found.rhythm = dict(sorted(found.rhythm.items()))
        return found

    def _wanted(self, folder: str, names: set[str]) -> set[str] | None:
        """Return the records that RECORDS lists; None where there is no such file."""
        if f"{folder}RECORDS" not in names:
            return None
        lines = self.source.only(f"{folder}RECORDS").decode("utf-8", "replace").split()
        return {PurePosixPath(line).name for line in lines}

    def _rows(self, listing: str) -> list[tuple[str, str]]:
        """Return record and label of each line of a list."""
        try:
            rows = list(csv.reader(io.StringIO(self.source.only(listing).decode("utf-8-sig"), newline="")))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"can't read {self.source.path / listing}: {error}") from None
        for number, row in enumerate(rows, 1):
            if row and len(row) < 2:
                raise DataError(f"{self.source.path / listing} line {number} is not RECORD,LABEL: {row[0]!r}")
        return [(row[0].strip(), row[1].strip()) for row in rows if row]

    def _recordings(self, found: _Split) -> Iterator[Recording]:
        """Read one record after the other; what can't be used becomes a fault."""
        assumed = 0
        with self.source.opened() as reading:
            for name, rhythm in found.rhythm.items():
                try:
                    head = self._header(name, reading)
                    assumed += head is None
                    rate = head.rate if head else self.rate or RATE
                    x = _signal(name, head, _bytes(f"{name}.mat", reading))
                except Unusable as error:
                    found.faults.append(error.fault)
                    continue
                called = PurePosixPath(name).name
                yield Recording(called, called, rate, x, [Stretch(0, x.shape[1], rhythm)])
        if assumed:
            found.notes.append(
                f"{assumed} records have no header: they are taken for {self.rate} Hz, as given, and "
                f"{GAIN:g} units/mV, as published"
            )

    def _header(self, name: str, reading: Read) -> _Header | None:
        """Read the header of a record; None where there is none and a person said the rate."""
        file = f"{name}.hea"
        if file in self.source.names:
            return _header(file, _bytes(file, reading))
        if self.rate is None or self.rate_told:
            record = PurePosixPath(name).name
            detail = f"is not there, and {record}.mat does not tell its rate (published: {RATE} Hz)"
            if not self.rate_told:
                detail += f": give --sampling-rate {RATE}"
            raise Unusable("missing", file, detail)
        return None


@dataclass(frozen=True)
class _Header:
    """What a header says; ``checksum`` is 0 where it gives none."""

    file: str
    rate: int
    samples: int
    gain: float
    baseline: int
    factor: float
    checksum: int


def _header(file: str, data: bytes) -> _Header:
    """Read the header of a record of one signal in format 16+24; raises Unusable."""
    lines = [line.split() for line in data.decode("utf-8", "replace").splitlines()]
    lines = [words for words in lines if words and not words[0].startswith("#")]
    try:
        first, signal = lines[0], lines[1]
        rate, samples = float(first[2].split("/")[0].split("(")[0]), int(first[3])
        told = re.fullmatch(r"([\d.eE+-]+)(?:\((-?\d+)\))?(?:/(\S+))?", signal[2])
        if told is None or not (gain := float(told[1])):
            raise ValueError(f"{signal[2]!r} is no gain")
        zero = int(signal[4]) if len(signal) > 4 else 0
        checksum = int(signal[6]) if len(signal) > 6 else 0
        baseline = int(told[2]) if told[2] else zero
        signals = int(first[1])
    except (IndexError, ValueError) as error:
        why = "" if isinstance(error, IndexError) else f": {error}"
        raise Unusable("header", file, f"is no whole WFDB header{why}") from None
    if signals != 1 or signal[1] != "16+24":
        raise Unusable(
            "header", file, f"has {signals} signals in format {signal[1]}, not one in format 16+24"
        )
    if rate <= 0 or rate != int(rate):
        raise Unusable("header", file, f"says {rate:g} Hz, which is no whole number of Hz")
    factor = MILLIVOLTS.get((told[3] or "mV").casefold())
    if factor is None:
        raise Unusable("unit", file, f"gives its signal in {told[3]!r}, not in mV")
    return _Header(file, int(rate), samples, gain, baseline, factor, checksum)


def _signal(name: str, head: _Header | None, data: bytes) -> Float32:
    """Return the samples of a record in mV, ``(1, samples)``, NaN where one is missing; raises Unusable."""
    file = f"{name}.mat"
    if len(data) < MATLAB_4.size:
        raise Unusable("cut short", file, f"has {len(data)} bytes: is it complete?")
    kind, rows, columns, imaginary, _, _ = MATLAB_4.unpack_from(data)
    if (kind, rows, imaginary) != (INT16, 1, 0):
        raise Unusable("signal", file, "is no row of 16-bit integers in MATLAB's version 4")
    there = (len(data) - MATLAB_4.size) // 2
    if there < columns:
        raise Unusable("cut short", file, f"holds {there} samples where it says {columns}: is it complete?")
    values = np.frombuffer(data, "<i2", columns, MATLAB_4.size)
    if head is None:
        head = _Header("", RATE, columns, GAIN, 0, 1.0, 0)
    if head.samples != columns:
        raise Unusable("length", file, f"holds {columns} samples, {head.file} says {head.samples}")
    total = int(values.sum(dtype=np.int64))
    if head.checksum and (total - head.checksum) % (1 << 16):
        told = head.checksum & 0xFFFF
        detail = f"adds up to {total & 0xFFFF}, {head.file} says {told}: one is damaged"
        raise Unusable("checksum", file, detail)
    x = (values.astype(np.float32) - head.baseline) / np.float32(head.gain) * np.float32(head.factor)
    x[values == MISSING] = np.nan
    return np.asarray(x, np.float32)[None]


def _bytes(file: str, reading: Read) -> bytes:
    found = dict(reading([file])).get(file, "not there any more")
    if isinstance(found, str):
        raise Unusable("unreadable", file, f"can't be read: {found}")
    return found
