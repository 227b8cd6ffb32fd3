"""Networks that no training made, with something in every place."""

from __future__ import annotations

import torch

from atml.models import build
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks.task import Task


def lively(config: ModelConfig, task: Task, seed: int = 0) -> Network:
    """A network in evaluation mode whose every stored value differs from its fresh one."""
    torch.manual_seed(seed)
    net = build(config, task).eval()
    with torch.no_grad():
        for name, values in [*net.named_parameters(), *net.named_buffers()]:
            values += 0.3 * torch.rand_like(values) if "var" in name else 0.3 * torch.randn_like(values)
    return net
