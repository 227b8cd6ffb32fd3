"""What is done to training batches only: gain, noise, wander, shift, time, filter, polarity, and mixing.

Acts on the signal that the network's first layer sees, after normalisation and decimation: a random
gain before "zscore" would be undone by it, and a decimated signal is several times shorter.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atml.arrays import Float32
from atml.models.beat_view import CHANNELS
from atml.models.blocks import Decimate, Normalise, Upright
from atml.models.config import ModelConfig
from atml.tasks.task import Task

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
        return max(c.scale, c.noise, c.wander, c.shift, c.polarity, c.stretch, c.filter) > 0

    def __call__(self, x: Tensor, spread: Tensor) -> Tensor:
        """Return a changed copy of ``x``; ``spread (n, leads, 1)`` holds its standard deviations."""
        c = self.config
        if not self.active:
            return x
        n, _, samples = x.shape
        if c.shift > 0:
            x = self._shifted(x)
        if c.stretch > 0:
            x = self._stretched(x)
        if c.filter > 0:
            x = self._filtered(x)
        if c.noise > 0:
            x = x + self._noise(x.shape) * (spread * (c.noise * self.shrink))
        if c.wander > 0:
            x = x + self._wander(n, samples) * (spread * c.wander)
        if c.scale > 0:
            gain = torch.randn(n, 1, 1, generator=self.generator).mul_(c.scale).exp_()
            x = x * gain.to(self.device)
        if c.polarity > 0:
            turned = torch.rand(n, 1, 1, generator=self.generator) < c.polarity
            if c.normalise == "beat":  # of the rows of a lead only the last, the shape, has a sign
                turned = turned & (torch.arange(x.shape[1]) % CHANNELS == CHANNELS - 1)[:, None]
            x = x * torch.where(turned, -1.0, 1.0).to(self.device)
        return x

    def mixed(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix every window, and its row of ``target (n, classes)``, with its neighbour in the batch."""
        return mixed(x, target, self.config.mixup, self.random)

    def _shifted(self, x: Tensor) -> Tensor:
        n, _, samples = x.shape
        reach = round(self.config.shift * samples)
        by = torch.randint(-reach, reach + 1, (n, 1), generator=self.generator)
        place = torch.arange(samples) + by % samples
        place -= samples * (place >= samples)
        return x.gather(2, place.to(self.device).unsqueeze(1).expand_as(x))

    def _stretched(self, x: Tensor) -> Tensor:
        """Resample in time about the middle, linearly; outside lies the value at the edge."""
        n, leads, samples = x.shape
        factor = torch.randn(n, 1, generator=self.generator).mul_(self.config.stretch).exp_()
        middle = (samples - 1) / 2
        place = ((torch.arange(samples) - middle) * factor + middle).clamp_(0, samples - 1)
        before = place.floor().clamp_(max=samples - 2)
        share = (place - before).to(self.device).unsqueeze(1)
        at = before.long().to(self.device).unsqueeze(1).expand(n, leads, samples)
        return torch.lerp(x.gather(2, at), x.gather(2, at + 1), share)

    def _filtered(self, x: Tensor) -> Tensor:
        """Soften or sharpen every window: ``x`` plus a random share of its second difference."""
        n, _, samples = x.shape
        share = torch.rand(n, 1, 1, generator=self.generator).mul_(2).sub_(1).mul_(self.config.filter)
        padded = torch.nn.functional.pad(x, (1, 1), mode="replicate")
        curved = padded[..., :samples] - 2 * x + padded[..., 2:]
        return x + curved * share.to(self.device)

    def _noise(self, shape: torch.Size) -> Tensor:
        count = shape.numel()
        if count >= len(self.bank):
            return torch.randn(shape, generator=self.generator).to(self.device)
        at = int(self.random.integers(len(self.bank) - count))
        return self.bank[at : at + count].view(shape)

    def _wander(self, n: int, samples: int) -> Tensor:
        """One sine a window, the same on all leads: ``(n, 1, samples)``, of amplitude 1."""
        low, high = WANDER_HZ
        hz = torch.rand(n, 1, 1, generator=self.generator) * (high - low) + low
        phase = torch.rand(n, 1, 1, generator=self.generator) * (2 * math.pi)
        step = (hz * (2 * math.pi / self.rate)).to(self.device)
        return (torch.arange(samples, device=self.device) * step + phase.to(self.device)).sin_()


def mixed(x: Tensor, target: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mix each of a batch ``x (n, ...)``, and its row of ``target (n, classes)``, with its neighbour.

    Its own share is drawn of Beta(``alpha``, ``alpha``) (Zhang et al., "mixup", 2018); nothing is mixed at 0.
    """
    if alpha <= 0:
        return x, target
    share = random.beta(alpha, alpha, size=(len(x), 1)).astype(np.float32)
    keep = torch.from_numpy(share).to(x.device)
    whole = keep.reshape(-1, *[1] * (x.dim() - 1))
    return torch.lerp(x.roll(1, 0), x, whole), torch.lerp(target.roll(1, 0), target, keep)


KINDS = ("scale", "noise", "wander", "shift", "stretch", "filter", "polarity", "mixup")
"""Fields of a config that change batches."""


def prepared(config: ModelConfig, x: Float32, task: Task) -> Float32:
    """What a network of this config sees of ``x (n, leads, samples)``, windows of ``task``.

    Normalised, then decimated: ``(n, rows, samples // decimation)``.
    """
    rows = torch.from_numpy(np.array(x, np.float32))
    normalise = Normalise.of(config.normalise, task)
    rows = normalise(rows)
    if config.upright:
        rows = Upright()(rows)
    seen: Float32 = Decimate(config.decimation)(rows).numpy()
    return seen


def one_by_one(
    config: ModelConfig, x: Float32, *, sampling_rate: float, seed: int
) -> dict[str, tuple[Float32, Float32]]:
    """Do to ``x (n, leads, samples)``, as `prepared` gives it, each change that a config has, by itself.

    ``sampling_rate`` is that before decimation, in Hz. Returns for each name of `KINDS` that is on what
    became of ``x``, and of shares ``(n, n)`` of the windows in it: mixing alone changes those.
    """
    rows, shares = torch.from_numpy(np.array(x, np.float32)), torch.eye(len(x))
    spread = rows.std(-1, correction=0, keepdim=True)
    found = {}
    for kind in KINDS:
        if getattr(config, kind) > 0:
            off: dict[str, Any] = {other: 0.0 for other in KINDS if other != kind}
            alone = replace(config, **off)
            rate = sampling_rate / config.decimation
            change = Augment(alone, rate=rate, decimation=config.decimation, seed=seed)
            changed, mixed = change.mixed(change(rows, spread), shares)
            found[kind] = (changed.numpy(), mixed.numpy())
    return found
