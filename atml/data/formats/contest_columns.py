"""Contest text with several columns: which of them is the signal, as the first file tells it for all.

Columns are told apart as in any table of numbers (`atml.data.formats.column_file`): an index or a time is no
signal, and the time gives the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats
from atml.data.formats import column_file, number_text
from atml.data.formats.column_file import ColumnFile
from atml.data.formats.number_text import BadText
from atml.data.formats.wfdb_header import Unusable
from atml.data.leads import NoLead, meant
from atml.data.rates import Rate, shown
from atml.errors import DataError

SAME = 0.002
"""Largest share by which the rates differ that the times of two files tell: times are rounded."""


@dataclass(frozen=True)
class Columns:
    """The columns of each file: ``names`` of those that may be signals, ``dropped`` of those that can't.

    ``rate`` is the one in Hz that a column of time tells, None for none. ``number`` is that of the signal,
    among ``names``.
    """

    names: tuple[str, ...]
    dropped: tuple[str, ...]
    rate: Rate | None
    number: int = 0

    def chosen(self, file: str, leads: Sequence[str]) -> Columns:
        """Return the columns with the signal that ``leads`` name; raises DataError where they name none."""
        there = ", ".join(self.names)
        if len(leads) > 1:
            raise DataError(
                f"--lead {' '.join(leads)} names {len(leads)} leads, and contest text is read by one"
            )
        if len(self.names) == 1:  # other leads may be asked for of other sets
            return self
        if not leads:
            raise DataError(f"{file} has {len(self.names)} columns ({there}): choose one with --lead")
        try:
            (number,) = meant(self.names, leads)
        except NoLead as error:
            raise DataError(
                f"{file} has no column {error.entry!r}; it has {there}: choose with --lead"
            ) from None
        return Columns(self.names, self.dropped, self.rate, number)


def told_by(raw: bytes) -> Columns | None:
    """Return the columns of a file; None for plain numbers; raises BadText for what is neither."""
    try:
        number_text.parse(raw)
    except BadText as error:
        held = _table(raw, str(error))
        return Columns(held.names, held.dropped, held.rate)
    return None


def parse(raw: bytes, columns: Columns | None) -> Floats:
    """Return the signal in a file, ``(n,)``; raises BadText where it isn't as the first file of the set."""
    if columns is None:
        try:
            return number_text.parse(raw)
        except BadText as error:
            _table(raw, str(error))
            raise BadText(f"{error}, unlike the first files of the set") from None
    held = _table(raw, "")
    if (held.names, held.dropped) != (columns.names, columns.dropped):
        told, wanted = (", ".join((*one.dropped, *one.names)) for one in (held, columns))
        raise BadText(f"has the columns {told}, the first file of the set {wanted}")
    if (held.rate is None) != (columns.rate is None) or (
        held.rate is not None and columns.rate is not None and abs(float(held.rate / columns.rate) - 1) > SAME
    ):
        told, wanted = ("no rate" if one is None else f"{shown(one)} Hz" for one in (held.rate, columns.rate))
        raise BadText(f"its time tells {told}, that of the first file of the set {wanted}")
    return np.asarray(held.x[columns.number], np.float64)


def _table(raw: bytes, why: str) -> ColumnFile:
    """Read a file as a table; raises BadText, with ``why`` it is no list of numbers where it is no table."""
    try:
        held = column_file.read(raw, "it")
    except Unusable as error:
        raise BadText(why if why and error.fault.kind != "time" else error.fault.detail) from None
    if held.x.shape[1] < 2:
        raise BadText(why or "has one line of numbers alone")
    return held
