"""How far the reading, or making, of data is, told to whoever watches, past all that lies between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """How far the reading of the set at ``path`` is: ``done`` of ``total`` things that ``what`` names.

    A recording that is half read counts half. ``doing`` is "making" for a set that is made.
    """

    path: Path
    done: float
    total: int
    what: str
    doing: str = "reading"


Watcher = Callable[[Progress], object]

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Have the progress of every reading told to ``watcher``, in this thread; a parsed copy is not read.

    Example:
        ``with watched(print): atml.data.open("DIR", task=task, label=label)``
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


class Counter:
    """Counts what is read of the set at ``path``, or made of it, and tells it."""

    def __init__(self, path: Path, doing: str = "reading") -> None:
        """Begin with nothing."""
        self.path, self.doing = path, doing
        self._done, self._total, self._what = 0, 0, ""

    def expect(self, total: int, what: str) -> None:
        """Say how many of what there are to read."""
        self._done, self._total, self._what = 0, total, what
        self.step(0.0)

    def step(self, share: float) -> None:
        """Say that ``share`` of the next one is done."""
        if (watcher := _watcher.get()) is not None and self._total:
            done = min(self._done + share, self._total)
            watcher(Progress(self.path, done, self._total, self._what, self.doing))

    def passed(self, count: int = 1) -> None:
        """Say that ``count`` more are done."""
        self._done += count
        self.step(0.0)
