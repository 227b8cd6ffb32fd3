"""Losses of a batch, weighted by class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from atml.arrays import Floats
from atml.models.config import ModelConfig


def loss_of(config: ModelConfig, targets: Tensor, factors: Floats) -> Callable[[Tensor, Tensor], Tensor]:
    """Return ``loss(logits (n, classes), target (n, classes))``; rows of ``target`` sum to 1.

    Cross entropy ``-sum_c t_c log p_c`` (t smoothed towards 1 / classes), or focal, with each term times
    ``(1 - p_c) ** gamma`` (Lin et al. 2017). "balanced" weighs a window by the inverse frequency of its
    class in ``targets``, all rows of training; ``factors (classes,)`` multiply it further.
    A batch's loss is the weighted mean.
    """
    classes = targets.shape[1]
    weight = torch.ones(classes, device=targets.device)
    if config.class_weights == "balanced":
        counts = targets.sum(0)
        weight = torch.where(counts > 0, len(targets) / (classes * counts.clamp_min(1)), 0.0)
    weight = weight * torch.as_tensor(factors, dtype=weight.dtype, device=weight.device)
    weighted = bool((weight != 1).any())
    smooth = config.label_smoothing
    gamma = config.focal_gamma if config.loss == "focal" else 0.0

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        logp = logits.log_softmax(1)
        term = (target * (1 - smooth) + smooth / classes if smooth else target) * logp
        if gamma:
            term = term * (1 - logp.exp()).clamp_min(1e-6) ** gamma
        if not weighted:
            return -term.sum() / len(term)
        share = target @ weight
        return -(term.sum(1) * share).sum() / share.sum()

    return loss
