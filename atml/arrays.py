"""Array types, as signatures name them."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


UInt8 = npt.NDArray[np.uint8]
Inputs = npt.NDArray[Any]
"""Windows ``(n, leads, samples)`` of float32, or pictures ``(n, 3, rows, columns)`` of uint8."""


Int64 = npt.NDArray[np.int64]


Strings = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def evenly(count: int, most: int) -> Int64:
    """Return up to ``most`` of the places 0 to ``count`` - 1, taken evenly, the first and the last included.

    Example:
        >>> evenly(9, 3).tolist(), evenly(2, 3).tolist(), evenly(0, 3).tolist()
        ([0, 4, 8], [0, 1], [])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


WORTH = 1 << 20
"""Bytes that a map must have to be worth a call of the system."""


def release(x: npt.NDArray[np.generic]) -> None:
    """Give back the memory of a file's pages that were read, or written, through a map of it.

    They come from the file again when they are needed. Of any other array nothing happens, nor of a map
    whose changes are not written to the file, nor of a small one.
    """
    if x.nbytes < WORTH:
        return
    base: object = x
    safe = False
    while isinstance(base, np.ndarray):
        safe = safe or getattr(base, "mode", "c") in ("r", "r+")
        base = base.base
    if safe and isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
