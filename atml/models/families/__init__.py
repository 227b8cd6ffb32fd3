"""Families of networks: what a config builds, and what it costs.

Add one by writing a class with the members of `atml.models.families.base.Family` and putting an instance
into `FAMILIES` under its name, in the module that suggests its configs: workers run that module as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atml.errors import ConfigError
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.models.families.base import Family, Layer
from atml.models.families.conv_recurrent import ConvRecurrent
from atml.models.families.page_unet import PageUNet
from atml.models.families.pages import PAGES
from atml.models.graph import Graph
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.models.network import Network

FAMILIES: dict[str, Family] = {
    ConvRecurrent.name: ConvRecurrent(),
    **{family.name: family for family in PAGES},
    PageUNet.name: PageUNet(),
}
"""Families by the name that ``ModelConfig.family`` has."""


def of(config: ModelConfig) -> Family:
    """Return the family of a config.

    Raises:
        ConfigError: a family that is not there.

    Example:
        >>> of(ModelConfig(channels=(4, 8), kernels=(7, 7), strides=(2, 2))).name
        'conv_recurrent'
    """
    if config.family not in FAMILIES:
        raise ConfigError(
            f"unknown family {config.family!r}; known: {', '.join(FAMILIES)}; one of your own is put into"
            " atml.models.families.FAMILIES by the search space that suggests it"
        )
    return FAMILIES[config.family]


def build(config: ModelConfig, task: Task) -> Network:
    """Return a network with fresh weights, drawn from torch's current random state.

    It takes ``(n, leads, samples)`` float32 and gives logits ``(n, classes)``.

    Raises:
        ConfigError: an unknown name, or a number that can't be.
        ShapeError: layers that leave no signal to look at.

    Example:
        >>> import torch
        >>> task = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> net = build(ModelConfig(channels=(4,), kernels=(7,), strides=(2,)), task)
        >>> tuple(net(torch.zeros(3, 1, 1250)).shape)
        (3, 2)
    """
    return of(config).build(config, task)


def cost(config: ModelConfig, task: Task) -> Cost:
    """Count parameters, multiply-accumulates and bytes of one window, from shapes alone.

    ``size_bytes`` is an upper estimate of the exported file; ``peak_bytes`` takes norm and activation as done
    in place.

    Raises:
        ConfigError: an unknown name, or a number that can't be.
        ShapeError: layers that leave no signal to look at.

    Example:
        >>> task = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> cost(ModelConfig(channels=(4,), kernels=(7,), strides=(2,)), task).macs
        17508
    """
    return of(config).cost(config, task)


__all__ = ["FAMILIES", "Family", "Graph", "Layer", "build", "cost", "of"]
