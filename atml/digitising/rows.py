"""Rows of traces on a flat page: how much ink each pixel has, where rows lie, where they begin and end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from atml.arrays import Bools, Float32, Floats
from atml.digitising.light import ink_weights
from atml.digitising.unwarping import FlatPage

ROW_MM = 250.0
"""Length of a row as recorders print it."""


@dataclass(frozen=True)
class Ink:
    """Ink of a flat page, ``(rows, columns)``: 0 is paper with its grid, 1 the ink of a trace.

    ``noise`` is the standard deviation of what is no ink, ``scale`` pixels a mm.
    """

    cover: Float32
    inside: Bools
    noise: float
    scale: float


def ink(page: FlatPage) -> Ink:
    """Tell the ink of a page from its grid; the scale must have whole pixels in 5 mm."""
    side = round(5 * page.scale)
    rgb, inside = page.rgb, page.inside
    dark = 1 - rgb.max(-1)
    level = float(np.quantile(dark[inside], 0.995)) if inside.any() else 1.0
    clear = inside & (dark < 0.3 * level)
    rows, columns = dark.shape
    on = np.zeros(dark.shape, bool)
    on[::side] = on[1::side] = True
    on[:, ::side] = on[:, 1::side] = True
    off = np.zeros(dark.shape, bool)
    quarter = np.arange(max(rows, columns)) % side
    between = (quarter > side // 4) & (quarter < side - side // 4)
    off[between[:rows][:, None] & between[:columns]] = True
    weights = ink_weights(rgb, clear & on, clear & off)
    found = np.asarray((1 - rgb) @ weights.astype(np.float32), np.float32)
    found -= _pattern(found, inside, side)
    found[~inside] = 0
    quiet = found[inside & (np.abs(found) < 0.3 * level)]
    noise = float(1.4826 * np.median(np.abs(quiet - np.median(quiet)))) if len(quiet) else 0.0
    strong = float(np.quantile(found[inside], 0.997)) if inside.any() else 1.0
    strong = max(strong, 0.05)
    return Ink(np.asarray(np.clip(found / strong, -0.5, 1.2), np.float32), inside, noise / strong, page.scale)


def _pattern(found: Float32, inside: Bools, side: int) -> Float32:
    """Return what squares of 5 mm have in common: their lines, as bright as they are in general."""
    rows, columns = found.shape
    down, across = rows // side, columns // side
    if down < 3 or across < 3:
        return np.zeros_like(found)
    part = np.where(inside, found, np.nan)[: down * side, : across * side]
    squares = part.reshape(down, side, across, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
    squares = squares[np.isfinite(squares).all((1, 2))]
    if len(squares) < 9:
        return np.zeros_like(found)
    middle = np.median(squares, 0)
    return np.tile(middle, (down + 1, across + 1))[:rows, :columns].astype(np.float32)


def levels(found: Ink) -> Floats:
    """Return where rows of traces lie, in pixels from the top, sorted.

    In a band round a row there is ink in nearly every column, as nowhere else: text has gaps.
    """
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    thick = found.cover > max(0.3, 4 * found.noise)
    scale = found.scale
    rows = len(thick)
    near = maximum_filter1d(thick, 2 * round(3.0 * scale) + 1, axis=0)
    usable = found.inside.sum(0) > 0.2 * rows
    first, last = _ends(usable)
    parts = np.linspace(first, last, 13).astype(int)
    shares = np.stack(
        [near[:, a:b].mean(1) if b > a else np.zeros(rows) for a, b in itertools.pairwise(parts.tolist())], 1
    )
    covered = np.sort(shares[:, 1:-1], 1)[:, 1:].mean(1)  # one part may be covered by a stain
    density = gaussian_filter1d(thick[:, first:last].mean(1), 1.2 * scale)
    score = np.where(covered > 0.8, density, 0)
    found_levels: list[int] = []
    left = score.copy()
    while left.max() > 0.25 * score.max() > 0 and len(found_levels) < 16:
        top = int(left.argmax())
        found_levels.append(top)
        reach = round(7.5 * scale)
        left[max(top - reach, 0) : top + reach + 1] = 0
    return regular(np.sort(np.array(found_levels, np.float64)))


COUNTS = (12, 6, 5, 4, 3)
"""Numbers of rows that pages of twelve leads have."""


def regular(found: Floats) -> Floats:
    """Return the rows that stand at a regular distance, of places where rows may be.

    A row that is hardly seen between others is filled in; the edge of the paper and lines of text, which
    stand elsewhere, are left out. All are returned where no usual number of rows fits.

    Example:
        >>> regular(np.array([2.0, 100.0, 148.0, 200.0, 251.0])).tolist()
        [100.0, 148.0, 200.0, 251.0]
    """
    best, kept = -np.inf, found
    for count in COUNTS:
        for i in range(len(found)):
            for k in range(i + 1, len(found)):
                apart = (found[k] - found[i]) / (count - 1)
                at = found[i] + apart * np.arange(count)
                nearest = np.abs(found[None] - at[:, None])
                hit = nearest.min(1) < 0.16 * apart
                inside = (found >= found[i] - 1) & (found <= found[k] + 1)
                extra = int(inside.sum()) - int(hit.sum())
                missing = count - int(hit.sum())
                if missing > count // 5 or apart <= 0:
                    continue
                value = hit.sum() - 1.5 * missing - 1.2 * max(extra, 0)
                value -= float(nearest.min(1)[hit].mean()) / apart
                if value > best:
                    best = value
                    kept = np.where(hit, found[nearest.argmin(1)], at)
    return np.asarray(kept)


def _ends(usable: Bools) -> tuple[int, int]:
    at = np.flatnonzero(usable)
    return (int(at[0]), int(at[-1]) + 1) if len(at) else (0, len(usable))
