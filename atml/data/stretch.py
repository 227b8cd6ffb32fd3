"""A stretch of one rhythm in a recording."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stretch:
    """Samples ``start`` to ``end`` (not included) of one rhythm, "" where none is named.

    ``reason`` says why it can't be used, "" where it can.
    """

    start: int
    end: int
    rhythm: str
    reason: str = ""
