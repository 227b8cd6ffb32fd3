"""Some pages of a set side by side, with what they are of, for a person to look over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from atml.pages.picture import pillow
from atml.pages.stroke_font import shifted, stamp, written

UInt8 = npt.NDArray[np.uint8]

MOST = 24
"""Pages on a sheet."""

COLUMNS, WIDTH, CAPTION = 4, 336, 20
"""Pages in a row, and in pixels the width of one and the height of what stands below it."""


def thumbnail(rgb: UInt8) -> UInt8:
    """Return a picture as large as a sheet shows it, ``(rows, WIDTH, 3)``."""
    image = pillow()
    rows = round(rgb.shape[0] * WIDTH / rgb.shape[1])
    return np.asarray(image.fromarray(rgb).resize((WIDTH, rows), image.Resampling.LANCZOS))


def sheet(pages: list[tuple[UInt8, str]]) -> Any:
    """Return a Pillow image of thumbnails, each with its caption."""
    tall = max(picture.shape[0] for picture, _ in pages) + CAPTION
    lines = -(-len(pages) // COLUMNS)
    wide = min(COLUMNS, len(pages))
    out = np.full((lines * tall, wide * WIDTH, 3), 255, np.uint8)
    for number, (picture, caption) in enumerate(pages):
        y, x = number // COLUMNS * tall, number % COLUMNS * WIDTH
        out[y : y + picture.shape[0], x : x + WIDTH] = picture
        ink = np.zeros((CAPTION, WIDTH), np.float32)
        stamp(ink, shifted(written(caption.replace("_", " "), 8.0), 5, CAPTION - 6), 0.9)
        below = np.s_[y + picture.shape[0] : y + picture.shape[0] + CAPTION, x : x + WIDTH]
        out[below] = (255 * (1 - ink[..., None])).astype(np.uint8)
    return pillow().fromarray(out)
