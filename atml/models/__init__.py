"""Networks: `build` makes one from a config, `cost` says what it would cost on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atml.models.cost import cost

if TYPE_CHECKING:
    from atml.models.network import Net, build

__all__ = ["Net", "build", "cost"]


def __getattr__(name: str) -> Any:
    """Load torch when a network is first asked for: configs and costs are read without it."""
    if name in ("Net", "build"):
        from atml.models import network

        return getattr(network, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
