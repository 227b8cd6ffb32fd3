"""What is done to training batches of pictures: turned, moved, resized, noise, contrast, and mixing.

Acts on the views that the first layer sees. What a rotation moves in from outside is 0: of the view "ink",
paper; of others the middle of their range.
Pictures are never mirrored: an ECG that reads from right to left is none.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.tasks.task import Task
from atml.training.augmentation import mixed

FULL_SCALE = 4.0
"""Full scale of what a network sees: ``noise`` is a share of it."""
NOISE_BANK = 1 << 21
LARGEST = 50.0
"""Largest rotation that a config may have, in degrees."""
MEANINGLESS = ("wander", "polarity", "filter")
"""Changes of signals that pictures have none of."""


def check(config: ModelConfig, task: Task) -> None:
    """Raise ConfigError for a change that pictures, or signals, can't have."""
    if task.picture is None:
        if config.rotation:
            raise ConfigError(f"rotation={config.rotation} is for pictures; leave it 0 for signals")
        return
    for name in MEANINGLESS:
        value = getattr(config, name)
        if value:
            raise ConfigError(f"{name}={value} has no meaning for pictures; leave it 0")
    if not 0 <= config.rotation <= LARGEST:
        raise ConfigError(f"rotation={config.rotation} must be 0 to {LARGEST:g} degrees")


class PageAugment:
    """Random changes to batches ``(n, views, numbers, rows, columns)``, from one seed.

    All views of a page are turned, moved and resized alike, each about its own centre.
    """

    def __init__(self, config: ModelConfig, *, seed: int, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.bank = torch.empty(0)
        if config.noise > 0:
            # Drawn once: a page takes its noise from a random place in it, at the cost of an addition.
            self.bank = torch.randn(NOISE_BANK, generator=self.generator).to(device)

    def __call__(self, x: Tensor, spread: Tensor) -> Tensor:
        """Return a changed copy of ``x``, in float32; ``spread`` is not asked for."""
        c = self.config
        x = x.float()
        if max(c.rotation, c.shift, c.stretch) > 0:
            x = self._moved(x)
        if c.scale > 0:
            gain = torch.randn(len(x), 1, x.shape[2], 1, 1, generator=self.generator).mul_(c.scale).exp_()
            x = x * gain.to(self.device)
        if c.noise > 0:
            x = x + self._noise(x)
        return x

    def mixed(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix every page, and its row of ``target (n, labels)``, with its neighbour in the batch."""
        return mixed(x, target, self.config.mixup, self.random)

    def _moved(self, x: Tensor) -> Tensor:
        """Turn, resize and move, bilinearly."""
        c = self.config
        n, views, numbers, rows, columns = x.shape
        turn = self._uniform(n) * (c.rotation * math.pi / 180)
        wide, high = (torch.randn(2, n, generator=self.generator) * c.stretch).exp()
        # Places run from -1 to 1 across a view, so that a shift by a share of it is twice the share.
        right, down = self._uniform(n) * (2 * c.shift), self._uniform(n) * (2 * c.shift)
        ratio = columns / rows
        across = torch.stack([turn.cos() * wide, -turn.sin() / ratio * wide, right], 1)
        along = torch.stack([turn.sin() * ratio * high, turn.cos() * high, down], 1)
        places = torch.stack([across, along], 1).to(self.device).repeat_interleave(views, 0)
        flat = x.reshape(n * views, numbers, rows, columns)
        grid = F.affine_grid(places, list(flat.shape), align_corners=False)
        return F.grid_sample(flat, grid, align_corners=False).view_as(x)

    def _uniform(self, n: int) -> Tensor:
        """Numbers from -1 to 1."""
        return torch.rand(n, generator=self.generator) * 2 - 1

    def _noise(self, x: Tensor) -> Tensor:
        count = x[0].numel()
        amount = self.config.noise * FULL_SCALE
        if count >= len(self.bank):
            return torch.randn(x.shape, generator=self.generator).to(self.device) * amount
        starts = self.random.integers(len(self.bank) - count, size=len(x))
        return torch.stack([self.bank[at : at + count].view_as(x[0]) for at in starts]) * amount
