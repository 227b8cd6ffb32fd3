"""What a network writes its graph into, whatever file that becomes."""

from __future__ import annotations

from typing import Any, Protocol


class Graph(Protocol):
    """A graph in the making, in the terms of ONNX opset 13."""

    def store(self, name: str, values: Any) -> str:
        """Keep an array or tensor under a name (once, if it is asked for again) and return the name."""

    def add(
        self, op: str, inputs: list[str], output: str, *, name: str = "", skip: int = 0, **attributes: Any
    ) -> str:
        """Append a node and return the name of its output.

        The output is the node's first after ``skip`` unused ones. ``name`` is the node's, by default that of
        the output.
        """
