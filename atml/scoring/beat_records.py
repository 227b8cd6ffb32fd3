"""Pairs of annotations in folders of WFDB records: a reference and what is to be judged by it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from atml.data.file_tree import file_there
from atml.data.formats import annotation_file
from atml.data.formats.annotations import BEATS, Marks
from atml.data.formats.header_text import lines_of
from atml.data.formats.wfdb_folder import ONE_PATIENT, PACED, is_mitdb, patients_of, record_names
from atml.data.rates import Rate, rate_of, shown
from atml.errors import DataError
from atml.formatting import listed, plural

DEFAULT_RATE = 250
"""Rate in Hz of a record whose header states none, as WFDB has it."""

MOST = 5
"""Names that a message lists."""


@dataclass(frozen=True)
class BeatRecord:
    """A record with its annotations by two annotators, both in samples at ``rate`` Hz.

    ``length`` is the record's in samples, None where its header does not tell it.
    """

    name: str
    subject: str
    rate: float
    length: int | None
    reference: Marks
    test: Marks


@dataclass(frozen=True)
class BeatRecords:
    """The records of a folder, in its order, and what a reader has to know of them."""

    records: tuple[BeatRecord, ...]
    notes: tuple[str, ...]


def read(folder: Path, reference: str, test: str, test_folder: Path | None = None) -> BeatRecords:
    """Read the annotations of all records of a folder.

    The records are those that RECORDS lists, else all with a header. Of the MIT-BIH Arrhythmia Database the
    four records with paced beats are left out, as EC57 has it, and 201 and 202 are one person.

    Args:
        folder: With headers and the reference's files.
        reference: Annotator of the reference: the ending of its files, such as "atr".
        test: Annotator that is judged.
        test_folder: Folder of its files; None where they lie beside the reference's.

    Raises:
        DataError: No such folder, no record, a file that is missing, empty or damaged, or a reference without
            beats; the message names the file.
    """
    for place in (folder, test_folder or folder):
        if not place.is_dir():
            what = "is no folder" if place.exists() else "no such folder"
            raise DataError(f"{place}: {what}; name one with WFDB records")
    for annotator in (reference, test):
        if not re.fullmatch(r"[^\s./\\]+", annotator):
            raise DataError(f"annotator {annotator!r} is no ending of a file's name; give one such as atr")
    names = record_names(folder)
    if not names:
        raise DataError(f"{folder} holds no WFDB record: neither RECORDS nor a header (.hea) is there")
    heads = {name: _header(folder, name) for name in names}
    mitdb = is_mitdb([_last(name) for name in names], [rate for rate, _ in heads.values() if rate])
    paced = [name for name in names if mitdb and _last(name) in PACED]
    kept = [name for name in names if name not in paced]
    if not kept:
        raise DataError(f"{folder} holds paced records alone ({listed(paced)}), which EC57 leaves out")
    notes = [f"paced records left out, as EC57 has it: {', '.join(paced)}"] if paced else []
    there = test_folder or folder
    known_files, judged_files = _files(folder, kept, reference), _files(there, kept, test)
    patients = (
        {name: ONE_PATIENT.get(_last(name), _last(name)) for name in kept} if mitdb else patients_of(kept)
    )
    records: list[BeatRecord] = []
    odd: list[str] = []
    for name in kept:
        rate, length = heads[name]
        if rate is None:
            odd.append(f"{name}.hea states no sampling rate: {DEFAULT_RATE} Hz, as WFDB takes it")
        used = rate or DEFAULT_RATE
        own = _header(there, name)[0] if there != folder and file_there(there, f"{name}.hea") else None
        known, told = _marks(known_files[name], used, used)
        judged, also = _marks(judged_files[name], used, own or used)
        odd += told + also
        if not any(symbol in BEATS for symbol in known.symbol):
            raise DataError(
                f"{known_files[name]} has no beats; is {reference!r} the annotator of the reference?"
            )
        records.append(BeatRecord(name, patients.get(name, name), float(used), length, known, judged))
    return BeatRecords(
        tuple(records), (*notes, *_people(kept, patients, mitdb), *_paced(records), *_some(odd))
    )


def _last(name: str) -> str:
    return PurePosixPath(name).name


def _header(folder: Path, name: str) -> tuple[Rate | None, int | None]:
    """Return rate in Hz and length in samples of a record, None for what its header does not state."""
    path = file_there(folder, f"{name}.hea")
    if path is None:
        raise DataError(f"{folder / name}.hea is not there, and RECORDS lists it")
    try:
        lines = lines_of(path)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from None
    words = lines[0].split() if lines else []
    if len(words) < 2 or not words[1].isdigit():
        raise DataError(f"{path} is no WFDB header: its first line is {' '.join(words)[:60]!r}")
    if len(words) < 3:
        return None, None
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(/.*|\(.*)?", words[2])
    if found is None or not float(found[1]) > 0:
        raise DataError(f"{path} says {words[2]!r} Hz, which is no sampling rate")
    if len(words) > 3 and not words[3].isdigit():
        raise DataError(f"{path} says {words[3]!r} samples, which is no number of them")
    return rate_of(float(found[1])), (int(words[3]) or None) if len(words) > 3 else None


def _files(folder: Path, names: list[str], annotator: str) -> dict[str, Path]:
    """Return the annotation file of each record; raises DataError where some lack one."""
    there = {name: file_there(folder, f"{name}.{annotator}") for name in names}
    if missing := [name for name, file in there.items() if file is None]:
        few = (
            f"{plural(len(missing), 'record')} of {len(names)} lack annotator {annotator!r}: {_few(missing)}"
        )
        raise DataError(f"{folder / missing[0]}.{annotator} is not there; {few}")
    return {name: file for name, file in there.items() if file is not None}


def _marks(file: Path, rate: Rate, assumed: Rate) -> tuple[Marks, list[str]]:
    """Read an annotation file, with times in samples at ``rate``, and say where they counted in another.

    ``assumed`` is the rate of a file that states none.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror or error}") from None
    if not data:
        raise DataError(
            f"{file} has 0 bytes: it was not written to its end, as one without annotations has 2 bytes"
        )
    try:
        found, stated = annotation_file.parse(data)
    except annotation_file.Damaged as error:
        raise DataError(f"{file} can't be used: {error}") from None
    own = rate_of(stated) if stated else assumed
    if own == rate:
        return found, []
    moved = np.floor(found.sample * (float(rate) / float(own)) + 0.5).astype(np.int64)
    return replace(found, sample=moved), [f"{file.name} counts in {shown(own)} Hz, taken to {shown(rate)} Hz"]


def _people(names: list[str], patients: dict[str, str], mitdb: bool) -> list[str]:
    if mitdb:
        both = {"201", "202"} <= {_last(name) for name in names}
        return ["records 201 and 202 are of one person"] if both else []
    if patients:
        return [f"{len(names)} records are named by patient: {len(set(patients.values()))} people"]
    return ["each record is taken for one person: nothing here tells which records share one"]


def _paced(records: list[BeatRecord]) -> list[str]:
    found = [one.name for one in records if {"/", "f"} & set(one.reference.symbol)]
    if not found:
        return []
    return [f"paced beats in {_few(found)} count as Q; EC57 leaves records of pacemakers out"]


def _some(notes: list[str]) -> list[str]:
    return (
        notes if len(notes) <= MOST else [*notes[:MOST], f"... and {len(notes) - MOST} files more likewise"]
    )


def _few(names: list[str]) -> str:
    return listed(names) if len(names) <= MOST else f"{', '.join(names[:MOST])} and {len(names) - MOST} more"
