"""How near the leads that were read from pages come to the true ones, in decibels of signal over error."""

from __future__ import annotations

import numpy as np

from atml.arrays import Floats
from atml.metrics.predictions import Predictions

READ_DB = 10.0
"""Decibels from which a lead counts as read: its logit is what it has above them."""

FLOOR_DB, MOST_DB = -20.0, 60.0
"""Least and most decibels that a lead is counted with."""

WORST = 0.2
"""Share of the pages that are the worst ones."""


def decibels(predictions: Predictions) -> Floats:
    """Return the decibels of each lead, ``(n, leads)``, NaN where a lead is not drawn.

    Example:
        >>> found = Predictions(np.array([[2.0, -10.0]], np.float32), np.array([1]), np.array(["h"]), None,
        ...     multilabel=True)
        >>> decibels(found).tolist()
        [[12.0, nan]]
    """
    found = predictions.logits.astype(np.float64) + READ_DB
    return np.where(predictions.truths(), found, np.nan)


def page_snr(predictions: Predictions) -> Floats:
    """Return the mean over its leads of the decibels of each page that has any, ``(pages,)``."""
    found = decibels(predictions)
    there = np.isfinite(found)
    count = there.sum(axis=1)
    return np.asarray((np.where(there, found, 0.0).sum(axis=1) / np.maximum(count, 1))[count > 0])


def mean_snr(predictions: Predictions) -> float:
    """Return the mean over pages of the mean over leads of signal over error, in dB; 0 without pages.

    Example:
        >>> found = Predictions(np.array([[2.0, 4.0]], np.float32), np.array([3]), np.array(["h"]), None,
        ...     multilabel=True)
        >>> mean_snr(found)
        13.0
    """
    found = page_snr(predictions)
    return float(found.mean()) if len(found) else 0.0


def worst_snr(predictions: Predictions) -> float:
    """Return the same mean over the worst fifth of the pages."""
    found = np.sort(page_snr(predictions))
    return float(found[: max(1, round(WORST * len(found)))].mean()) if len(found) else 0.0
