"""What is done to training batches only: gain, noise, baseline wander, shift, and mixing segments.

Acts on the signal that the network's first layer sees, after normalisation and decimation: a random
gain before "zscore" would be undone by it, and a decimated signal is several times shorter.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from atml.types import ModelConfig

WANDER_HZ = (0.05, 0.5)
NOISE_BANK = 1 << 20


class Augment:
    """Random changes to batches ``(n, leads, samples)``, from one seed.

    ``rate`` is the sampling rate of what it gets, in Hz; ``decimation`` how many samples were averaged into
    one, by which white noise at the full rate has shrunk to ``1 / sqrt(decimation)``.
    """

    def __init__(
        self, config: ModelConfig, *, rate: float, decimation: int, seed: int, device: str = "cpu"
    ) -> None:
        self.config = config
        self.rate = rate
        self.shrink = 1.0 / math.sqrt(decimation)
        self.device = device
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.bank = torch.empty(0)
        if config.noise > 0:
            # Drawn once: a batch takes its noise from a random place in it, at the cost of a copy.
            self.bank = torch.randn(NOISE_BANK, generator=self.generator).to(device)

    @property
    def active(self) -> bool:
        """Whether it changes a signal at all (mixing apart)."""
        c = self.config
        return max(c.scale, c.noise, c.wander, c.shift) > 0

    def __call__(self, x: Tensor, spread: Tensor) -> Tensor:
        """Return a changed copy of ``x``; ``spread (n, leads, 1)`` holds its standard deviations."""
        c = self.config
        if not self.active:
            return x
        n, _, samples = x.shape
        if c.shift > 0:
            x = self._shifted(x)
        if c.noise > 0:
            x = x + self._noise(x.shape) * (spread * (c.noise * self.shrink))
        if c.wander > 0:
            x = x + self._wander(n, samples) * (spread * c.wander)
        if c.scale > 0:
            gain = torch.randn(n, 1, 1, generator=self.generator).mul_(c.scale).exp_()
            x = x * gain.to(self.device)
        return x

    def mixed(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix every segment, and its row of ``target (n, classes)``, with its neighbour in the batch."""
        alpha = self.config.mixup
        if alpha <= 0:
            return x, target
        share = self.random.beta(alpha, alpha, size=(len(x), 1)).astype(np.float32)
        keep = torch.from_numpy(share).to(self.device)
        return torch.lerp(x.roll(1, 0), x, keep.unsqueeze(2)), torch.lerp(target.roll(1, 0), target, keep)

    def _shifted(self, x: Tensor) -> Tensor:
        n, _, samples = x.shape
        reach = round(self.config.shift * samples)
        by = torch.randint(-reach, reach + 1, (n, 1), generator=self.generator)
        place = torch.arange(samples) + by % samples
        place -= samples * (place >= samples)
        return x.gather(2, place.to(self.device).unsqueeze(1).expand_as(x))

    def _noise(self, shape: torch.Size) -> Tensor:
        count = shape.numel()
        if count >= len(self.bank):
            return torch.randn(shape, generator=self.generator).to(self.device)
        at = int(self.random.integers(len(self.bank) - count))
        return self.bank[at : at + count].view(shape)

    def _wander(self, n: int, samples: int) -> Tensor:
        """One sine a segment, the same on all leads: ``(n, 1, samples)``, of amplitude 1."""
        low, high = WANDER_HZ
        hz = torch.rand(n, 1, 1, generator=self.generator) * (high - low) + low
        phase = torch.rand(n, 1, 1, generator=self.generator) * (2 * math.pi)
        step = (hz * (2 * math.pi / self.rate)).to(self.device)
        return (torch.arange(samples, device=self.device) * step + phase.to(self.device)).sin_()
