"""Progress in a notebook: lines that stay, and one below that is rewritten."""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from typing import Any

from rich.console import Console

from atml.searching.progress import Lines, Progress, headline

# Optuna's progress bar, which no search shows, asks for a package of notebooks as soon as it is imported.
warnings.filterwarnings("ignore", message="IProgress not found")

EVERY_S = 1.0
"""Seconds between two updates of the progress line."""


def is_notebook() -> bool:
    """Whether this runs in a cell of a notebook: IPython with a kernel, not in a terminal."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookView(Lines):
    """Lines of text in a cell's output, and below them a progress line that is updated once a second."""

    def __init__(self) -> None:
        # Rich would write each line as HTML.
        super().__init__(Console(force_jupyter=False, highlight=False, soft_wrap=True, width=120))
        self._handle: Any = None
        self._written = 0.0

    def progress(self, now: Progress) -> None:
        """Update the progress line, at most once a second."""
        if time.monotonic() - self._written >= EVERY_S:
            self._written = time.monotonic()
            running = ", ".join(f"trial {job.trial}" for job in now.running)
            self._write(headline(now) + (f"  training {running}" if running else ""))

    def result(self, summary: dict[str, Any]) -> None:
        """Clear the progress line, then print the summary."""
        self.close()
        super().result(summary)

    def close(self) -> None:
        """Clear the progress line."""
        if self._handle is not None:
            self._write("")
            self._handle = None

    def _write(self, text: str) -> None:
        shown = {"text/plain": text}
        if self._handle is None:
            show = importlib.import_module("IPython.display").display
            self._handle = show(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
