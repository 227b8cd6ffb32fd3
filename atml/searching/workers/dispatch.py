"""Gives jobs of one kind to worker processes until none is left, or a signal stops it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from atml.errors import AtmlError, DataError, Stopped, TaskFileError
from atml.searching.progress import Progress, Running, View
from atml.searching.workers.jobs import Job, Report, ReportKind, TrialJob
from atml.searching.workers.pool import Pool

_STILLBORN = 6
"""Workers in a row that end before they are ready, from which on the machine is at fault. A single one may
have been killed while it started."""


WAIT_S = 0.2
"""Most seconds between two looks at signals, the time and the view, while no worker reports."""


class JobSource:
    """Where jobs come from, and where their results go.

    As it stands it has one job after another, none of which is stopped early.
    """

    def next(self) -> Job | None:
        """Return a job, None when there is none now."""
        raise NotImplementedError

    def more(self) -> bool:
        """Whether `next`, having just returned None to an idle worker, may return a job when called at once.

        Asked then only: while every worker has a job there is nobody to ask for, and the supervisor sleeps
        until one reports, whatever is left.
        """
        return False

    def waits(self) -> bool:
        """Whether `next` may return a job later, though none runs here: other processes run some."""
        return False

    def go_on(self, job: Job, report: Report) -> bool:
        """Take a progress report; return whether the job continues."""
        return True

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Take a result, which may be that the job was refused, crashed or lost."""
        raise NotImplementedError

    def requeue(self, job: Job) -> None:
        """Take back a job that was stopped before its end."""
        raise NotImplementedError

    def stop_now(self) -> bool:
        """Whether running jobs are to be stopped and requeued at once."""
        return False

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Return how far the jobs are."""
        raise NotImplementedError


class Dispatcher:
    """Worker processes, and the signals that stop them.

    It is a context manager: inside, SIGINT and SIGTERM request an orderly stop; at the exit the workers end.
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
            # Only the main thread may handle signals; in another thread the caller does.
            with contextlib.suppress(ValueError):
                self._restore.append((number, signal.signal(number, self._caught)))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.stop()
        for number, handler in self._restore:
            signal.signal(number, handler)

    def _caught(self, number: int, _: Any) -> None:
        self._signal = number

    def work(self, source: JobSource) -> None:
        """Run the jobs of ``source`` until there are no more; ``beat`` is called all along.

        Raises Stopped after a signal, and whatever ``source`` raises. Either way running jobs are requeued
        first.
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
                again = self._start_jobs(source)
                self._view.progress(source.progress(self._running(shown), time.monotonic() - began))
                busy = again or self._pool.busy() or not self._pool.idle()
                if not busy and not source.waits():
                    return
                came += self._pool.reports(0.0 if again else WAIT_S)
                while came:
                    self._take(source, came.pop(0), shown)

    def wait(self, done: Callable[[], bool], until: float | None, every: float = 2.0) -> bool:
        """Wait until ``done()``, called every ``every`` seconds; False at ``until`` (of `time.monotonic`)."""
        due = time.monotonic()
        while True:
            self._alive()
            if time.monotonic() >= due:
                if done():
                    return True
                due = time.monotonic() + every
            if until is not None and time.monotonic() >= until:
                return False
            for report in self._pool.reports(WAIT_S):
                self._without_job(report)

    def stopping(self) -> bool:
        """Whether a signal asked to stop."""
        return self._signal is not None

    def _alive(self) -> None:
        """Beat; raise Stopped after a signal."""
        if self._signal is not None:
            raise Stopped(
                f"stopped by {signal.Signals(self._signal).name}; run the same command again to continue"
            )
        self._beat()

    def _start_jobs(self, source: JobSource) -> bool:
        """Give idle workers jobs; return whether to ask for more at once."""
        for worker in self._pool.idle():
            job = source.next()
            if job is None:
                return source.more()
            self._pool.give(worker, job)
        return False

    def _take(self, source: JobSource, report: Report, shown: dict[int, Report]) -> None:
        job = report.job
        if job is None:
            self._without_job(report)
        elif report.kind == ReportKind.PROGRESS:
            shown[report.worker] = report
            self._pool.go_on(report.worker, source.go_on(job, report))
        elif report.kind == ReportKind.BROKEN_TASK_FILE:
            # This trial is not at fault: every other one would fail in the same way.
            source.requeue(job)
            raise TaskFileError(report.text)
        else:
            shown.pop(report.worker, None)
            source.ended(job, report, self._pool.devices[report.worker])

    def _without_job(self, report: Report) -> None:
        """Take a report of a worker without a job: that it is ready, or can't be."""
        if report.kind == ReportKind.READY:
            self._stillborn = 0
        elif report.kind == ReportKind.REFUSED:
            raise DataError(report.text)
        else:
            self._view.say(f"worker {report.worker} {report.text} while it had no job; it is replaced")
            self._stillborn += report.kind == ReportKind.STILLBORN
            if self._stillborn >= _STILLBORN:
                raise AtmlError(f"workers can't be kept running: the last one {report.text}")

    def _running(self, shown: dict[int, Report]) -> tuple[Running, ...]:
        rows = []
        for worker, job in sorted(self._pool.busy().items()):
            last = shown.get(worker)
            folds = self._folds if isinstance(job, TrialJob) else 1
            fold, fraction, value = (last.fold, last.fraction, last.value) if last else (0, 0.0, None)
            rows.append(Running(worker, job.number, job.config.describe(), fold, folds, fraction, value))
        return tuple(rows)

    @contextlib.contextmanager
    def _requeued_on_error(self, source: JobSource, came: list[Report]) -> Iterator[None]:
        """Requeue after an error: running jobs, and jobs whose last report is still in ``came``."""
        try:
            yield
        except BaseException:
            for report in came:
                if report.job is not None and report.kind != ReportKind.PROGRESS:
                    source.requeue(report.job)
            self._requeue(source, replace=False)
            raise

    def _requeue(self, source: JobSource, *, replace: bool) -> None:
        jobs = self._pool.busy()
        self._pool.drop(replace=replace)
        for job in jobs.values():
            source.requeue(job)
