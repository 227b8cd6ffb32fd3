"""What a backend is: a form that a trained network is written in, and a way to run what was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from atml.arrays import Float32
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.models.network import Network


class Backend(Protocol):
    """One form of an exported model.

    Nothing is exported before `run` of what `write` gave agrees with torch on real windows
    (`atml.artifacts.export.check_parity`).
    """

    @property
    def name(self) -> str:
        """Its name in `atml.artifacts.backends.BACKENDS`."""

    @property
    def file_name(self) -> str:
        """Name of its file in an export's folder, no other backend's."""

    def write(self, net: Network, task: Task, metadata: Mapping[str, str]) -> bytes:
        """Write a network on the CPU, in evaluation mode; ``metadata`` says what it is, and travels with it.

        The same network gives the same bytes. Raises AtmlError for what can't be written.
        """

    def run(self, model: bytes, x: Float32) -> Float32:
        """Logits ``(n, classes)`` of ``x (n, leads, samples)`` by what `write` gave, whatever the ``n``."""
