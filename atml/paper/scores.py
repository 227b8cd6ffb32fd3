"""How near signals that were read come to the true ones, lead by lead."""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32, Floats
from atml.metrics.waveform import FLOOR_DB, MOST_DB
from atml.paper.page_truth import RATE

SHIFT = int(0.2 * RATE)
"""Samples that a lead may lie off in time."""


def lead_powers(true: Float32, read: Float32) -> Floats:
    """Return the sums of squares of signal and of error of each lead, ``(leads, 2)``, after alignment.

    As the rule ``kaggle2025`` has it: a lead is shifted by up to 0.2 s to where the cross-correlation is
    largest, the mean of the difference is taken off, and what is missing counts as 0. A lead that is not in
    ``true (leads, samples)`` has 0 and 0.
    """
    out = np.zeros((len(true), 2))
    for lead, (x, y) in enumerate(zip(true.astype(np.float64), read.astype(np.float64), strict=True)):
        known = np.isfinite(x)
        if known.any():
            x, y = x[known], y[known]
            out[lead] = (x**2).sum(), ((x - _aligned(x, y)) ** 2).sum()
    return out


def _aligned(x: Floats, y: Floats) -> Floats:
    from scipy.signal import correlate

    there = np.isfinite(y)
    if not there.any():
        return np.zeros_like(x)
    level = np.where(there, y - y[there].mean(), 0.0)
    most = min(SHIFT, len(x) - 1)
    likeness = correlate(x - x.mean(), level)[len(x) - 1 - most : len(x) + most]
    lag = int(likeness.argmax()) - most
    moved = np.full(len(y), np.nan)
    moved[max(0, lag) : len(y) + min(0, lag)] = y[max(0, -lag) : len(y) - max(0, lag)]
    both = np.isfinite(moved)
    moved += (x - moved)[both].mean() if both.any() else 0.0
    return np.asarray(np.nan_to_num(moved), np.float64)


def lead_decibels(true: Float32, read: Float32) -> Float32:
    """Return the decibels of each lead, ``(leads,)``; 0 for one that was not read, or is not there.

    Example:
        >>> x = np.sin(np.arange(5000) / 40)[None].astype(np.float32)
        >>> lead_decibels(x, 0.9 * x).round(3).tolist(), lead_decibels(x, np.nan * x).tolist()
        ([20.0], [0.0])
    """
    signal, noise = lead_powers(true, read).T
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 10 * np.log10(signal / noise)
    found = np.where(signal > 0, np.where(noise > 0, found, MOST_DB), 0.0)
    return np.clip(found, FLOOR_DB, MOST_DB).astype(np.float32)


def lead_correlations(true: Float32, read: Float32) -> Floats:
    """Return Pearson's r of each lead that ``true`` has, after alignment; 0 where one does not vary.

    Example:
        >>> x = np.sin(np.arange(5000) / 40)[None].astype(np.float32)
        >>> lead_correlations(x, 0.5 * x + 3).round(3).tolist()
        [1.0]
    """
    found = []
    for x, y in zip(true.astype(np.float64), read.astype(np.float64), strict=True):
        known = np.isfinite(x)
        if known.any():
            x, y = x[known], _aligned(x[known], y[known])
            varies = x.std() > 0 and y.std() > 0
            found.append(float(np.corrcoef(x, y)[0, 1]) if varies else 0.0)
    return np.array(found)
