"""A page laid flat, as if it had been seen straight from above, and what a network says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats
from atml.models.unet import BASELINE, BASELINE_MM, SEGMENTATION, WEIGHT
from atml.pages.page_layout import PAPER_WIDTH
from atml.paper.grid_field import GridField

UInt8 = npt.NDArray[np.uint8]

COARSE = 12
"""Flat pixels from one point that is looked up in the picture to the next."""

LARGEST = 1.6
"""Most times as many rows and columns that a page laid flat has as its picture: else the grid was misread."""


@dataclass(frozen=True)
class FlatPage:
    """Maps of a page laid flat, each ``(rows, columns)``, at ``per_mm`` pixels a mm.

    ``trace`` and ``print`` are probabilities; ``weight`` is that of a pixel in the mean row of its column, 0
    to 1; ``drop`` is how far below a pixel of a trace its zero line lies, in mm.
    """

    trace: Float32
    print: Float32
    weight: Float32
    drop: Float32
    per_mm: float

    @classmethod
    def of(cls, maps: Float32, per_mm: float) -> FlatPage:
        """Return the page whose maps are ``maps (unet.OUTPUTS, rows, columns)``."""
        chance = chances(maps)
        weight = 1 / (1 + np.exp(-maps[WEIGHT]))
        return cls(chance[1], chance[2], weight, maps[BASELINE] * BASELINE_MM, per_mm)

    def x(self) -> Floats:
        """Return the middle of each column in mm, from the left edge."""
        return np.asarray((np.arange(self.trace.shape[1]) + 0.5) / self.per_mm, np.float64)

    def y(self) -> Floats:
        """Return the middle of each row in mm, from the upper edge."""
        return np.asarray((np.arange(self.trace.shape[0]) + 0.5) / self.per_mm, np.float64)


def chances(maps: Float32) -> Float32:
    """Return the probabilities of `unet.CLASSES` at each pixel of ``maps``, ``(3, rows, columns)``."""
    logits = maps[SEGMENTATION] - maps[SEGMENTATION].max(0)
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(0), np.float32)


def usual_scale(columns: int) -> float:
    """Return the pixels a mm of pictures that are ``columns`` wide and show a whole page."""
    return columns / PAPER_WIDTH


def laid_flat(rgb: UInt8, field: GridField, per_mm: float, multiple: int = 16) -> tuple[UInt8, Floats] | None:
    """Look the colours of a picture, ``(rows, columns, 3)``, up where each pixel of the flat page lies.

    Returns the flat picture and ``points (rows, columns, 2)``, where in the picture every `COARSE`-th of its
    pixels is seen. None where the field can't be that of a page.
    """
    from scipy.ndimage import map_coordinates

    rows, columns = rgb.shape[:2]
    low, wide = _frame(field, rows, columns, per_mm)
    if (wide < 16).any() or (wide > LARGEST * np.array([columns, rows])).any():
        return None
    wide = -(-wide // multiple) * multiple
    j, i = (np.arange(-(-int(n) // COARSE) + 1) * COARSE for n in wide)
    points = field.inverse(np.stack(np.meshgrid(j, i), -1) / per_mm + low)
    at = np.stack([between(points[..., axis], (int(wide[1]), int(wide[0]))) for axis in (1, 0)]) - 0.5
    layers = [
        map_coordinates(rgb[..., colour].astype(np.float32), at, order=3, mode="nearest")
        for colour in range(3)
    ]
    flat: UInt8 = np.clip(np.rint(np.stack(layers, -1)), 0, 255).astype(np.uint8)
    return flat, points


def _frame(field: GridField, rows: int, columns: int, per_mm: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the least x and y in mm of what a picture shows, and its width and height in flat pixels."""
    across, down = np.linspace(0, columns, 40), np.linspace(0, rows, 40)
    border = np.concatenate(
        [np.stack(np.broadcast_arrays(across, side), 1) for side in (0.0, float(rows))]
        + [np.stack(np.broadcast_arrays(side, down), 1) for side in (0.0, float(columns))]
    )
    seen = field.at(border)
    low = np.percentile(seen, 0.5, axis=0)
    high = np.percentile(seen, 99.5, axis=0)
    return low, np.ceil((high - low) * per_mm).astype(np.int64)


def between(coarse: Floats, shape: tuple[int, int]) -> Float32:
    """Interpolate from every `COARSE`-th pixel's corner to the middle of every pixel."""
    i, j = ((np.arange(n) + 0.5) / COARSE for n in shape)
    a, b = i.astype(np.int64), j.astype(np.int64)
    v, u = (i - a)[:, None].astype(np.float32), (j - b)[None].astype(np.float32)
    values = coarse.astype(np.float32)
    top = values[a][:, b] * (1 - u) + values[a][:, b + 1] * u
    low = values[a + 1][:, b] * (1 - u) + values[a + 1][:, b + 1] * u
    return np.asarray(top * (1 - v) + low * v, np.float32)
