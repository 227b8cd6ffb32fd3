"""Tables that name the recordings of a set, one a line: file, label and, if told, patient and split.

Columns are found by their names: those of PTB-XL (``ptbxl_database.csv``), of the Chapman-Shaoxing set
(``Diagnostics.csv``), and the usual ones ("file", "label", "patient", "split"). In a label
column stand one statement or several: ``{'SR': 0.0, 'AFIB': 100.0}``, ``['SR', 'PVC']``, ``SR;PVC``.

Sources: https://physionet.org/content/ptb-xl/, https://doi.org/10.6084/m9.figshare.c.4560497.
"""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atml.data import text
from atml.data.text import decoded
from atml.errors import DataError

FILE = (
    *("filenamehr", "filenamelr", "filename", "file", "filepath", "path", "record", "recordname", "recordid"),
    *("recording", "recordingname", "recordingid", "ecgfile", "signalfile", "name", "id"),
)
LABEL = (
    *("scpcodes", "rhythm", "label", "labels", "diagnosis", "diagnoses", "dx", "class", "target", "rhythms"),
    *("snomedctcode", "arrhythmia"),
)
SUBJECT = ("patientid", "patient", "subjectid", "subject", "pid", "person", "personid", "participant")
SPLIT = ("split", "stratfold")
"""Names of columns, in small letters and digits alone, the first that is there counts."""

TEST_FOLD = 10
"""The fold that PTB-XL keeps for testing; no patient is in two folds."""

_HEAD = 1 << 16


@dataclass(frozen=True)
class Row:
    """What a line says: ``files`` (several for several rates), ``split`` "" where it tells none."""

    line: int
    files: tuple[str, ...]
    statements: tuple[str, ...]
    subject: str | None
    split: str


@dataclass(frozen=True)
class Columns:
    """Where in a line things stand; ``files`` may be several, ``subject`` and ``split`` None."""

    files: tuple[int, ...]
    label: int
    subject: int | None
    split: int | None
    names: tuple[str, ...]

    @property
    def code(self) -> str:
        """Name the code of the statements, as in `statements.CODES`; "" for none that is known."""
        plain = [plain_name(name) for name in self.names]
        if plain[self.label] == "scpcodes":
            return "SCP-ECG"
        if plain[self.label] in ("snomedctcode", "dx"):
            return "SNOMED CT"
        # "AF" in a column of this table is flutter.
        return "Chapman" if {"filename", "rhythm", "beat"} <= set(plain) else ""


def columns(names: Sequence[str]) -> Columns | None:
    """Tell which columns hold what, None for a table that names no files and labels."""
    plain = [plain_name(name) for name in names]
    label, subject, split = (first_of(plain, kind) for kind in (LABEL, SUBJECT, SPLIT))
    files = tuple(plain.index(name) for name in FILE if name in plain and plain.index(name) != label)
    if label is None or not files:
        return None
    return Columns(files, label, subject, split, tuple(names))


def head(file: Path) -> Columns | None:
    """Return the columns of a table by its first line; None for any other file; never raises."""
    try:
        with file.open("rb") as opened:
            line = next(iter(decoded(opened.read(_HEAD)).splitlines()), "")
    except OSError:
        return None
    try:
        return columns(next(csv.reader([line], delimiter=_mark(line)), []))
    except csv.Error:
        return None


def first_files(file: Path, found: Columns, most: int) -> list[str]:
    """Return the files that the first ``most`` lines of a table name; never raises."""
    rows = first_lines(file, most)[1:]
    return [row[at].strip() for row in rows for at in found.files if at < len(row)]


def first_lines(file: Path, most: int) -> list[list[str]]:
    """Return the first line of a table and ``most`` after it; never raises."""
    try:
        with file.open("rb") as opened:
            lines = decoded(opened.read(_HEAD)).splitlines()[: most + 1]
        return list(csv.reader(lines, delimiter=_mark(lines[0]))) if lines else []
    except (OSError, csv.Error):
        return []


def read(file: Path, found: Columns) -> list[Row]:
    """Read the lines of a table.

    Raises:
        DataError: It is no table, lists nothing, or a line has no column for what counts.
    """
    rows = []
    last = max((*found.files[:1], found.label, found.subject or 0, found.split or 0))
    for number, line in lines(file)[1:]:
        if len(line) <= last:
            raise DataError(
                f"{file} line {number} has {len(line)} of {len(found.names)} columns: {line[0]!r}"
            )
        rows.append(
            Row(
                line=number,
                files=tuple(line[at].strip() for at in found.files if at < len(line)),
                statements=tuple(statements(line[found.label], f"{file} line {number}")),
                subject=None if found.subject is None else whole(line[found.subject]),
                split="" if found.split is None else split_of(line[found.split], found.names[found.split]),
            )
        )
    if not rows:
        raise DataError(f"{file} lists no recording")
    return rows


def lines(file: Path) -> list[tuple[int, list[str]]]:
    """Return the lines of a table that hold anything, each with its number; raises DataError."""
    try:
        told = text.read(file)
        held = list(csv.reader(io.StringIO(told), delimiter=_mark(told.partition("\n")[0])))
    except (OSError, csv.Error) as error:
        raise DataError(f"can't read {file}: {getattr(error, 'strerror', None) or error}") from None
    return [(number, line) for number, line in enumerate(held, 1) if any(cell.strip() for cell in line)]


def columns_of_people(names: Sequence[str]) -> tuple[int, int] | None:
    """Tell which columns hold recording and subject, None for a line that names neither."""
    plain = [plain_name(name) for name in names]
    subject = first_of(plain, SUBJECT)
    rest = [name for at, name in enumerate(plain) if at != subject]
    recording = first_of(plain, [name for name in FILE if name in rest])
    if subject is not None and recording is None and len(names) == 2:
        recording = 1 - subject
    return None if subject is None or recording is None else (recording, subject)


def statements(cell: str, where: str) -> Iterable[str]:
    """Return the statements in a cell; raises DataError for brackets around what is no list."""
    cell = cell.strip()
    if cell[:1] in ("{", "["):
        try:
            held = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise DataError(f"{where}: {cell[:40]!r} is no list of labels") from None
        return [str(name) for name in held]
    return [part.strip() for part in re.split(r"[;|,]", cell) if part.strip()]


def whole(cell: str) -> str:
    """Return a number as it is meant: pandas writes whole ones with a point where some are missing."""
    cell = cell.strip()
    return cell[:-2] if re.fullmatch(r"\d+\.0", cell) else cell


def split_of(cell: str, column: str) -> str:
    """Return the split that a cell names; of folds the last is for testing."""
    if plain_name(column) == "stratfold":
        fold = whole(cell)
        return ("test" if fold == str(TEST_FOLD) else "train") if fold.isdigit() else fold
    return cell.strip().casefold()


def plain_name(name: str) -> str:
    """Return a column's name in small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def first_of(plain: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the place in ``plain`` of the first of ``names`` that is there; None for none."""
    return next((plain.index(name) for name in names if name in plain), None)


def _mark(line: str) -> str:
    return max((",", ";", "\t"), key=line.count)
