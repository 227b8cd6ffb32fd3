"""The arithmetic of learning: loss, schedule, optimizer, and weights held in one piece."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import nn

from atml.errors import ConfigError
from atml.models.config import ModelConfig

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "onecycle", "step")
LOSSES = ("cross_entropy", "focal", "asymmetric")
CLASS_WEIGHTS = ("none", "balanced")
SAMPLINGS = ("uniform", "subject", "class")
MOMENTUM = 0.9


def check(config: ModelConfig) -> None:
    """Raise ConfigError for the first training field that can't be."""
    for name, known in (
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
        ("loss", LOSSES),
        ("class_weights", CLASS_WEIGHTS),
        ("sampling", SAMPLINGS),
    ):
        value = getattr(config, name)
        if value not in known:
            raise ConfigError(f"unknown {name} {value!r}; known: {', '.join(known)}")
    if not (math.isfinite(config.positive_weight) and config.positive_weight > 0):
        raise ConfigError(f"positive_weight={config.positive_weight} must be above 0")
    for name, least in (("batch", 2), ("steps", 1)):
        if getattr(config, name) < least:
            raise ConfigError(f"{name}={getattr(config, name)} must be {least} or more")
    if not (math.isfinite(config.learning_rate) and config.learning_rate > 0):
        raise ConfigError(f"learning_rate={config.learning_rate} must be above 0")
    changes = ("scale", "noise", "wander", "mixup", "stretch", "filter")
    for name in ("weight_decay", "focal_gamma", *changes, "thinning"):
        value = getattr(config, name)
        if not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"{name}={value} must be 0 or more")
    for name in ("label_smoothing", "averaging", "shift"):
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise ConfigError(f"{name}={value} must be at least 0 and below 1")
    if not 0 <= config.polarity <= 1:
        raise ConfigError(f"polarity={config.polarity} must be 0 to 1: it is a probability")
    for name in ("polarity", "stretch", "filter"):
        value = getattr(config, name)
        if value and config.normalise == "rr":
            raise ConfigError(f"{name}={value} has no meaning for RR intervals; with those leave it 0")


def rate_at(schedule: str, step: int, steps: int) -> float:
    """Share of the learning rate at ``step`` of ``steps``; the first twentieth (50 at most) warms up.

    "onecycle" rises over the first 30% instead; "step" falls to a tenth at 60% and a hundredth at 85%.
    """
    if schedule == "onecycle":
        rise = max(1, round(0.3 * steps))
        if step < rise:
            return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * (step + 1) / rise))
        return 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1)))
    warm = min(50, max(1, steps // 20))
    if step < warm:
        return (step + 1) / (warm + 1)
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
    return 1.0 if step < 0.6 * steps else 0.1 if step < 0.85 * steps else 0.01


class Weights:
    """All parameters of a network in one tensor, and all gradients in another.

    An optimizer, a gradient norm and a moving average then cost one operation each, whatever the number
    of layers: for small networks that is a tenth of a step. Matrices come first: they alone decay.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        parameters = sorted(model.parameters(), key=lambda p: p.dim() < 2)
        buffers = list(model.buffers())
        self.flat = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.state = torch.cat([b.reshape(-1) for b in buffers]) if buffers else self.flat.new_empty(0)
        self.gradient = torch.zeros_like(self.flat)
        at = 0
        for p in parameters:
            there = slice(at, at + p.numel())
            p.data = self.flat[there].view_as(p)
            p.grad = self.gradient[there].view_as(p)
            at = there.stop
        at = 0
        for b in buffers:
            there = slice(at, at + b.numel())
            b.data = self.state[there].view_as(b)
            at = there.stop
        self.matrices = sum(p.numel() for p in parameters if p.dim() >= 2)
        self.mean = [self.flat.clone(), self.state.clone()] if decay else []

    def cut(self, longest: float) -> None:
        """Scale the gradient down to norm ``longest`` where it is longer."""
        norm = torch.linalg.vector_norm(self.gradient)
        self.gradient.mul_((longest / (norm + 1e-6)).clamp_max(1.0))

    def average(self, step: int) -> None:
        """Move the mean towards the weights; early on it forgets faster, so it holds no starting values."""
        if self.mean:
            decay = min(self.decay, (1 + step) / (10 + step))
            self.mean[0].lerp_(self.flat, 1 - decay)
            self.mean[1].lerp_(self.state, 1 - decay)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the mean in the place of the weights for a while."""
        if not self.mean:
            yield
            return
        kept = self.flat.clone(), self.state.clone()
        self.finish()
        try:
            yield
        finally:
            self.flat.copy_(kept[0])
            self.state.copy_(kept[1])

    def finish(self) -> None:
        """Put the mean in the place of the weights for good."""
        if self.mean:
            self.flat.copy_(self.mean[0])
            self.state.copy_(self.mean[1])


def optimizer(config: ModelConfig, weights: Weights) -> torch.optim.Optimizer:
    """Return the optimizer over the flat weights: two tensors, of which the matrices decay."""
    groups = []
    for part, decay in (
        (slice(None, weights.matrices), config.weight_decay),
        (slice(weights.matrices, None), 0.0),
    ):
        tensor = nn.Parameter(weights.flat[part])
        tensor.grad = weights.gradient[part]
        groups.append({"params": [tensor], "weight_decay": decay})
    lr = config.learning_rate
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=lr, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=lr, fused=True)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=MOMENTUM, nesterov=True, fused=True)
    return torch.optim.RMSprop(groups, lr=lr, momentum=MOMENTUM)
