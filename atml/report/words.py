"""How a report says numbers and lists in its sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def value(number: float | None, digits: int = 3) -> str:
    """Write a value of an objective or a metric; "-" for None and for what is not finite."""
    return "-" if number is None or not math.isfinite(number) else f"{number:.{digits}f}"


def setting(found: Any) -> str:
    """Write a parameter's value as a person would: "0.0012", "16-24-32", "yes"."""
    if found is None:
        return "-"
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, float):
        return f"{found:.3g}"
    if isinstance(found, int):
        return f"{found:,}" if abs(found) >= 10_000 else str(found)
    if isinstance(found, list | tuple):
        return "-".join(map(str, found)) or "none"
    return str(found)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words: "a, b and c"."""
    return f" {last} ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def share(part: float, whole: float) -> str:
    """Write a share in whole percent, and not 0% or 100% where it is neither."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "less than 1%"
    if 99 < percent < 100:
        return "more than 99%"
    return f"{percent:.0f}%"


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
