"""Reading a picture with a network: twice, as it lies and laid flat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats
from atml.models.paper_config import PaperConfig
from atml.models.unet import PHASE, THETA, THETA_DEGREES
from atml.pages.page_layout import LAYOUTS
from atml.paper.crops import GRID_MM
from atml.paper.decoding import Decoded, decode, refusal
from atml.paper.flat_page import COARSE, FlatPage, chances, laid_flat, usual_scale
from atml.paper.grid_field import grid_field
from atml.paper.rows_and_scale import Scale

UInt8 = npt.NDArray[np.uint8]

Maps = Callable[[Float32], Float32]
"""From ``page (n, 3, rows, columns)``, 0 to 255, to ``(n, unet.OUTPUTS, rows, columns)``."""

Paths = tuple[tuple[str, Floats, Floats], ...]
"""Traces in a picture: lead, columns and rows."""

LEAST_GRID = 0.12
"""Mean length of the grid's phasors below which a picture has no grid."""

LEAST_TRACE = 0.002
"""Share of a picture that has to be trace."""


@dataclass(frozen=True)
class Reader:
    """A network and how its maps are read.

    ``maps`` computes them; rows and columns have to be multiples of ``2 ** (config.depth - 1)``.
    """

    config: PaperConfig
    maps: Maps

    def read(self, rgb: UInt8, *, scale: Scale | None = None) -> Decoded:
        """Read a picture ``(rows, columns, 3)`` of one page; what can't be read says why.

        Args:
            rgb: The picture; it is brought to the size that the network knows.
            scale: Speed and gain where they are known.
        """
        picture = sized(rgb, self.config.pixels)
        first = self._maps_of(picture)
        if float((chances(first)[1] > 0.5).mean()) < LEAST_TRACE:
            return refusal("no trace of an ECG found")
        field = grid_field(first[PHASE], GRID_MM)
        if field.surety < LEAST_GRID:
            return refusal("no grid found")
        per_mm = usual_scale(self.config.pixels[1])
        laid = laid_flat(picture, field, per_mm)
        if laid is None:
            return refusal("the grid found is not that of a page seen whole")
        flat, points = laid
        page = FlatPage.of(self._maps_of(flat), per_mm)
        found = decode(page, reading=self.config.reading, resampling=self.config.resampling, scale=scale)
        if found.refused:
            return found
        smaller = min(self.config.pixels[0] / rgb.shape[0], self.config.pixels[1] / rgb.shape[1])
        turned = float(np.median(first[THETA]) * THETA_DEGREES)
        middle = field.at(np.array([[0.25, 0.5], [0.75, 0.5]]) * (picture.shape[1], picture.shape[0]))
        across = 0.5 * picture.shape[1] / max(1e-6, float(np.hypot(*(middle[1] - middle[0]))))
        return replace(
            found,
            paths=_paths(found, page, points, smaller),
            turned=turned,
            pixels_per_mm=across / smaller,
        )

    def _maps_of(self, rgb: UInt8) -> Float32:
        batch = np.ascontiguousarray(np.moveaxis(rgb, -1, 0)[None], np.float32)
        found: Float32 = self.maps(batch)[0]
        return found


def sized(rgb: UInt8, size: tuple[int, int]) -> UInt8:
    """Bring a picture to a size, its shape kept: what is missing is filled with its edge.

    Example:
        >>> sized(np.zeros((4, 4, 3), np.uint8), (8, 16)).shape
        (8, 16, 3)
    """
    if rgb.shape[:2] == size:
        return rgb
    from atml.pages.picture import pillow

    factor = min(size[0] / rgb.shape[0], size[1] / rgb.shape[1])
    rows, columns = (min(n, max(1, round(m * factor))) for n, m in zip(size, rgb.shape[:2], strict=True))
    image = pillow()
    small = np.asarray(image.fromarray(rgb).resize((columns, rows), image.Resampling.LANCZOS), np.uint8)
    return np.pad(small, ((0, size[0] - rows), (0, size[1] - columns), (0, 0)), mode="edge")


def _paths(found: Decoded, page: FlatPage, points: Floats, smaller: float) -> Paths:
    """Return the traces of a page in its picture, whose size was changed by a factor."""
    from scipy.ndimage import map_coordinates

    out = []
    columns = np.flatnonzero(page.x() >= found.left)
    for names, heights in zip(LAYOUTS[found.layout], found.heights, strict=True):
        x, y = columns[: len(heights)] + 0.5, heights * page.per_mm
        for part, name in enumerate(names):
            ends = (len(heights) * at // len(names) for at in (part, part + 1))
            mine = np.arange(*ends)
            mine = mine[np.isfinite(y[mine])]
            at = np.stack([y[mine], x[mine]]) / COARSE
            seen = [map_coordinates(points[..., axis], at, order=1, mode="nearest") for axis in (0, 1)]
            out.append((name, np.asarray(seen[0] / smaller), np.asarray(seen[1] / smaller)))
    return tuple(out)
