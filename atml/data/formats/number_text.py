"""One contest text file: numbers separated by line ends or blanks, and nothing else."""

from __future__ import annotations

import codecs

import numpy as np
import numpy.typing as npt

from atml.data.text import decoded

Float64 = npt.NDArray[np.float64]

BOM = b"\xef\xbb\xbf"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ALLOWED = b"0123456789+-.eEnNaAiIfFtTyY \t\r\n\v\f"
"""Every byte that a number in ASCII, "nan", "inf" or "infinity" can hold, and the blanks between."""


POINT, NEWLINE, MINUS = b".\n-"


class BadText(ValueError):
    """The bytes are not a list of numbers; the message says where."""


def parse(raw: bytes) -> Float64:
    r"""Return the numbers of a file, ``(n,)`` float64: exactly what ``float`` makes of each token.

    Tokens stand each on a line (``\n``, ``\r\n``), or all on one between blanks; UTF-16, a byte order
    mark and blank lines are fine.
    Not a number (``nan``, ``inf``) is a number here; whether it can be used is the caller's matter.

    Raises:
        BadText: A token that is not a number (a comma, a word, ``1_000``), or several lines of
            several tokens, with the first such line.
    """
    if raw.startswith(BOM):
        raw = raw[len(BOM) :]
    elif raw.startswith(UTF16) or b"\0" in raw[:2]:
        raw = decoded(raw).encode()
    fixed = _fixed(raw)
    if fixed is not None:
        return fixed
    # numpy's cast from bytes ignores trailing NULs and float() takes underscores: both are refused here.
    if raw.translate(None, ALLOWED):
        raise BadText(_where(raw))
    tokens = raw.split()
    if len(tokens) > 1 and (several := _columns(raw)):
        raise BadText(several)
    try:
        return np.array(tokens, dtype=np.float64)
    except ValueError:
        raise BadText(_where(raw)) from None


def _fixed(raw: bytes) -> Float64 | None:
    """Parse a list of plain decimals that all have the same number of places; None if it is not one.

    What the contests write is of this kind. Without its points it is a list of integers, which are read
    2.5 times as fast as floats. A quotient of two integers below 2**53 and 10**22 is correctly rounded, so
    this is what ``float`` gives (Clinger, "How to read floating point numbers accurately", PLDI 1990).
    """
    if raw.translate(None, b"0123456789-.\n") or not raw:
        return None
    data = np.frombuffer(raw, np.uint8)
    points, ends = np.flatnonzero(data == POINT), np.flatnonzero(data == NEWLINE)
    if data[-1] != NEWLINE:
        ends = np.append(ends, len(data))
    if len(points) != len(ends):
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    negative = data[starts] == MINUS
    places = int(ends[0] - points[0]) - 1
    if (
        places < 1
        or ((ends - points) != places + 1).any()
        or (points - starts <= negative).any()  # at least one digit stands before each point
        or (ends - starts).max() > 16  # at most 15 digits and a point: below 2**53
        or np.count_nonzero(data == MINUS) != np.count_nonzero(negative)
    ):
        return None
    whole = np.fromstring(raw.translate(None, b"."), np.int64, sep="\n")
    values = whole / 10.0**places
    values[negative & (whole == 0)] = -0.0
    return values


def _columns(raw: bytes) -> str:
    """Name the first line with several numbers where there are several lines; "" for none."""
    counts = [len(line.split()) for line in raw.splitlines()]
    if sum(count > 0 for count in counts) == 1 or max(counts) == 1:
        return ""
    number, count = next((at, count) for at, count in enumerate(counts, 1) if count > 1)
    return f"line {number} holds {count} numbers, not one"


def _where(raw: bytes) -> str:
    """Name the first token that is not a number."""
    for number, line in enumerate(raw.splitlines(), 1):
        for token in line.split():
            try:
                float(token)
                good = not token.translate(None, ALLOWED)
            except ValueError:
                good = False
            if not good:
                return f"line {number}: {token[:40].decode('utf-8', 'backslashreplace')!r} is not a number"
    return "not a list of numbers"
