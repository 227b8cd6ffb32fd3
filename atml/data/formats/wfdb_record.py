"""One WFDB record: header, signal and annotations read and checked against each other.

Format: https://physionet.org/physiotools/wag/header-5.htm and signal-5.htm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32
from atml.data.file_tree import file_there
from atml.data.formats.annotation_file import Damaged, parse
from atml.data.formats.annotations import Marks, stretches, told_by_beats
from atml.data.formats.header_text import readable
from atml.data.formats.wfdb_formats import BYTES, MISSING
from atml.data.formats.wfdb_header import (
    DAMAGED,
    GAP,
    MILLIVOLTS,
    NOT_MILLIVOLTS,
    Header,
    Unusable,
    package,
    part_of,
    said,
)
from atml.data.windowing import Recording

PIECE = 1 << 20
"""Samples of a long record that are read at once: more than two hours at 128 Hz."""


def read(folder: Path, head: Header, leads: Sequence[int], name: str, subject: str) -> Recording:
    """Read the signal of some leads of a record, and its rhythms; ``name`` is what to call it.

    Raises:
        Unusable: A file is missing, cut short or damaged, or disagrees with the header in length, checksum
            or unit.
    """
    x = signal(folder, head, leads)
    told = marks(folder, head)
    found = stretches(told, x.shape[1], float(head.rate), leads)
    return Recording(name, subject, head.rate, x, found, told_by_beats(told))


def signal(folder: Path, head: Header, leads: Sequence[int]) -> Float32:
    """Read some leads of a record: ``(leads, samples)`` in mV, NaN where a sample is missing.

    Of a record put together from others each part is read and checked for itself: the size of its files, the
    checksum, gain and unit of the leads that are wanted. A part without one of them is taken to miss it, as
    records whose leads change have it.
    """
    if not head.segments:
        return _single(folder, head, leads)
    total = sum(samples for _, samples in head.segments)
    if head.samples is not None and total != head.samples:
        detail = f"says {head.samples} samples, and its parts add up to {total}"
        raise Unusable("length", f"{head.name}.hea", detail)
    x = np.full((len(leads), total), np.nan, np.float32)
    heads: dict[str, Header] = {}
    end = 0
    for name, samples in head.segments:
        start, end = end, end + samples
        if name == GAP or not samples:  # the first part may but list the leads of the others
            continue
        part = heads.get(name) or heads.setdefault(name, part_of(folder, head, name))
        there = _in_part(head, part, leads)
        if there:
            values = _single(folder, part, list(there.values()))
            if values.shape[1] != samples:
                detail = f"has {values.shape[1]} samples, {head.name}.hea says {samples}"
                raise Unusable("length", f"{part.name}.hea", detail)
            x[list(there), start:end] = values
    return x


def _in_part(head: Header, part: Header, leads: Sequence[int]) -> dict[int, int]:
    """Return which of the leads wanted a part has: place among those wanted -> number in the part.

    Parts of one layout have the leads of the record, in its order; of changing ones they go by name, the
    second of a name by the second of that name.
    """
    if head.raw.layout == "fixed":
        if part.leads != head.leads:
            detail = (
                f"has the leads {', '.join(part.leads)}, other parts of {head.name} {', '.join(head.leads)}"
            )
            raise Unusable("lead", f"{part.name}.hea", detail)
        return dict(enumerate(leads))
    found = {}
    for at, lead in enumerate(leads):
        name = head.leads[lead]
        same = [number for number, other in enumerate(part.leads) if other == name]
        if (which := head.leads[:lead].count(name)) < len(same):
            found[at] = same[which]
    return found


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
            values = _read(head, leads, part=part)
            values = _of_length(replace(head, samples=part[1] - part[0]), values, len(leads))
            for at, lead in enumerate(leads):
                sums[at] += int(values[:, at].sum(dtype=np.int64))
                x[at, slice(*part)] = _physical(head, lead, values[:, at])
    else:
        values = _of_length(head, _read(head, leads), len(leads))
        stored = _read(head, leads, stored=True) if lags else values
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
    head: Header, leads: Sequence[int], *, stored: bool = False, part: tuple[int, int | None] = (0, None)
) -> Any:
    """Read samples as whole numbers, ``(samples, leads)``; ``stored`` says that skew is of no account."""
    try:
        with readable(head.path, head.lines) as (path, _):
            found = package().rdrecord(path, *part, channels=list(leads), physical=False, ignore_skew=stored)
            return found.d_signal
    except OSError as error:
        raise Unusable("missing", head.name, f"can't be read: {said(error)}") from None
    except DAMAGED as error:
        raise Unusable("signal", head.name, f"its signal can't be read: {said(error)}") from None


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
        path = file_there(folder, name)
        if path is None:
            raise Unusable("missing", name, f"is not there, but {head.name}.hea names it")
        each = BYTES.get(str(raw.fmt[lines[0]]))
        if each is None or head.samples is None:
            continue
        frame = sum(raw.samps_per_frame[at] for at in lines)
        size = path.stat().st_size - (raw.byte_offset[lines[0]] or 0)
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
    if odd := [word for word in words[3:8] if not re.fullmatch(r"[-+]?\d+", word) and "/" not in word]:
        detail = f"gives lead {lead} {' '.join(words[2:8])!r}, where {odd[0]!r} is no whole number"
        raise Unusable("header", f"{head.name}.hea", detail)
    return unit or "mV"


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
    path = file_there(folder, file)
    if path is None:
        raise Unusable("missing", file, "is not there, so no rhythm is known")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unusable("unreadable", file, f"can't be read: {said(error)}") from None
    try:
        found, rate = parse(data)
    except Damaged as error:
        raise Unusable("annotations", file, str(error)) from None
    if rate and rate != head.rate:
        sample = np.round(found.sample * (float(head.rate) / rate)).astype(np.int64)
        found = replace(found, sample=sample)
    return found
