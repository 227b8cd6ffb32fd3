"""Worker processes: they train, and do nothing else.

A worker holds the data and a device. It gets one job at a time over a pipe, asks at fixed points of
training whether to go on, and sends back what came out. It never sees the database: one that is killed
costs the job in its hands and no more. A worker whose parent is gone ends at its next message.

Started by ``spawn``, so nothing of the parent (open databases, threads, random state) leaks in.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy.typing as npt

from atml.errors import AtmlError, RoomError
from atml.rooms import Room
from atml.types import Dataset, Fold, Measurement, ModelConfig, Origin, Predictions


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every worker of a search is told once; ``window`` is in seconds."""

    task: str
    space: Path
    objective: str
    window: float
    origin: Origin
    fingerprint: str
    folds: tuple[Fold, ...]


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """Train and predict fold by fold."""

    number: int
    config: ModelConfig
    seed: int
    in_folds = True


@dataclass(frozen=True, kw_only=True)
class FinalJob:
    """Train on all subjects and send the model back."""

    number: int
    config: ModelConfig
    seed: int
    in_folds = False


Job = TrialJob | FinalJob


@dataclass(frozen=True)
class Trained:
    """A model trained on all subjects: its weights by name, and what its training took."""

    weights: dict[str, npt.NDArray[Any]]
    steps: int
    seconds: float
    predictions: Predictions
    device: str


@dataclass(frozen=True)
class Report:
    """A message from a worker.

    ``kind`` is "ready", "progress" (answer with `Pool.go_on`), "measured", "trained", "refused" (an
    AtmlError, its text in ``text``), "room" (a search space or objective that raises),
    "crashed" (any other exception) or "lost" (the process ended).
    """

    worker: int
    kind: str
    job: Job | None = None
    fold: int = 0
    fraction: float = 0.0
    value: float = 0.0
    measurement: Measurement | None = None
    trained: Trained | None = None
    text: str = ""


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    job: Job | None = None
    ready: bool = False
    started: float = field(default_factory=time.monotonic)


class Pool:
    """One worker process for each of ``devices``; one that ends by itself is replaced."""

    def __init__(self, site: Site, devices: Sequence[str]) -> None:
        self._site = site
        self._devices = tuple(devices)
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}
        self.started = 0
        for index in range(len(self._devices)):
            self._workers[index] = self._start(index)

    def _start(self, index: int) -> _Worker:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_main,
            args=(self._site, index, self._devices[index], theirs),
            name=f"atml-worker-{index}",
            daemon=True,
        )
        with _one_thread():
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
        chosen.job, chosen.started = job, time.monotonic()
        # A worker that died meanwhile is reported as lost by the next `reports`.
        with contextlib.suppress(OSError):
            chosen.pipe.send(job)

    def go_on(self, worker: int, yes: bool) -> None:
        """Answer a progress report."""
        with contextlib.suppress(OSError):
            self._workers[worker].pipe.send(yes)

    def reports(self, timeout: float) -> list[Report]:
        """Wait up to ``timeout`` seconds and return what came in, with the job it is about.

        Lost workers are replaced.
        """
        pipes = {w.pipe: i for i, w in self._workers.items()}
        came: list[Report] = []
        for pipe in wait(list(pipes), timeout):
            index = pipes[pipe]  # type: ignore[index]
            worker = self._workers[index]
            try:
                report: Report = worker.pipe.recv()
            except (EOFError, OSError):
                came.append(Report(index, "lost", worker.job, text=self._why_lost(worker)))
                worker.pipe.close()
                self._workers[index] = self._start(index)
                continue
            came.append(replace(report, job=worker.job))
            if report.kind == "ready":
                worker.ready = True
            elif report.kind != "progress":
                worker.job = None
        return came

    def _why_lost(self, worker: _Worker) -> str:
        worker.process.join(5)
        code = worker.process.exitcode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

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


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


@contextlib.contextmanager
def _one_thread() -> Any:
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


def _main(site: Site, index: int, device: str, pipe: Connection) -> None:
    """Run one worker: the whole life of a child process."""
    # A terminal's Ctrl-C and a batch system's SIGTERM reach the whole group; the parent decides what
    # they mean, and ends its workers by SIGKILL: they hold nothing that could be half written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(site, index, device, pipe)


def _serve(site: Site, index: int, device: str, pipe: Connection) -> None:
    import torch

    from atml import rooms

    torch.set_num_threads(1)
    room = rooms.find(site.task, space=site.space, objective=site.objective, window=site.window)
    dataset = room.open(site.origin)
    if dataset.fingerprint != site.fingerprint:
        pipe.send(Report(index, "refused", text=f"{dataset.name} changed since the search began"))
        return
    pipe.send(Report(index, "ready"))
    while True:
        job: Job = pipe.recv()
        try:
            report = _do(job, site, room, dataset, index, device, pipe)
        except RoomError as error:
            report = Report(index, "room", text=str(error))
        except AtmlError as error:
            report = Report(index, "refused", text=str(error))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception:
            report = Report(index, "crashed", text=traceback.format_exc())
        pipe.send(report)


def _do(
    job: Job, site: Site, room: Room, dataset: Dataset, index: int, device: str, pipe: Connection
) -> Report:
    from atml import train, trial
    from atml.nn.weights import weights

    def ask(fold: int, fraction: float, value: float) -> bool:
        pipe.send(Report(index, "progress", fold=fold, fraction=fraction, value=value))
        return bool(pipe.recv())

    if isinstance(job, TrialJob):
        measured = trial.run(
            job.config,
            room.task,
            dataset,
            site.folds,
            room.value,
            seed=job.seed,
            device=device,
            on_progress=ask,
        )
        return Report(index, "measured", measurement=measured)
    fitted = train.fit(
        job.config,
        room.task,
        dataset.x,
        dataset.y,
        dataset.subject,
        seed=job.seed,
        device=device,
        on_progress=lambda fraction, _: ask(0, fraction, 0.0),
    )
    if fitted.diverged:
        return Report(index, "refused", text="training on all subjects diverged")
    logits = train.predict(fitted.model, dataset.x, device=device)
    trained = Trained(
        weights=weights(fitted.model),
        steps=fitted.steps,
        seconds=fitted.seconds,
        predictions=Predictions(logits, dataset.y, dataset.subject, room.task.positive),
        device=device,
    )
    return Report(index, "trained", trained=trained)
