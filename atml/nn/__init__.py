"""Networks: `build` makes one from a config, `cost` says what it would cost, `operators` what it runs on."""

from atml.nn.cost import cost
from atml.nn.graph import operators
from atml.nn.model import Net, build

__all__ = ["Net", "build", "cost", "operators"]
