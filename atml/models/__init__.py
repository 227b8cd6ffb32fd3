"""Networks: `build` makes one from a config, `cost` says what it would cost on a device."""

from atml.models.cost import cost
from atml.models.network import Net, build

__all__ = ["Net", "build", "cost"]
