"""Networks: a config names a family; `build` makes a network of it, `cost` says what it would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atml.models import paper_config  # its configs are read back wherever any are

if TYPE_CHECKING:
    from atml.models.families import build, cost

__all__ = ["build", "cost", "paper_config"]


def __getattr__(name: str) -> Any:
    """Load torch when a network is first asked for: configs are read without it."""
    if name in ("build", "cost"):
        from atml.models import families

        return getattr(families, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
