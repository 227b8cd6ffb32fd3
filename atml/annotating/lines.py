"""Samples as text that comes line by line: one number, or the columns of a table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from atml.arrays import Float32
from atml.data.leads import NoLead, meant
from atml.errors import DataError

MISSING = ("", "nan", "-", "na")
"""What stands for a sample that is missing."""

LONGEST = 4096
"""Bytes of a line, at most."""


class Lines:
    r"""Turns bytes, cut anywhere, into samples ``(leads, samples)``.

    A line has one number, or several between commas, semicolons, tabs or blanks. The first may hold names.
    Blank lines at the end are of no account; elsewhere each is a sample that is missing.

    Args:
        leads: How many a sample has.
        wanted: Columns by name or number, one entry a lead.
        trained: The same of the training: taken where none are asked for.

    Example:
        >>> lines = Lines(1, ["V5"])
        >>> lines.push(b"time,MLII,V5\n0,1.5,2.5\n0.1,1.6").tolist(), lines.end().tolist()
        ([[2.5]], [[]])
    """

    def __init__(self, leads: int, wanted: Sequence[str] = (), trained: Sequence[str] = ()) -> None:
        self.leads = leads
        self._wanted, self._trained = wanted, trained
        self._rest = b""
        self._line = 0
        self._columns: list[int] = []
        self._blank = 0
        self._count = 0
        self._mark: str | None = None

    def push(self, data: bytes) -> Float32:
        """Take bytes; return the samples of the lines that are whole by now.

        Raises:
            DataError: A line that holds no number, or other columns than the first; it is named.
        """
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            raise DataError(
                f"line {self._line + len(whole) + 1} is longer than {LONGEST} bytes: a sample a line"
            )
        return self._taken(whole)

    def end(self) -> Float32:
        """Return the sample of a last line that does not end; half a row of columns is left out."""
        last, self._rest = self._rest, b""
        if last.strip() and self._columns and self._count > 1:
            cells = self._cells(last.decode("utf-8", "replace"))
            last = last if len(cells) == self._count else b""
        return self._taken([last] if last.strip() else [])

    def _taken(self, whole: Sequence[bytes]) -> Float32:
        rows: list[list[float]] = []
        if self._columns and self._count == 1 and not self._blank and whole:
            try:
                values = np.array(whole, np.bytes_).astype(np.float64)
            except ValueError:
                pass  # line by line, to find which
            else:
                self._line += len(whole)
                return values[None].astype(np.float32)
        for line in whole:
            self._line += 1
            text = line.decode("utf-8", "replace").strip().lstrip("\ufeff")
            if not text:
                self._blank += bool(self._columns)
                continue
            if not self._columns and self._begin(text):
                continue
            rows += [[math.nan] * self.leads] * self._blank
            self._blank = 0
            rows.append(self._row(text))
        return np.array(rows, np.float32).reshape(-1, self.leads).T

    def _begin(self, text: str) -> bool:
        """Learn from the first line which columns there are; tell whether it holds their names."""
        self._mark = next((mark for mark in (",", ";", "\t") if mark in text), None)
        cells = self._cells(text)
        named = not any(_is_number(cell) for cell in cells)
        if named and len(cells) == 1 and not self._wanted and not re.match(r"[A-Za-z_]", cells[0]):
            raise self._no_number(cells[0])
        self._count = len(cells)
        names = cells if named else [str(number) for number in range(len(cells))]
        self._columns = self._chosen(names)
        return named

    def _chosen(self, names: Sequence[str]) -> list[int]:
        if not self._wanted and len(names) == self.leads:
            return list(range(self.leads))
        some = ", ".join(names[:8])
        try:
            chosen = meant(names, self._wanted or self._trained)
        except NoLead as error:
            raise DataError(
                f"line {self._line} has no column {error.entry!r}; it has {some}: choose with --lead"
            ) from None
        if len(chosen) != self.leads:
            raise DataError(
                f"line {self._line} has {len(names)} columns ({some}), the model takes {self.leads} lead(s):"
                " choose with --lead NAME or --lead NUMBER, once for each"
            )
        return chosen

    def _row(self, text: str) -> list[float]:
        cells = self._cells(text)
        if len(cells) != self._count:
            there = f"{len(cells)} columns where the first line has {self._count}"
            raise DataError(f"line {self._line} has {there}: {text[:40]!r}")
        found = []
        for at in self._columns:
            cell = cells[at]
            try:
                found.append(math.nan if cell.casefold() in MISSING else float(cell))
            except ValueError:
                raise self._no_number(cell) from None
        return found

    def _cells(self, text: str) -> list[str]:
        return [
            cell.strip().strip("'\"") for cell in (text.split(self._mark) if self._mark else text.split())
        ]

    def _no_number(self, cell: str) -> DataError:
        return DataError(
            f"line {self._line} holds {cell[:20]!r}, which is no number: give a sample a line, 'nan' for one"
            " that is missing"
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.casefold() in MISSING
    return True
