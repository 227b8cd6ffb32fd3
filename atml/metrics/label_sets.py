"""Sets of labels as whole numbers: bit i is set where label i is true (numpy, pure)."""

from __future__ import annotations

import numpy as np

from atml.arrays import Bools, Int64

MOST = 62
"""Labels that a whole number of 64 bits holds, its sign left out."""


def bits(truth: Bools) -> Int64:
    """Write each row of ``truth (n, labels)`` as a whole number, ``(n,)``.

    Raises:
        ValueError: More than `MOST` labels.

    Example:
        >>> bits(np.array([[True, False, True], [False, False, False]])).tolist()
        [5, 0]
    """
    truth = np.asarray(truth, np.bool_)
    if truth.shape[1] > MOST:
        raise ValueError(f"{truth.shape[1]} labels do not go into a whole number; {MOST} do")
    return np.asarray(truth.astype(np.int64) @ (np.int64(1) << np.arange(truth.shape[1])), np.int64)


def truth(y: Int64, labels: int) -> Bools:
    """Read whole numbers ``y (n,)`` back: which of so many labels each has, ``(n, labels)``.

    Example:
        >>> truth(np.array([5, 0]), 3).tolist()
        [[True, False, True], [False, False, False]]
    """
    return np.asarray((np.asarray(y, np.int64)[:, None] >> np.arange(labels)) & 1, np.bool_)
