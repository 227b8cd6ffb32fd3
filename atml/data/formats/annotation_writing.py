"""WFDB annotation files in the MIT format, written: the inverse of `atml.data.formats.annotation_file.parse`.

Format: https://physionet.org/physiotools/wag/annot-5.htm. Every byte is as the package wfdb writes it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import numpy as np

from atml.arrays import Int64
from atml.data.formats.annotation_file import CHANNEL, CODES, NOTE, RATE, SKIP, SUBTYPE
from atml.data.formats.annotations import Marks

NUMBERS = {symbol: code for code, symbol in CODES.items()} | {"": 0}
"""Codes by symbol; "" is what `parse` has for a mark that is no annotation."""

COMMENT = NUMBERS['"']

NEAR = 0x3FF
"""Longest step in samples that fits beside a code; a longer one takes a word of its own."""

FAR = (1 << 31) - 1
"""Longest step of such a word."""

LETTERS = 255
"""Most bytes of a note: other readers keep its length in one byte."""


def to_bytes(marks: Marks, rate: float | None = None, *, channel: Int64 | None = None) -> bytes:
    r"""Return annotations as the bytes of a file; `parse` gives the same annotations for them.

    Args:
        marks: In order of time; several may be of one sample.
        rate: Rate in Hz that their times count in, which goes before them as a comment; None for none. One
            that stands there already is not written again.
        channel: Number of the signal that each is about, ``(n,)``; None for 0 throughout.

    Raises:
        ValueError: What the format can't hold: an unknown symbol, times that run backwards or are below 0, a
            subtype beyond -128 to 127, a channel beyond 0 to 255, a note beyond 255 letters of Latin-1.

    Example:
        >>> from atml.data.formats.annotation_file import parse
        >>> beats = Marks(np.array([100, 5000]), ["N", "V"], np.array([0, 0]), ["", ""])
        >>> to_bytes(beats).hex(" ", 2)
        '6404 00ec 0000 2413 0014 0000'
        >>> parse(to_bytes(beats, 250))[1]
        250.0
    """
    parts = [] if rate is None or _told(marks) else [_resolution(rate)]
    before = 0
    of = np.zeros(len(marks.sample), np.int64) if channel is None else np.asarray(channel, np.int64)
    channels = itertools.pairwise([0, *of.tolist()])
    rows = zip(marks.sample.tolist(), marks.symbol, marks.subtype.tolist(), marks.note, channels, strict=True)
    for time, symbol, subtype, note, (last, now) in rows:
        if time < max(before, 0):
            said = "is before the record" if time < 0 else f"comes after {before}: sort the annotations"
            raise ValueError(f"the annotation at sample {time} {said}")
        if symbol not in NUMBERS:
            raise ValueError(f"no symbol {symbol!r} in annotation files; there are {''.join(NUMBERS)}")
        parts += _annotation(NUMBERS[symbol], time - before)
        if subtype:
            parts.append(_word(SUBTYPE, _within(subtype, -128, 127, "subtype") & 0xFF))
        if now != last:
            parts.append(_word(CHANNEL, _within(now, 0, 255, "channel")))
        if note:
            parts.append(_note(note))
        before = time
    return b"".join([*parts, b"\0\0"])


def _word(code: int, value: int) -> bytes:
    return struct.pack("<H", code << 10 | value)


def _annotation(code: int, step: int) -> Iterator[bytes]:
    """Yield an annotation so many samples after the one before it."""
    while step > NEAR:
        part = min(step, FAR)
        yield _word(SKIP, 0) + struct.pack("<2H", part >> 16, part & 0xFFFF)
        step -= part
    if not code and not step:  # a word of zeros would be the end of the file
        yield _word(SKIP, 0) + b"\xff" * 4
        step = 1
    yield _word(code, step)


def _note(text: str) -> bytes:
    try:
        letters = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the note {text!r} has letters beyond Latin-1") from None
    if len(letters) > LETTERS:
        raise ValueError(f"a note of {len(letters)} letters; there is room for {LETTERS}")
    return _word(NOTE, len(letters)) + letters + b"\0" * (len(letters) % 2)


def _resolution(rate: float) -> bytes:
    """Return the comment that tells the rate, and the mark that ends what stands before annotations."""
    comment = _note(f"## time resolution: {rate:.12g}")
    return b"".join([*_annotation(COMMENT, 0), comment, *_annotation(0, 0)])


def _told(marks: Marks) -> bool:
    """Whether annotations begin with the comment that tells their rate."""
    return len(marks.sample) > 0 and marks.sample[0] == 0 and RATE.match(marks.note[0]) is not None


def _within(value: int, least: int, most: int, what: str) -> int:
    if not least <= value <= most:
        raise ValueError(f"{what} {value} can't be written; there is room for {least} to {most}")
    return value
