"""One WFDB record: header and signal read and checked against each other.

Format: https://physionet.org/physiotools/wag/header-5.htm and signal-5.htm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, release
from atml.data.file_tree import file_there
from atml.data.formats.header_text import readable
from atml.data.formats.wfdb_formats import BYTES, MISSING
from atml.data.formats.wfdb_header import (
    DAMAGED,
    GAP,
    MILLIVOLTS,
    NOT_MILLIVOLTS,
    Header,
    Unusable,
    check_line,
    package,
    part_of,
    said,
)
from atml.data.piecewise import pieces
from atml.data.scratch import room

Step = Callable[[float], object]
"""Takes a share that is done, between 0 and 1."""


def signal(folder: Path, head: Header, leads: Sequence[int], step: Step = float) -> Float32:
    """Read some leads of a record: ``(leads, samples)`` in mV, NaN where a sample is missing.

    Of a record put together from others each part is read and checked for itself: the size of its files, the
    checksum, gain and unit of the leads that are wanted. A part without one of them is taken to miss it, as
    records whose leads change have it.
    """
    if head.segments:
        return _of_parts(folder, head, leads, step)
    x: Float32 | None = None
    for block, at, samples in _blocks(folder, head, leads):
        end = at + block.shape[1]
        if end - at == samples:
            x = block
        else:
            x = room((len(leads), samples)) if x is None else x
            x[:, at:end] = block
            release(x)
        step(end / samples)
    assert x is not None
    return x


def _of_parts(folder: Path, head: Header, leads: Sequence[int], step: Step) -> Float32:
    """Join the parts of a record, piece by piece; NaN where one is a gap or lacks a lead."""
    total = sum(samples for _, samples in head.segments)
    if head.samples is not None and total != head.samples:
        detail = f"says {head.samples} samples, and its parts add up to {total}"
        raise Unusable("length", f"{head.name}.hea", detail)
    heads: dict[str, Header] = {}
    for name, samples in head.segments:
        if name != GAP and samples:  # the first part may but list the leads of the others
            part = heads.get(name) or heads.setdefault(name, part_of(folder, head, name))
            if part.samples and _in_part(head, part, leads):
                _as_told(head, part, part.samples, samples)
    x = room((len(leads), total))
    end = 0
    for name, samples in head.segments:
        start, end = end, end + samples
        part_or_gap = heads.get(name)
        there = _in_part(head, part_or_gap, leads) if part_or_gap else {}
        if lacking := [at for at in range(len(leads)) if at not in there]:
            for first, last in pieces(samples):
                x[lacking, start + first : start + last] = np.nan
                release(x)
        if part_or_gap and there and samples:
            for block, at, found in _blocks(folder, part_or_gap, list(there.values())):
                _as_told(head, part_or_gap, found, samples)
                first, last = start + at, start + at + block.shape[1]
                x[list(there), first:last] = block
                release(x)
                step(last / total)
    return x


def _as_told(head: Header, part: Header, found: int, told: int) -> None:
    """Refuse a part of another length than its record says."""
    if found != told:
        raise Unusable("length", f"{part.name}.hea", f"has {found} samples, {head.name}.hea says {told}")


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


def _blocks(folder: Path, head: Header, leads: Sequence[int]) -> Iterator[tuple[Float32, int, int]]:
    """Read some leads of a record that is no other records put together, piece by piece.

    Yields ``(leads, samples)`` in mV, the first sample of it, and how many there are in all.
    """
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
    spans: list[tuple[int, int | None]] = [*_in_pieces(head)] if not lags else []
    sums = [0] * len(leads)
    for start, end in spans or [(0, None)]:
        values = _read(head, leads, part=(start, end))
        piece = head if end is None else replace(head, samples=end - start)
        values = _of_length(piece, values, len(leads))
        stored = _read(head, leads, stored=True) if lags else values
        for at in range(len(leads)):
            sums[at] += int(stored[:, at].sum(dtype=np.int64))
        block = np.stack([_physical(head, lead, values[:, at]) for at, lead in enumerate(leads)])
        yield block, start, head.samples if spans and head.samples else block.shape[1]
    for lead, found, wanted in zip(leads, sums, told, strict=True):
        _check_sum(head, lead, found, wanted)
    if longer and None in told:
        raise Unusable("length", head.file(leads[0]), longer)


def _in_pieces(head: Header) -> list[tuple[int, int]]:
    """Return the samples of a long record in pieces, which hold its memory down; [] for a short one.

    What is compressed is read whole.
    """
    if head.samples is None or not set(map(str, head.raw.fmt)) <= set(BYTES):
        return []
    found = list(pieces(head.samples))
    return found if len(found) > 1 else []


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
    if slash and not unit:
        detail = f"gives lead {lead} the gain {' '.join(words[2:4])!r}: its unit is unknown"
        raise Unusable("unit", f"{head.name}.hea", detail)
    check_line(head, lead)
    return unit or "mV"


def _scaled(head: Header, x: npt.NDArray[np.floating], unit: str | None) -> Float32:
    factor = MILLIVOLTS.get((unit or "mV").casefold())
    if factor is None:
        raise Unusable("unit", f"{head.name}.hea", f"gives a lead in {unit!r}, {NOT_MILLIVOLTS}")
    return np.asarray(x * np.float32(factor), np.float32)
