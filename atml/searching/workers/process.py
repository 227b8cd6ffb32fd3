"""One worker process, from its start to its end: it trains, and does nothing else.

It holds the data, memory-mapped, and a device. It gets one job at a time over a pipe, asks at fixed points of
training whether to go on, and sends back what came out. While a training takes steps it says once a second
that it is alive, so that one that hangs can be told from one whose folds are long.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from atml.data.dataset import Dataset
from atml.errors import AtmlError, TaskFileError
from atml.searching.workers.jobs import Job, Report, Trained, TrialJob, WorkerSetup
from atml.task_files.definition import TaskDefinition

ALIVE_S = 1.0
"""Seconds between two signs of life while a training takes steps."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


def main(
    setup: WorkerSetup, index: int, device: str, pipe: Connection, parent: int, environment: dict[str, str]
) -> None:
    """Run one worker of process ``parent``: the whole life of a process."""
    # A fork server keeps the environment of the moment at which it was started.
    os.environ.clear()
    os.environ.update(environment)
    # A terminal's Ctrl-C and a batch system's SIGTERM reach the whole group; the parent decides what
    # they mean, and ends its workers by SIGKILL: they hold nothing that could be half written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with(parent, f"atml-worker-{index}")
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(setup, index, device, pipe)


def release_fork_server() -> None:
    """Let go of the descriptor that keeps the fork server alive.

    The server lives as long as any process holds its writing end, and hands it on to each child. Python has
    no public name for it; read in the sources of 3.11 to 3.14 (``multiprocessing/forkserver.py``).
    """
    server: Any = forkserver._forkserver
    held = getattr(server, "_forkserver_alive_fd", None)
    if held is not None:
        os.close(held)
        server._forkserver_alive_fd = None


def _end_with(parent: int, name: str) -> None:
    """Have the kernel end this process with the one that began it, and call it ``name`` in lists.

    The fork server ends when ``parent`` does, and its workers with it, whatever they are in the middle of.
    Linux alone can do that. Elsewhere a worker ends at its next message, a second later where it trains.
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
    """Says that a training takes steps, at most once in `ALIVE_S`."""

    def __init__(self, index: int, pipe: Connection) -> None:
        self._report, self._pipe = Report(index, "alive"), pipe
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
    if changed := fingerprint.differences(
        setup.code, fingerprint.here(), "when the search began", "on disk now"
    ):
        text = f"atml changed while it ran: {changed}; start the same line again"
        pipe.send(Report(index, "refused", text=text))
        return
    try:
        definition = task_files.find(
            setup.task, space=setup.space, objective=setup.objective, window=setup.window
        )
        dataset = definition.open(setup.origin)
    except AtmlError as error:
        pipe.send(Report(index, "refused", text=str(error)))
        return
    if definition.objective_hash != setup.objective_hash:
        text = (
            f"{definition.objective_path} changed since the search began: put it back and start the same line"
            " again, or go on by the new one with --accept-changes"
        )
        pipe.send(Report(index, "refused", text=text))
        return
    if dataset.fingerprint != setup.fingerprint:
        pipe.send(Report(index, "refused", text=f"{dataset.name} changed since the search began"))
        return
    register_optimizer_step_post_hook(_Pulse(index, pipe))
    pipe.send(Report(index, "ready"))
    while True:
        job: Job = pipe.recv()
        try:
            report = _do(job, setup, definition, dataset, index, device, pipe)
        except TaskFileError as error:
            report = Report(index, "room", text=str(error))
        except AtmlError as error:
            report = Report(index, "refused", text=str(error))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            report = Report(index, "crashed", text=f"{traceback.format_exc()}\n{in_words(error)}")
        pipe.send(report)


def in_words(error: Exception) -> str:
    """Say in one line what a job raised: too little memory by that name, whoever ran out of it."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    short = isinstance(error, MemoryError) or any(words in said.lower() for words in _NO_MEMORY)
    return f"ran out of memory: {said}" if short else f"raised {said}"


def _do(
    job: Job,
    setup: WorkerSetup,
    definition: TaskDefinition,
    dataset: Dataset,
    index: int,
    device: str,
    pipe: Connection,
) -> Report:
    from atml.models.weights import weights
    from atml.training import cross_validation, loop

    def ask(fold: int, fraction: float, value: float) -> bool:
        pipe.send(Report(index, "progress", fold=fold, fraction=fraction, value=value))
        return bool(pipe.recv())

    if isinstance(job, TrialJob):
        measured = cross_validation.run(
            job.config,
            definition.task,
            dataset,
            setup.folds,
            definition.value,
            seed=job.seed,
            device=device,
            on_progress=ask,
        )
        return Report(index, "measured", measurement=measured)
    fitted = loop.fit(
        job.config,
        definition.task,
        dataset.x,
        dataset.y,
        dataset.subject,
        seed=job.seed,
        device=device,
        on_progress=lambda fraction, _: ask(0, fraction, 0.0),
    )
    if fitted.diverged:
        return Report(index, "refused", text="training on all subjects diverged")
    logits = loop.predict(fitted.model, dataset.x, device=device)
    trained = Trained(
        weights=weights(fitted.model),
        steps=fitted.steps,
        seconds=fitted.seconds,
        predictions=definition.target.predictions(logits, dataset.y, dataset.subject),
        device=device,
    )
    return Report(index, "trained", trained=trained)
