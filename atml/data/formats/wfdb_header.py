"""The header of a WFDB record: what it says, in whatever encoding, checked.

Format: https://physionet.org/physiotools/wag/header-5.htm.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atml.data.file_tree import file_there
from atml.data.formats.header_text import lines_of, readable
from atml.data.leads import NoLead, meant
from atml.data.parsing import Fault
from atml.data.rates import Rate, rate_of, shown
from atml.errors import MissingExtraError

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
"""What a sample is multiplied with, by the unit in its header, in lower case; two letters look like mu."""

NOT_MILLIVOLTS = "not in mV: convert it, or give --lead of another"
"""Said of every other unit."""

# What wfdb raises for headers, signals and annotations that are damaged.
DAMAGED = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError)


_RATE = r"(\d+\.?\d*|\.\d+)(/-?[\d.]*(\(-?[\d.]*\))?)?(\(-?[\d.]*\))?"
"""A rate in Hz, and maybe the frequency and base of a counter."""

GAP = "~"
"""What a part of a record is called that holds no signal."""


class Unusable(Exception):
    """A record can't be used; ``fault`` says which file, and why."""

    def __init__(self, kind: str, file: str, detail: str) -> None:
        super().__init__(f"{file}: {detail}")
        self.fault = Fault(kind, file, detail)


@dataclass(frozen=True)
class Header:
    """What the header of a record says: ``samples`` of ``leads`` at ``rate`` Hz; None for no length told.

    ``path`` is the file, ``lines`` are those in it that are neither empty nor comments. ``segments`` are the
    records that this one is put together from, none for most, each with its samples; "~" is a gap.
    """

    name: str
    path: Path
    rate: Rate
    samples: int | None
    leads: tuple[str, ...]
    segments: tuple[tuple[str, int], ...]
    raw: Any
    lines: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the records that this one is put together from."""
        return tuple(name for name, _ in self.segments if name != GAP)

    def beside(self, name: str) -> str:
        """Return what to call a record in the same folder, from where this record's own name starts."""
        return Path(self.name).with_name(name).as_posix()

    def words(self, lead: int) -> list[str]:
        """Return the words of a lead's line: file, format, gain and so on."""
        return self.lines[1 + lead].split()

    def file(self, lead: int) -> str:
        """Return the signal file of a lead, from the folder that the record's name starts in."""
        return self.beside(self.raw.file_name[lead])


def package() -> Any:
    """Return the wfdb package; raises MissingExtraError where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, for how wfdb calls it
            import wfdb
    except ImportError:
        raise MissingExtraError("reading WFDB", "wfdb") from None
    return wfdb


def header(folder: Path, name: str) -> Header:
    """Read the header of a record.

    Raises:
        Unusable: It is not there, is damaged, or has a rate that none can be; a part of it likewise.
    """
    return _header(folder, name, "")


def _header(folder: Path, name: str, whole: str) -> Header:
    """Read a header, that of a part of the record ``whole`` where that is not ""."""
    file = f"{name}.hea"
    path = file_there(folder, file)
    if path is None:
        raise Unusable("missing", file, "is not there" + (f", but {whole}.hea names it" if whole else ""))
    wfdb = package()
    try:
        lines = lines_of(path)
        _check_first(file, lines)
        with readable(path, lines) as (alias, files):
            raw = wfdb.rdheader(alias)
        if files and isinstance(raw, wfdb.Record):
            raw.file_name = files
        segments = () if isinstance(raw, wfdb.Record) else _segments(file, lines)
        if segments and whole:
            raise Unusable("header", file, f"is a part of {whole}, and has parts itself")
        given = _names(raw, lines) if isinstance(raw, wfdb.Record) else None
    except OSError as error:
        raise Unusable("unreadable", file, f"can't be read: {said(error)}") from None
    except DAMAGED as error:
        # Python's own words for a line too short say nothing to a person.
        why = "" if isinstance(error, IndexError) else f": {said(error)}"
        raise Unusable("header", file, f"is not a complete WFDB header{why}") from None
    found = Header(name, path, _rate(file, float(raw.fs)), raw.sig_len, (), segments, raw, tuple(lines))
    if given is None:
        if name in map(found.beside, found.parts):
            raise Unusable("header", file, "names itself as a part of it")
        first = next((part for part, _ in segments if part != GAP), None)
        given = [] if first is None else list(_header(folder, found.beside(first), name).leads)
    if len(given) != raw.n_sig:
        raise Unusable("header", file, f"says {raw.n_sig} signals and describes {len(given)}")
    return replace(found, leads=tuple(one or f"lead {at}" for at, one in enumerate(given)))


def is_of_parts(folder: Path, name: str) -> bool:
    """Tell whether a record is put together from others, by the first word of its header; never raises."""
    path = file_there(folder, f"{name}.hea")
    try:
        lines = lines_of(path) if path else []
    except OSError:  # told where it is read
        return False
    return bool(lines) and "/" in lines[0].split()[0]


def part_of(folder: Path, head: Header, name: str) -> Header:
    """Read the header of a part of a record; raises `Unusable` as `header` does, or for another rate."""
    part = _header(folder, head.beside(name), head.name)
    if part.rate != head.rate:
        told = f"has {shown(part.rate)} Hz where {head.name}.hea says {shown(head.rate)} Hz"
        raise Unusable("header", f"{part.name}.hea", told)
    if head.raw.layout != "fixed":  # its leads go by name: one of another name would be missed
        for lead in range(len(part.leads)):
            check_line(part, lead)
    return part


def check_line(head: Header, lead: int) -> None:
    """Raise `Unusable` for a line of a header with a word where a number belongs, or a unit by itself."""
    words = head.words(lead)
    if len(words) > 3 and words[3].startswith("/"):
        detail = f"gives lead {lead} the gain {' '.join(words[2:4])!r}: its unit is unknown"
        raise Unusable("unit", f"{head.name}.hea", detail)
    if odd := [word for word in words[3:8] if not re.fullmatch(r"[-+]?\d+", word) and "/" not in word]:
        detail = f"gives lead {lead} {' '.join(words[2:8])!r}, where {odd[0]!r} is no whole number"
        raise Unusable("header", f"{head.name}.hea", detail)


def _check_first(file: str, lines: Sequence[str]) -> None:
    """Raise `Unusable` for a rate or a length that is no number: wfdb takes 250 Hz or a part of it."""
    words = lines[0].split() if lines else []
    for word, wanted, what in zip(words[2:4], (_RATE, r"\d+"), ("Hz", "samples"), strict=False):
        if not re.fullmatch(wanted, word):
            raise Unusable("header", file, f"says {word!r} {what}, which is no number that can be")


def check_lines(folder: Path, head: Header) -> None:
    """Check all lines that name the leads of a record: a word too many makes another name of one."""
    first = next(iter(head.parts), None)
    telling = head if first is None else part_of(folder, head, first)
    for lead in range(len(telling.leads)):
        check_line(telling, lead)


def _rate(file: str, hz: float) -> Rate:
    if not (math.isfinite(hz) and hz > 0 and (hz >= 1 or hz == int(hz))):
        raise Unusable("header", file, f"says {hz:g} Hz, which is no rate of an ECG: is it in Hz?")
    return rate_of(hz)


def _names(raw: Any, lines: Sequence[str]) -> list[str]:
    """Return the names of leads; wfdb drops what is not ASCII in them."""
    names = [str(name or "") for name in raw.sig_name or ()]
    for at, line in enumerate(lines[1 : 1 + len(names)]):
        words = line.split(None, 8)
        if not line.isascii() and len(words) > 8:
            names[at] = " ".join(words[8].split())
    return names


def _segments(file: str, lines: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the parts of a record and their lengths; wfdb drops what is not ASCII in their names."""
    count = int(lines[0].split()[0].partition("/")[2])
    listed = [line.split() for line in lines[1:]]
    if len(listed) != count:
        raise Unusable("header", file, f"says {count} parts and lists {len(listed)}")
    return tuple((words[0], int(words[1])) for words in listed)


def choose(head: Header, wanted: Sequence[str], count: int) -> list[int]:
    """Return the numbers of ``count`` leads.

    Args:
        head: Of the record.
        wanted: One entry a lead: a name or a number, or several with commas between, of which the first
            that the record has is taken; nothing for its first leads.
        count: Leads of the task.

    Raises:
        Unusable: The record has none that was asked for; the message lists those that it has.
    """
    there = ", ".join(f"{at} {name}" for at, name in enumerate(head.leads))
    if not wanted:
        if len(head.leads) < count:
            raise Unusable("lead", f"{head.name}.hea", f"has {len(head.leads)} leads, the task {count}")
        return list(range(count))
    try:
        return meant(head.leads, wanted)
    except NoLead as error:
        detail = f"has no lead {error.entry!r}; its leads are {there}"
        raise Unusable("lead", f"{head.name}.hea", detail) from None


def said(error: Exception) -> str:
    """Say in one line what wfdb or the system said, and of which file."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    file = getattr(error, "filename", None)
    return f"{Path(file).name}: {text}" if file else text
