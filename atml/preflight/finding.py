"""One thing that a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is; the worst is the exit code of ``atml check``.

    >>> max(Level.FINE, Level.WARNING) == 1
    True
    """

    FINE = 0
    WARNING = 1
    REFUSED = 2
    """A search would refuse."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and a line that says so."""

    what: str
    level: Level
    text: str


def worst(findings: list[Finding]) -> Level:
    """Return the worst level, `Level.FINE` for none."""
    return max((one.level for one in findings), default=Level.FINE)
