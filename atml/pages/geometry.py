"""Where a point of the flat page lies in its picture, and back: a homography, and bends before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats

STEP = 8
"""Pixels of the flat page from one node of a lattice of displacements to the next."""

ROUNDS = 30
"""Steps by which the bends are inverted: each brings the rest to less than a tenth of it."""


@dataclass(frozen=True)
class Geometry:
    """The way from the flat page to the picture; both in pixels, x before y, the first pixel's middle at 0.5.

    ``matrix (3, 3)`` takes a point of the plane that the page lies on to the picture. ``lattice (2, rows,
    columns)`` holds, for nodes of the plane `STEP` pixels apart, how much farther to the right and down the
    point that is shown there lies on the flat page; None for a page that is flat.
    """

    matrix: Floats
    lattice: Float32 | None = None

    def to_page(self, points: npt.NDArray[np.floating]) -> Floats:
        """Return the points of the flat page that are seen at ``points (..., 2)`` of the picture.

        Example:
            >>> moved = Geometry(np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
            >>> moved.to_page(np.array([15.0, 20.0])).tolist()
            [10.0, 20.0]
        """
        plane: Floats = _projected(np.linalg.inv(self.matrix), points)
        return plane + self._displaced(plane)

    def to_picture(self, points: npt.NDArray[np.floating]) -> Floats:
        """Return where ``points (..., 2)`` of the flat page are seen in the picture."""
        points = np.asarray(points, np.float64)
        plane: Floats = np.array(points)
        if self.lattice is not None:
            for _ in range(ROUNDS):
                plane = points - self._displaced(plane)
        return _projected(self.matrix, plane)

    def _displaced(self, plane: npt.NDArray[np.floating]) -> Floats:
        """Interpolate the lattice between its nodes; beyond its edge the edge counts."""
        if self.lattice is None:
            return np.zeros_like(plane)
        rows, columns = self.lattice.shape[1:]
        x = np.clip(plane[..., 0] / STEP, 0, columns - 1)
        y = np.clip(plane[..., 1] / STEP, 0, rows - 1)
        i, j = np.minimum(y.astype(np.int64), rows - 2), np.minimum(x.astype(np.int64), columns - 2)
        v, u = (y - i)[..., None], (x - j)[..., None]
        field = np.moveaxis(self.lattice, 0, -1).astype(np.float64)
        top = field[i, j] * (1 - u) + field[i, j + 1] * u
        return np.asarray(top * (1 - v) + (field[i + 1, j] * (1 - u) + field[i + 1, j + 1] * u) * v)

    def to_json(self) -> list[list[float]]:
        """Return the matrix as JSON has it; the lattice is kept as an array beside it."""
        return [[float(value) for value in row] for row in self.matrix]

    @classmethod
    def from_json(cls, matrix: Any, lattice: Float32 | None = None) -> Geometry:
        """Read what `to_json` wrote."""
        return cls(np.asarray(matrix, np.float64).reshape(3, 3), lattice)


def nodes(size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return x and y of the nodes of a lattice over a page of ``size``, each ``(rows, columns)``.

    Example:
        >>> nodes((16, 24))[0].shape
        (3, 4)
    """
    rows, columns = (-(-n // STEP) + 1 for n in size)
    y, x = np.mgrid[:rows, :columns] * float(STEP)
    return x, y


def _projected(matrix: npt.NDArray[np.floating], points: npt.NDArray[np.floating]) -> Floats:
    points = np.asarray(points, np.float64)
    x = points @ matrix[:2, :2].T + matrix[:2, 2]
    return np.asarray(x / (points @ matrix[2, :2] + matrix[2, 2])[..., None])


def homography(source: Floats, target: Floats) -> Floats:
    """Return the matrix that takes four points ``source (4, 2)`` to four others, ``target``.

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> homography(square, 2 * square).round(6).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    found = np.linalg.solve(np.array(rows, np.float64), np.asarray(target, np.float64).ravel())
    # Rounding noise would show as -0.0 and the like.
    return np.append(np.round(found, 12) + 0.0, 1.0).reshape(3, 3)
