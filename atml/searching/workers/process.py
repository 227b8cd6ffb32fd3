"""One worker process, which trains and does nothing else.

It has the data, memory-mapped, and a device. It gets one job at a time over a pipe, asks at fixed report
points whether to continue, and sends back the result. While optimiser steps are taken it sends a sign of life
every second, so that a hanging worker can be distinguished from one with long folds.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import signal
import sys
import time
import traceback
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from atml.data.dataset import Dataset, Rows
from atml.errors import AtmlError, TaskFileError
from atml.metrics.predictions import Predictions
from atml.searching.workers.jobs import Job, Report, ReportKind, Trained, TrialJob, WorkerSetup
from atml.task_files.at_best import at_best
from atml.task_files.definition import TaskDefinition

if TYPE_CHECKING:
    from atml.training.loop import Fitted

ALIVE_S = 1.0
"""Seconds between two signs of life during training."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


def main(
    setup: WorkerSetup, index: int, device: str, pipe: Connection, parent: int, environment: dict[str, str]
) -> None:
    """Run one worker of process ``parent``, from its start to its end."""
    # A fork server has the environment of the moment at which it was started.
    os.environ.clear()
    os.environ.update(environment)
    # A terminal's Ctrl-C and a batch system's SIGTERM reach the whole group. The parent handles them, and
    # ends its workers by SIGKILL: they write nothing that could be left half done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with(parent, f"atml-worker-{index}")
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(setup, index, device, pipe)


def release_fork_server() -> None:
    """Close the descriptor that keeps the fork server alive.

    The server lives as long as any process has its writing end open, and each child inherits it. Python has
    no public name for it; read in the sources of 3.11 to 3.14 (``multiprocessing/forkserver.py``).
    """
    server: Any = forkserver._forkserver
    held = getattr(server, "_forkserver_alive_fd", None)
    if held is not None:
        os.close(held)
        server._forkserver_alive_fd = None


def _end_with(parent: int, name: str) -> None:
    """Have the kernel end this process together with the fork server, and list it as ``name``.

    The fork server ends when ``parent`` does. Only Linux can do this. Elsewhere a worker ends when it next
    sends a message, which is within a second during training.
    """
    release_fork_server()
    if sys.platform != "linux":
        return
    pr_set_pdeathsig, pr_set_name = 1, 15
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.prctl(pr_set_pdeathsig, signal.SIGKILL)
        library.prctl(pr_set_name, name.encode())
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        os._exit(1)
    except PermissionError:
        return


class _Pulse:
    """Sends a sign of life after an optimiser step, at most once in `ALIVE_S`."""

    def __init__(self, index: int, pipe: Connection) -> None:
        self._report, self._pipe = Report(index, ReportKind.ALIVE), pipe
        self._due = 0.0

    def __call__(self, *_: Any) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + ALIVE_S
            self._pipe.send(self._report)


def _serve(setup: WorkerSetup, index: int, device: str, pipe: Connection) -> None:
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from atml import task_files
    from atml.training import fingerprint

    torch.set_num_threads(1)
    changed = fingerprint.differences(setup.code, fingerprint.here(), "when the search began", "on disk now")
    try:
        if changed:
            raise AtmlError(f"atml changed while it ran: {changed}; run the same command again")
        definition = task_files.find(
            setup.task, space=setup.space, objective=setup.objective, window=setup.window
        )
        dataset = definition.open(setup.origin)
        if definition.objective_hash != setup.objective_hash:
            raise AtmlError(
                f"{definition.objective_path} changed since the search began: restore it and run the same"
                " command again, or continue with the new one by --accept-changes"
            )
        if dataset.fingerprint != setup.fingerprint:
            raise AtmlError(f"{dataset.name} changed since the search began")
    except AtmlError as error:
        pipe.send(Report(index, ReportKind.REFUSED, text=str(error)))
        return
    register_optimizer_step_post_hook(_Pulse(index, pipe))
    pipe.send(Report(index, ReportKind.READY))
    while True:
        job: Job = pipe.recv()
        try:
            report = _do(job, setup, definition, dataset, index, device, pipe)
        except TaskFileError as error:
            report = Report(index, ReportKind.BROKEN_TASK_FILE, text=str(error))
        except AtmlError as error:
            report = Report(index, ReportKind.REFUSED, text=str(error))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            report = Report(index, ReportKind.CRASHED, text=f"{traceback.format_exc()}\n{in_words(error)}")
        pipe.send(report)


def in_words(error: Exception) -> str:
    """Write an exception in one line; every kind of memory shortage is called "ran out of memory"."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    short = isinstance(error, MemoryError) or any(words in text.lower() for words in _NO_MEMORY)
    return f"ran out of memory: {text}" if short else f"raised {text}"


def _do(
    job: Job,
    setup: WorkerSetup,
    definition: TaskDefinition,
    dataset: Dataset,
    index: int,
    device: str,
    pipe: Connection,
) -> Report:
    from atml.paper.learner import learner_of
    from atml.training import cross_validation, loop
    from atml.training.agreement import changed_logits
    from atml.training.records import ReportPoint

    def ask(point: ReportPoint) -> bool:
        pipe.send(Report(index, ReportKind.PROGRESS, **dataclasses.asdict(point)))
        return bool(pipe.recv())

    log = None if setup.losses is None else setup.losses / f"trial-{job.number:04d}"
    learner = learner_of(definition.task, log)
    if isinstance(job, TrialJob):
        board, quantise, value = job.board, None, at_best(definition)
        if job.quantised:
            # Only repeats of finalists do: what writes and runs files stays out of every other worker.
            from atml.device.fold_networks import by_format

            quantise = by_format(job.config, definition.task)
        measured = cross_validation.run(
            job.config,
            definition.task,
            dataset,
            setup.folds,
            lambda predictions: value(dataclasses.replace(predictions, board=board)),
            seed=job.seed,
            device=device,
            on_progress=ask,
            agreement=job.agreement,
            judged=definition.agreement,
            quantise=quantise,
            learner=learner,
        )
        if learner is not None:
            learner.ended()
        return Report(index, ReportKind.MEASURED, measurement=measured)

    def told(fraction: float, _: float) -> bool:
        return ask(ReportPoint(0, fraction, 0.0))

    every_row = np.arange(len(dataset))
    if learner is not None:
        fitted = learner.fit(
            job.config, definition.task, dataset, every_row, seed=job.seed, device=device, on_progress=told
        )
        if fitted.diverged:
            learner.ended()
            return Report(index, ReportKind.REFUSED, text="training on all subjects diverged")
        found = learner.predictions(fitted.model, definition.task, dataset, every_row, device=device)
        learner.ended()
        return Report(index, ReportKind.TRAINED, trained=_trained(fitted, found, device))
    x, y, subject = dataset.training()
    fitted = loop.fit(
        job.config,
        definition.task,
        x,
        y,
        subject,
        seed=job.seed,
        device=device,
        on_progress=told,
    )
    if fitted.diverged:
        return Report(index, ReportKind.REFUSED, text="training on all subjects diverged")
    logits = loop.predict(fitted.model, dataset.x, device=device)
    predictions = definition.target.predictions(logits, dataset.y, dataset.subject)
    if definition.agreement:
        every = Rows(dataset.x, every_row)
        changed = changed_logits(fitted.model, every, definition.task, device=device)
        predictions = dataclasses.replace(predictions, changed=changed)
    return Report(index, ReportKind.TRAINED, trained=_trained(fitted, predictions, device))


def _trained(fitted: Fitted, predictions: Predictions, device: str) -> Trained:
    from atml.models.weights import weights

    return Trained(
        weights=weights(fitted.model),
        steps=fitted.steps,
        seconds=fitted.seconds,
        predictions=predictions,
        device=device,
    )
