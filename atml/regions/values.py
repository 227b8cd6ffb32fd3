"""Values of parameters: how two are compared, and how one is written."""

from __future__ import annotations

import json
from typing import Any


def literal(value: Any) -> str:
    """Write a parameter value as JSON, in which 1, 1.0 and true differ."""
    return json.dumps(value)


def same(one: Any, other: Any) -> bool:
    """Whether two parameter values are equal and of one type.

    >>> same(1, 1), same(1, True)
    (True, False)
    """
    return type(one) is type(other) and bool(one == other)


def number(value: Any) -> bool:
    """Whether a parameter value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
