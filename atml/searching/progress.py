"""What a running search shows: a live board, plain lines, or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atml.formatting import clock
from atml.searching.sparkline import BLOCKS, PLAIN, Curves


@dataclass(frozen=True)
class Running:
    """A job that a worker runs: ``fold`` counts from 0, ``fraction`` is the share of it that is done."""

    worker: int
    trial: int
    what: str
    fold: int
    folds: int
    fraction: float
    value: float | None


@dataclass(frozen=True)
class Progress:
    """The progress of a phase: ``done`` of ``total`` jobs; times are in seconds."""

    phase: str
    done: int
    total: int
    best: float | None
    best_trial: int | None
    running: tuple[Running, ...]
    elapsed: float
    per_minute: float
    left: float | None
    regions: str = ""
    """How many regions are rejected and suspect, in words."""
    newest: str = ""
    """The region that was rejected last, in words."""


class View:
    """Receives what a search shows. This one shows nothing; subclasses override what they need."""

    def say(self, line: str) -> None:
        """Print a line."""

    def ended(
        self, trial: int, state: str, value: float | None, what: str, seconds: float, count: str
    ) -> None:
        """Show that a trial ended, ``seconds`` after it began; ``count`` is for example "12/500"."""

    def progress(self, now: Progress) -> None:
        """Show the progress; called several times a second."""

    def result(self, summary: dict[str, Any]) -> None:
        """Show the outcome."""

    def close(self) -> None:
        """Restore the terminal."""


class Lines(View):
    """Plain lines, for a log file or a pipe: one for each trial, and the progress once a minute."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._last = time.monotonic()

    def say(self, line: str) -> None:
        """Print the line."""
        self._console.print(line, markup=False)

    def ended(
        self, trial: int, state: str, value: float | None, what: str, seconds: float, count: str
    ) -> None:
        """Print one line about the trial."""
        shown = "     -" if value is None else f"{value:.4f}"
        self.say(f"{count:>7s}  trial {trial:4d}  {state:8s}  {shown}  {seconds:5.1f} s  {what}")

    def progress(self, now: Progress) -> None:
        """Print the headline, once a minute at most."""
        if time.monotonic() - self._last >= 60:
            self._last = time.monotonic()
            self.say(headline(now))

    def result(self, summary: dict[str, Any]) -> None:
        """Print the summary's lines."""
        for line in summary.get("lines", ()):
            self.say(line)


class Terminal(Lines):
    """A live board, redrawn below the lines printed so far."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console or Console(highlight=False))
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._drawn = 0.0
        self._curves = Curves()

    def progress(self, now: Progress) -> None:
        """Redraw, four times a second at most."""
        self._curves.take((job.trial, job.fold, job.fraction, job.value) for job in now.running)
        if time.monotonic() - self._drawn < 0.25:
            return
        self._drawn = time.monotonic()
        blocks = PLAIN if self._console.options.ascii_only else BLOCKS
        self._live.update(board(now, self._curves.lines(blocks=blocks)), refresh=True)

    def ended(
        self, trial: int, state: str, value: float | None, what: str, seconds: float, count: str
    ) -> None:
        """Print a line about the trial, unless it was pruned."""
        if state != "pruned":
            super().ended(trial, state, value, what, seconds, count)

    def result(self, summary: dict[str, Any]) -> None:
        """Clear the board, then print the summary."""
        self.close()
        super().result(summary)

    def close(self) -> None:
        """Remove the board."""
        self._live.update(Text(""), refresh=True)
        self._live.stop()


class Json(View):
    """One JSON object a line on standard output, for programs."""

    def __init__(self) -> None:
        self._last = 0.0

    def _put(self, event: str, **fields: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()

    def say(self, line: str) -> None:
        """Write a "note"."""
        self._put("note", text=line)

    def ended(
        self, trial: int, state: str, value: float | None, what: str, seconds: float, count: str
    ) -> None:
        """Write a "trial"."""
        self._put(
            "trial", trial=trial, state=state, value=value, what=what, seconds=round(seconds, 3), count=count
        )

    def progress(self, now: Progress) -> None:
        """Write a "progress", once a second at most."""
        if time.monotonic() - self._last >= 1:
            self._last = time.monotonic()
            self._put("progress", **asdict(now))

    def result(self, summary: dict[str, Any]) -> None:
        """Write the "result"."""
        self._put("result", **{k: v for k, v in summary.items() if k != "lines"})


def headline(now: Progress) -> str:
    """Return the progress in one line."""
    best = "" if now.best is None else f"  best so far {now.best:.4f} (trial {now.best_trial}, one seed)"
    left = "" if now.left is None else f"  about {clock(now.left)} left"
    rate = f"  {now.per_minute:.1f} a minute" if now.per_minute else ""
    regions = f"  regions: {now.regions}" if now.regions else ""
    return f"{now.phase}  {now.done} of {now.total}{best}{rate}  {clock(now.elapsed)} elapsed{left}{regions}"


def board(now: Progress, curves: Mapping[int, str] | None = None) -> Group:
    """Draw a progress bar, the headline, a row for each running job with its curve, the newest region.

    ``curves`` are sparklines by trial number, all on one scale.
    """
    rows = Table.grid(padding=(0, 2))
    for _ in range(5 + (curves is not None)):
        rows.add_column(no_wrap=True)
    for job in now.running:
        done = (job.fold + job.fraction) / max(job.folds, 1)
        where = f"fold {job.fold + 1}/{job.folds}" if job.folds > 1 else ""
        value = "" if job.value is None else f"{job.value:.4f}"
        bar = ProgressBar(total=1.0, completed=done, width=16)
        rows.add_row(
            f"trial {job.trial}",
            where,
            bar,
            value,
            *([] if curves is None else [Text(curves.get(job.trial, ""), no_wrap=True)]),
            Text(job.what, overflow="ellipsis", no_wrap=True),
        )
    # A bar alone does not end its line; in a row of a table it does.
    total = Table.grid()
    total.add_row(ProgressBar(total=max(now.total, 1), completed=now.done, width=60))
    newest = [Text(f"rejected last: {now.newest}", overflow="ellipsis", no_wrap=True)] if now.newest else []
    return Group(Text(headline(now), overflow="ellipsis", no_wrap=True), total, rows, *newest)


def choose(*, as_json: bool, is_terminal: bool) -> View:
    """Return the view that fits where the output goes."""
    if as_json:
        return Json()
    return Terminal() if is_terminal else Lines()


def phase(name: str, done: int, total: int, running: tuple[Running, ...], elapsed: float) -> Progress:
    """Return the progress of a phase with a known number of jobs, at the rate so far."""
    rate = done / elapsed if elapsed else 0.0
    left = (total - done) / rate if rate else None
    return Progress(name, done, total, None, None, running, elapsed, 60 * rate, left)
