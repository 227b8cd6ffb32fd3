"""A recording in a table of numbers: a sample a line, a lead a column, with or without a line of names.

A column that counts samples or tells the time is never a lead: it is known by its name, or by what it holds.
The time gives the rate. A name may end with a unit: "MLII (mV)", "ECG [uV]".
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32, Floats
from atml.data.formats.wfdb_header import MILLIVOLTS, NOT_MILLIVOLTS, Unusable
from atml.data.rates import Rate, rate_of
from atml.data.text import beginning

ENDINGS = (".csv", ".tsv", ".txt")

_INDEX = frozenset(
    ("", "#", "index", "sample", "samples", "sample#", "samplenumber", "no", "n", "row", "idx")
)
_TIME = frozenset(
    ("time", "t", "times", "seconds", "sec", "s", "ms", "elapsedtime", "timestamp", "milliseconds", "time_s")
)
_UNIT = re.compile(r"^(.*?)\s*[\[(]\s*([^\])]*?)\s*[\])]\s*$")
_HEAD, _CHUNK = 1 << 16, 500_000
"""Bytes that names, marks and encoding are told by; lines that are parsed at once."""

_FEW = 20
"""Samples that are too few to tell a signal from a time by its shape."""

_SLOWEST = 10.0
"""Lowest rate in Hz of an ECG: a time in ms that is taken for one in s comes to 1 Hz or less."""

_OFF = 0.25
"""Largest distance of a sample from its place, in samples, that comes of rounding."""


@dataclass(frozen=True)
class ColumnFile:
    """A table as read: ``x (leads, samples)``, names of leads, ``rate`` in Hz, None for none told.

    ``x`` is in mV where ``units`` names a unit, ``named`` says that the names are those of the file, and
    ``dropped`` names the columns that are no leads.
    """

    x: Float32
    names: tuple[str, ...]
    rate: Rate | None
    units: bool
    named: bool
    dropped: tuple[str, ...]


def read(source: Path | bytes, file: str) -> ColumnFile:
    """Read a table, a file or its bytes; ``file`` is what to call it in a message.

    Raises:
        Unusable: It can't be read, holds text, no sample, a unit that is none of voltage, or a time that does
            not go on evenly, or at no rate of an ECG.
    """
    names, columns, text = _parse(source, file)
    if not columns or not len(columns[0]):
        raise Unusable("signal", file, "holds no sample")
    named = names is not None
    plain: list[str] = list(names) if names is not None else [str(at) for at in range(len(columns))]
    units: list[str] = []
    for at, name in enumerate(plain):
        match = _UNIT.match(name)
        if match and (named_as := match[1].strip()):
            plain[at] = named_as
        units.append(match[2] if match else text[at] if at < len(text) else "")
    dropped: list[str] = []
    rate: Rate | None = None
    keep = []
    for at, name in enumerate(plain):
        kind = _kind(name, columns[at], named, first=at == 0 < len(plain) - 1)
        called = name if named else f"column {at + 1}"
        if kind == "time":
            rate = _rate(columns[at], called, units[at], file)
        if kind:
            dropped.append(called)
        else:
            keep.append(at)
    if not keep:
        raise Unusable("signal", file, f"has no column beside {', '.join(dropped)}")
    factors = [_factor(units[at], plain[at], file) for at in keep]
    x = np.empty((len(keep), len(columns[0])), np.float32)
    with np.errstate(over="ignore"):  # too large is infinite, and found where windows are checked
        for row, (at, factor) in enumerate(zip(keep, factors, strict=True)):
            np.multiply(columns[at], factor or 1.0, out=x[row], casting="same_kind")
    leads = tuple(plain[at] for at in keep) if named else tuple(str(number) for number in range(len(keep)))
    known = all(factor is not None for factor in factors)
    return ColumnFile(x, leads, rate, known, named, tuple(dropped))


def _parse(source: Path | bytes, file: str) -> tuple[list[str] | None, list[Floats], list[str]]:
    """Return the names if there are any, the numbers column by column, and units from a second line."""
    import pandas as pd

    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as opened:
            encoding, text = beginning(opened.read(_HEAD))
    except OSError as error:
        raise Unusable("unreadable", file, f"can't be read: {error.strerror or error}") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blank = len(text) - len(text.lstrip("\n"))
    lines = text[blank:].split("\n", 2)
    mark = next((mark for mark in (",", ";", "\t") if mark in lines[0]), None)
    first = _cells(lines[0], mark)
    if mark and len(first) > 1 and not first[-1]:  # a mark at the end of each line
        del first[-1]
    if mark is None and len(lines) > 1 and len(lines[1].split()) == 1:
        first = [lines[0].strip().strip("'\"")]  # a name with a blank in it
    comma = mark != "," and "." not in text and "," in text
    names, units, skip = None, [], blank
    if not all(_is_number(cell, comma) for cell in first if cell):
        names, skip = first, blank + 1
        second = _cells(lines[1], mark) if len(lines) > 1 else []
        if any(cell.strip("()[]").casefold() in MILLIVOLTS for cell in second):
            units, skip = [cell.strip("()[]") for cell in second], blank + 2
    elif not any(first):
        raise Unusable("signal", file, "holds no sample")
    parts: list[list[Floats]] = [[] for _ in first]
    try:
        with pd.read_csv(
            io.BytesIO(source) if isinstance(source, bytes) else source,
            sep=mark or r"\s+",
            header=None,
            skiprows=skip,
            skip_blank_lines=False,  # a blank line is a sample that is missing
            decimal="," if comma else ".",
            encoding=encoding,
            compression=None,
            chunksize=_CHUNK,
        ) as chunks:
            for chunk in chunks:
                _append(parts, chunk, names, skip, file)
    except pd.errors.EmptyDataError:
        raise Unusable("signal", file, "holds no sample") from None
    except (ValueError, OverflowError, OSError, pd.errors.ParserError) as error:
        raise Unusable("signal", file, f"is no table of numbers: {' '.join(str(error).split())}") from None
    columns = []
    for part in parts:
        columns.append(np.concatenate(part) if part else np.empty(0))
        part.clear()
    end = len(columns[0])
    while end and all(np.isnan(column[end - 1]) for column in columns):  # blank lines at the end
        end -= 1
    return names, [column[:end] for column in columns], units


def _append(parts: list[list[Floats]], chunk: Any, names: list[str] | None, skip: int, file: str) -> None:
    """Add the columns of some lines to those before."""
    count = len(parts)
    if chunk.shape[1] > count and chunk.iloc[:, count].isna().all():
        chunk = chunk.iloc[:, :count]
    if chunk.shape[1] != count:
        there = f"it names {count} columns and holds {chunk.shape[1]}"
        raise Unusable("signal", file, f"is no table of numbers: {there}")
    for at in range(count):
        column = chunk[at]
        if column.dtype.kind not in "fiu":
            column = _numbers(column, at, names, skip + int(chunk.index[0]), file)
        parts[at].append(np.array(column, np.float64))


def _numbers(column: Any, at: int, names: list[str] | None, skip: int, file: str) -> Floats:
    """Read a column that pandas left as text: times of day become seconds; raises for other text."""
    found = []
    for row, value in enumerate(column):
        text = str(value).strip().strip("'\"[]")
        match = re.fullmatch(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
        if re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text):
            found.append(float(text))
        elif match:
            found.append(3600 * int(match[1] or 0) + 60 * int(match[2]) + float(match[3]))
        elif text.casefold() in ("", "nan", "-"):
            found.append(float("nan"))
        else:
            called = f"{names[at]!r}" if names else str(at + 1)
            detail = f"line {row + 1 + skip}, column {called}: {text[:20]!r} is no number"
            raise Unusable("text", file, detail)
    return np.array(found)


def _cells(line: str, mark: str | None) -> list[str]:
    return [cell.strip().strip("'\"").strip() for cell in (line.split(mark) if mark else line.split())]


def _is_number(text: str, comma: bool) -> bool:
    try:
        float(text.replace(",", ".") if comma else text)
    except ValueError:
        return bool(re.fullmatch(r"[\[']*[\d:]+[:.][\d.]+[\]']*", text))  # a time of day
    return True


def _kind(name: str, values: Floats, named: bool, *, first: bool) -> str:
    """Tell a column that is an "index" or a "time", "" for a lead.

    Whatever it is called, the ``first`` of several is a time too if it never falls, or goes on by the same
    most of the time: with gaps, rounded or begun anew, it must not become a signal; any that always rises
    neither.
    """
    plain = re.sub(r"[^a-z#_]", "", name.casefold()) if named else name
    if named and (plain in _INDEX or plain.startswith("unnamed")):
        return "index"
    if named and plain in _TIME:
        return "time"
    there = values[np.isfinite(values)]
    if len(there) < 3:
        return ""
    steps = np.diff(there)
    if len(there) == len(values) and (steps > 0).all() and np.ptp(steps) <= 0.02 * steps[0]:
        return "index" if steps[0] == 1 else "time"  # no heart goes up evenly
    if len(there) < _FEW:
        return ""
    if not first:
        return "time" if (steps > 0).all() else ""
    usual = np.median(steps)
    rises = bool((steps >= 0).all() and steps.any())
    goes_on = usual > 0 and float((np.abs(steps - usual) <= 0.02 * usual).mean()) > 0.8
    return "time" if rises or goes_on else ""


def _rate(values: Floats, name: str, unit: str, file: str) -> Rate:
    """Return the rate in Hz that a column of time tells: a whole number where its rounding allows one."""
    scale = 1e-3 if unit.casefold() == "ms" or name.casefold() in ("ms", "milliseconds") else 1.0
    if len(values) < 3 or not np.isfinite(values).all() or values[-1] <= values[0]:
        raise Unusable("time", file, f"column {name!r} tells no time that goes on")
    step = (values[-1] - values[0]) / (len(values) - 1)
    off = np.abs(values - (values[0] + step * np.arange(len(values)))).max() / step
    rate = 1 / (step * scale)
    if off > _OFF:
        detail = f"column {name!r}: time does not go on evenly; are samples missing? Resample the recording"
        raise Unusable("time", file, detail)
    slack = max(2 * off / (len(values) - 1), 1e-6) * rate
    if rate < _SLOWEST:
        ways = "is it in s (or named 'ms', or 'index' where it counts samples)?"
        raise Unusable("time", file, f"column {name!r} tells {rate:.4g} Hz: {ways}")
    near = round(rate)
    return int(near) if abs(rate - near) <= slack else rate_of(rate)


def _factor(unit: str, name: str, file: str) -> float | None:
    """Return what makes mV of a unit, None where none is told."""
    if not unit:
        return None
    factor = MILLIVOLTS.get(unit.casefold())
    if factor is None:
        raise Unusable("unit", file, f"gives {name!r} in {unit!r}, {NOT_MILLIVOLTS}")
    return factor
