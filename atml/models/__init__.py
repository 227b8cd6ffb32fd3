"""Networks: a config names a family; `build` makes a network of it, `cost` says what it would cost."""

from atml.models.families import build, cost

__all__ = ["build", "cost"]
