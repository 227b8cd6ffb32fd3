"""Rotation, perspective, bends and creases of a page: its `Geometry`, and the light on its folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats
from atml.pages.geometry import STEP, Geometry, homography, nodes

Random = np.random.Generator

FLAT = frozenset({"frame", "rotation", "perspective"})
"""Degradations that a homography alone describes."""


@dataclass(frozen=True)
class Fold:
    """A fold ``along (2,)`` a direction, ``where`` pixels from the corner; 1 is the ``depth`` of a sharp one.

    ``dark`` is the side, -1 or 1, that the light misses; ``rough`` how far the line strays, in pixels.
    """

    where: float
    along: Floats
    depth: float
    dark: int
    rough: Floats


def seen(
    random: Random, wear: dict[str, float], size: tuple[int, int], found: tuple[Fold, ...] = ()
) -> Geometry:
    """Draw how a page of ``size`` rows and columns with some folds lies in a picture of the same size."""
    rows, columns = size
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float64)
    centre = np.array([columns, rows]) / 2
    target = corners - centre
    if angle := wear.get("rotation", 0.0) * random.choice([-1, 1]):
        turn = np.radians(angle)
        target = target @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if shift := wear.get("perspective", 0.0) * columns:
        # A camera that is not above the middle: one side is nearer, the corners differ a little besides.
        far = random.uniform(0, 2 * np.pi)
        away = (target @ [np.cos(far), np.sin(far)]) / np.hypot(*centre)
        target *= 1 - (1.6 * shift / columns) * away[:, None]
        target += random.uniform(-0.35, 0.35, (4, 2)) * shift
    if FLAT & wear.keys():
        room = np.array([columns, rows]) * (1 - 2 * wear.get("frame", 0.0))
        low, high = target.min(0), target.max(0)
        target = (target - (low + high) / 2) * (room / (high - low)).min()
        spare = (np.array([columns, rows]) - (target.max(0) - target.min(0))) / 2 * 0.8
        target += random.uniform(-1, 1, 2) * spare
    matrix = homography(corners, target + centre)
    return Geometry(matrix, _lattice(random, wear, size, found))


def _lattice(
    random: Random, wear: dict[str, float], size: tuple[int, int], found: tuple[Fold, ...]
) -> Float32 | None:
    """Draw the displacements of a page that is not flat."""
    if "bend" not in wear and not found:
        return None
    rows, columns = size
    x, y = nodes(size)
    out = np.zeros((2, *x.shape))
    if height := wear.get("bend", 0.0) * rows:
        turn, waves = random.uniform(0, 2 * np.pi), random.uniform(0.6, 1.3)
        phase = 2 * np.pi * waves * x / columns + turn + random.uniform(-0.4, 0.4) * y / rows
        out[1] += height * np.sin(phase)
        out[0] += 0.5 * height * np.cos(phase)
        out[1] += 0.4 * height * np.sin(np.pi * y / rows + turn)
    for fold in found:
        away = x * fold.along[1] - y * fold.along[0] - fold.where
        # A fold lifts the paper: both sides are seen shortened towards it.
        tent = np.maximum(0.0, 1 - np.abs(away) / (0.25 * columns))
        out += fold.along[:, None, None] * (5.0 * fold.depth * rows / 512) * tent
    return np.asarray(out, np.float32)


def folds(random: Random, depth: float, size: tuple[int, int]) -> tuple[Fold, ...]:
    """Draw the folds of a page, one to three, the first through its middle; none for a ``depth`` of 0."""
    if not depth:
        return ()
    rows, columns = size
    found = []
    for number in range(1 if depth < 0.3 else int(random.integers(1, 4))):
        lean = random.normal(0, 0.03)
        along = np.array([lean, 1.0]) if (number + random.integers(2)) % 2 == 0 else np.array([1.0, lean])
        along /= np.hypot(*along)
        share = random.uniform(0.46, 0.54, 2) if number == 0 else random.uniform(0.22, 0.78, 2)
        x, y = np.array([columns, rows]) * share
        rough = random.normal(0, 0.7, 60)
        found.append(
            Fold(
                where=float(x * along[1] - y * along[0]),
                along=along,
                depth=depth * float(random.uniform(0.6, 1.0)),
                dark=int(random.choice([-1, 1])),
                rough=rough,
            )
        )
    return tuple(found)


def fold_light(
    size: tuple[int, int], lattice: Float32 | None, found: tuple[Fold, ...], bent: bool
) -> Float32 | None:
    """Return the light on a page that is not flat, ``(rows, columns)`` round 1; None for a flat one."""
    if lattice is None:
        return None
    rows, columns = size
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    light = np.ones(size, np.float32)
    if bent:
        slope = np.gradient(lattice[1].astype(np.float64), STEP, axis=1)
        index_y, index_x = np.arange(rows) / STEP, np.arange(columns) / STEP
        slope = _between(_between(slope, index_y, 0), index_x, 1)
        light += np.asarray(1.6 * slope, np.float32)
    unit = columns / 672
    for fold in found:
        (across, down), depth, side = fold.along, fold.depth, fold.dark
        stray = np.interp(x * across + y * down, np.linspace(0, 1.5 * columns, len(fold.rough)), fold.rough)
        edge = (x * down - y * across - fold.where) / unit + stray
        light += depth * 0.30 * np.exp(-((edge / 1.3) ** 2))  # the worn paper of the fold itself
        light -= depth * 0.16 * np.exp(-np.abs(edge) / 16) * (np.sign(edge) == side)
        light += depth * 0.05 * np.exp(-np.abs(edge) / 30) * (np.sign(edge) == -side)
    return light.astype(np.float32)


def _between(values: Floats, at: Floats, axis: int) -> Floats:
    """Interpolate linearly along an axis at fractional indices."""
    low = np.minimum(at.astype(np.int64), values.shape[axis] - 2)
    part = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
    return np.asarray(np.take(values, low, axis) * (1 - part) + np.take(values, low + 1, axis) * part)
