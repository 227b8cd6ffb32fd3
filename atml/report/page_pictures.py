"""Pictures of pages in a report: as PNG inside SVG, where they are asked for with what weighs in them.

Colours are kept to 16 levels a channel, which the eye does not miss on paper and which packs three times as
well as a photograph's own.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats
from atml.report.svg import text
from atml.report.theme import BLUE, FONT, INK, MUTED, ORANGE

UInt8 = npt.NDArray[np.uint8]

GAP, TITLE = 12, 20
"""Space between two pictures, and above each, in pixels of a picture."""

LEVELS = 5
"""Depths of colour of what weighs, in each direction."""


@dataclass(frozen=True)
class Shown:
    """A picture ``rgb (3, rows, columns)``, 0 to 255, under a title.

    ``weights (down, across)`` are laid over it, each on its part of the picture: above 0 in orange, below in
    blue, the deeper the larger its share of the largest. ``frames`` are rectangles to draw, each left, top,
    width and height as shares.
    """

    rgb: npt.NDArray[np.generic]
    title: str
    weights: Floats | None = None
    frames: tuple[tuple[float, float, float, float], ...] = ()


def png(rgb: npt.NDArray[np.generic]) -> bytes:
    """Write ``rgb (3, rows, columns)``, 0 to 255, as a PNG of 16 levels a channel.

    Source: the PNG specification (ISO/IEC 15948); no filter, which packs flat areas best.

    Example:
        >>> png(np.zeros((3, 2, 2), np.uint8))[1:4]
        b'PNG'
    """
    whole = np.clip(np.nan_to_num(np.asarray(rgb, np.float32)), 0, 255).astype(np.uint8)
    coarse = np.moveaxis((whole >> 4) * np.uint8(17), 0, -1)
    rows, columns = coarse.shape[:2]
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)
    lines[:, 1:] = coarse.reshape(rows, -1)
    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def address(rgb: npt.NDArray[np.generic]) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png(rgb)).decode()}"


def small(rgb: npt.NDArray[np.generic], most: int) -> npt.NDArray[np.generic]:
    """Return a picture of at most so many columns: means of neighbouring pixels.

    Example:
        >>> small(np.zeros((3, 256, 336), np.uint8), 168).shape
        (3, 128, 168)
    """
    step = max(1, -(-rgb.shape[2] // most))
    rows, columns = rgb.shape[1] // step, rgb.shape[2] // step
    cut = np.asarray(rgb[:, : rows * step, : columns * step], np.float32)
    return np.asarray(cut.reshape(3, rows, step, columns, step).mean(axis=(2, 4)))


def draw(pictures: Sequence[Shown], *, across: int = 1, legend: str = "") -> str:
    """Draw pictures in rows of ``across`` as one ``<svg>``.

    ``legend`` says what weights above 0 speak for.
    """
    high, wide = (max(one.rgb.shape[axis] for one in pictures) for axis in (1, 2))
    down = -(-len(pictures) // across)
    width, height = across * wide + (across - 1) * GAP, down * (high + TITLE) + (down - 1) * GAP
    parts = []
    for number, one in enumerate(pictures):
        left, top = number % across * (wide + GAP), number // across * (high + TITLE + GAP)
        parts.append(text(left, top + 14, one.title, INK, 10, bold=True))
        parts.append(_one(one, left, top + TITLE))
    if legend:
        height += 18
        parts.append(_legend(legend, height - 6))
    font = escape(FONT)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" style="--paper-width:{0.3 * width:.0f}mm" font-family="{font}">'
        f"{''.join(parts)}</svg>"
    )


def _one(shown: Shown, left: float, top: float) -> str:
    rows, columns = shown.rgb.shape[1:]
    place = f'x="{left:g}" y="{top:g}" width="{columns}" height="{rows}"'
    parts = [f'<image {place} href="{address(shown.rgb)}"/>']
    if shown.weights is not None:
        parts += _weights(shown.weights, left, top, rows, columns)
    for x, y, wide, high in shown.frames:
        parts.append(
            f'<rect x="{left + x * columns + 1:.1f}" y="{top + y * rows + 1:.1f}"'
            f' width="{wide * columns - 2:.1f}" height="{high * rows - 2:.1f}" fill="none"'
            f' stroke="{BLUE}" stroke-width="2"/>'
        )
    return "".join(parts)


def _weights(weights: Floats, left: float, top: float, rows: int, columns: int) -> list[str]:
    """Colour the parts of a picture that weigh, in `LEVELS` depths each way."""
    most = float(np.abs(weights).max())
    if not np.isfinite(most) or most <= 0:
        return []
    level = np.rint(LEVELS * weights / most).astype(int)
    down, across = weights.shape
    high, wide = rows / down, columns / across
    parts = []
    for depth in sorted(set(level.ravel().tolist()) - {0}):
        cells = [
            f"M{left + x * wide:.1f} {top + y * high:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z"
            for y, x in zip(*np.nonzero(level == depth), strict=True)
        ]
        colour, opacity = (ORANGE if depth > 0 else BLUE), 0.12 * abs(depth)
        parts.append(f'<path d="{"".join(cells)}" fill="{colour}" fill-opacity="{opacity:.2f}"/>')
    return parts


def _legend(words: str, y: float) -> str:
    parts = []
    for x, colour, said in ((0, ORANGE, f"speaks for {words}"), (160, BLUE, "speaks against it")):
        parts.append(
            f'<rect x="{x}" y="{y - 9:g}" width="12" height="10" fill="{colour}" fill-opacity="0.6"/>'
        )
        parts.append(text(x + 17, y, said, MUTED, 11))
    return "".join(parts)
