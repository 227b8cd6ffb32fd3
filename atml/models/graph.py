"""What a network writes its graph into, whatever file that becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

FLOAT, INT32 = 1, 6
"""Types of values, by their numbers in ONNX."""


class Graph(Protocol):
    """A graph in the making, in the terms of ONNX opset 13."""

    def store(self, name: str, values: Any) -> str:
        """Keep an array or tensor under a name (once, if it is asked for again) and return the name."""

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        *,
        name: str = "",
        skip: int = 0,
        more: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        """Append a node and return the name of its output.

        The output is the node's first after ``skip`` unused ones; ``more`` names those after it. ``name`` is
        the node's, by default that of the output.
        """
