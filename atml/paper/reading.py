"""Reading a picture with a network: twice, as it lies and laid flat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats
from atml.models.paper_config import PaperConfig
from atml.models.unet import PHASE
from atml.paper.crops import GRID_MM
from atml.paper.decoding import Decoded, decode, refusal
from atml.paper.flat_page import FlatPage, chances, laid_flat, usual_scale
from atml.paper.grid_field import grid_field
from atml.paper.rows_and_scale import Scale

UInt8 = npt.NDArray[np.uint8]

Maps = Callable[[Float32], Float32]
"""From ``page (n, 3, rows, columns)``, 0 to 255, to ``(n, unet.OUTPUTS, rows, columns)``."""

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
        flat, _ = laid
        page = FlatPage.of(self._maps_of(flat), per_mm)
        return decode(page, reading=self.config.reading, resampling=self.config.resampling, scale=scale)

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


__all__ = ["Floats", "Maps", "Reader", "sized"]
