"""Where each millimetre of a page lies in its picture, and the page as it was printed, from its grid's phase.

A grid is a wave with a known length. Multiplied by the wave that it would be if the page lay flat, what is
left after smoothing turns slowly, and by how much is how far the page lies off at that place: rotation,
perspective, bends and creases at once, to a fraction of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Floats
from atml.digitising.grid import Grid

PERIODS = 1.1
"""Standard deviation of the first smoothing, in distances of lines 5 mm apart."""

DEGREE = 4
"""Degree of the polynomials that the phases are first followed with."""

SEEN = 0.35
"""Share of the usual strength of the grid from which a place is on the page."""

EDGE_MM = 2.0
"""Millimetres inside the edge of the page that are not looked at."""


@dataclass(frozen=True)
class Lattice:
    """Places in mm, ``x`` and ``y (rows, columns)``, of pixels ``step`` apart, and how strong the grid is.

    The node in row i, column j lies at pixel (``step`` * j, ``step`` * i), counted from the middle of the
    first. ``strength`` is 1 where the grid is as strong as usual.
    """

    x: Floats
    y: Floats
    step: float
    strength: Floats

    def at(self, columns: Floats, rows: Floats, values: Floats) -> Floats:
        """Interpolate ``values`` of the nodes at pixels."""
        from scipy.ndimage import map_coordinates

        return np.asarray(
            map_coordinates(values, [rows / self.step, columns / self.step], order=1, mode="nearest")
        )


@dataclass(frozen=True)
class FlatPage:
    """A page laid flat: ``rgb (rows, columns, 3)``, ``scale`` pixels a mm, and where its pixels come from.

    ``origin (2,)`` is x and y in mm, as the lattice counts them, of the first pixel's middle: lines of the
    grid lie at whole multiples of their distance. ``source (2, rows, columns)`` has the column and the row in
    the picture of each pixel, ``inside`` whether that is in the picture, and on the page as far as its grid
    says so.
    """

    rgb: Float32
    scale: float
    origin: Floats
    source: Float32
    inside: Bools

    def to_picture(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return columns and rows of the picture of places of the flat page, in its pixels."""
        from scipy.ndimage import map_coordinates

        place = np.stack([np.asarray(y), np.asarray(x)])
        found = [
            np.asarray(map_coordinates(one, place, order=1, mode="nearest"), np.float64)
            for one in self.source
        ]
        return found[0], found[1]


def lattice(dark: Float32, inked: Bools, grid: Grid) -> Lattice:
    """Follow the grid of ``dark (rows, columns)`` over the picture, but for what is ``inked``."""
    from scipy.ndimage import gaussian_filter

    rows, columns = dark.shape
    pitch = 5 * grid.pixels_per_mm if grid.mm == 5 else 3 * grid.pixels_per_mm
    step = max(2, round(pitch / 2))
    down, across = (int(np.ceil(n / step)) + 1 for n in (rows, columns))
    phase, strength = [], np.ones((down, across))
    plain = (~inked).astype(np.float32)
    level = gaussian_filter(dark * plain, pitch) / np.maximum(gaussian_filter(plain, pitch), 1e-3)
    high = np.asarray((dark - level) * plain, np.float32)
    for wave in (grid.x, grid.y):
        found, strong = _phase(high, wave, pitch, step, (down, across))
        phase.append(found / (2 * np.pi) * grid.mm)
        strength = np.minimum(strength, strong)
    return Lattice(phase[0], phase[1], float(step), strength)


def _phase(
    high: Float32, wave: Floats, pitch: float, step: int, shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return the phase of the lines of ``wave`` at the nodes, in radians, and how strong they are."""
    from scipy.ndimage import gaussian_filter

    rows, columns = high.shape
    y, x = (np.arange(n, dtype=np.float32) for n in (rows, columns))
    i, j = (np.arange(n, dtype=np.float64) * step for n in shape)
    u, v = (j / columns * 2 - 1), (i / rows * 2 - 1)
    fit = np.zeros(shape)
    node = 2 * np.pi * (wave[0] * j[None] + wave[1] * i[:, None])
    carrier = (2 * np.pi * (wave[0] * x[None] + wave[1] * y[:, None])).astype(np.float32)
    at_i, at_j = (np.minimum(n.astype(int), most - 1) for n, most in ((i, rows), (j, columns)))
    rest = np.zeros(shape)
    amplitude = np.zeros(shape)
    for turn, wide in enumerate((PERIODS, 0.9 * PERIODS)):
        turned = carrier if turn == 0 else carrier + _fine(fit + rest, step, high.shape)
        down, across = (_near(at, n, wide * pitch) for at, n in ((at_i, rows), (at_j, columns)))
        real, imaginary = (down @ (high * part) @ across.T for part in (np.cos(turned), -np.sin(turned)))
        c = real + 1j * imaginary
        amplitude = np.abs(c)
        if turn == 0:
            fit = _followed(c, u, v)
        else:
            fit = fit + rest
            rest = np.zeros(shape)
        left = c * np.exp(-1j * fit) if turn == 0 else c
        # Where the grid is weak, its neighbourhood says more.
        wider = np.array(left)
        wider.real = gaussian_filter(left.real, 4, mode="nearest")
        wider.imag = gaussian_filter(left.imag, 4, mode="nearest")
        rest = np.angle(left + 0.15 * wider)
    usual = float(np.median(amplitude[amplitude > np.median(amplitude)]))
    return node + fit + rest, np.clip(amplitude / max(usual, 1e-9), 0, 1)


def _near(at: npt.NDArray[np.intp], length: int, sigma: float) -> Floats:
    """Return what each of ``length`` pixels weighs at the places ``at``, ``(places, length)``.

    A Gaussian up to three ``sigma``, in pixels, and nothing beyond the ends: few places are asked for, which
    takes a tenth of the time that a filter over every pixel does.
    """
    reach = int(3 * sigma + 0.5)
    whole = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).sum()
    away = np.arange(length) - at[:, None]
    return np.where(np.abs(away) <= reach, np.exp(-0.5 * (away / sigma) ** 2) / whole, 0.0)


def _followed(c: npt.NDArray[np.complexfloating], u: Floats, v: Floats) -> Floats:
    """Fit a smooth phase to the turns from node to node of ``c (rows, columns)``, weighted by their size."""
    powers = [(a, b) for a in range(DEGREE + 1) for b in range(DEGREE + 1 - a) if a + b > 0]
    right, down = c[:, 1:] * c[:, :-1].conj(), c[1:] * c[:-1].conj()
    u1, v1 = (u[1:] + u[:-1]) / 2, (v[1:] + v[:-1]) / 2
    du, dv = u[1] - u[0], v[1] - v[0]

    def terms(one: Floats, two: Floats, a: int, b: int, way: str) -> Floats:
        if way == "u":
            return np.asarray((a * one[None] ** max(a - 1, 0) * two[:, None] ** b) * du)
        return np.asarray((b * one[None] ** a * two[:, None] ** max(b - 1, 0)) * dv)

    matrix = np.concatenate(
        [
            np.stack([terms(u1, v, a, b, "u").ravel() for a, b in powers], 1),
            np.stack([terms(u, v1, a, b, "v").ravel() for a, b in powers], 1),
        ]
    )
    turns = np.concatenate([np.angle(right).ravel(), np.angle(down).ravel()])
    weight = np.concatenate([np.sqrt(np.abs(right)).ravel(), np.sqrt(np.abs(down)).ravel()])
    weight = np.minimum(weight, 2 * np.median(weight))
    found = np.zeros(len(powers))
    for _ in range(5):
        miss = turns - matrix @ found
        robust = weight / (1 + (miss / 0.3) ** 2)
        heavy = matrix * robust[:, None]
        found = np.linalg.solve(heavy.T @ matrix + 1e-9 * np.eye(len(powers)), heavy.T @ turns)
    fit = sum(
        (f * u[None] ** a * v[:, None] ** b for f, (a, b) in zip(found, powers, strict=True)),
        start=np.zeros(c.shape),
    )
    return np.asarray(fit + np.angle((c * np.exp(-1j * fit)).sum()))


def _fine(values: Floats, step: int, shape: tuple[int, int]) -> Float32:
    """Interpolate values of nodes for every pixel."""
    from scipy.ndimage import map_coordinates

    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / step
    return np.asarray(map_coordinates(values.astype(np.float32), [y, x], order=1, mode="nearest"))


def flattened(even: Float32, found: Lattice, scale: float) -> FlatPage:
    """Lay a page flat: ``even (rows, columns, 3)`` at ``scale`` pixels a mm, straight as it was printed."""
    from scipy.ndimage import binary_erosion, map_coordinates

    rows, columns = even.shape[:2]
    there = found.strength > SEEN
    if not there.any():
        there = np.ones_like(there)
    # Squares of 5 mm begin at whole pixels.
    low = np.floor(np.array([found.x[there].min(), found.y[there].min()]) / 5) * 5
    high = np.array([found.x[there].max(), found.y[there].max()])
    coarse = 2.0  # mm from node to node of the way back
    nx, ny = (int(np.ceil((b - a) / coarse)) + 1 for a, b in zip(low, high, strict=True))
    x, y = np.meshgrid(low[0] + coarse * np.arange(nx), low[1] + coarse * np.arange(ny))
    column, row = _inverse(found, x, y)
    wide, high_px = int((nx - 1) * coarse * scale), int((ny - 1) * coarse * scale)
    at = np.mgrid[:high_px, :wide].astype(np.float32) / (coarse * scale)
    source = np.stack(
        [
            np.asarray(map_coordinates(one.astype(np.float32), at, order=1, mode="nearest"))
            for one in (column, row)
        ]
    )
    place = [source[1], source[0]]
    rgb = np.stack(
        [
            map_coordinates(even[..., channel], place, order=3, mode="constant", cval=1.0)
            for channel in range(even.shape[2])
        ],
        -1,
    )
    strength = found.at(source[0], source[1], found.strength)
    seen = strength > SEEN
    # A page that ends on a desk has a shadow at its edge; where the picture ends, traces may go on to there.
    seen = np.asarray(binary_erosion(seen, iterations=max(1, round(EDGE_MM * scale)), border_value=1))
    inside = (
        (source[0] >= -0.5) & (source[0] < columns - 0.5) & (source[1] >= -0.5) & (source[1] < rows - 0.5)
    )
    inside &= seen
    return FlatPage(np.asarray(rgb, np.float32), scale, low, source.astype(np.float32), inside)


def _inverse(found: Lattice, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return column and row of the pixels where ``x``, ``y`` in mm lie."""
    there = found.strength > SEEN
    rows, columns = found.x.shape
    i, j = np.mgrid[:rows, :columns] * found.step
    weight = np.where(there, 1.0, 1e-3)
    design = np.stack([np.ones(i.size), found.x.ravel(), found.y.ravel()], 1) * weight.ravel()[:, None]
    back = [np.linalg.lstsq(design, (t * weight).ravel(), rcond=None)[0] for t in (j, i)]
    column = back[0][0] + back[0][1] * x + back[0][2] * y
    row = back[1][0] + back[1][1] * x + back[1][2] * y
    for _ in range(20):
        # Beyond the edge of the picture the lattice goes on as it goes at the edge.
        inside_c = np.clip(column, 0, (columns - 1) * found.step)
        inside_r = np.clip(row, 0, (rows - 1) * found.step)
        miss_x, miss_y = x - found.at(inside_c, inside_r, found.x), y - found.at(inside_c, inside_r, found.y)
        step_c = back[0][1] * miss_x + back[0][2] * miss_y - (column - inside_c)
        step_r = back[1][1] * miss_x + back[1][2] * miss_y - (row - inside_r)
        column, row = column + 0.9 * step_c, row + 0.9 * step_r
    return np.asarray(column), np.asarray(row)
