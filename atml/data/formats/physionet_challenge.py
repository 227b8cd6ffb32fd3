"""Folders as the PhysioNet/CinC Challenge 2017 has them: short records of one rhythm, named in REFERENCE.csv.

``A00001.mat`` holds the samples (MATLAB version 4, 16 bit), ``A00001.hea`` their rate and unit, and
``REFERENCE.csv`` a line ``A00001,N`` for each record. Where several versions of the list lie side by side
(``REFERENCE-v3.csv``), the highest counts. All of it may lie a few folders down, or in a zip.

Source: https://physionet.org/content/challenge-2017/.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from atml.data import windowing
from atml.data.episode import Episode
from atml.data.file_names import LIST, plain
from atml.data.file_tree import Read, Source, find
from atml.data.formats.base import Asked, Format
from atml.data.formats.challenge_record import GAIN, RATE, Header, header, signal
from atml.data.formats.wfdb_header import Unusable
from atml.data.parsing import SPLITS, AboutPeople, Fault, Parsed, look_at, some
from atml.data.reading import Reading
from atml.data.stretch import Stretch
from atml.data.text import decoded
from atml.data.windowing import Recording
from atml.errors import DataError

RHYTHMS = {"N": "N", "A": "AF", "O": "O", "~": "NOISE"}
"""Label in the list -> the rhythm's name, which a task's ``label`` is asked about."""

_REFERENCE = re.compile(r"REFERENCE(-original|-v(\d+))?\.csv", re.IGNORECASE)


DEPTH = 3
"""Levels that are searched for a list: that of the set, the split's, and one more."""


def is_challenge(path: Path) -> bool:
    """Tell whether a folder or a zip holds ``.mat`` records beside a REFERENCE.csv; reads names alone."""
    if path.is_dir():
        lists = [
            file
            for depth in range(DEPTH)
            for file in path.glob("*/" * depth + "[Rr][Ee][Ff][Ee][Rr][Ee][Nn][Cc][Ee]*.[Cc][Ss][Vv]")
        ]
        return any(
            _REFERENCE.fullmatch(file.name) and any(file.parent.glob("*.[Mm][Aa][Tt]")) for file in lists
        )
    if path.suffix.lower() != ".zip" or not path.is_file():
        return False
    try:
        return bool(_lists(find(path)))
    except DataError:  # a damaged zip is of no format
        return False


def _lists(source: Source) -> dict[str, str]:
    """Return folder -> its list of labels, the latest version of it, where there are records beside it."""
    with_records = {_folder(name) for name in source.names if name.lower().endswith(".mat")}
    found: dict[str, tuple[int, str]] = {}
    for name in source.names:
        match = _REFERENCE.fullmatch(PurePosixPath(name).name)
        if match and _folder(name) in with_records:
            version = int(match[2]) if match[2] else -1 if match[1] else 0
            found[_folder(name)] = max(found.get(_folder(name), (-2, "")), (version, name))
    return {folder: name for folder, (_, name) in found.items()}


def _folder(name: str) -> str:
    """Return the folder of a file with a slash behind it, "" at the top."""
    return name[: name.rfind("/") + 1]


@dataclass
class _Split:
    """The records of a split: their list, rhythm by name in the source (no ending), faults and notes."""

    listed: str
    rhythm: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class PhysionetChallenge(Format):
    """A folder or a zip of this layout. Without headers, the rate has to be given."""

    millivolts = recordings = True

    def __init__(self, path: Path, asked: Asked) -> None:
        super().__init__(path, asked)
        self.source, self.rate = find(path), asked.sampling_rate
        self.tells_rate = any(name.lower().endswith(".hea") for name in self.source.names)

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a set by a REFERENCE.csv beside ``.mat`` files."""
        return is_challenge(path)

    @property
    def identity(self) -> str:
        """Hash names, sizes and times of all files, or of a zip its ends."""
        return self.source.identity

    @cached_property
    def folders(self) -> dict[str, str]:
        """Split -> its list; "" for a set that does not tell train from test."""
        lists = _lists(self.source)
        named = {
            split: [name for folder, name in lists.items() if folder.casefold().endswith(f"{split}_data/")]
            for split in SPLITS
        }
        if len(lists) == 1 and not any(named.values()):
            return {"": next(iter(lists.values()))}
        if len(lists) > sum(map(len, named.values())) or any(len(names) > 1 for names in named.values()):
            raise DataError(
                f"{len(lists)} folders of {self.path} have labels ({some(sorted(lists.values()))}) "
                "and are not just train_data and test_data: give one of them"
            )
        return {split: names[0] for split, names in named.items() if names}

    def splits(self) -> Sequence[str]:
        """Name the splits, nothing where nothing separates train from test."""
        return tuple(name for name in self.folders if name)

    def read(self, split: str) -> Parsed:
        """Read one split: adjacent windows of each record at the task's rate, in mV.

        Every record is a subject. Records shorter than the task's window are left out, and a note says how
        many. The noisy ones (``~``) are of the rhythm "NOISE": left out as well but by a task that has a
        class for it.

        Raises:
            DataError: No such split; a task of more than one lead; a list that can't be read.
        """
        task, found = self.asked.task, self._split(split)
        short: list[str] = []

        def recordings() -> Iterator[Recording]:
            for recording in self._recordings(found, self.reading):
                if recording.x.shape[1] * task.sampling_rate < task.window * recording.rate:
                    short.append(recording.name)
                yield recording

        self.reading.expect(len(found.rhythm), "records")
        parsed = windowing.parse(self.path, recordings(), task, self.reading)
        if short:
            found.notes.append(
                f"{len(short)} of {len(found.rhythm)} records are shorter than the window of "
                f"{task.seconds:g} s and left out: {some(short)}"
            )
        parsed.faults[:0] = found.faults
        parsed.notes += found.notes
        parsed.listed = found.listed
        return parsed

    def whose(self, split: str) -> list[tuple[str, str]]:
        """Name the records of a split, each a subject."""
        return [(PurePosixPath(name).name,) * 2 for name in self._split(split).rhythm]

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the records that hold more than a window; raises as `read` does, and for a fault."""
        task, found = self.asked.task, self._split(split)
        records = self._recordings(found, Reading(self.path))
        result = [item for record in records for item in windowing.episodes(record, task)]
        if found.faults:
            first, path = found.faults[0], self.path
            raise DataError(f"{path / first.file}: {first.detail}; see {look_at(path)}")
        return result

    def _split(self, split: str) -> _Split:
        """Read the list of a split."""
        path, called, task = self.path, self.source.called, self.asked.task
        if task.leads != 1:
            raise DataError(f"records in {path} have one lead, task {task.name!r} has {task.leads}")
        if "" not in self.folders and split not in self.folders:
            raise DataError(f"no {split} split in {path}: it holds {', '.join(self.folders)} only")
        listing = self.folders.get("") or self.folders[split]
        folder, found = _folder(listing), _Split(listing)
        if "" in self.folders:
            found.notes.append("neither train_data nor test_data inside: nothing separates train from test")
        seen: set[str] = set()
        wanted = self._wanted(folder)
        for number, (record, label) in enumerate(self._rows(listing), 1):
            name, at = folder + record, f"line {number}"
            if label not in RHYTHMS:
                detail = f"{at}: label {label!r} is none of {', '.join(RHYTHMS)}"
                found.faults.append(Fault("index", listing, detail))
            elif plain(name) in seen:
                found.faults.append(Fault("index", listing, f"{at}: lists {record} again"))
            elif called(f"{name}.mat"):
                found.rhythm[name] = RHYTHMS[label]
                seen.add(plain(name))
            elif wanted is None or plain(record) in wanted:
                detail = f"is not there, but {at} of {listing} lists it"
                found.faults.append(Fault("missing", f"{name}.mat", detail))
        files = [name for name in self.source.names if name.lower().endswith(".mat")]
        there = [name[:-4] for name in files if _folder(name) == folder]
        if other := [name for name in there if plain(name) not in seen]:
            found.notes.append(f"{len(other)} records are not in {listing} and left out: {some(other)}")
        noisy = [PurePosixPath(name).name for name, rhythm in found.rhythm.items() if rhythm == "NOISE"]
        if noisy:
            found.notes.append(f"{len(noisy)} records are labelled too noisy, rhythm 'NOISE': {some(noisy)}")
        found.notes.append(AboutPeople("each record is taken for one subject, as far as is known"))
        found.rhythm = dict(sorted(found.rhythm.items()))
        return found

    def _wanted(self, folder: str) -> set[str] | None:
        """Return the records that RECORDS lists; None where there is no such file."""
        listing = self.source.called(f"{folder}{LIST}")
        if not listing:
            return None
        lines = decoded(self.source.only(listing)).split()
        return {plain(PurePosixPath(line).name) for line in lines}

    def _rows(self, listing: str) -> list[tuple[str, str]]:
        """Return record and label of each line of a list."""
        try:
            rows = list(csv.reader(io.StringIO(decoded(self.source.only(listing)), newline="")))
        except csv.Error as error:
            raise DataError(f"can't read {self.path / listing}: {error}") from None
        for number, row in enumerate(rows, 1):
            if row and len(row) < 2:
                raise DataError(f"{self.path / listing} line {number} is not RECORD,LABEL: {row[0]!r}")
        return [(row[0].strip(), row[1].strip()) for row in rows if row]

    def _recordings(self, found: _Split, past: Reading) -> Iterator[Recording]:
        """Read one record after the other; what can't be used becomes a fault."""
        assumed = 0
        with self.source.opened() as reading:
            for name, rhythm in found.rhythm.items():
                called = PurePosixPath(name).name
                if known := windowing.past(past, called, called):
                    assumed += bool(known.about["assumed"])
                    yield known
                    continue
                try:
                    head = self._header(name, reading)
                    assumed += head is None
                    rate = head.rate if head else self.rate or RATE
                    x = signal(name, head, _bytes(self.source.called(f"{name}.mat"), reading))
                except Unusable as error:
                    found.faults.append(error.fault)
                    continue
                about = {"assumed": head is None}
                yield Recording(called, called, rate, x, [Stretch(0, x.shape[1], rhythm)], about=about)
        if assumed:
            found.notes.append(
                f"{assumed} records have no header: they are taken for {self.rate} Hz, as given, and "
                f"{GAIN:g} units/mV, as published"
            )

    def _header(self, name: str, reading: Read) -> Header | None:
        """Read the header of a record; None where there is none and a person said the rate."""
        file = f"{name}.hea"
        if there := self.source.called(file):
            return header(file, _bytes(there, reading))
        if self.rate is None or self.tells_rate:
            record = PurePosixPath(name).name
            detail = f"is not there, and {record}.mat does not state its rate (published: {RATE} Hz)"
            if not self.tells_rate:
                detail += f": give --sampling-rate {RATE}"
            raise Unusable("missing", file, detail)
        return None


def _bytes(file: str, reading: Read) -> bytes:
    found = dict(reading([file])).get(file, "not there any more")
    if isinstance(found, str):
        raise Unusable("unreadable", file, f"can't be read: {found}")
    return found
