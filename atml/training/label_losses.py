"""Losses of a batch whose rows have any number of labels, each a question of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from atml.arrays import Floats
from atml.models.config import ModelConfig

MARGIN = 0.05
"""Probability that is taken off what the asymmetric loss punishes: easy rows without a label cost nothing."""


def label_loss_of(
    config: ModelConfig, targets: Tensor, factors: Floats
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return ``loss(logits (n, labels), target (n, labels))``; targets lie between 0 and 1, each by itself.

    - "cross_entropy": ``-t log p - (1 - t) log(1 - p)`` with ``p`` the sigmoid of a logit.
    - "focal": each of the two times what is left of certainty, ``1 - p`` and ``p``, to the power of
      ``focal_gamma`` (Lin et al., "Focal loss for dense object detection", 2017).
    - "asymmetric": only the second term is, and of ``p`` less `MARGIN` (Ridnik et al., "Asymmetric loss for
      multi-label classification", 2021).

    "balanced" weighs the first term by how many rows of ``targets (rows, labels)`` lack the label over how
    many have it; ``factors (labels,)`` multiply it further. Smoothing moves targets towards 1/2. The loss of
    a batch is the mean over its rows and labels.
    """
    weight = torch.ones(targets.shape[1], device=targets.device)
    if config.class_weights == "balanced":
        having = targets.sum(0)
        weight = torch.where(having > 0, (len(targets) - having) / having.clamp_min(1), 1.0)
    weight = weight * torch.as_tensor(factors, dtype=weight.dtype, device=weight.device)
    smooth, gamma = config.label_smoothing, config.focal_gamma

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        if smooth:
            target = target * (1 - smooth) + smooth / 2
        if config.loss == "cross_entropy":
            return F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
        p = logits.sigmoid()
        having = F.logsigmoid(logits)
        lacking = F.logsigmoid(-logits)
        if config.loss == "focal":
            having = having * (1 - p).clamp_min(1e-6) ** gamma
            lacking = lacking * p.clamp_min(1e-6) ** gamma
        else:
            p = (p - MARGIN).clamp_min(0)
            lacking = (1 - p).log() * p.clamp_min(1e-6) ** gamma
        return -(target * weight * having + (1 - target) * lacking).mean()

    return loss
