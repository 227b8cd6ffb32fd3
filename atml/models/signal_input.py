"""The input stage of networks for signals: normalised, turned upright if asked to, decimated."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from atml.errors import AtmlError
from atml.models.beat_view_nodes import add_beat_view
from atml.models.blocks import EPSILON, Decimate, Normalise, Upright
from atml.models.config import ModelConfig
from atml.models.graph import Graph
from atml.models.rr_series_nodes import add_rr_series
from atml.tasks.task import Task


class SignalInput(nn.Module):
    """``(n, leads, samples)`` to ``(n, rows, samples // decimation)``; nothing in it is trained."""

    def __init__(self, config: ModelConfig, task: Task) -> None:
        super().__init__()
        self.task = task
        self.prepare = Normalise.of(config.normalise, task)
        self.upright = Upright() if config.upright else None
        self.decimate = Decimate(config.decimation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        x = self.prepare(x)
        if self.upright is not None:
            x = self.upright(x)
        out: Tensor = self.decimate(x)
        return out

    def nodes(self, g: Graph, x: str) -> str:
        """Write the same as nodes, from the name of the signal on; return the name of the output."""
        x = _prepare(g, self.prepare, x, self.task)
        if self.upright is not None:
            x = _upright(g, x)
        factor = self.decimate.factor
        if factor > 1:
            x = g.add("AveragePool", [x], "decimated", kernel_shape=[factor], strides=[factor])
        return x


def _upright(g: Graph, x: str) -> str:
    """Mirror `Upright`."""
    centred = g.add("Sub", [x, g.add("ReduceMean", [x], "upright.mean", axes=[2])], "upright.centred")
    square = g.add("Mul", [centred, centred], "upright.square")
    moment = g.add(
        "ReduceMean", [g.add("Mul", [square, centred], "upright.cube")], "upright.moment", axes=[2]
    )
    below = g.add("Less", [moment, g.store("upright.zero", np.zeros(1, np.float32))], "upright.below")
    one, other = (g.store(f"upright.{n}", np.array([v], np.float32)) for n, v in (("down", -1), ("up", 1)))
    return g.add("Mul", [x, g.add("Where", [below, one, other], "upright.sign")], "upright")


def _prepare(g: Graph, prepare: Normalise, x: str, task: Task) -> str:
    """Mirror `Normalise`, whose epsilon is added to the divisor and not under a root."""
    if prepare.kind == "none":
        return x
    if prepare.kind == "rr":
        return add_rr_series(g, x, task)
    if prepare.kind == "beat":
        return add_beat_view(g, x, task)
    mean = g.add("ReduceMean", [x], "mean", axes=[2])
    x = g.add("Sub", [x, mean], "centred")
    if prepare.kind == "centre":
        return x
    if prepare.kind == "zscore":
        square = g.add("Mul", [x, x], "square")
        spread = g.add("Sqrt", [g.add("ReduceMean", [square], "variance", axes=[2])], "deviation")
    elif prepare.kind == "maxabs":
        spread = g.add("ReduceMax", [g.add("Abs", [x], "magnitude")], "largest", axes=[2])
    else:
        raise AtmlError(f"normalisation {prepare.kind!r} has no ONNX form")
    epsilon = g.store("epsilon", np.array(EPSILON, np.float32))
    return g.add("Div", [x, g.add("Add", [spread, epsilon], "divisor")], "normalised")
