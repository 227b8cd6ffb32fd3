"""Folders of WFDB records: which records there are, whose, in which split, and their windows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from atml.data import beat_windows, text, windowing
from atml.data.episode import Episode
from atml.data.file_names import LIST, plain
from atml.data.file_tree import file_there, find, folder_there
from atml.data.formats import wfdb_header, wfdb_rhythms
from atml.data.formats.base import Format
from atml.data.formats.diagnosis_headers import first_header
from atml.data.formats.wfdb_header import Header, Unusable
from atml.data.parsing import SPLITS, AboutPeople, Fault, Parsed, Seconds, look_at, some
from atml.data.rates import Rate
from atml.data.reading import Reading
from atml.data.windowing import Recording
from atml.errors import DataError
from atml.tasks.task import Task

MITDB = frozenset(
    "100 101 102 103 104 105 106 107 108 109 111 112 113 114 115 116 117 118 119 121 122 123 124 200 201 202 "
    "203 205 207 208 209 210 212 213 214 215 217 219 220 221 222 223 228 230 231 232 233 234".split()
)
"""Records of the MIT-BIH Arrhythmia Database, for which more is known than their files say."""

MITDB_RATE = 360
"""Hz."""

PACED = ("102", "104", "107", "217")
"""Those with paced beats: ANSI/AAMI EC57 leaves them out."""

MACHINE = "annotated by a program alone"
"""Why a record is left out that has an ``.ari`` and no ``.atr``."""

ONE_PATIENT = {"202": "201"}
"""The second of two records of one patient, and the first."""


BY_PATIENT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (r"(?:.*/)?(p\d{5})_s\d{2}", r"(?:.*/)?(p\d{4,})/s\d+/[^/]+")
)
"""Records that are named by patient: p00000_s01 of Icentia11k, p1000/p10001/s1/r1 of MIMIC-IV-ECG."""


def patients_of(names: Sequence[str]) -> dict[str, str]:
    """Return the patient of each record, by its name; nothing where not all are named so."""
    for pattern in BY_PATIENT:
        found = {name: pattern.fullmatch(name) for name in names}
        if names and all(found.values()):
            return {name: match[1] for name, match in found.items() if match}
    return {}


@dataclass
class _Records:
    """The records of a split: their list, headers of those to read, seconds of the rest, faults and notes.

    ``name`` and ``subject`` go by the name in the header, which starts with the folder of the split.
    """

    folder: Path
    listed: str = ""
    headers: list[Header] = field(default_factory=list)
    name: dict[str, str] = field(default_factory=dict)
    subject: dict[str, str] = field(default_factory=dict)
    seconds: list[Seconds] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_wfdb(path: Path) -> bool:
    """Tell whether a folder holds WFDB records, itself or in its train_data and test_data."""
    return path.is_dir() and (_holds_records(path) or bool(splits(path)))


def splits(path: Path) -> tuple[str, ...]:
    """Name the splits that a folder tells apart: those of train_data and test_data that hold records."""
    return tuple(name for name in SPLITS if _holds_records(folder_there(path, f"{name}_data")))


def _holds_records(folder: Path | None) -> bool:
    return folder is not None and (file_there(folder, LIST) is not None or bool(_headers(folder)))


def _beside(folder: Path) -> bool:
    """Whether a folder beside those of the splits holds records."""
    split = folder.name.casefold() in {f"{name}_data" for name in SPLITS}
    return not split and not folder.name.startswith(".") and folder.is_dir() and _holds_records(folder)


def _headers(folder: Path) -> list[str]:
    """Return the records that have a header in a folder; ``._r1.hea`` is what macOS leaves beside a copy.

    Where all records below are named by patient, those count: a folder or more is a patient's.
    """
    there = sorted(file.stem for file in _ending(folder, ".hea"))
    first = None if there else first_header(folder)
    if first is None or not patients_of([first.relative_to(folder).with_suffix("").as_posix()]):
        return there
    names = [name[:-4] for name in find(folder).names if name.lower().endswith(".hea")]
    return names if patients_of(names) else []


def _ending(folder: Path, ending: str) -> list[Path]:
    """Return the files in a folder that have an ending, in capitals or not."""
    files = folder.iterdir() if folder.is_dir() else ()
    return [file for file in files if file.suffix.lower() == ending and not file.name.startswith(".")]


def _listed(folder: Path, below: str = "") -> list[str]:
    """Return the records that RECORDS lists, those of the folders in it by their own lists."""
    found: list[str] = []
    listing = file_there(folder, below + LIST)
    for line in text.read(listing).splitlines() if listing else ():
        name = below + re.sub(r"\.hea$", "", line.strip(), flags=re.IGNORECASE)
        inside = Path(line.strip()).parts
        inner = folder_there(folder, name) if name.endswith("/") and inside and ".." not in inside else None
        if inner is not None:
            listed = file_there(inner, LIST) is not None
            found += _listed(folder, name) if listed else [name + one for one in _headers(inner)]
        elif line.strip() and not Path(name).name.startswith("._"):
            found.append(name)
    first: dict[str, str] = {}
    for name in found:
        first.setdefault(plain(name), name)
    return list(first.values())


def read(path: Path, split: str, task: Task, leads: Sequence[str], reading: Reading | None = None) -> Parsed:
    """Read one split, at the task's rate, in mV: adjacent windows inside each stretch of one rhythm.

    For a task of single beats, windows round beats.

    Args:
        path: The folder.
        split: "train" or "test"; of a folder that tells them not apart, all is read for either.
        task: Rate, window and leads.
        leads: As `atml.data.open` takes them.
        reading: Takes the windows; None for one that has them in memory.

    Raises:
        DataError: No such split; not as many leads asked for as the task has; no record at all.
        MissingExtraError: The package wfdb is not installed.
    """
    found = _find(path, split, task, leads)
    reading = reading or Reading(path)
    parse = beat_windows.parse if task.around_beats else windowing.parse
    parsed = parse(path, _recordings(found, leads, task, reading), task, reading)
    parsed.faults[:0] = found.faults
    parsed.notes += found.notes
    parsed.listed = found.listed
    parsed.seconds = sorted([*parsed.seconds, *found.seconds], key=lambda row: (row.record, row.rhythm))
    return parsed


def episodes(path: Path, split: str, task: Task, leads: Sequence[str]) -> list[Episode]:
    """Return all stretches of one rhythm that hold more than a window; raises as `read` does.

    A fault stops here: time to decision over a part of the records would say too little.
    """
    found = _find(path, split, task, leads)
    records = _recordings(found, leads, task, Reading(path))
    result = [item for record in records for item in windowing.episodes(record, task)]
    _sound(path, found)
    return result


def annotated(path: Path, split: str, task: Task, leads: Sequence[str]) -> Iterator[Recording]:
    """Yield the records of a split, whole and with their annotations; raises as `episodes` does."""
    found = _find(path, split, task, leads)
    _sound(path, found)
    for record in _recordings(found, leads, task, Reading(path)):
        _sound(path, found)
        yield record
    _sound(path, found)


def _sound(path: Path, found: _Records) -> None:
    """Raise DataError for the first fault there is."""
    if found.faults:
        first = found.faults[0]
        raise DataError(f"{path / first.file}: {first.detail}; see {look_at(path)}")


def _find(path: Path, split: str, task: Task, leads: Sequence[str]) -> _Records:
    """Find the records of a split and read their headers."""
    if leads and len(leads) != task.leads:
        raise DataError(
            f"--lead {' '.join(leads)} names {len(leads)} leads, task {task.name!r} has {task.leads}"
        )
    wfdb_header.package()
    there = splits(path)
    if there and split not in there:
        raise DataError(f"no {split} split in {path}: it holds {', '.join(there)} only")
    below = f"{split}_data/" if there else ""
    found = _Records(path, f"{below}{LIST}" if file_there(path, below + LIST) else "")
    if not there:
        found.notes.append("neither train_data nor test_data inside: nothing separates train from test")
    elif others := [one.name for one in sorted(path.iterdir()) if _beside(one)]:
        found.notes.append(f"records in {some(others)} are in neither train nor test, and left out")
    inside, others = _names((folder_there(path, below) if below else None) or path)
    names = [below + name for name in inside]
    for name in names:
        try:
            found.headers.append(wfdb_header.header(path, name))
        except Unusable as error:
            found.faults.append(error.fault)
    parts = {plain(head.beside(part)) for head in found.headers for part in head.parts}
    found.headers = [head for head in found.headers if plain(head.name) not in parts]
    if left := [name for name in others if plain(below + name) not in parts]:
        found.notes.append(f"{len(left)} records are not in RECORDS and left out: {some(left)}")
    _explain(found, names)
    return found


def record_names(folder: Path) -> list[str]:
    """Return the records of a folder: those that RECORDS lists, else all with a header.

    Raises DataError where RECORDS lists none.
    """
    return _names(folder)[0]


def is_mitdb(names: Iterable[str], rates: Iterable[Rate]) -> bool:
    """Tell whether records are of the MIT-BIH Arrhythmia Database, by their names and rates.

    By name alone it could be anybody's numbering.

    Example:
        >>> is_mitdb(["100", "202"], [360, 360]), is_mitdb(["100", "202"], [360, 250])
        (True, False)
    """
    return set(rates) == {MITDB_RATE} and set(names) <= MITDB


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """Return the records of a folder: those that RECORDS lists, else all with a header; and the others."""
    headers = _headers(folder)
    listing = file_there(folder, LIST)
    if listing is None:
        return headers, []
    listed = _listed(folder)
    if not listed:
        raise DataError(f"{listing} lists no record")
    known = set(map(plain, listed))
    return listed, [name for name in headers if plain(name) not in known]


def _by_machine(found: _Records) -> set[str]:
    """Return the records that nobody has annotated, where others are, as in the Sudden Cardiac Death set."""
    by_hand = {head.name for head in found.headers if file_there(found.folder, f"{head.name}.atr")}
    if not by_hand:
        return set()
    rest = (head.name for head in found.headers if head.name not in by_hand)
    return {name for name in rest if file_there(found.folder, f"{name}.ari")}


def _explain(found: _Records, names: Sequence[str]) -> None:
    """Say whose the records are, and set aside those that are not to be used."""
    short = {name: name.removeprefix("train_data/").removeprefix("test_data/") for name in names}
    found.name = short
    mitdb = is_mitdb(short.values(), [head.rate for head in found.headers])
    patients = patients_of(list(short.values()))
    kept = []
    machine = _by_machine(found)
    for head in found.headers:
        name = short[head.name]
        found.subject[head.name] = ONE_PATIENT.get(name, name) if mitdb else patients.get(name, name)
        reason = "paced" if mitdb and name in PACED else "no signal" if not head.leads else ""
        if not reason and head.name in machine:
            reason = MACHINE
        if reason:
            time = float((head.samples or 0) / head.rate)
            found.seconds.append(Seconds(name, found.subject[head.name], "", time, 0.0, {reason: time}))
        else:
            kept.append(head)
    if mitdb and (paced := [row.record for row in found.seconds if "paced" in row.left_out]):
        found.notes.append(f"paced records left out, as EC57 has it: {', '.join(paced)}")
    if empty := [row.record for row in found.seconds if "no signal" in row.left_out]:
        found.notes.append(f"records without a signal left out: {', '.join(empty)}")
    if machine:
        found.notes.append(
            f"records annotated by a program alone (.ari, no .atr) left out: {some(sorted(machine))}"
        )
    if mitdb and {"201", "202"} <= set(short.values()):
        found.notes.append(AboutPeople("records 201 and 202 are of one patient, called 201"))
    if patients:
        people = len(set(patients.values()))
        found.notes.append(AboutPeople(f"{len(patients)} records are named by patient: {people} subjects"))
    elif not mitdb:
        found.notes.append(
            AboutPeople(
                "each record is taken for one subject: nothing here tells which records share a patient"
            )
        )
    found.headers = kept


def _with_lists(folder: Path, fault: Fault) -> Fault:
    """Say of a record without annotations which lists beside it may hold its label."""
    lists = sorted(file.name for file in _ending(folder, ".csv"))
    if fault.kind != "missing" or not fault.file.endswith(".atr"):
        return fault
    where = (
        f"labels may lie in {some(lists)}, which is not understood" if lists else "if labels lie elsewhere"
    )
    detail = f"{fault.detail}; {where}: give a table 'file,label,patient' with --labels FILE"
    return replace(fault, detail=detail)


def _recordings(found: _Records, leads: Sequence[str], task: Task, reading: Reading) -> Iterator[Recording]:
    """Read one record after the other; what can't be used becomes a fault."""
    used: dict[str, list[str]] = {}
    by_beats: list[str] = []
    reading.expect(len(found.headers), "records")
    for head in found.headers:
        name, subject = found.name[head.name], found.subject[head.name]
        try:
            numbers = wfdb_header.choose(head, leads, task.leads)
            record = windowing.past(reading, name, subject)
            record = record or wfdb_rhythms.read(
                found.folder, head, numbers, name, subject, lambda share: reading.step(share / 2)
            )
        except Unusable as error:
            found.faults.append(_with_lists(found.folder, error.fault))
            continue
        used.setdefault(" and ".join(head.leads[at] for at in numbers), []).append(record.name)
        if record.by_beats:
            by_beats.append(record.name)
        yield record
    if by_beats and not task.around_beats:
        found.notes.append(
            f"{len(by_beats)} records name no rhythm; between beats, all coded N, they are taken for 'N', "
            f"tachycardia too: {some(by_beats)}"
        )
    if len(used) > 1:
        each = ", ".join(f"{name} in {len(records)} ({some(records)})" for name, records in used.items())
        found.notes.append(f"the leads differ: {each}")


class WfdbFolder(Format):
    """A folder of WFDB records."""

    chooses_leads = tells_rate = millivolts = recordings = beats = True

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by a RECORDS or a header, in it or in its train_data and test_data."""
        return is_wfdb(path)

    @property
    def options(self) -> tuple[object, ...]:
        """The leads that are wanted; the number is that of the way in which parts are joined."""
        return (self.asked.leads, 2)

    def splits(self) -> Sequence[str]:
        """Name the splits."""
        return splits(self.path)

    def read(self, split: str) -> Parsed:
        """Read one split."""
        return read(self.path, split, self.asked.task, self.asked.leads, self.reading)

    def whose(self, split: str) -> list[tuple[str, str]]:
        """Name the records of a split and their subjects, by their headers alone."""
        found = _find(self.path, split, self.asked.task, self.asked.leads)
        return [(found.name[head.name], found.subject[head.name]) for head in found.headers]

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return all stretches of one rhythm that hold more than a window."""
        return episodes(self.path, split, self.asked.task, self.asked.leads)

    def annotated(self, split: str) -> Iterator[Recording]:
        """Yield the records of a split with their annotations; a fault stops here."""
        return annotated(self.path, split, self.asked.task, self.asked.leads)
