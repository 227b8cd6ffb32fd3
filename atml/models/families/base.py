"""What a family of networks is: how its configs are checked, counted and built.

All but `Family.build` works without torch: a search asks what a config costs before it trains, and a report
describes networks that it never builds. What it builds writes its own graph
(`atml.models.network.Network.nodes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.models.network import Network


@dataclass(frozen=True)
class Layer:
    """One layer as a model card prints it.

    ``shape`` is of what it puts out, the batch left out; ``parameters`` are trained, ``fixed`` are not;
    ``macs`` are multiply-accumulates for one window.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int = 0
    fixed: int = 0
    macs: int = 0


class Family(Protocol):
    """One family of networks. It reads those fields of a config that it needs."""

    @property
    def name(self) -> str:
        """Its name in `atml.models.families.FAMILIES`, which ``ModelConfig.family`` has."""

    def check(self, config: ModelConfig, task: Task) -> None:
        """Raise ConfigError for a field that can't be, ShapeError where nothing is left of the window."""

    def cost(self, config: ModelConfig, task: Task) -> Cost:
        """Count parameters, products and bytes of one window, without building anything; checks first."""

    def layers(self, config: ModelConfig, task: Task) -> tuple[Layer, ...]:
        """List what a signal passes, from the input on; the sums are those of `cost`."""

    def density(self, config: ModelConfig, task: Task) -> float:
        """Multiply-accumulates for each value put out of the layers that can compute in bfloat16, else 0.

        Where it is large, training computes in bfloat16 on a CPU that has it.
        """

    def build(self, config: ModelConfig, task: Task) -> Network:
        """Return a network with fresh weights, drawn from torch's random state; checks first."""
