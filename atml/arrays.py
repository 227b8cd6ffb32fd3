"""Array types, as signatures name them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


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
