"""One WFDB record: header, signal and annotations read and checked against each other.

Format: https://physionet.org/physiotools/wag/header-5.htm and signal-5.htm.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32
from atml.data.formats.annotation_file import Damaged, parse
from atml.data.formats.annotations import Marks, stretches, told_by_beats
from atml.data.formats.header_text import in_ascii, lines_of
from atml.data.formats.wfdb_formats import BYTES, MISSING
from atml.data.leads import NoLead, meant
from atml.data.parsing import Fault
from atml.data.windowing import Recording
from atml.errors import MissingExtraError

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
"""What a sample is multiplied with, by the unit in its header, in lower case; two letters look like mu."""

NOT_MILLIVOLTS = "not in mV: convert it, or give --lead of another"
"""Said of every other unit."""

PIECE = 1 << 20
"""Samples of a long record that are read at once: more than two hours at 128 Hz."""

# What wfdb raises for headers, signals and annotations that are damaged.
_DAMAGED = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError)


class Unusable(Exception):
    """A record can't be used; ``fault`` says which file, and why."""

    def __init__(self, kind: str, file: str, detail: str) -> None:
        super().__init__(f"{file}: {detail}")
        self.fault = Fault(kind, file, detail)


@dataclass(frozen=True)
class Header:
    """What the header of a record says: ``samples`` of ``leads`` at ``rate`` Hz; None for no length told.

    ``parts`` are the records that this one is put together from, none for most. ``lines`` are those of the
    file that are neither empty nor comments.
    """

    name: str
    rate: int
    samples: int | None
    leads: tuple[str, ...]
    parts: tuple[str, ...]
    raw: Any
    lines: tuple[str, ...]

    def words(self, lead: int) -> list[str]:
        """Return the words of a lead's line: file, format, gain and so on."""
        return self.lines[1 + lead].split()

    def file(self, lead: int) -> str:
        """Return the signal file of a lead, from the folder that the record's name starts in."""
        return Path(self.name).with_name(self.raw.file_name[lead]).as_posix()


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
        Unusable: It is not there, is damaged, or has a rate that is not a whole number of Hz.
    """
    file = f"{name}.hea"
    if not (folder / file).is_file():
        raise Unusable("missing", file, "is not there")
    wfdb = package()
    try:
        with in_ascii(folder, name) as (path, files):
            raw = wfdb.rdheader(path)
            signals = raw if isinstance(raw, wfdb.Record) else wfdb.rdheader(path, rd_segments=True)
        if files:
            raw.file_name = files
        lines = tuple(lines_of(folder, name))
        names = signals.sig_name if isinstance(raw, wfdb.Record) else signals.get_sig_name()
    except OSError as error:
        raise Unusable("unreadable", file, f"can't be read: {_line(error)}") from None
    except _DAMAGED as error:
        # Python's own words for a line too short say nothing to a person.
        why = "" if isinstance(error, IndexError) else f": {_line(error)}"
        raise Unusable("header", file, f"is not a complete WFDB header{why}") from None
    rate = float(raw.fs)
    if rate <= 0 or rate != int(rate):
        detail = f"says {rate:g} Hz, which is not a whole number of Hz"
        if rate >= 1:
            new = f"{name}_{round(rate)}"
            detail += f": resample it, with WFDB's `xform -i {name} -o {new} -f {round(rate)}` for example"
        raise Unusable("header", file, detail)
    if len(names or ()) != raw.n_sig:
        raise Unusable("header", file, f"says {raw.n_sig} signals and describes {len(names or ())}")
    leads = tuple(str(name) if name else f"lead {at}" for at, name in enumerate(names or ()))
    parts = tuple(part for part in getattr(raw, "seg_name", None) or () if part != "~")
    return Header(name, int(rate), raw.sig_len, leads, parts, raw, lines)


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


def read(folder: Path, head: Header, leads: Sequence[int], name: str, subject: str) -> Recording:
    """Read the signal of some leads of a record, and its rhythms; ``name`` is what to call it.

    Raises:
        Unusable: A file is missing, cut short or damaged, or disagrees with the header in length, checksum
            or unit.
    """
    x = signal(folder, head, leads)
    told = marks(folder, head)
    found = stretches(told, x.shape[1], head.rate, leads)
    return Recording(name, subject, head.rate, x, found, told_by_beats(told))


def signal(folder: Path, head: Header, leads: Sequence[int]) -> Float32:
    """Read some leads of a record: ``(leads, samples)`` in mV, NaN where a sample is missing.

    Of a record put together from others each part is read and checked for itself first: the size of its
    files, the checksum and the gain of the leads that are wanted. A part without one of them is taken to miss
    it, as records whose leads change have it.
    """
    if not head.parts:
        return _single(folder, head, leads)
    wanted = {head.leads[lead] for lead in leads}
    units: dict[str, set[str]] = {}
    for name in dict.fromkeys(head.parts):
        part = header(folder, Path(head.name).with_name(name).as_posix())
        there = [at for at, lead in enumerate(part.leads) if lead in wanted]
        if part.samples != 0 and there:  # the first part may but list the leads of the others
            _single(folder, part, there)
            for at in there:
                units.setdefault(part.leads[at], set()).add(_unit(part, at))
    if "~" in head.raw.seg_name and head.raw.layout == "fixed":
        return _with_gaps(folder, head, leads)
    record = _read(folder, head, leads, physical=True)
    values = _of_length(head, record.p_signal, len(leads))
    scaled = []
    for at, lead in enumerate(leads):
        told = units.get(head.leads[lead], {"mV"})
        if len(told) > 1:
            raise Unusable("unit", f"{head.name}.hea", f"its parts give lead {head.leads[lead]} in {told}")
        scaled.append(_scaled(head, values[:, at], next(iter(told))))
    return np.stack(scaled)


def _with_gaps(folder: Path, head: Header, leads: Sequence[int]) -> Float32:
    """Join parts of one layout, NaN where one is named ``~``, which holds no signal; wfdb can't."""
    raw, joined = head.raw, []
    for name, samples in zip(raw.seg_name, raw.seg_len, strict=True):
        x = np.full((len(leads), samples), np.nan, np.float32)
        if name != "~":
            part = header(folder, Path(head.name).with_name(name).as_posix())
            x = _single(folder, part, [part.leads.index(head.leads[lead]) for lead in leads])
            if (part.rate, x.shape[1]) != (head.rate, samples):
                told = f"{samples} samples at {head.rate} Hz"
                detail = f"has {x.shape[1]} samples at {part.rate} Hz, {head.name}.hea says {told}"
                raise Unusable("length", f"{part.name}.hea", detail)
        joined.append(x)
    return _of_length(head, np.concatenate(joined, axis=1).T, len(leads)).T


def _single(folder: Path, head: Header, leads: Sequence[int]) -> Float32:
    """Read some leads of a record that is no other records put together."""
    raw = head.raw
    if head.samples == 0:
        detail = "says 0 samples: take the number out, and the length of its signal file counts"
        raise Unusable("length", f"{head.name}.hea", detail)
    longer = _check_files(folder, head)
    for lead in leads:
        if (frame := raw.samps_per_frame[lead]) > 1:
            detail = (
                f"has {frame} samples a frame in lead {lead} ({head.leads[lead]}), and just their mean would"
                f" be read: give every sample a frame, with WFDB's `xform -H -i {head.name} -o NEW`"
            )
            raise Unusable("header", f"{head.name}.hea", detail)
    told = [_told(raw, lead) for lead in leads]
    # The sum is of the samples as they are stored, before a lead that lags is moved.
    lags = any(raw.skew[lead] for lead in leads)
    pieces = _in_pieces(head) if not lags else []
    if pieces:
        x, sums = np.empty((len(leads), pieces[-1][1]), np.float32), [0] * len(leads)
        for part in pieces:
            values = _read(folder, head, leads, physical=False, part=part).d_signal
            values = _of_length(replace(head, samples=part[1] - part[0]), values, len(leads))
            for at, lead in enumerate(leads):
                sums[at] += int(values[:, at].sum(dtype=np.int64))
                x[at, slice(*part)] = _physical(head, lead, values[:, at])
    else:
        values = _of_length(head, _read(folder, head, leads, physical=False).d_signal, len(leads))
        stored = _read(folder, head, leads, physical=False, stored=True).d_signal if lags else values
        sums = [int(stored[:, at].sum(dtype=np.int64)) for at in range(len(leads))]
        x = np.stack([_physical(head, lead, values[:, at]) for at, lead in enumerate(leads)])
    for lead, found, wanted in zip(leads, sums, told, strict=True):
        _check_sum(head, lead, found, wanted)
    if longer and None in told:
        raise Unusable("length", head.file(leads[0]), longer)
    return x


def _in_pieces(head: Header) -> list[tuple[int, int]]:
    """Return the samples of a long record in pieces, which hold its memory down; [] for a short one.

    What is compressed is read whole.
    """
    if head.samples is None or head.samples <= PIECE or not set(map(str, head.raw.fmt)) <= set(BYTES):
        return []
    return [(at, min(at + PIECE, head.samples)) for at in range(0, head.samples, PIECE)]


def _read(
    folder: Path,
    head: Header,
    leads: Sequence[int],
    *,
    physical: bool,
    stored: bool = False,
    part: tuple[int, int | None] = (0, None),
) -> Any:
    try:
        with in_ascii(folder, head.name) as (path, _):
            return package().rdrecord(
                path, *part, channels=list(leads), physical=physical, ignore_skew=stored
            )
    except OSError as error:
        raise Unusable("missing", head.name, f"can't be read: {_line(error)}") from None
    except _DAMAGED as error:
        raise Unusable("signal", head.name, f"its signal can't be read: {_line(error)}") from None


def _of_length(head: Header, values: Any, leads: int) -> npt.NDArray[Any]:
    """Return what was read, ``(samples, leads)``, if it is that."""
    if values is None or values.ndim != 2 or values.shape[1] != leads:
        raise Unusable("signal", head.name, "its signal is not there")
    if head.samples is not None and len(values) != head.samples:
        raise Unusable("length", head.name, f"{len(values)} samples, its header says {head.samples}")
    return np.asarray(values)


def _check_files(folder: Path, head: Header) -> str:
    """Check the size of each signal file; return what is odd where one is longer than its header says."""
    raw, longer = head.raw, ""
    files = [head.file(at) for at in range(len(raw.file_name))]
    for name in dict.fromkeys(files):
        lines = [at for at, file in enumerate(files) if file == name]
        if not (folder / name).is_file():
            raise Unusable("missing", name, f"is not there, but {head.name}.hea names it")
        each = BYTES.get(str(raw.fmt[lines[0]]))
        if each is None or head.samples is None:
            continue
        frame = sum(raw.samps_per_frame[at] for at in lines)
        size = (folder / name).stat().st_size - (raw.byte_offset[lines[0]] or 0)
        needed = int(np.ceil(each * frame * head.samples))
        there = int(size / (each * frame))
        both = f"holds {there} samples a lead where {head.name}.hea says {head.samples}"
        if size < needed:
            raise Unusable("cut short", name, f"{both}: is it complete?")
        if there > head.samples + 3:  # formats pad up to a few samples
            longer = both
    return longer


def _told(raw: Any, lead: int) -> int | None:
    """Return the checksum in the header of a lead; None for none, and for 0, which many write for none."""
    return raw.checksum[lead] or None if raw.samps_per_frame[lead] == 1 else None


def _check_sum(head: Header, lead: int, found: int, told: int | None) -> None:
    if told is not None and (found - told) % (1 << 16):
        detail = (
            f"lead {lead} adds up to {found & 0xFFFF}, {head.name}.hea says {told & 0xFFFF}: one is damaged"
        )
        raise Unusable("checksum", head.file(lead), detail)


def _physical(head: Header, lead: int, values: npt.NDArray[np.integer]) -> Float32:
    """Bring whole numbers to mV."""
    raw = head.raw
    gain = _gain(head, lead)
    if not gain:
        detail = f"lead {lead} ({head.leads[lead]}) has no gain: its unit is unknown"
        raise Unusable("header", f"{head.name}.hea", detail)
    x = ((values - (raw.baseline[lead] or 0)) / gain).astype(np.float32)
    x[values == MISSING.get(str(raw.fmt[lead]), 1 << 40)] = np.nan
    return _scaled(head, x, _unit(head, lead))


def _gain(head: Header, lead: int) -> float:
    """Return the gain that a header gives a lead, 0 where it gives none: wfdb would say 200."""
    words = head.words(lead)
    told = re.match(r"[-+]?[\d.]*[1-9]", words[2]) if len(words) > 2 else None
    return float(head.raw.adc_gain[lead]) if told else 0.0


def _unit(head: Header, lead: int) -> str:
    """Return the unit that a header gives a lead, mV where it gives none.

    wfdb drops what is not ASCII, so that "µV" is "V" to it, and what a blank parts from the gain.
    """
    words = head.words(lead)
    gain = words[2] if len(words) > 2 else ""
    _, slash, unit = gain.partition("/")
    if (slash and not unit) or (len(words) > 3 and words[3].startswith("/")):
        detail = f"gives lead {lead} the gain {' '.join(words[2:4])!r}: its unit is unknown"
        raise Unusable("unit", f"{head.name}.hea", detail)
    check_line(head, lead)
    return unit or "mV"


def check_line(head: Header, lead: int) -> None:
    """Raise `Unusable` for a line of a header with a word where a number belongs, or a unit by itself."""
    words = head.words(lead)
    if len(words) > 3 and words[3].startswith("/"):
        detail = f"gives lead {lead} the gain {' '.join(words[2:4])!r}: its unit is unknown"
        raise Unusable("unit", f"{head.name}.hea", detail)
    if odd := [word for word in words[3:8] if not re.fullmatch(r"[-+]?\d+", word) and "/" not in word]:
        detail = f"gives lead {lead} {' '.join(words[2:8])!r}, where {odd[0]!r} is no whole number"
        raise Unusable("header", f"{head.name}.hea", detail)


def _scaled(head: Header, x: npt.NDArray[np.floating], unit: str | None) -> Float32:
    factor = MILLIVOLTS.get((unit or "mV").casefold())
    if factor is None:
        raise Unusable("unit", f"{head.name}.hea", f"gives a lead in {unit!r}, {NOT_MILLIVOLTS}")
    return np.asarray(x * np.float32(factor), np.float32)


def marks(folder: Path, head: Header) -> Marks:
    """Read the ``.atr`` of a record; times are in samples of its signal.

    Raises:
        Unusable: It is not there, damaged or cut short.
    """
    file = f"{head.name}.atr"
    path = folder / file
    if not path.is_file():
        raise Unusable("missing", file, "is not there, so no rhythm is known")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unusable("unreadable", file, f"can't be read: {_line(error)}") from None
    try:
        found, rate = parse(data)
    except Damaged as error:
        raise Unusable("annotations", file, str(error)) from None
    if rate and rate != head.rate:
        sample = np.round(found.sample * (head.rate / rate)).astype(np.int64)
        found = replace(found, sample=sample)
    return found


def _line(error: Exception) -> str:
    """Say in one line what wfdb or the system said, and of which file."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    file = getattr(error, "filename", None)
    return f"{Path(file).name}: {text}" if file else text
