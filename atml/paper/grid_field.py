"""From the phase of the grid at each pixel to where on the page each pixel lies.

The phase is known up to whole periods. It is unwrapped from node to node of a lattice over the picture, the
surest first, and smoothed: rotation, perspective, bends and folds alike come out as one smooth field.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats

Complex = npt.NDArray[np.complex64]

NODE = 16
"""Pixels from one node of the lattice to the next."""

WINDOW = 33
"""Pixels over which the local frequency of the grid is taken."""

SMOOTH = 0.3
"""Weight of the second differences of the lattice beside the phases, in radians."""

CERTAIN = 0.15
"""Least length of the mean phasor of a node that counts."""


@dataclass(frozen=True)
class GridField:
    """Where the nodes of a picture lie on its page: ``place (2, nodes, nodes)``, x and y in mm.

    Both are known up to whole periods of the grid. ``surety`` is the mean length of the phasors, 0 to 1.
    """

    place: Float32
    surety: float

    def at(self, points: Floats) -> Floats:
        """Return x and y in mm of ``points (..., 2)`` of the picture, x and y in pixels."""
        rows, columns = self.place.shape[1:]
        x = np.clip(points[..., 0] / NODE, 0, columns - 1)
        y = np.clip(points[..., 1] / NODE, 0, rows - 1)
        j, i = np.minimum(x.astype(np.int64), columns - 2), np.minimum(y.astype(np.int64), rows - 2)
        u, v = (points[..., 0] / NODE - j)[..., None], (points[..., 1] / NODE - i)[..., None]
        nodes = np.moveaxis(self.place, 0, -1).astype(np.float64)
        top = nodes[i, j] * (1 - u) + nodes[i, j + 1] * u
        return np.asarray(top * (1 - v) + (nodes[i + 1, j] * (1 - u) + nodes[i + 1, j + 1] * u) * v)

    def inverse(self, wanted: Floats, rounds: int = 12) -> Floats:
        """Return the points of the picture that lie at ``wanted (..., 2)``, x and y in mm."""
        rows, columns = self.place.shape[1:]
        y, x = np.mgrid[:rows, :columns] * float(NODE)
        pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1)
        affine, *_ = np.linalg.lstsq(pixels, self.place.reshape(2, -1).T.astype(np.float64), rcond=None)
        back = np.linalg.inv(affine[:2])
        found = (wanted - affine[2]) @ back
        # Beyond the edges the field is that of the edge, which would lead ever farther away.
        most = np.array([columns, rows]) * float(NODE)
        for _ in range(rounds):
            found = np.clip(found - (self.at(found) - wanted) @ back, -most, 2 * most)
        return np.asarray(found)


def grid_field(phase: Float32, period: float) -> GridField:
    """Unwrap the phase of a grid.

    Args:
        phase: ``(4, rows, columns)``: cosine and sine across, cosine and sine down, as a network gives them;
            the shorter the phasor, the less sure.
        period: Distance of the grid's lines in mm.
    """
    places, sureties = [], []
    for axis in (0, 1):
        turning: Complex = (phase[2 * axis] + 1j * phase[2 * axis + 1]).astype(np.complex64)
        place, surety = _unwrapped(turning)
        places.append(place * period / (2 * np.pi))
        sureties.append(surety)
    return GridField(np.stack(places).astype(np.float32), float(np.mean(sureties)))


def _unwrapped(turning: Complex) -> tuple[Floats, float]:
    """Return the phase at the nodes in radians, without jumps, and how sure it is."""
    along = [_frequency(turning, axis) for axis in (1, 0)]
    phasor, advance = _at_nodes(turning, along)
    sure = np.abs(phasor)
    raw = _walked(np.angle(phasor), sure, advance)
    smooth = _smoothed(raw, sure)
    for _ in range(3):  # what was walked wrongly lies whole turns off what is smooth
        turns = np.round((smooth - raw) / (2 * np.pi))
        smooth = _smoothed(raw + 2 * np.pi * turns, sure * (np.abs(turns * 2 * np.pi + raw - smooth) < 1.5))
    return smooth, float(np.mean(np.minimum(sure, 1)))


def _frequency(turning: Complex, axis: int) -> Floats:
    """Return how far the phase turns from a pixel to the next, in radians, smoothed over `WINDOW`."""
    from scipy.ndimage import uniform_filter

    ahead = np.roll(turning, -1, axis) * np.conj(turning)
    last = [slice(None)] * 2
    last[axis] = slice(-1, None)
    ahead[tuple(last)] = 0
    part = ahead[::2, ::2]
    real, imaginary = (uniform_filter(one, WINDOW // 2, mode="nearest") for one in (part.real, part.imag))
    return np.asarray(np.angle(real + 1j * imaginary), np.float64)


def _at_nodes(turning: Complex, along: list[Floats]) -> tuple[npt.NDArray[np.complex128], Floats]:
    """Return the mean phasor round each node, and how far it turns a pixel to the right and down there."""
    rows, columns = turning.shape
    half = NODE // 2
    i = np.arange(-(-rows // NODE) + 1) * NODE
    j = np.arange(-(-columns // NODE) + 1) * NODE
    inner = [np.clip(at, 0, n - 1) // 2 for at, n in ((i, rows), (j, columns))]
    advance = np.stack([one[np.ix_(*inner)] for one in along])
    total = np.zeros((len(i), len(j)), np.complex128)
    count = np.zeros((len(i), len(j)))
    for dy in range(-half, half, 2):
        for dx in range(-half, half, 2):
            y, x = i + dy, j + dx
            inside = ((y >= 0) & (y < rows))[:, None] & ((x >= 0) & (x < columns))
            values = turning[np.clip(y, 0, rows - 1)][:, np.clip(x, 0, columns - 1)]
            back = np.exp(-1j * (advance[0] * (dx + 0.5) + advance[1] * (dy + 0.5)))
            total += np.where(inside, values * back, 0)
            count += inside
    return total / np.maximum(count, 1), advance


def _walked(phase: Floats, sure: Floats, advance: Floats) -> Floats:
    """Unwrap from the surest node on, always to the surest neighbour of what has been reached."""
    rows, columns = phase.shape
    out = np.full(phase.shape, np.nan)
    quality = sure.copy()
    start = tuple(int(v) for v in np.unravel_index(int(quality.argmax()), quality.shape))
    out[start] = phase[start]
    heap: list[tuple[float, int, int, int, int]] = []

    def reach(i: int, j: int) -> None:
        for di, dj in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            k, m = i + di, j + dj
            if 0 <= k < rows and 0 <= m < columns and np.isnan(out[k, m]):
                heapq.heappush(heap, (-float(quality[k, m]), k, m, i, j))

    reach(*start)
    while heap:
        _, k, m, i, j = heapq.heappop(heap)
        if not np.isnan(out[k, m]):
            continue
        step = (advance[:, i, j] + advance[:, k, m]) / 2 * NODE
        guess = out[i, j] + step[0] * (m - j) + step[1] * (k - i)
        out[k, m] = guess
        if sure[k, m] > CERTAIN:
            out[k, m] += np.angle(np.exp(1j * (phase[k, m] - guess)))
        reach(k, m)
    return out


def _smoothed(phase: Floats, sure: Floats) -> Floats:
    """Return the lattice that is near the phases, where they are sure, and bends little."""
    from scipy.sparse import diags, identity, kron
    from scipy.sparse.linalg import spsolve

    rows, columns = phase.shape

    def second(n: int):  # type: ignore[no-untyped-def]
        return diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))

    down, across = kron(second(rows), identity(columns)), kron(identity(rows), second(columns))
    first_r, first_c = (diags([-1.0, 1.0], [0, 1], shape=(n - 1, n)) for n in (rows, columns))
    twist = kron(first_r, first_c)
    weight = np.where(sure > CERTAIN, np.minimum(sure, 1) ** 2, 0).ravel() + 1e-6
    bends = down.T @ down + across.T @ across + 2 * twist.T @ twist
    matrix = (diags(weight) + SMOOTH**2 * bends).tocsc()
    return np.asarray(spsolve(matrix, weight * phase.ravel())).reshape(phase.shape)
