"""What every network has, whatever its family: the input stage and the linear layer at its end."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from atml.models.blocks import Decimate, Normalise, Upright
from atml.models.config import ModelConfig
from atml.models.graph import Graph
from atml.tasks.task import Task


class Network(nn.Module):
    """Normalise, turn upright if asked to, decimate, what the family does, then a linear layer ``head``.

    A family derives from it, makes its layers and ``head`` in ``__init__``, and writes `decide` and `nodes`.
    ``prepare`` and ``decimate`` have no parameters, so training computes `inputs` once for all windows;
    ``task`` says the rate that they get. The decision of an exported model is in ``head.bias``.
    """

    head: nn.Linear

    def __init__(self, config: ModelConfig, task: Task) -> None:
        super().__init__()
        self.prepare = Normalise.of(config.normalise, task)
        self.upright = Upright() if config.upright else None
        self.decimate = Decimate(config.decimation)

    def inputs(self, x: Tensor) -> Tensor:
        """What the trained layers see: ``(n, leads, samples)`` to ``(n, rows, samples // decimation)``."""
        x = self.prepare(x)
        if self.upright is not None:
            x = self.upright(x)
        out: Tensor = self.decimate(x)
        return out

    def scale_to(self, x: Tensor) -> None:
        """Scale fresh weights to ``x``, training windows as `inputs` gives them; a family may do nothing.

        Called once, before the first step, where ``config.init`` is "data".
        """
        return

    @abstractmethod
    def decide(self, x: Tensor, *, half: bool = False) -> Tensor:
        """From `inputs` to logits ``(n, classes)``; ``half`` allows bfloat16 where the family can."""

    @abstractmethod
    def nodes(self, graph: Graph, x: str) -> str:
        """Write what lies between the input stage and ``head`` as nodes, and return the name of its output.

        ``x`` is the name of what `inputs` gives; the output is what ``head`` gets, ``(n, features)``. Raises
        AtmlError for a layer that has no form there.
        """

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` float32 to logits ``(n, classes)``."""
        return self.decide(self.inputs(x))
