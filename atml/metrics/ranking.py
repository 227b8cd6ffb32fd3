"""How well scores rank windows, whatever threshold is set later (numpy, pure)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats


def roc_auc(score: Float32 | Floats, truth: npt.ArrayLike) -> float:
    """Area under the ROC curve of ``score (n,)`` for ``truth (n,)``, true where positive.

    The chance that a positive window scores higher than a negative one, ties counted half: the Mann-Whitney
    statistic over the product of the two counts (Hanley and McNeil, Radiology 143, 1982), from mid-ranks. NaN
    where a class is missing.

    Example:
        >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), [False, True, False, True])
        0.875
    """
    positive = np.asarray(truth, np.bool_)
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return math.nan
    _, code, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[code]
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
