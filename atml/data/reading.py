"""One reading of a split: how far it is, and the rows that came of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atml.arrays import Inputs
from atml.data.rows import Rows
from atml.watching import Counter


@dataclass(frozen=True)
class Part:
    """What came of one recording, or of one chunk of files; its x went to `Reading.add`.

    ``key`` names it within the reading. ``about`` is what else is known of it, in JSON types.
    """

    key: str
    rows: Rows
    about: dict[str, Any] = field(default_factory=dict)


class Reading(Counter):
    """The rows of one split, in memory; `atml.data.resuming.Resuming` has them on disk.

    Rows are added part by part, and each part is closed when it is whole.
    """

    def __init__(self, path: Path, *, keep: bool = True) -> None:
        """Begin to read the set at ``path``; without ``keep``, only what is known of the rows is kept."""
        super().__init__(path)
        self.keep = keep
        self.x: list[Inputs] = []

    def finished(self, key: str) -> Part | None:
        """Return a part that an interrupted reading closed; it is then one of this reading."""
        return None

    def add(self, x: Inputs) -> None:
        """Take rows ``(n, ...)`` of the part that is being read."""
        if self.keep:
            self.x.append(x)

    def close(self, part: Part) -> Part:
        """Take a whole part; returns it without its x."""
        return replace(part, rows=without_x(part.rows))

    def blocks(self) -> list[Inputs]:
        """Return the rows of all parts."""
        return self.x


def without_x(rows: Rows) -> Rows:
    """Return what is known of rows, without their samples."""
    return replace(rows, x=rows.x[:0].copy())
