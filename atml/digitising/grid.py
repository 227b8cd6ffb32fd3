"""The grid of a page: pitch and direction of its lines, from the spectra of parts of the picture.

Lines at a regular distance are peaks in a spectrum, at the distance's inverse and its multiples, whatever
lies over them: traces, text and stains have none. Spectra of parts are averaged, so that a page that is seen
at a slant, or is bent, still has its peaks.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats

MOST_TURN = 25.0
"""Degrees to either side that a page may be turned by."""

LEAST_PEAK = 1.0
"""How far, in the logarithm of power, lines stand out of the rest on average where there is a grid."""

NOISE = 0.002
"""Standard deviation of what any picture has between its lines; a program's drawing may have none."""

FUNDAMENTAL = (2.4, 2.0, 1.5)
"""How far peaks at a frequency and its first multiples stand out from which lines are that far apart."""

UNEVEN = 0.12
"""How far apart the logarithms of both directions' distances of lines may be."""

USUAL = (38, 78)
"""Lines 5 mm apart that a picture of a whole page has over its longer side."""

MOST_PITCH_SHARE = 1 / 5
"""Largest distance of lines, as a share of the picture's shorter side."""

FINEST = 800
"""Pixels: a picture of twice as many is halved before its grid is sought."""

FINE_FROM = 115
"""Distances of lines that fit across a picture from which they are taken for 1 mm and not for 5 mm."""


@dataclass(frozen=True)
class Grid:
    """Lines that repeat along ``x`` and ``y``: ``(2,)`` each, cycles a pixel to the right and down.

    ``mm`` is the distance in mm of the lines that they count, 1 or 5; ``strength`` is how far they stand out
    of the spectrum (`LEAST_PEAK`).
    """

    x: Floats
    y: Floats
    mm: float
    strength: float

    @property
    def angle(self) -> float:
        """Degrees that the page is turned by, clockwise."""
        return math.degrees(math.atan2(self.x[1], self.x[0]))

    @property
    def pixels_per_mm(self) -> float:
        """Pixels a mm, the mean of both directions."""
        pitch = (1 / float(np.hypot(*self.x)) + 1 / float(np.hypot(*self.y))) / 2
        return pitch / self.mm


def spectrum(dark: Float32) -> tuple[Floats, int]:
    """Return the mean whitened log power of parts, ``(size, size)`` with 0 in the middle, and its size."""
    from scipy.fft import fft2, fftshift
    from scipy.ndimage import gaussian_filter, median_filter

    rows, columns = dark.shape
    side = max(64, min(rows, columns) // 2 // 2 * 2)
    side = min(side, rows, columns)
    window = np.hanning(side)[:, None] * np.hanning(side)
    size = 2 * side
    power = np.zeros((size, size))
    high = dark - gaussian_filter(dark, side / 12)
    starts_y = np.linspace(0, rows - side, max(1, round(2 * rows / side) - 1)).astype(int)
    starts_x = np.linspace(0, columns - side, max(1, round(2 * columns / side) - 1)).astype(int)
    for i in starts_y:
        for j in starts_x:
            part = high[i : i + side, j : j + side]
            part = (part - part.mean()) * window
            # Each part counts alike, however bright it is.
            found = np.abs(np.asarray(fft2(part, (size, size)))) ** 2 + NOISE**2 * float((window**2).sum())
            power += found / (found.sum() + 1e-12)
    log = np.log(np.asarray(fftshift(power)) + 1e-15)
    y, x = np.mgrid[:size, :size] - size // 2
    radius = np.hypot(y, x).astype(int)
    ring = np.minimum(radius, size // 2)
    order = np.argsort(ring.ravel(), kind="stable")
    edges = np.searchsorted(ring.ravel()[order], np.arange(size // 2 + 2))
    values = log.ravel()[order]
    middle = np.array(
        [np.median(values[a:b]) if b > a else 0.0 for a, b in itertools.pairwise(edges.tolist())]
    )
    middle = median_filter(middle, 9, mode="nearest")
    return np.asarray(log - middle[ring]), size


def find(dark: Float32) -> Grid | None:
    """Return the grid of ``dark (rows, columns)``, how dark pixels are; None where there is none."""
    from scipy.ndimage import map_coordinates

    if min(dark.shape) < 96:
        return None
    if max(dark.shape) > 2 * FINEST:
        half = dark[: dark.shape[0] // 2 * 2, : dark.shape[1] // 2 * 2]
        found = find(half.reshape(half.shape[0] // 2, 2, -1, 2).mean((1, 3)))
        return None if found is None else Grid(found.x / 2, found.y / 2, found.mm, found.strength)
    rows, columns = dark.shape
    log, size = spectrum(dark)
    middle = size // 2

    def at(fx: Floats, fy: Floats) -> Floats:
        """Return the log power at frequencies in cycles a pixel."""
        place = np.stack([fy * size + middle, fx * size + middle])
        return np.asarray(map_coordinates(log, place, order=1, mode="constant"))

    least = 1 / (MOST_PITCH_SHARE * min(rows, columns))
    frequency = np.exp(np.arange(math.log(least), math.log(0.42), 0.01))
    turns = np.radians(np.arange(-MOST_TURN, MOST_TURN + 1))
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
    score = np.zeros((len(turns), len(frequency)))
    weight = np.zeros(len(frequency))
    for multiple, share in ((1, 1.0), (2, 0.8), (3, 0.6)):
        f = frequency[None] * multiple
        inside = (frequency * multiple < 0.48).astype(np.float64) * share
        across, down = (_peaks(at(*place)) for place in ((f * cos, f * sin), (-f * sin, f * cos)))
        # Both directions have lines: the weaker counts.
        both = np.minimum(across, down)
        both = np.where(both > 0.5, both + 0.25 * np.abs(across - down), both)
        score += inside * np.clip(both, -1, 7)
        weight += inside
    score = score / weight
    best = float(score.max())
    if best < LEAST_PEAK:
        return None
    turn, place = (int(n) for n in np.unravel_index(int(score.argmax()), score.shape))
    f, angle = float(frequency[place]), float(turns[turn])
    x, y = _first_of(log, size, _pair(log, size, f * np.exp(1j * angle)), max(rows, columns))
    f = math.hypot(*x)
    pitch = 1 / f
    mm = 1.0 if max(rows, columns) / pitch > FINE_FROM else 5.0
    return Grid(x, y, mm, best)


def _peaks(log: Floats) -> Floats:
    """Return how far each value stands out of those at frequencies near, along the last axis."""
    from scipy.ndimage import median_filter

    return np.asarray(log - median_filter(log, (1, 43), mode="nearest"))


def _pair(log: Floats, size: int, z: complex) -> tuple[Floats, Floats]:
    """Return the frequencies of both families of lines near ``z`` = right + 1j * down, and across it."""
    return (
        _refined(log, size, np.array([z.real, z.imag])),
        _refined(log, size, np.array([-z.imag, z.real])),
    )


def _first_of(log: Floats, size: int, pair: tuple[Floats, Floats], longest: int) -> tuple[Floats, Floats]:
    """Return the lowest frequencies of which those of ``pair`` are multiples, or diagonals.

    A whole page has `USUAL` lines 5 mm apart over its ``longest`` side: what has as many is believed sooner.
    """
    z = complex(*pair[0])
    best = min(_peak(log, size, z), _peak(log, size, z * 1j))
    divisors = [complex(a, b) for a in range(1, 16) for b in range(-5, 6) if b == 0 or a <= 5]
    divisors += [complex(2 / 3), complex(0.5), complex(1 / 3), complex(0.75), complex(1.5), complex(2.5)]
    usual: list[complex] = []
    others: list[complex] = []
    for divisor in sorted(divisors, key=abs, reverse=True):
        base = z / divisor
        turned = abs(math.degrees(math.atan2(base.imag, base.real))) > MOST_TURN
        if turned or not 5 < abs(base) * size < 0.45 * size or (divisor.imag and abs(divisor) > 5.2):
            continue
        (usual if USUAL[0] <= abs(base) * longest <= USUAL[1] else others).append(base)
    for bases, share in ((usual, 0.2), (others, 0.4)):
        lower = []
        for base in bases:
            peaks = [
                min(_peak(log, size, n * base), _peak(log, size, n * base * 1j))
                for n in range(1, len(FUNDAMENTAL) + 1)
                if n * abs(base) < 0.45
            ]
            if all(p > max(least, share * best) for p, least in zip(peaks, FUNDAMENTAL, strict=False)):
                x, y = _pair(log, size, base)
                if abs(math.log(math.hypot(*x) / math.hypot(*y))) < UNEVEN:
                    lower.append((float(np.mean(peaks)), (x, y)))
        if lower:
            return max(lower, key=lambda one: one[0])[1] if bases is usual else lower[0][1]
    return pair


def _peak(log: Floats, size: int, z: complex) -> float:
    """Return how far the top near a frequency stands out of what is round it."""
    i, j = round(z.imag * size) + size // 2, round(z.real * size) + size // 2
    far, near = max(4, round(0.25 * abs(z) * size)), max(1, round(0.03 * abs(z) * size))
    top = log[max(i - near, 0) : i + near + 1, max(j - near, 0) : j + near + 1]
    round_it = log[max(i - far, 0) : i + far + 1, max(j - far, 0) : j + far + 1]
    return float(top.max() - np.median(round_it)) if top.size else 0.0


def _refined(log: Floats, size: int, start: Floats) -> Floats:
    """Return the middle of the peak near a frequency, in cycles a pixel, by its centre of mass."""
    middle = size // 2
    reach = max(3, int(0.09 * float(np.hypot(*start)) * size))
    i, j = round(start[1] * size) + middle, round(start[0] * size) + middle
    low_i, low_j = max(i - reach, 0), max(j - reach, 0)
    part = log[low_i : i + reach + 1, low_j : j + reach + 1]
    top = np.unravel_index(int(part.argmax()), part.shape)
    a, b = top[0] + low_i, top[1] + low_j
    close = log[max(a - 2, 0) : a + 3, max(b - 2, 0) : b + 3]
    mass = np.exp(close - close.max()) ** 2
    y, x = (
        np.mgrid[: mass.shape[0], : mass.shape[1]] + np.array([max(a - 2, 0), max(b - 2, 0)])[:, None, None]
    )
    return np.array([(mass * x).sum() / mass.sum() - middle, (mass * y).sum() / mass.sum() - middle]) / size
