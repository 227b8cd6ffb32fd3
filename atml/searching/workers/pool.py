"""Worker processes, started, watched and replaced.

A worker (`atml.searching.workers.process`) never sees the database: one that is killed, hangs or crashes
costs its job and nothing else. Workers are forked from a server process that has loaded the libraries and
done nothing else: they start at once, share the memory of the libraries, and inherit nothing of the parent
(open databases, threads, random state). Where fork servers do not exist, each worker is a new interpreter.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any

from atml.searching.workers.jobs import Job, Report, ReportKind, WorkerSetup
from atml.searching.workers.process import main

HANG_S = 600.0
"""Seconds without a sign of life after which a busy worker counts as hanging.

Signs of life come every second during training, so a fold may last for days. What is silent (starting,
reading the data, building a network, predicting the held-out rows) takes seconds to minutes.
"""

_GLANCE_S = 5.0
"""Most seconds of silence that count between two calls of `Pool.reports`: this process may have been stopped
itself, or have waited for its database."""

_JOIN_S = 10.0
"""Seconds to wait for a killed process; one that is stuck in the kernel is abandoned."""


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    job: Job | None = None
    ready: bool = False
    silent: float = 0.0
    """Seconds without a sign of life."""


class Pool:
    """One worker process for each of ``devices``; one that ends, crashes or hangs is replaced.

    ``hang_after`` is in seconds, see `HANG_S`.
    """

    def __init__(self, setup: WorkerSetup, devices: Sequence[str], hang_after: float | None = None) -> None:
        self._setup = setup
        self.devices = tuple(devices)
        self._hang_after = HANG_S if hang_after is None else hang_after
        self._context = _context()
        self._workers: dict[int, _Worker] = {}
        self._looked = time.monotonic()
        self.started = 0
        for index in range(len(self.devices)):
            self._workers[index] = self._start(index)

    def _start(self, index: int) -> _Worker:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=main,
            args=(self._setup, index, self.devices[index], theirs, os.getpid(), dict(os.environ)),
            name=f"atml-worker-{index}",
            daemon=True,
        )
        with _one_thread(), _without_main():
            process.start()
        theirs.close()
        self.started += 1
        return _Worker(process, mine)

    def idle(self) -> list[int]:
        """Return the workers that are ready and have no job."""
        return [i for i, w in self._workers.items() if w.ready and w.job is None]

    def busy(self) -> dict[int, Job]:
        """Return the workers with a job, and the job of each."""
        return {i: w.job for i, w in self._workers.items() if w.job is not None}

    def give(self, worker: int, job: Job) -> None:
        """Give a job to an idle worker."""
        chosen = self._workers[worker]
        chosen.job, chosen.silent = job, 0.0
        # A worker that died meanwhile is reported as lost by the next `reports`.
        with contextlib.suppress(OSError):
            chosen.pipe.send(job)

    def go_on(self, worker: int, yes: bool) -> None:
        """Answer a progress report."""
        with contextlib.suppress(OSError):
            self._workers[worker].pipe.send(yes)

    def reports(self, timeout: float) -> list[Report]:
        """Wait up to ``timeout`` seconds and return what came in, each with its job.

        Workers that ended, crashed or hang are replaced: after an exception inside torch, neither memory nor
        device can be trusted.
        """
        pipes = {w.pipe: i for i, w in self._workers.items()}
        came: list[Report] = []
        for pipe in wait(list(pipes), timeout):
            index = pipes[pipe]  # type: ignore[index]
            worker = self._workers[index]
            worker.silent = 0.0
            try:
                report: Report = worker.pipe.recv()
            except (EOFError, OSError):
                came.append(self._lost(index, _why_lost(worker)))
                continue
            if report.kind == ReportKind.ALIVE:
                continue
            came.append(replace(report, job=worker.job))
            if report.kind == ReportKind.READY:
                worker.ready = True
            elif report.kind == ReportKind.CRASHED:
                self._replace(index)
            elif report.kind != ReportKind.PROGRESS:
                worker.job = None
        return came + self._hung()

    def _hung(self) -> list[Report]:
        """End the workers that were silent for too long, and report them."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, _GLANCE_S), now
        came = []
        for index, worker in list(self._workers.items()):
            if worker.ready and worker.job is None:
                continue
            worker.silent += passed
            if worker.silent > self._hang_after:
                came.append(self._lost(index, f"hung: no sign of life for {self._hang_after:g} s"))
        return came

    def _lost(self, index: int, why: str) -> Report:
        worker = self._workers[index]
        report = Report(
            index, ReportKind.LOST if worker.ready else ReportKind.STILLBORN, worker.job, text=why
        )
        self._replace(index)
        return report

    def _replace(self, index: int) -> None:
        _end(self._workers[index])
        self._workers[index] = self._start(index)

    def drop(self, *, replace: bool) -> None:
        """End the workers that have a job; ``replace`` starts new ones in their place."""
        for index, worker in list(self._workers.items()):
            if worker.job is not None:
                _end(worker)
                del self._workers[index]
                if replace:
                    self._workers[index] = self._start(index)

    def stop(self) -> None:
        """End every worker now, also in the middle of a job."""
        for worker in self._workers.values():
            _end(worker)
        self._workers.clear()


def _why_lost(worker: _Worker) -> str:
    """Explain how a process ended that was not stopped from here."""
    worker.process.join(_JOIN_S)
    code = worker.process.exitcode
    if code is None:
        return "closed its pipe"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    # The kernel uses this signal too when memory runs out.
    return f"was killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join(_JOIN_S)
    worker.pipe.close()


def _context() -> Any:
    """Return how worker processes are started."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["atml.searching.workers.preload"])
    return context


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Limit a child to one thread for each library, by its environment, which is read before torch loads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a child from running the program that started it.

    `multiprocessing` imports the parent's main module into each child. A script that searches outside of ``if
    __name__ == "__main__":`` would start the search again there, and a script from standard input has no
    file.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
