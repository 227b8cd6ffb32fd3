"""Room on disk for an array that is needed for a while: what is written there need not fit in memory."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from pathlib import Path

import numpy as np

from atml.arrays import Float32
from atml.data import cache as store

LARGE = 1 << 26
"""Bytes from which an array is worth a file."""


def room(shape: tuple[int, ...]) -> Float32:
    """Return an empty array of float32: a large one in a file without a name, gone with the array.

    It lies in the folder of the parsed copies, else in that of temporary files; where neither has room, or
    the system can't set it aside before it is written to, the array is in memory.
    """
    size = 4 * math.prod(shape)
    if size < LARGE or not hasattr(os, "posix_fallocate"):
        return np.empty(shape, np.float32)
    for folder in (store.root(None), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(file, np.float32, "r+", shape=shape)
    return np.empty(shape, np.float32)
