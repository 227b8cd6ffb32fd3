"""The five losses of a batch of crops, and their sum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from atml.models.paper_config import SIGNAL_WEIGHT, PaperConfig
from atml.models.unet import BASELINE, PHASE, SEGMENTATION, THETA, WEIGHT
from atml.paper.crops import NOBODY, Crops

NAMES = ("segmentation", "grid", "baseline", "theta", "signal")

LEAST_MASS = 0.15
"""Weights of a column that must come together for its mean row to count."""

INK = 4.0
"""Weight of inked pixels over others: they are few."""


def losses(maps: Tensor, crops: Crops) -> dict[str, Tensor]:
    """Return the losses by their `NAMES`, each a scalar.

    Segmentation: cross entropy, inked pixels `INK` times as heavy, and Dice of the traces. Grid: squared
    error of cosine and sine. Baseline and theta: smooth absolute error. Signal: how many pixels the mean row
    of a trace in a column lies off, the rows weighed by the probability that a pixel is trace times its
    weight; smooth below a fifth.
    """
    weight = torch.tensor([1.0, INK, INK], device=maps.device)
    logits = maps[:, SEGMENTATION]
    chance = logits.softmax(1)[:, 1]
    inked = (crops.kind == 1).float()
    overlap = 2 * (chance * inked).sum() / (chance.sum() + inked.sum() + 1.0)
    return {
        "segmentation": functional.cross_entropy(logits, crops.kind, weight) + 0.5 * (1 - overlap),
        "grid": _where_known(maps[:, PHASE], crops.phase, "square"),
        "baseline": _where_known(maps[:, BASELINE], crops.baseline, "smooth"),
        "theta": _where_known(maps[:, THETA], crops.theta, "smooth"),
        "signal": _signal(chance.detach() * maps[:, WEIGHT].sigmoid(), crops),
    }


def total(found: dict[str, Tensor], config: PaperConfig) -> Tensor:
    """Add the losses up by the weights of a config; that of the signal is always `SIGNAL_WEIGHT`."""
    factors = {
        "segmentation": config.segmentation,
        "grid": config.grid,
        "baseline": config.baseline,
        "theta": config.theta,
        "signal": SIGNAL_WEIGHT,
    }
    return torch.stack([factors[name] * one for name, one in found.items()]).sum()


def _where_known(found: Tensor, wanted: Tensor, how: str) -> Tensor:
    known = torch.isfinite(wanted)
    wanted = torch.where(known, wanted, 0.0)
    each = (
        (found - wanted) ** 2
        if how == "square"
        else functional.smooth_l1_loss(found, wanted, reduction="none", beta=0.2)
    )
    return (each * known).sum() / known.sum().clamp_min(1)


def _signal(weight: Tensor, crops: Crops) -> Tensor:
    count, rows, columns = weight.shape
    at = crops.owner * columns + torch.arange(columns, device=weight.device)
    flat = at.view(count, -1)
    row = torch.arange(rows, device=weight.device, dtype=weight.dtype)[:, None] + 0.5
    empty = weight.new_zeros(count, (NOBODY + 1) * columns)
    mass = empty.scatter_add(1, flat, weight.reshape(count, -1)).view(count, NOBODY + 1, columns)
    moment = empty.scatter_add(1, flat, (weight * row).reshape(count, -1)).view(mass.shape)
    middle = (moment / (mass + 1e-6))[:, :NOBODY]
    # Where no trace is seen yet, its row is no question: the gradient there would drown all others.
    wanted = torch.where(mass[:, :NOBODY] > LEAST_MASS, crops.centre, torch.nan)
    return 0.25 * _where_known(middle, wanted, "smooth")
