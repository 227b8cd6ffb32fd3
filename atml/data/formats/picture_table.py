"""A folder of pictures and a table that names them, with a column a label or one of all their names.

Where the folder holds no such table, or several, ``--labels FILE`` gives one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from atml.data.file_tree import find
from atml.data.formats import label_columns
from atml.data.formats.base import Asked
from atml.data.formats.label_columns import PageLine, PageTable
from atml.data.formats.made_pages import PICTURE
from atml.data.formats.named_files import NamedFiles
from atml.data.formats.picture_set import Item, Listing, PictureSet
from atml.data.parsing import SPLITS, AboutPeople, Fault, some
from atml.data.pictures import ENDINGS
from atml.errors import DataError
from atml.formatting import listed, plural

FEW = 5
"""Lines of a table that are looked at to see whether it names pictures here."""

MASKS = ("_label_wave.png", "_label_grid.png", "_label_other.png")
"""Endings of pictures that are none of a page."""

NOTHING = frozenset(("none", "normal", "norm", "nsr", "sr", "n", "-", "0"))
"""Names, in small letters, that stand for no label where the task does not know them."""


def pictures(folder: Path) -> list[str]:
    """Name the pictures in a folder and below; never raises."""
    try:
        names = find(folder).names if folder.is_dir() else ()
    except DataError:
        return []
    return [name for name in names if name.lower().endswith(ENDINGS) and not name.endswith(MASKS)]


def tables(folder: Path) -> list[Path]:
    """Return the tables in a folder that name pictures there; never raises."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".csv", ".tsv"))
        found, names = [], _Named(folder)
        for file in files:
            if file.name.startswith("."):
                continue
            if any(names.meant(name) for name in label_columns.first_files(file, FEW)):
                found.append(file)
    except (OSError, DataError):
        return []
    return found


class PictureTable(PictureSet):
    """A folder of pictures and such a table."""

    def __init__(self, path: Path, asked: Asked) -> None:
        super().__init__(path, asked)
        self.table = asked.labels

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by a picture in it; without a table it says so when it is read."""
        return bool(pictures(path))

    @property
    def identity(self) -> str:
        """Hash names, sizes and times of all files, and those of a table elsewhere."""
        beside = ""
        if self.table is not None:
            beside = f" {self.table.stat().st_size} {self.table.stat().st_mtime_ns}"
        return find(self.path).identity + beside

    @cached_property
    def _file(self) -> Path:
        """The table; raises DataError for none or several."""
        if self.table is not None:
            return self.table
        several = tables(self.path)
        if not several:
            count = plural(len(pictures(self.path)), "picture")
            raise DataError(
                f"{self.path} holds {count} and no table that names them: give one with --labels FILE, whose"
                " first line is 'file,subject,' and a column a label"
            )
        if len(several) > 1:
            names = ", ".join(file.name for file in several)
            raise DataError(f"{self.path} has several tables of labels ({names}): choose with --labels FILE")
        return several[0]

    @cached_property
    def _read(self) -> PageTable:
        return label_columns.read(self._file)

    @cached_property
    def _named(self) -> _Named:
        return _Named(self.path)

    @property
    def _by_columns(self) -> bool:
        """Whether columns of one label count, and not the one of all; raises DataError for neither."""
        flags, joined = self._read.flags, self._read.joined
        if self.known(flags) or (flags and not joined):
            return True
        if joined:
            return False
        raise DataError(
            f"{self._file} has no labels: a column of 1 and 0 for each, or one called 'labels' with names"
            " such as 'AF+RBBB'"
        )

    @property
    def statements(self) -> Sequence[str]:
        """Return all names of labels in the table."""
        return [*self._read.flags, *(name for line in self._read.lines for name in line.names or ())]

    def splits(self) -> Sequence[str]:
        """Name the splits that a column of the table tells apart."""
        there = {line.split for line in self._read.lines}
        return tuple(name for name in SPLITS if name in there)

    def listing(self, split: str) -> Listing:
        """List the pages of a split that the table names."""
        table, file = self._read, self._file
        called = file.name if file.parent == self.path else str(file)
        by_columns = self._by_columns
        found = Listing(listed=called, columns=table.flags if by_columns else None)
        told, lines, bare = self.splits(), dict[str, int](), []
        for line in table.lines:
            if told and line.split != split:
                lines[self._named.find(line.file)] = line.line
                continue
            name = self._named.find(line.file)
            if not name:
                detail = f"is not there, but line {line.line} of {called} names it"
                found.faults.append(Fault("missing", line.file or called, detail))
            elif name in lines:
                detail = f"lines {lines[name]} and {line.line} both name {name}"
                found.faults.append(Fault("index", called, detail))
            else:
                labels = line.flags if by_columns else self._of_names(line)
                bare += [name] if not by_columns and not line.names else []
                found.items.append(Item(name, name, name if line.subject is None else line.subject, labels))
            lines[name] = line.line
        found.notes += self._notes(found, called, bare, set(lines))
        return found

    def _of_names(self, line: PageLine) -> dict[str, int | None]:
        names = line.names or ()
        return {
            name: 1 for name in names if name.casefold() not in NOTHING or self.asked.label(name) is not None
        }

    def _notes(self, found: Listing, called: str, bare: Sequence[str], named: set[str]) -> list[str]:
        table = self._read
        columns = [name for name in table.flags if self.asked.label(name) is not None]
        where = f"columns {listed(columns)}" if found.columns is not None else f"column {table.joined!r}"
        notes = [f"labels stand in {called}, {where}"]
        people = len({item.subject for item in found.items})
        if table.subject:
            told = (
                f"{plural(len(found.items), 'page')} of {plural(people, 'subject')}, column {table.subject!r}"
            )
        else:
            told = f"each page is taken for one subject: {called} names no patients"
        notes.append(AboutPeople(told))
        if not self.splits():
            notes.append(f"{called} does not tell train from test")
        if bare:
            notes.append(
                f"{plural(len(bare), 'page')} with no label in {called}, taken for none: {some(bare)}"
            )
        beside = sorted(set(pictures(self.path)) - named)
        if beside:
            notes.append(f"{plural(len(beside), 'picture')} not in {called} and left out: {some(beside)}")
        return notes


class _Named(NamedFiles):
    """Pictures by what a table calls them; a folder of `made_pages` means its picture."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ENDINGS)

    @cached_property
    def _exact(self) -> frozenset[str]:
        return frozenset(find(self.folder).names)

    def meant(self, name: str) -> list[str]:
        """Return the files that a table may mean, the one of that very name before others."""
        if name in self._exact and name.lower().endswith(ENDINGS):
            return [name]
        return super().meant(name) or super().meant(name + PICTURE.removesuffix(".png"))
