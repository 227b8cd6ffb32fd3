"""What every network has, whatever its family: the input stage and the linear layer at its end."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from atml.models.config import ModelConfig
from atml.models.graph import Graph
from atml.models.pictures.page_input import PageInput
from atml.models.signal_input import SignalInput
from atml.tasks.task import Task


class Network(nn.Module):
    """The input stage of a task, what the family does with what it gives, then a linear layer ``head``.

    A family derives from it, makes its layers and ``head`` in ``__init__``, and writes `decide` and `nodes`.
    The input stage, ``input``, has no parameters, so training computes `inputs` once for all rows: of signals
    it is `SignalInput` (normalised, decimated), of pictures `PageInput` (ink and grid, cut into views).
    The decision of an exported model is in ``head.bias``.
    """

    head: nn.Linear

    def __init__(self, config: ModelConfig, task: Task) -> None:
        super().__init__()
        self.input: SignalInput | PageInput = (PageInput if task.picture else SignalInput)(config, task)

    def inputs(self, x: Tensor) -> Tensor:
        """What the trained layers see of ``x (n, *task.shape)``.

        Of signals ``(n, rows, samples // decimation)``, of pictures ``(n, views, 2, rows, columns)``.
        """
        out: Tensor = self.input(x)
        return out

    def input_nodes(self, graph: Graph, x: str) -> str:
        """Write the input stage as nodes, from the input's name on; return the name of its output.

        The views of all pictures lie one below the other there, ``(n * views, 2, rows, columns)``.
        """
        return self.input.nodes(graph, x)

    def scale_to(self, x: Tensor) -> None:
        """Scale fresh weights to ``x``, training rows as `inputs` gives them; a family may do nothing.

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

    def vote_nodes(self, graph: Graph, logits: str) -> str:
        """Write how the rows that ``head`` gives of one window become one; return the name of the logits.

        ``logits`` is the name of what ``head`` gives. Where that is one row, there is nothing to write.
        """
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """``(n, *task.shape)`` float32 to logits ``(n, classes)``."""
        return self.decide(self.inputs(x))
