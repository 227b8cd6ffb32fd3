"""Tables of pages, a line each: the file, and its labels in a column each of 1 and 0, or all in one column.

Columns are found by their names, as `label_table` has them. A cell of a label's own column that is empty says
that nobody knows; in one column of names (``AF;RBBB``) what is not named is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atml.data.formats import label_table
from atml.data.formats.label_table import plain_name
from atml.data.parsing import some
from atml.errors import DataError

FILE = (
    *("folder", "image", "imagefile", "imagename", "imagepath", "picture", "page", "scan", "png", "img"),
    *label_table.FILE,
)
"""Names of the column for the file, in small letters and digits alone, the first that is there counts."""

FLAGS = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0, "": None, "nan": None}
"""What stands in a column of one label, in small letters, and what it says; None for nothing."""


@dataclass(frozen=True)
class PageLine:
    """What a line says: ``flags`` of columns of one label, ``names`` in a column of all, None for no such."""

    line: int
    file: str
    flags: dict[str, int | None]
    names: tuple[str, ...] | None
    subject: str | None
    split: str


@dataclass(frozen=True)
class PageTable:
    """A table of pages: ``flags`` names its columns of one label, ``joined`` the one of all, "" for none."""

    lines: tuple[PageLine, ...]
    flags: tuple[str, ...]
    joined: str
    subject: str


def file_column(names: Sequence[str]) -> int | None:
    """Return the column of files by a table's first line; None for a table without."""
    plain = [plain_name(name) for name in names]
    return next((plain.index(name) for name in FILE if name in plain), None)


def first_files(file: Path, most: int) -> list[str]:
    """Return the files that the first ``most`` lines of a table name; never raises."""
    rows = label_table.first_lines(file, most)
    at = file_column(rows[0]) if rows else None
    return [] if at is None else [row[at].strip() for row in rows[1:] if at < len(row) and row[at].strip()]


def read(file: Path) -> PageTable:
    """Read a table.

    Raises:
        DataError: It is no table, has no column for the file, or lists nothing.
    """
    held = label_table.lines(file)
    names = [name.strip() for name in held[0][1]] if held else []
    at = file_column(names)
    if at is None:
        raise DataError(
            f"{file} has no column for the picture: its first line is {some(names, 6)!r}; call one 'file'"
        )
    rows = held[1:]
    if not rows:
        raise DataError(f"{file} lists no page")
    for number, line in rows:
        if len(line) != len(names):
            raise DataError(f"{file} line {number} has {len(line)} of {len(names)} columns: {line[0]!r}")
    plain = [plain_name(name) for name in names]
    subject, split = (label_table.first_of(plain, kind) for kind in (label_table.SUBJECT, label_table.SPLIT))
    taken = {at, subject, split}
    flags = {
        name: column
        for column, name in enumerate(names)
        if column not in taken and _is_flag([line[column] for _, line in rows])
    }
    rest = [name if column not in {*taken, *flags.values()} else "" for column, name in enumerate(plain)]
    joined = label_table.first_of(rest, label_table.LABEL)
    lines = [
        PageLine(
            line=number,
            file=line[at].strip(),
            flags={name: FLAGS[line[column].strip().casefold()] for name, column in flags.items()},
            names=None if joined is None else _names(line[joined], f"{file} line {number}"),
            subject=None if subject is None else label_table.whole(line[subject]),
            split="" if split is None else label_table.split_of(line[split], names[split]),
        )
        for number, line in rows
    ]
    return PageTable(
        tuple(lines),
        tuple(flags),
        "" if joined is None else names[joined],
        "" if subject is None else names[subject],
    )


def _is_flag(cells: Sequence[str]) -> bool:
    return {cell.strip().casefold() for cell in cells} <= set(FLAGS)


def _names(cell: str, where: str) -> tuple[str, ...]:
    """Return the names in a cell, between which "+" may stand too."""
    found = [part.strip() for name in label_table.statements(cell, where) for part in name.split("+")]
    return tuple(name for name in found if name)
