"""What is seen of a picture before it is read: its even light, its grid, its ink, and its places on paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from atml.arrays import Bools, Float32
from atml.digitising import grid, light, unwarping
from atml.pages.picture import UInt8


@dataclass(frozen=True)
class Sight:
    """A picture in even light, ``even (rows, columns, 3)``, and its ``grid``.

    ``dark (rows, columns)`` is what the grid was found in.
    """

    even: Float32
    dark: Float32
    grid: grid.Grid

    @cached_property
    def inked(self) -> Bools:
        """What is ink, and a pixel round it, ``(rows, columns)``."""
        return light.inked(self.even)

    @cached_property
    def lattice(self) -> unwarping.Lattice:
        """Where its points lie on the page, in mm."""
        return unwarping.lattice(self.dark, self.inked, self.grid)


def evened(rgb: UInt8) -> Float32:
    """Even the light of a picture ``(rows, columns, 3)``, in blocks that are a share of its longer side."""
    return light.evened(rgb, max(8, max(rgb.shape[:2]) // 60))


def seen(rgb: UInt8) -> Sight | None:
    """Look for the grid of a picture; None where there is none.

    Example:
        >>> import numpy as np
        >>> seen(np.full((200, 300, 3), 250, np.uint8)) is None
        True
    """
    even = evened(rgb)
    dark = light.grid_darkness(even)
    found = grid.find(dark)
    return None if found is None else Sight(even, dark, found)
