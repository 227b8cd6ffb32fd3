"""Keeps workers busy with one kind of job until none is left, or until somebody says stop."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from atml.errors import AtmlError, DataError, Stopped, TaskFileError
from atml.searching.progress import Progress, Running, View
from atml.searching.workers.pool import Job, Pool, Report

_STILLBORN = 6
"""Workers that end before they were ever ready, in a row, before it is a fault of the machine's: one may have
been killed while it started, and so may its successor."""


class Source(Protocol):
    """Where jobs come from, and where their results go."""

    def next(self) -> Job | None:
        """Return a job, None when there is none to hand out now."""

    def more(self) -> bool:
        """Whether `next`, having returned None, may return a job when asked again at once."""

    def waits(self) -> bool:
        """Whether `next` may return a job later on, though nothing is in hand here: others are at work."""

    def go_on(self, job: Job, report: Report) -> bool:
        """Answer a progress report."""

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Take a result; "refused", "crashed" and "lost" are results too. One put back may still come."""

    def requeue(self, job: Job) -> None:
        """Take back a job that was stopped in its middle."""

    def stop_now(self) -> bool:
        """Whether running jobs are to be put back at once."""

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Say where things stand."""


class Dispatcher:
    """Worker processes and the signals that stop them.

    Used as a context manager: inside, SIGINT and SIGTERM ask for an orderly stop; on leaving, the workers
    end.
    """

    def __init__(self, pool: Pool, view: View, folds: int, beat: Callable[[], None]) -> None:
        self._pool = pool
        self._beat = beat
        self._view = view
        self._folds = folds
        self._signal: int | None = None
        self._restore: list[tuple[int, Any]] = []
        self._stillborn = 0

    def __enter__(self) -> Dispatcher:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Only the main thread may handle signals; from another one, the caller does.
            with contextlib.suppress(ValueError):
                self._restore.append((number, signal.signal(number, self._caught)))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.stop()
        for number, handler in self._restore:
            signal.signal(number, handler)

    def _caught(self, number: int, _: Any) -> None:
        self._signal = number

    def work(self, source: Source) -> None:
        """Hand out the jobs of ``source`` until there are no more; ``beat`` is called all along.

        Raises Stopped after a signal, with every running job put back; whatever ``source`` raises
        puts them back too.
        """
        began = time.monotonic()
        shown: dict[int, Report] = {}
        came: list[Report] = []
        with self._requeued_on_error(source, came):
            while True:
                self._alive()
                if source.stop_now():
                    self._requeue(source, replace=True)
                    return
                handed_out = self._hand_out(source)
                self._view.progress(source.progress(self._running(shown), time.monotonic() - began))
                busy = handed_out or source.more() or self._pool.busy() or not self._pool.idle()
                if not busy and not source.waits():
                    return
                came += self._pool.reports(0.0 if handed_out or source.more() else 0.2)
                while came:
                    self._take(source, came.pop(0), shown)

    def wait(self, come: Callable[[], bool], until: float | None, every: float = 2.0) -> bool:
        """Wait for ``come``, asked once in ``every`` seconds; False at ``until`` (of `time.monotonic`)."""
        due = time.monotonic()
        while True:
            self._alive()
            if time.monotonic() >= due:
                if come():
                    return True
                due = time.monotonic() + every
            if until is not None and time.monotonic() >= until:
                return False
            for report in self._pool.reports(0.2):
                self._without_job(report)

    def stopping(self) -> bool:
        """Whether a signal asked to stop."""
        return self._signal is not None

    def _alive(self) -> None:
        """Say that this process lives, unless it was told to stop."""
        if self._signal is not None:
            raise Stopped(f"stopped by {signal.Signals(self._signal).name}; the same line goes on")
        self._beat()

    def _hand_out(self, source: Source) -> bool:
        handed_out = False
        for worker in self._pool.idle():
            job = source.next()
            if job is None:
                break
            self._pool.give(worker, job)
            handed_out = True
        return handed_out

    def _take(self, source: Source, report: Report, shown: dict[int, Report]) -> None:
        job = report.job
        if job is None:
            self._without_job(report)
        elif report.kind == "progress":
            shown[report.worker] = report
            self._pool.go_on(report.worker, source.go_on(job, report))
        elif report.kind == "room":
            # Nothing is wrong with this trial: the same would happen to every other one.
            source.requeue(job)
            raise TaskFileError(report.text)
        else:
            shown.pop(report.worker, None)
            source.ended(job, report, self._pool.devices[report.worker])

    def _without_job(self, report: Report) -> None:
        """Take what a worker without a job says: that it is ready, or that it can't be."""
        if report.kind == "ready":
            self._stillborn = 0
        elif report.kind == "refused":
            raise DataError(report.text)
        elif report.kind == "room":
            raise TaskFileError(report.text)
        else:
            self._view.say(f"worker {report.worker}, without a job in hand, {report.text}; it is replaced")
            self._stillborn += report.kind == "stillborn"
            if self._stillborn >= _STILLBORN:
                raise AtmlError(f"workers can't be kept running: the last one {report.text}")

    def _running(self, shown: dict[int, Report]) -> tuple[Running, ...]:
        rows = []
        for worker, job in sorted(self._pool.busy().items()):
            last = shown.get(worker)
            folds = self._folds if job.in_folds else 1
            fold, fraction, value = (last.fold, last.fraction, last.value) if last else (0, 0.0, None)
            rows.append(Running(worker, job.number, job.config.describe(), fold, folds, fraction, value))
        return tuple(rows)

    @contextlib.contextmanager
    def _requeued_on_error(self, source: Source, came: list[Report]) -> Iterator[None]:
        """Put back what runs, and what is in nobody's hands: jobs that ended by reports not taken yet."""
        try:
            yield
        except BaseException:
            for report in came:
                if report.job is not None and report.kind != "progress":
                    source.requeue(report.job)
            self._requeue(source, replace=False)
            raise

    def _requeue(self, source: Source, *, replace: bool) -> None:
        jobs = self._pool.busy()
        self._pool.drop(replace=replace)
        for job in jobs.values():
            source.requeue(job)
