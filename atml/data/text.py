"""One contest text file: numbers separated by line ends or blanks, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

BOM = b"\xef\xbb\xbf"
ALLOWED = b"0123456789+-.eEnNaAiIfFtTyY \t\r\n\v\f"
"""Every byte that a number in ASCII, "nan", "inf" or "infinity" can hold, and the blanks between."""


class BadText(ValueError):
    """The bytes are not a list of numbers; the message says where."""


def parse(raw: bytes) -> Float64:
    r"""Return the numbers of a file, ``(n,)`` float64: exactly what ``float`` makes of each token.

    Tokens stand between blanks or line ends (``\n``, ``\r\n``); a byte order mark and blank lines are fine.
    Not a number (``nan``, ``inf``) is a number here; whether it can be used is the caller's matter.

    Raises:
        BadText: A token that is no number (a comma, a word, ``1_000``, UTF-16), with its line.
    """
    if raw.startswith(BOM):
        raw = raw[len(BOM) :]
    # numpy's cast from bytes ignores trailing NULs and float() takes underscores: both are refused here.
    if raw.translate(None, ALLOWED):
        raise BadText(_where(raw))
    try:
        return np.array(raw.split(), dtype=np.float64)
    except ValueError:
        raise BadText(_where(raw)) from None


def _where(raw: bytes) -> str:
    """Name the first token that is no number."""
    for number, line in enumerate(raw.splitlines(), 1):
        for token in line.split():
            try:
                float(token)
                good = not token.translate(None, ALLOWED)
            except ValueError:
                good = False
            if not good:
                return f"line {number}: {token[:40].decode('utf-8', 'backslashreplace')!r} is no number"
    return "not a list of numbers"
