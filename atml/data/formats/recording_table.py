"""Folders of recordings whose labels and patients stand in a table: PTB-XL, Chapman-Shaoxing and the like.

A recording is a WFDB record, an EDF file or a table of numbers. Where a folder holds no such table, or
several, ``--labels FILE`` gives one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from atml.arrays import Float32
from atml.data.file_names import plain
from atml.data.file_tree import find, folder_there
from atml.data.formats import column_file, edf_file, label_table
from atml.data.formats.base import Asked
from atml.data.formats.label_table import Columns, Row
from atml.data.formats.named_files import NamedFiles
from atml.data.formats.recording_set import Item, Listing, Opened, RecordingSet, wfdb_opened
from atml.data.formats.statements import CODES, decide
from atml.data.formats.wfdb_folder import patients_of
from atml.data.formats.wfdb_header import Unusable
from atml.data.parsing import SPLITS, AboutPeople, Fault, some
from atml.errors import DataError

SIGNALS = (".hea", *edf_file.ENDINGS, *column_file.ENDINGS)
"""Endings of what can be read."""

CHAPMAN_RATE, CHAPMAN_UNIT = 500, 1e-3
"""Hz, and mV of a unit, of the published tables of numbers of that set; they tell neither."""

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Their columns, where there is no line of names."""

FEW = 5
"""Lines of a table that are looked at to see whether it names files here."""


def tables(folder: Path) -> dict[Path, Columns]:
    """Return the tables in a folder that name files and labels; never raises."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".csv", ".tsv"))
    except OSError:
        return {}
    there = {file: label_table.head(file) for file in files if not file.name.startswith(".")}
    return {file: found for file, found in there.items() if found}


class RecordingTable(RecordingSet):
    """A folder of recordings and a table that names them."""

    def __init__(self, path: Path, asked: Asked) -> None:
        super().__init__(path, asked)
        self.table = asked.labels

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by a table in it whose first lines name recordings that are there."""
        if not path.is_dir():
            return False
        try:
            for file, found in tables(path).items():
                names = NamedFiles(path, SIGNALS)
                if any(names.meant(name) for name in label_table.first_files(file, found, FEW)):
                    return True
        except DataError:
            return False
        return False

    @property
    def identity(self) -> str:
        """Hash names, sizes and times of all files, and those of a table elsewhere."""
        return find(self.path).identity + (self._outside or "")

    @property
    def _outside(self) -> str:
        if self.table is None:
            return ""
        return f" {self.table.stat().st_size} {self.table.stat().st_mtime_ns}"

    @cached_property
    def _source(self) -> tuple[Path, Columns]:
        """The table and its columns; raises DataError for none or several."""
        if self.table is not None:
            found = label_table.head(self.table)
            if found is None:
                raise DataError(
                    f"--labels {self.table}: no table with a column for the file and one for the label in "
                    "its first line ('file', 'label', and 'patient' if you have it)"
                )
            return self.table, found
        several = tables(self.path)
        if len(several) > 1:
            names = ", ".join(file.name for file in several)
            raise DataError(f"{self.path} has several tables of labels ({names}): choose with --labels FILE")
        return next(iter(several.items()))

    @cached_property
    def _rows(self) -> list[Row]:
        return label_table.read(*self._source)

    @cached_property
    def _files(self) -> NamedFiles:
        return NamedFiles(self.path, SIGNALS)

    @cached_property
    def tells_rate(self) -> bool:  # type: ignore[override]
        """Whether recordings tell their rate: of tables of numbers only those with a column of time do."""
        file = next((one for row in self._rows if (one := self._file(row))), "")
        by_column = file.lower().endswith(column_file.ENDINGS) and self._source[1].code != "Chapman"
        return bool(file) and not by_column

    @property
    def statements(self) -> Sequence[str]:
        """Return all that the table says, and what it may be called."""
        known = [name for code in CODES[self._source[1].code] for names in code.values() for name in names]
        return [*known, *(name for row in self._rows for name in row.statements)]

    @property
    def options(self) -> tuple[object, ...]:
        """Those of all such sets; the number is that of the way in which tables of numbers are read."""
        return (*super().options, 3)

    def splits(self) -> Sequence[str]:
        """Name the splits that the table tells apart."""
        there = {row.split for row in self._rows}
        return tuple(name for name in SPLITS if name in there)

    def _file(self, row: Row) -> str:
        """Return the file of a line, "" where none is there.

        Where a line names a recording at two rates, the slow one is read where it is as fast as the task.
        """
        found = [file for name in row.files if (file := self._files.find(name))]
        if len(found) > 1 and self.asked.task.sampling_rate <= 100:
            slow = [file for file in found if "_lr" in PurePosixPath(file).name.casefold()]
            found = slow or found
        return found[0] if found else ""

    def listing(self, split: str) -> Listing:
        """List the recordings of a split that the table names."""
        table, columns = self._source
        called = table.name if table.parent == self.path else str(table)
        found, lines = Listing(listed=called), dict[str, int]()
        told, unknown = self.splits(), dict[str, int]()
        for row in self._rows:
            if told and row.split != split:
                if row.split not in SPLITS:
                    unknown[row.split] = unknown.get(row.split, 0) + 1
                continue
            file = self._file(row)
            if not file:
                detail = f"is not there, but line {row.line} of {called} names it"
                found.faults.append(Fault("missing", row.files[0] or called, detail))
            elif file in lines:
                detail = f"lines {lines[file]} and {row.line} both name {file}"
                found.faults.append(Fault("index", called, detail))
            else:
                lines[file] = row.line
                name = file.removesuffix(PurePosixPath(file).suffix)
                subject = name if row.subject is None else row.subject  # by name where no column tells it
                rhythm = decide(row.statements, self.asked.label, columns.code)
                found.items.append(Item(file, name, subject, rhythm))
        found.notes += self._notes(found, called, unknown)
        return found

    def _notes(self, found: Listing, called: str, unknown: dict[str, int]) -> list[str]:
        columns, names = self._source[1], self._source[1].names
        notes = [f"labels stand in {called}, column {names[columns.label]!r}"]
        if columns.subject is None and (people := patients_of([item.name for item in found.items])):
            found.items = [replace(item, subject=people[item.name]) for item in found.items]
            count = len(set(people.values()))
            notes.append(AboutPeople(f"{len(people)} recordings are named by patient: {count} subjects"))
        elif columns.subject is None:
            notes.append(AboutPeople(f"each recording is taken for one subject: {called} names no patients"))
        else:
            count, column = len({item.subject for item in found.items}), names[columns.subject]
            notes.append(AboutPeople(f"{len(found.items)} recordings of {count} subjects, column {column!r}"))
        if not self.splits():
            notes.append(f"{called} does not tell train from test")
        if unknown:
            listed = ", ".join(f"{name!r} ({count})" for name, count in sorted(unknown.items()))
            notes.append(f"recordings of split {listed} are in neither train nor test, and left out")
        if several := [item.name for item in found.items if "+" in (item.rhythm or "")]:
            notes.append(
                f"{len(several)} recordings have several labels that are of no one class: {some(several)}"
            )
        listed_files = {item.file for item in found.items}
        if not self.splits() and (other := sorted(_signals(self._files, called) - listed_files)):
            stems = {_slow(file) for file in listed_files}
            other = [name for name in other if _slow(name) not in stems]
            if other:
                notes.append(f"{len(other)} files are not in {called} and left out: {some(other)}")
        return notes

    def opened(self, item: Item) -> Opened:
        """Open a recording by the ending of its file."""
        lower = item.file.lower()
        if lower.endswith(".hea"):
            return wfdb_opened(self.path, item.file[:-4])
        if lower.endswith(edf_file.ENDINGS):
            return edf_file.opened(self.path / item.file, item.file)
        return columns_opened(
            self.path, item.file, self.asked.sampling_rate, chapman=self._source[1].code == "Chapman"
        )


def columns_opened(folder: Path, file: str, asked: int | None, *, chapman: bool = False) -> Opened:
    """Read a table of numbers; raises `Unusable` where its rate is not known."""
    held = column_file.read(folder / file, file)
    rate = held.rate or asked
    if chapman and held.rate is None:
        rate = CHAPMAN_RATE
    if rate is None:
        raise Unusable("rate", file, "does not tell its rate: give --sampling-rate HZ")
    if asked is not None and asked != rate:
        raise Unusable("rate", file, f"tells {rate} Hz, --sampling-rate {asked}: leave one out")
    unit = CHAPMAN_UNIT if chapman and not held.units else 1.0
    names = TWELVE if chapman and not held.named and len(held.names) == len(TWELVE) else held.names

    def load(leads: Sequence[int]) -> Float32:
        return (held.x[list(leads)] * unit).astype("float32")

    notes = [] if held.units or unit != 1.0 else ["tables that tell no unit are taken for mV"]
    if held.dropped:
        notes.append(f"columns that are no leads are passed over ({', '.join(held.dropped)})")
    return Opened(rate, names, load, notes=tuple(notes))


def _slow(file: str) -> str:
    """Return the name of a file of PTB-XL at its lower rate, for one at either."""
    return PurePosixPath(file).name.casefold().replace("_hr", "_lr")


def _signals(files: NamedFiles, table: str) -> set[str]:
    """Return all recordings; a table of labels is none."""
    return {
        file
        for file in files.all
        if not (file.lower().endswith(column_file.ENDINGS) and ("/" not in file or file == table))
    }


def without_labels(path: Path) -> list[str]:
    """Name the tables in a folder that says their labels nowhere; nothing for any other folder."""
    apart = ("train_data", "test_data", "data_indices")
    if not path.is_dir() or any(folder_there(path, name) for name in apart):
        return []
    names = sorted(file.name for file in path.iterdir() if not file.name.startswith("."))
    if any(name.lower().endswith(".txt") for name in names):
        return []
    return [name for name in names if name.lower().endswith((".csv", ".tsv", ".xlsx"))]


def table_above(path: Path) -> str:
    """Name the table in the folder above that names recordings in this one, "" for none; never raises."""
    path = path.absolute()
    if not path.is_dir():
        return ""
    for file, found in tables(path.parent).items():
        if any(
            plain(name).startswith(plain(f"{path.name}/"))
            for name in label_table.first_files(file, found, FEW)
        ):
            return file.name
    return ""
