"""Crops of pages, and what a network is to say of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atml.arrays import Bools, Float32, Int64
from atml.models.paper_config import PaperConfig
from atml.models.unet import BASELINE_MM, THETA_DEGREES
from atml.paper.page_truth import PRINT, STRETCHES, Pages, UInt8, upsampled

GRID_MM = 5.0
"""Distance of the lines of which a network tells the phase."""

REACH = 4
"""Rows above and below a trace whose weight counts towards where it is."""

NOBODY = STRETCHES
"""What `Crops.owner` is where no trace is near; less than it are stretches."""


@dataclass(frozen=True)
class Crops:
    """Crops of pages and their targets, as tensors of one device.

    ``page (n, 3, rows, columns)`` 0 to 255; ``where (n, 2, rows, columns)``, x and y on the whole picture
    from -1 to 1; ``kind (n, rows, columns)``, a place in `unet.CLASSES`; ``baseline``, ``theta`` ``(n, rows,
    columns)`` and ``phase (n, 4, rows, columns)`` as the network gives them, NaN where nothing is asked;
    ``owner (n, rows, columns)``, the stretch a pixel counts for; ``centre (n, STRETCHES, columns)``, the mean
    row of the trace in a column, NaN where there is none or where it leaves the crop.
    """

    page: Tensor
    where: Tensor
    kind: Tensor
    baseline: Tensor
    phase: Tensor
    theta: Tensor
    owner: Tensor
    centre: Tensor

    def to(self, device: str) -> Crops:
        """Return the same on another device."""
        return Crops(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


def drawn(config: PaperConfig, pages: Pages, rows: Int64, seed: int, step: int) -> Crops:
    """Draw the batch of a step: the same for the same seed and step, whatever was drawn before."""
    random = np.random.default_rng([seed, step])
    high, wide = config.crop
    parts = []
    for row in random.choice(rows, config.batch):
        top = int(random.integers(0, pages.size[0] - high + 1))
        left = int(random.integers(0, pages.size[1] - wide + 1))
        parts.append(_crop(pages, int(row), top, left, (high, wide), random, config.light))
    return Crops(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*parts, strict=True)))


def _crop(
    pages: Pages,
    row: int,
    top: int,
    left: int,
    shape: tuple[int, int],
    random: np.random.Generator,
    light: float,
) -> tuple[np.ndarray, ...]:
    high, wide = shape
    cut = np.s_[row, top : top + high, left : left + wide]
    who = np.asarray(pages.who[cut])
    nodes = np.asarray(pages.place[row])
    x, y = (upsampled(axis, shape, (top, left)) for axis in nodes)
    columns, rows = (
        np.broadcast_to((first + np.arange(n, dtype=np.float32) + 0.5) / whole * 2 - 1, (n,))
        for first, n, whole in ((left, wide, pages.size[1]), (top, high, pages.size[0]))
    )
    where = np.stack([np.broadcast_to(columns, shape), np.broadcast_to(rows[:, None], shape)])
    zero = np.asarray(pages.zero[row])
    inked = (who > 0) & (who != PRINT)
    baseline = np.full(shape, np.nan, np.float32)
    baseline[inked] = (zero[who[inked] - 1] - y[inked]) / BASELINE_MM
    turns = np.stack([x, y]) * (2 * np.pi / GRID_MM)
    phase = np.stack([np.cos(turns[0]), np.sin(turns[0]), np.cos(turns[1]), np.sin(turns[1])])
    inside = on_page(x, y)
    phase[:, ~inside] = np.nan
    theta = np.where(inside, rotation(nodes, shape, (top, left)) / THETA_DEGREES, np.nan)
    owner = owners(who)
    centre = np.asarray(pages.centre[row][:, left : left + wide]) - top
    for number in range(STRETCHES):
        mine = who == number + 1
        usable = mine.any(0) & ~mine[0] & ~mine[-1] & (centre[number] > 0) & (centre[number] < high)
        centre[number, ~usable] = np.nan
    return (
        lit(np.asarray(pages.rgb[cut]), random, light),
        where.astype(np.float32),
        np.where(inked, 1, np.where(who == PRINT, 2, 0)).astype(np.int64),
        baseline,
        phase.astype(np.float32),
        theta.astype(np.float32),
        owner,
        centre.astype(np.float32),
    )


def on_page(x: Float32, y: Float32) -> Bools:
    """Whether points in mm are on the page, whose height nobody tells: its top and sides count."""
    from atml.pages.page_layout import PAPER_WIDTH

    return np.asarray((x > 0) & (x < PAPER_WIDTH) & (y > 0))


def rotation(nodes: Float32, shape: tuple[int, int], corner: tuple[int, int] = (0, 0)) -> Float32:
    """Return by how many degrees clockwise the grid is turned at each pixel, from coordinates at nodes."""
    step = np.diff(nodes, axis=2)
    step = np.concatenate([step, step[:, :, -1:]], 2)
    turn = -np.degrees(np.arctan2(step[1], step[0]))
    return upsampled(turn.astype(np.float32), shape, corner)


def owners(who: UInt8) -> Int64:
    """Return the stretch that each pixel counts for: its own, or that of a trace up to `REACH` rows away."""
    mine = np.where((who > 0) & (who != PRINT), who, 0)
    for _ in range(REACH):
        above, below = np.zeros_like(mine), np.zeros_like(mine)
        above[1:], below[:-1] = mine[:-1], mine[1:]
        mine = np.where(mine > 0, mine, np.where(above > 0, above, below))
    return np.where(mine > 0, mine.astype(np.int64) - 1, NOBODY)


def lit(rgb: UInt8, random: np.random.Generator, light: float) -> Float32:
    """Return a crop in other light, ``(3, rows, columns)`` from 0 to 255: gain, offset and tint."""
    x = np.moveaxis(rgb, -1, 0).astype(np.float32)
    if light:
        gain = 1 + random.uniform(-light, light) + random.uniform(-light, light, (3, 1, 1)) / 4
        x = (x - 128) * (1 + random.uniform(-light, light) / 2) + 128
        x = np.clip(x * gain, 0, 255)
    return x.astype(np.float32)
