"""What is shown while data are read or made: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from atml.watching import Progress, watched

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

SOON = 0.5
"""Seconds of reading after which a bar is worth showing."""

LINE = 30.0
"""Seconds from one line to the next where there is no terminal."""

OFTEN = 0.1
"""Seconds between two changes of a bar."""


@contextlib.contextmanager
def reading_shown() -> Iterator[None]:
    """Show on standard error how far data are read."""
    with contextlib.closing(_InTerminal() if sys.stderr.isatty() else _InLines()) as shown:
        with watched(shown.show):
            yield


@contextlib.contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show in a terminal that something goes on, and how far data are read meanwhile."""
    if not sys.stderr.isatty():
        yield
        return
    with contextlib.closing(_InTerminal(text)) as shown, watched(shown.show):
        yield


@contextlib.contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show in a terminal that something goes on; the function given changes the text. Nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield status.update


def _said(progress: Progress) -> str:
    return f"{int(progress.done):,} of {progress.total:,} {progress.what}"


class _InLines:
    """A line each `LINE` s of reading."""

    def __init__(self) -> None:
        self._last = 0.0

    def show(self, progress: Progress) -> None:
        """Say how far it is, if it is time."""
        now = time.monotonic()
        if not progress.done:
            self._last = now
        elif now - self._last >= LINE and progress.done < progress.total:
            self._last = now
            sys.stderr.write(f"{progress.doing} {progress.path}: {_said(progress)}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """End."""


class _InTerminal:
    """A bar while data are read; before and after it ``text``, nothing for ""."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._bar: Bar | None = None
        self._since = self._last = 0.0
        if text:
            self._wait()

    def _wait(self) -> None:
        self._update(description=self._text, total=None, completed=0, said="")

    def show(self, progress: Progress) -> None:
        """Show how far it is; at the end of a reading the text again."""
        now = time.monotonic()
        if progress.done >= progress.total:
            self._since = 0.0
            if self._text:
                self._wait()
            else:
                self.close()
            return
        self._since = self._since or now
        if now - self._since >= SOON and now - self._last >= OFTEN:
            self._last = now
            self._update(
                description=f"{progress.doing} {progress.path.name}",
                total=progress.total,
                completed=progress.done,
                said=_said(progress),
            )

    def close(self) -> None:
        """Take it away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _update(self, **fields: Any) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[said]}", markup=False),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.add_task(**fields)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], refresh=True, **fields)
