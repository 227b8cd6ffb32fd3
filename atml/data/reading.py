"""One reading of a split: how far it is, and the rows that came of it so far."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atml.arrays import Float32
from atml.data.rows import Rows


@dataclass(frozen=True)
class Progress:
    """How far the reading of the set at ``path`` is: ``done`` of ``total`` things that ``what`` names.

    A recording that is half read counts half.
    """

    path: Path
    done: float
    total: int
    what: str


Watcher = Callable[[Progress], object]

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Have the progress of every reading told to ``watcher``, in this thread; a parsed copy is not read.

    Example:
        ``with watched(print): atml.data.open("DIR", task=task, label=label)``
    """
    before = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(before)


@dataclass(frozen=True)
class Part:
    """What came of one recording, or of one chunk of files; its x went to `Reading.add`.

    ``key`` names it within the reading. ``about`` is what else is known of it, in JSON types.
    """

    key: str
    rows: Rows
    about: dict[str, Any] = field(default_factory=dict)


class Reading:
    """The rows of one split, in memory; `atml.data.resuming.Resuming` has them on disk.

    Rows are added part by part, and each part is closed when it is whole.
    """

    def __init__(self, path: Path, *, keep: bool = True) -> None:
        """Begin to read the set at ``path``; without ``keep``, only what is known of the rows is kept."""
        self.path, self.keep = path, keep
        self.x: list[Float32] = []
        self._done, self._total, self._what = 0, 0, ""

    def expect(self, total: int, what: str) -> None:
        """Say how many of what there are to read."""
        self._done, self._total, self._what = 0, total, what
        self.step(0.0)

    def step(self, share: float) -> None:
        """Say that ``share`` of the next one is done; nobody may ask."""
        if (watcher := _watcher.get()) is not None and self._total:
            watcher(Progress(self.path, min(self._done + share, self._total), self._total, self._what))

    def passed(self, count: int = 1) -> None:
        """Say that ``count`` more are done, read or not."""
        self._done += count
        self.step(0.0)

    def finished(self, key: str) -> Part | None:
        """Return a part that an interrupted reading closed; it is then one of this reading."""
        return None

    def add(self, x: Float32) -> None:
        """Take rows ``(n, leads, samples)`` of the part that is being read."""
        if self.keep:
            self.x.append(x)

    def close(self, part: Part) -> Part:
        """Take a whole part; returns it without its x."""
        return replace(part, rows=without_x(part.rows))

    def blocks(self) -> list[Float32]:
        """Return the rows of all parts."""
        return self.x


def without_x(rows: Rows) -> Rows:
    """Return what is known of rows, without their samples."""
    return replace(rows, x=rows.x[:0].copy())
