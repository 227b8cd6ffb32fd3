"""One record of the PhysioNet/CinC Challenge 2017: a header, and a signal in a MATLAB file of version 4.

Format: https://physionet.org/physiotools/wag/header-5.htm, signal format 16 behind 24 bytes. The first line
of these headers gives the date before the time, against that format; nothing here needs either.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32
from atml.data.formats.wfdb_record import MILLIVOLTS, Unusable
from atml.data.text import decoded

RATE, GAIN = 300, 1000.0
"""Hz and units a mV of all records that were published."""

MATLAB_4 = struct.Struct("<5i4s")
"""Kind, rows, columns, imaginary part, length of the name, and the name ``val``."""

INT16 = 30
"""The kind of a little-endian matrix of 16-bit integers."""

MISSING = -(1 << 15)
"""The value that says that a sample is missing."""


@dataclass(frozen=True)
class Header:
    """What a header says; ``checksum`` is 0 where it gives none.

    Values in mV are ``(sample - baseline) / gain * factor``; ``rate`` is in Hz.
    """

    file: str
    rate: int
    samples: int
    gain: float
    baseline: int
    factor: float
    checksum: int


def header(file: str, data: bytes) -> Header:
    """Read the header of a record of one signal in format 16+24; raises Unusable."""
    lines = [line.split() for line in decoded(data).splitlines()]
    lines = [words for words in lines if words and not words[0].startswith("#")]
    try:
        first, line = lines[0], lines[1]
        rate, samples = float(first[2].split("/")[0].split("(")[0]), int(first[3])
        told = re.fullmatch(r"([\d.eE+-]+)(?:\((-?\d+)\))?(?:/(\S+))?", line[2])
        if told is None or not (gain := float(told[1])):
            raise ValueError(f"{line[2]!r} is not a gain")
        zero = int(line[4]) if len(line) > 4 else 0
        checksum = int(line[6]) if len(line) > 6 else 0
        baseline = int(told[2]) if told[2] else zero
        signals = int(first[1])
    except (IndexError, ValueError) as error:
        why = "" if isinstance(error, IndexError) else f": {error}"
        raise Unusable("header", file, f"is not a complete WFDB header{why}") from None
    if signals != 1 or line[1] != "16+24":
        raise Unusable("header", file, f"has {signals} signals in format {line[1]}, not one in format 16+24")
    if rate <= 0 or rate != int(rate):
        raise Unusable("header", file, f"says {rate:g} Hz, which is not a whole number of Hz")
    factor = MILLIVOLTS.get((told[3] or "mV").casefold())
    if factor is None:
        raise Unusable("unit", file, f"gives its signal in {told[3]!r}, not in mV: convert it")
    return Header(file, int(rate), samples, gain, baseline, factor, checksum)


def signal(name: str, head: Header | None, data: bytes) -> Float32:
    """Return the samples of a record in mV, ``(1, samples)``, NaN where one is missing; raises Unusable."""
    file = f"{name}.mat"
    if len(data) < MATLAB_4.size:
        raise Unusable("cut short", file, f"has {len(data)} bytes: is it complete?")
    kind, rows, columns, imaginary, _, _ = MATLAB_4.unpack_from(data)
    if (kind, rows, imaginary) != (INT16, 1, 0):
        raise Unusable("signal", file, "is not a row of 16-bit integers in MATLAB's version 4")
    there = (len(data) - MATLAB_4.size) // 2
    if there < columns:
        raise Unusable("cut short", file, f"holds {there} samples where it says {columns}: is it complete?")
    values = np.frombuffer(data, "<i2", columns, MATLAB_4.size)
    if head is None:
        head = Header("", RATE, columns, GAIN, 0, 1.0, 0)
    if head.samples != columns:
        raise Unusable("length", file, f"holds {columns} samples, {head.file} says {head.samples}")
    total = int(values.sum(dtype=np.int64))
    if head.checksum and (total - head.checksum) % (1 << 16):
        told = head.checksum & 0xFFFF
        detail = f"adds up to {total & 0xFFFF}, {head.file} says {told}: one is damaged"
        raise Unusable("checksum", file, detail)
    x = (values.astype(np.float32) - head.baseline) / np.float32(head.gain) * np.float32(head.factor)
    x[values == MISSING] = np.nan
    return np.asarray(x, np.float32)[None]
