"""The network of the family: convolutions, recurrent layers, pool, dropout, linear layer."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from atml.models import time_major
from atml.models.blocks import CELL, ConvBlock, Pool
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent.graph_nodes import nodes
from atml.models.families.conv_recurrent.shapes import shapes
from atml.models.graph import Graph
from atml.models.gru import gru
from atml.models.network import Network
from atml.tasks.task import Task


class ConvRecurrentNet(Network):
    """Normalise, decimate, convolve, recur, pool, drop out, decide.

    Every stage is an attribute, in the order of the signal: ``prepare`` and ``decimate`` (no parameters),
    ``convs`` (a ModuleList of ConvBlock), ``recurrent`` (LSTM, GRU or None), ``pool``, ``dropout``, ``head``.
    """

    def __init__(self, config: ModelConfig, task: Task) -> None:
        plan = shapes(config, task)
        super().__init__(config, replace(task, leads=1) if config.each_lead else task)
        self.leads, self.window = plan.passes, task.window
        self.patch = config.patch
        self.seen = (plan.rows, plan.decimated)
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

    @torch.no_grad()
    def scale_to(self, x: Tensor) -> None:
        """Give every convolution outputs of mean 0 and variance 1 over ``x (n, leads, samples)``.

        One pass, channel by channel, after Mishkin and Matas, "All you need is a good init", ICLR 2016.
        Blocks with a norm need none of it and stay as they are.
        """
        if self.leads > 1:
            x = self._apart(x)
        for block in self.convs:
            assert isinstance(block, ConvBlock)
            if isinstance(block.norm, nn.Identity):
                seen = block.conv(x if block.depthwise is None else block.depthwise(x))
                spread, mean = torch.std_mean(seen, dim=(0, 2))
                spread = spread.clamp_min(1e-6)
                block.conv.weight /= spread[:, None, None]
                assert block.conv.bias is not None
                block.conv.bias -= mean
                block.conv.bias /= spread
            x = block(x)

    def decide(self, x: Tensor, *, half: bool = False) -> Tensor:
        """From `inputs` to logits ``(n, classes)``; ``half`` convolves in bfloat16.

        Where each lead passes by itself, a window is one of its leads in training, drawn at random; else it
        is all of them, and of each class the largest logit counts.
        """
        if self.leads > 1:
            x = self._one_of(x) if self.training else self._apart(x)
        if self.convs:
            x = self._convolve(x, half)
        elif self.patch > 1:
            x = patches(x, self.patch)
        if isinstance(self.recurrent, nn.GRU) and x.device.type == "cpu":
            x = gru(self.recurrent, x.permute(2, 1, 0)).permute(2, 0, 1)
        else:
            x = x.transpose(1, 2)
            if self.recurrent is not None:
                x, _ = self.recurrent(x)
        out: Tensor = self.head(self.dropout(self.pool(x)))
        if self.leads > 1 and not self.training:
            out = out.reshape(-1, self.leads, out.shape[1]).amax(1)
        return out

    def _apart(self, x: Tensor) -> Tensor:
        """``(n, leads * rows, samples)`` to ``(n * leads, rows, samples)``."""
        return x.reshape(len(x) * self.leads, -1, x.shape[2])

    def _one_of(self, x: Tensor) -> Tensor:
        """``(n, leads * rows, samples)`` to ``(n, rows, samples)``, a lead of each window."""
        # As dropout, from the generator that a training seeds.
        lead = torch.randint(self.leads, (len(x),), device=x.device)
        return x.reshape(len(x), self.leads, -1, x.shape[2])[torch.arange(len(x), device=x.device), lead]

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

    def input_nodes(self, graph: Graph, x: str) -> str:
        """Write the input stage; where each lead passes by itself, leads lie one below the other after it."""
        if self.leads > 1:
            window = graph.store("lead.window", np.array([-1, 1, self.window]))
            x = graph.add("Reshape", [x, window], "lead")
        return super().input_nodes(graph, x)

    def vote_nodes(self, graph: Graph, logits: str) -> str:
        """Of the leads of a window, each class has its largest logit."""
        if self.leads == 1:
            return logits
        shape = graph.store("lead.logits", np.array([-1, self.leads, self.head.out_features]))
        by_lead = graph.add("Reshape", [logits, shape], "by_lead")
        return graph.add("ReduceMax", [by_lead], "voted", axes=[1], keepdims=0)

    def nodes(self, graph: Graph, x: str) -> str:
        """Write convolutions, recurrent layers and pool; see `graph_nodes`."""
        return nodes(graph, x, self.convs, self.recurrent, self.pool, patch=(self.patch, *self.seen))


def patches(x: Tensor, size: int) -> Tensor:
    """``(n, leads, samples)`` to ``(n, leads * size, samples // size)``; what is left over is dropped."""
    n, leads, samples = x.shape
    steps = samples // size
    cut = x[..., : steps * size].reshape(n, leads, steps, size)
    return cut.permute(0, 1, 3, 2).reshape(n, leads * size, steps)
