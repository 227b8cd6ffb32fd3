"""The family "conv_recurrent": convolutions, recurrent layers, or both, then a pool over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.models.families.base import Layer
from atml.models.families.conv_recurrent import cost_count, layer_table, shapes
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.models.families.conv_recurrent.net import ConvRecurrentNet


class ConvRecurrent:
    """See `atml.models.families.base.Family`.

    Signal path: normalise -> decimate -> convolutions -> recurrent layers -> pool -> dropout -> linear. An
    empty ``channels`` leaves the convolutions out, ``cell="none"`` the recurrent layers.
    """

    name = "conv_recurrent"

    def check(self, config: ModelConfig, task: Task) -> None:
        """Raise ConfigError or ShapeError where a config can't be built."""
        shapes.shapes(config, task)

    def cost(self, config: ModelConfig, task: Task) -> Cost:
        """Count parameters, products and bytes of one window."""
        return cost_count.cost(config, task)

    def layers(self, config: ModelConfig, task: Task) -> tuple[Layer, ...]:
        """List what a signal passes, from the input on."""
        return layer_table.layers(config, task)

    def density(self, config: ModelConfig, task: Task) -> float:
        """Multiply-accumulates of the convolutions per value they put out; 0 for separable ones."""
        convs = shapes.shapes(config, task).convs
        if config.separable:
            return 0.0
        products = sum(c.inputs * c.outputs * c.kernel * c.length_out for c in convs)
        return products / max(1, sum(c.outputs * c.length_out for c in convs))

    def build(self, config: ModelConfig, task: Task) -> ConvRecurrentNet:
        """Return a network with fresh weights."""
        from atml.models.families.conv_recurrent.net import ConvRecurrentNet

        return ConvRecurrentNet(config, task)
