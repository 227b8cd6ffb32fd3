"""Worker processes: kept, watched, replaced.

A worker (`atml.searching.workers.process`) never sees the database: one that is killed, that hangs or that
crashes costs the job
in its hands and no more. Workers are forked from a server process that has loaded the libraries and done
nothing else: they are there at once, share the libraries' pages, and nothing of the parent (open databases,
threads, random state) leaks in. Where there are no fork servers each is a new interpreter.
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

from atml.searching.workers.jobs import FinalJob, Job, Report, Trained, TrialJob, WorkerSetup
from atml.searching.workers.process import main

__all__ = ["HANG_S", "FinalJob", "Job", "Pool", "Report", "Trained", "TrialJob", "WorkerSetup"]

HANG_S = 600.0
"""Seconds without any sign of life after which a worker with something to do hangs.

A training says once a second that it takes steps, so a fold may last for days. What is silent in between,
starting, reading the data, building a network, predicting the held-out rows, takes seconds to minutes.
"""

_GLANCE_S = 5.0
"""Silence counts at most this much for each look: what a supervisor that was itself stopped, or waited for
its database, did not hear is no worker's fault."""

_JOIN_S = 10.0
"""Seconds that a killed process is waited for; one stuck in the kernel is left behind."""


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    job: Job | None = None
    ready: bool = False
    silent: float = 0.0
    """Seconds that it was listened to without a sign of life."""


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
        """Workers that are ready and have no job."""
        return [i for i, w in self._workers.items() if w.ready and w.job is None]

    def busy(self) -> dict[int, Job]:
        """Workers and their jobs."""
        return {i: w.job for i, w in self._workers.items() if w.job is not None}

    def give(self, worker: int, job: Job) -> None:
        """Hand a job to an idle worker."""
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
        """Wait up to ``timeout`` seconds and return what came in, with the job it is about.

        Workers that ended, crashed or hang are replaced: after an exception from inside torch neither its
        memory nor its device is known to be sound.
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
            if report.kind == "alive":
                continue
            came.append(replace(report, job=worker.job))
            if report.kind == "ready":
                worker.ready = True
            elif report.kind == "crashed":
                self._replace(index)
            elif report.kind != "progress":
                worker.job = None
        return came + self._hung()

    def _hung(self) -> list[Report]:
        """End the workers that said nothing for too long, and report them."""
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
        report = Report(index, "lost" if worker.ready else "stillborn", worker.job, text=why)
        self._replace(index)
        return report

    def _replace(self, index: int) -> None:
        _end(self._workers[index])
        self._workers[index] = self._start(index)

    def drop(self, *, replace: bool) -> None:
        """End the workers that hold a job; ``replace`` starts new ones in their place."""
        for index, worker in list(self._workers.items()):
            if worker.job is not None:
                _end(worker)
                del self._workers[index]
                if replace:
                    self._workers[index] = self._start(index)

    def stop(self) -> None:
        """End every worker now, in mid-job if need be."""
        for worker in self._workers.values():
            _end(worker)
        self._workers.clear()


def _why_lost(worker: _Worker) -> str:
    """Say how a process ended that nobody here told to."""
    worker.process.join(_JOIN_S)
    code = worker.process.exitcode
    if code is None:
        return "closed its pipe"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    # The kernel ends who takes too much memory by the same signal as anybody else does.
    return f"was killed by {name}" + (", out of memory perhaps" if name == "SIGKILL" else "")


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
    """Let a child read one thread a library from its environment: it is there before torch loads."""
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
    """Keep a child from running the program that started it: workers need nothing of it.

    `multiprocessing` imports the parent's main module into each child. A script that searches outside
    ``if __name__ == "__main__":`` would search again there, and one that was read from standard input has no
    file to be read again.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
