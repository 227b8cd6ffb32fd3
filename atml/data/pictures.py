"""Pictures brought to a task's size, as rows of a data set: ``(3, rows, columns)`` of uint8."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from atml.arrays import UInt8
from atml.data.rows import Rows
from atml.pages.picture import pillow

VERSION = 1
"""Increased whenever a picture is brought to a size in another way."""

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pdf", ".heic")
"""Endings of files of pictures, in small letters."""

BLANK = 12
"""Shades between the darkest and the lightest of a picture's pixels, a few left out, of one that shows
nothing."""


def fit(rgb: UInt8, size: tuple[int, int]) -> UInt8:
    """Bring a picture ``(rows, columns, 3)`` to ``size``, rows and columns: ``(3, rows, columns)``.

    Its shape is kept: what is left is filled with the colour of its border. Where it shrinks it is averaged
    over areas and then filtered, so that thin lines grow pale and don't break up.

    Raises:
        MissingExtraError: Pillow is not installed, and the picture is of another size.

    Example:
        >>> wide = np.zeros((10, 40, 3), np.uint8)
        >>> wide[..., 0] = 200
        >>> found = fit(wide, (20, 40))
        >>> found.shape, found[:, 0, 0].tolist()
        ((3, 20, 40), [200, 0, 0])
    """
    rows, columns = size
    tall, wide = rgb.shape[:2]
    if (tall, wide) != size:
        scale = min(rows / tall, columns / wide)
        height = min(rows, max(1, round(tall * scale)))
        width = min(columns, max(1, round(wide * scale)))
        image = pillow("bringing pictures to another size")
        if (height, width) != (tall, wide):
            small = image.fromarray(rgb).resize(
                (width, height), image.Resampling.LANCZOS, reducing_gap=1.0 if scale < 1 else None
            )
            rgb = np.asarray(small, np.uint8)
        if (height, width) != size:
            whole = np.empty((rows, columns, 3), np.uint8)
            whole[:] = border(rgb)
            top, left = (rows - height) // 2, (columns - width) // 2
            whole[top : top + height, left : left + width] = rgb
            rgb = whole
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


def border(rgb: UInt8) -> UInt8:
    """Return the colour of most of a picture's border, ``(3,)``: the median of its outermost pixels."""
    edge = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    return np.asarray(np.median(edge, axis=0), np.uint8)


def blank(page: UInt8) -> bool:
    """Tell whether a picture ``(3, rows, columns)`` shows nothing.

    Example:
        >>> blank(np.full((3, 20, 20), 250, np.uint8))
        True
    """
    low, high = np.percentile(page.reshape(3, -1), (0.2, 99.8), axis=1)
    return bool((high - low).max() < BLANK)


def code(rows: int, columns: int) -> int:
    """Write the size of a picture as one whole number, as `Rows.length` keeps it."""
    return rows << 20 | columns


def size_text(length: int) -> str:
    """Return the size that `code` wrote, rows and columns.

    Example:
        >>> size_text(code(512, 672))
        '512x672'
    """
    return f"{length >> 20}x{length & ((1 << 20) - 1)}"


def make(files: Sequence[tuple[list[UInt8], int] | tuple[str, str]], size: tuple[int, int]) -> Rows:
    """Make rows of files, each the pages of one, ``(3, rows, columns)``, and the `code` of the first's size.

    One that can't be read is the ``(kind, detail)`` of its fault. Blank pages are left out, with a fault.
    """
    kept: list[UInt8] = []
    owner: list[int] = []
    length = np.full(len(files), -1, np.int64)
    low, high = (np.full(len(files), np.nan, np.float32) for _ in range(2))
    faults: list[tuple[int, str, str]] = []
    for number, (first, second) in enumerate(files):
        if isinstance(first, str):
            faults.append((number, first, str(second)))
            continue
        length[number] = second
        for page in first:
            low[number] = np.fmin(low[number], page.min())
            high[number] = np.fmax(high[number], page.max())
            if blank(page):
                shade = "{:.0f}, {:.0f}, {:.0f}".format(*page.reshape(3, -1).mean(axis=1))
                faults.append((number, "blank", f"shows nothing: all of it is near the colour {shade}"))
                continue
            kept.append(page)
            owner.append(number)
    x = np.stack(kept) if kept else np.empty((0, 3, *size), np.uint8)
    digest = np.empty((len(x), 16), np.uint8)
    for row, page in enumerate(x):
        digest[row] = np.frombuffer(hashlib.sha256(page).digest()[:16], np.uint8)
    return Rows(x, digest, np.array(owner, np.int64), length, low, high, faults)
