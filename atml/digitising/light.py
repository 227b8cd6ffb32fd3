"""How dark each point of a page is for the light that falls on it, and what of it is ink and not grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Floats

PAPER_SHARE = 0.8
"""Quantile of a block's pixels that is taken for its paper: lines and traces cover less than the rest."""


def evened(rgb: npt.NDArray[np.generic], block: int) -> Float32:
    """Return how much of its paper's light each pixel of ``rgb (rows, columns, channels)`` has, about 0 to 1.

    Paper is what is bright in blocks of ``block`` pixels; between their middles it is interpolated.
    """
    rows, columns = rgb.shape[:2]
    paper = _paper(np.asarray(rgb, np.float32), block)
    y = (np.arange(rows) + 0.5) * paper.shape[0] / rows - 0.5
    x = (np.arange(columns) + 0.5) * paper.shape[1] / columns - 0.5
    whole = _stretched(_stretched(paper, y, 0), x, 1)
    return np.asarray(np.clip(np.asarray(rgb, np.float32) / np.maximum(whole, 1.0), 0, 1.5), np.float32)


def _paper(rgb: Float32, block: int) -> Float32:
    """Return the paper's colour of each block, ``(rows, columns, channels)``, in the units of ``rgb``."""
    from scipy.ndimage import gaussian_filter, median_filter

    rows, columns = rgb.shape[:2]
    down, across = max(1, round(rows / block)), max(1, round(columns / block))
    at_y = np.linspace(0, rows, down + 1).astype(int)
    at_x = np.linspace(0, columns, across + 1).astype(int)
    step = max(1, block // 16)  # a sample of a large block is enough
    found = np.empty((down, across, rgb.shape[2]), np.float32)
    widths = np.diff(at_x)
    for i in range(down):
        strip = rgb[at_y[i] : at_y[i + 1] : step]
        # All of one width at once: a call for each block takes longer than what it does.
        for width in np.unique(widths):
            (of,) = np.nonzero(widths == width)
            parts = strip[:, at_x[of][:, None] + np.arange(0, width, step)]
            found[i, of] = np.quantile(parts, PAPER_SHARE, axis=(0, 2))
    # A block full of ink is as dark as its neighbours are not.
    found = np.maximum(found, median_filter(found, (3, 3, 1), mode="nearest"))
    return np.asarray(gaussian_filter(found, (0.6, 0.6, 0), mode="nearest"), np.float32)


def _stretched(values: Float32, at: Floats, axis: int) -> Float32:
    """Interpolate along an axis between whole places; beyond the ends the ends count."""
    at = np.clip(at, 0, values.shape[axis] - 1)
    low = np.minimum(at.astype(int), max(values.shape[axis] - 2, 0))
    high = np.minimum(low + 1, values.shape[axis] - 1)
    share = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return np.asarray(np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share)


def grid_darkness(even: Float32) -> Float32:
    """Return how dark each pixel is in the channel where it is darkest, ``(rows, columns)``, less for ink.

    Coloured lines are dark in one channel or two; a trace is not darker than the lines here, so that it
    counts little beside them.
    """
    dark = np.clip(1 - even.min(-1), 0, 1)
    strong = max(0.12, float(np.quantile(dark, 0.97)))
    return np.asarray(np.minimum(dark, strong), np.float32)


def ink(even: Float32) -> Bools:
    """Return what is dark in every channel, ``(rows, columns)``: traces and text."""
    dark = 1 - even.max(-1)
    level = float(np.quantile(dark, 0.995))
    return np.asarray(dark > max(0.42 * level, 0.08))


def inked(even: Float32) -> Bools:
    """Return `ink` and a pixel round it, ``(rows, columns)``."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(ink(even), 3))


def ink_weights(even: Float32, on_line: Bools, off_line: Bools) -> Floats:
    """Return the weights of the channels ``(3,)`` with which ink is dark and lines of the grid are not.

    Least squares: of ink, which is alike in all channels, the weighted darkness is 1; that of what lines
    have on average beside the paper is small, and noise does not grow much.

    Args:
        even: What `evened` gives.
        on_line: Pixels on lines of the grid, without traces.
        off_line: Pixels between lines, without traces.
    """
    ink, line = np.ones(3), np.zeros(3)
    if on_line.any() and off_line.any():
        line = np.maximum(np.median(even[off_line], 0) - np.median(even[on_line], 0), 0).astype(np.float64)
    cost = np.outer(line, line) + 0.004 * np.eye(3)
    found = np.linalg.solve(cost, ink)
    found = np.maximum(found, 0) if found.sum() > 0 else ink
    return np.asarray(found / found.sum())
