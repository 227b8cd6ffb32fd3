"""From a config to a network."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from atml.models import time_major
from atml.models.blocks import CELL, ConvBlock, Decimate, Normalise, Pool
from atml.models.config import ModelConfig
from atml.models.gru import gru
from atml.models.shapes import shapes
from atml.tasks.task import Task


class Net(nn.Module):
    """Normalise, decimate, convolve, recur, pool, drop out, decide.

    Every stage is an attribute, in the order of the signal: ``prepare`` and ``decimate`` (no parameters),
    ``convs`` (a ModuleList of ConvBlock), ``recurrent`` (LSTM, GRU or None), ``pool``, ``dropout``, ``head``.
    """

    def __init__(self, config: ModelConfig, task: Task) -> None:
        super().__init__()
        plan = shapes(config, task)
        self.prepare = Normalise(config.normalise, task.sampling_rate)
        self.decimate = Decimate(config.decimation)
        self.convs = nn.ModuleList(
            ConvBlock(
                c.inputs,
                c.outputs,
                c.kernel,
                c.stride,
                separable=c.separable,
                norm=config.norm,
                activation=config.activation,
            )
            for c in plan.convs
        )
        self.recurrent: nn.LSTM | nn.GRU | None = None
        if config.cell != "none":
            self.recurrent = CELL[config.cell](
                plan.width_in,
                config.units,
                config.layers,
                batch_first=True,
                bidirectional=config.bidirectional,
            )
        two_way = config.cell != "none" and config.bidirectional
        self.pool = Pool(config.pool, plan.width, bidirectional=two_way)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(plan.features, len(task.classes))

    def inputs(self, x: Tensor) -> Tensor:
        """What the trained layers see: ``(n, leads, samples)`` to ``(n, leads, samples // decimation)``."""
        out: Tensor = self.decimate(self.prepare(x))
        return out

    def decide(self, x: Tensor, *, half: bool = False) -> Tensor:
        """From `inputs` to logits ``(n, classes)``; ``half`` convolves in bfloat16."""
        if self.convs:
            x = self._convolve(x, half)
        if isinstance(self.recurrent, nn.GRU) and x.device.type == "cpu":
            x = gru(self.recurrent, x.permute(2, 1, 0)).permute(2, 0, 1)
        else:
            x = x.transpose(1, 2)
            if self.recurrent is not None:
                x, _ = self.recurrent(x)
        out: Tensor = self.head(self.dropout(self.pool(x)))
        return out

    def _convolve(self, x: Tensor, half: bool) -> Tensor:
        """Apply the convolutions to ``(n, leads, samples)``; ``(n, channels, steps)`` comes out."""
        blocks = [block for block in self.convs if isinstance(block, ConvBlock)]
        if half or x.device.type != "cpu":
            cast = torch.autocast(x.device.type, dtype=torch.bfloat16) if half else nullcontext()
            with cast:
                for block in blocks:
                    x = block(x)
            return x.float()
        x = time_major.pad_time(x.permute(2, 1, 0), blocks[0].pad)
        for block, pad in zip(blocks, [*(b.pad for b in blocks[1:]), 0], strict=True):
            x = block.time_major(x, pad)
        return x.permute(2, 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` float32 to logits ``(n, classes)``."""
        return self.decide(self.inputs(x))


def build(config: ModelConfig, task: Task) -> Net:
    """Return a network with fresh weights, drawn from torch's current random state.

    Raises:
        ConfigError: an unknown name, or a number that can't be.
        ShapeError: layers that leave no signal to look at.
    """
    return Net(config, task)
