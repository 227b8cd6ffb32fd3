"""What a training aims at: targets of every row, the loss of a batch, and how its balance is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atml.arrays import Int64
from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.tasks import targets
from atml.tasks.targets.multilabel import MultilabelTarget, truth
from atml.tasks.task import Task
from atml.training.batches import seen_more, seen_more_labels
from atml.training.label_losses import label_loss_of
from atml.training.losses import loss_of


@dataclass(frozen=True)
class Goal:
    """``targets (n, classes)`` of every row, and the ``loss`` of logits and targets of a batch.

    ``more (classes,)`` is added to the logits within the loss where batches are ``balanced``.
    """

    targets: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    more: Tensor
    balanced: bool


def several(task: Task) -> bool:
    """Whether a row may have several labels at once."""
    return isinstance(targets.of(task), MultilabelTarget)


def goal(config: ModelConfig, task: Task, y: Int64, drawn: Tensor, device: str) -> Goal:
    """Return what a training on rows labelled ``y (n,)``, of which ``drawn`` make the batches, aims at.

    Raises:
        ConfigError: A loss that is for another kind of target.
    """
    classes = len(task.classes)
    weights = targets.of(task).loss_weights(config.positive_weight)
    wanted: Tensor
    if several(task):
        true = truth(y, classes)
        wanted = torch.from_numpy(true.astype(np.float32)).to(device)
        loss = label_loss_of(config, wanted, weights)
        more = seen_more_labels(config, true, drawn)
    else:
        if config.loss == "asymmetric":
            raise ConfigError(
                f"loss='asymmetric' is for several labels at once; task {task.name!r} is"
                f" {task.kind}: use cross_entropy or focal"
            )
        wanted = torch.eye(classes, device=device)[torch.from_numpy(y).to(device)]
        loss = loss_of(config, wanted, weights)
        more = seen_more(config, y, drawn)
    added = torch.zeros(classes, device=device)
    if more is not None:
        added[: len(more)] = torch.from_numpy(more)
    return Goal(wanted, loss, added, more is not None)
