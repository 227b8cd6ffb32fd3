"""Trials logged to MLflow, Weights & Biases or TensorBoard, by Optuna's own callbacks for them.

A callback runs in a thread of its own and gets a study in memory that has only the name and the direction: a
slow server delays no trial, and no connection to the database is used from two threads. An error of the
logger is one line; the search and its study go on without it.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from atml.artifacts.export import safe_name
from atml.errors import InputError, MissingExtraError

CLOSE_S = 60.0
"""Seconds at most that a search waits at its end for trials that are not logged yet."""

STOP_S = 3.0
"""The same, for a search that was interrupted."""

METRIC = "value"
"""The name under which a logger keeps the value of a trial."""

Callback = Callable[[optuna.Study, optuna.trial.FrozenTrial], None]


class TrialLog:
    """Sends each trial that ends in this process to a logger; close it at the end of the search."""

    def __init__(self, callback: Callback, where: str, study: str, say: Callable[[str], None]) -> None:
        """Start the thread; ``where`` names the logger in messages, which go to ``say``."""
        self._callback, self._where, self._say = callback, where, say
        self._study = optuna.create_study(study_name=study, direction="maximize")
        self._waiting: queue.SimpleQueue[optuna.trial.FrozenTrial | None] = queue.SimpleQueue()
        self._given = self._logged = 0
        self._problem = ""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="trial log", daemon=True)
        self._thread.start()

    def ended(self, trial: optuna.trial.FrozenTrial) -> None:
        """Log a trial soon; this returns at once."""
        self._given += 1
        self._waiting.put(trial)
        self._report()

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Wait ``wait_s`` seconds at most for the trials that are not logged yet, and report missing ones."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join(wait_s)
        self._report()
        if missing := self._given - self._logged:
            self._say(f"{self._where} lacks {missing} of {self._given} trials; the study has all of them")

    def __enter__(self) -> TrialLog:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close it; after an error or an interruption with less patience."""
        self.close(CLOSE_S if kind is None else STOP_S)

    def _report(self) -> None:
        """Report the first error, in the thread of the search: its view is not made for two."""
        if self._problem:
            self._say(self._problem)
            self._problem = ""

    def _run(self) -> None:
        failed = False
        while (trial := self._waiting.get()) is not None:
            try:
                self._callback(self._study, trial)
                self._logged += 1
            except Exception as error:
                if not failed:
                    why = " ".join(str(error).split())[:200] or type(error).__name__
                    self._problem = (
                        f"{self._where} did not take trial {trial.number}, the search goes on: {why}"
                    )
                failed = True


def opener(kind: str | None) -> Callable[[str, Callable[[str], None]], TrialLog | None]:
    """Return a function that starts a log of a study; without a ``kind`` it returns None.

    Everything that may be missing is looked for here, before a study is begun.

    Raises:
        InputError: no such logger, or one without credentials.
        MissingExtraError: its package is not installed.

    Example:
        >>> opener(None)("a study", print) is None
        True
    """
    if kind is None:
        return lambda study, say: None
    if kind not in LOGGERS:
        raise InputError(f"--log-to {kind}: there is {', '.join(LOGGERS)}")
    with warnings.catch_warnings():
        # Optuna 5 deprecates its callbacks for these and has no successors; it removes them in version 6.
        warnings.simplefilter("ignore")
        try:
            make = LOGGERS[kind]()
        except ImportError as error:
            raise MissingExtraError(f"--log-to {kind}", kind) from error

    def start(study: str, say: Callable[[str], None]) -> TrialLog:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            callback, where = make(study)
        say(f"trials that end here are logged to {where}")
        return TrialLog(callback, where, study, say)

    return start


def _mlflow() -> Callable[[str], tuple[Callback, str]]:
    # It prints addresses of runs to standard output, where JSON may go.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow
    from optuna_integration.mlflow import MLflowCallback

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return lambda study: (MLflowCallback(metric_name=METRIC), f"MLflow ({mlflow.get_tracking_uri()})")


def _wandb() -> Callable[[str], tuple[Callback, str]]:
    import wandb
    from optuna_integration.wandb import WeightsAndBiasesCallback

    online = wandb.setup().settings.mode == "online"
    if online and not wandb.login(prompt=False):
        raise InputError("--log-to wandb: no API key; run `wandb login`, or set WANDB_MODE=offline")
    project = os.environ.get("WANDB_PROJECT", "atml")

    def make(study: str) -> tuple[Callback, str]:
        quiet = wandb.Settings(silent=True, console="off")
        # A run a trial: one run for all takes trials in the order of their numbers alone, and drops others.
        settings: dict[str, Any] = {"project": project, "group": study, "settings": quiet}
        callback = WeightsAndBiasesCallback(metric_name=METRIC, wandb_kwargs=settings, as_multirun=True)
        return callback, f"Weights & Biases (project {project})"

    return make


def _tensorboard() -> Callable[[str], tuple[Callback, str]]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow
    from optuna_integration.tensorboard import TensorBoardCallback

    # It would take the memory of every GPU, which the workers need.
    tensorflow.config.set_visible_devices([], "GPU")

    def make(study: str) -> tuple[Callback, str]:
        folder = _folder(study)
        return TensorBoardCallback(str(folder), METRIC), f"TensorBoard ({folder})"

    return make


def _folder(study: str) -> Path:
    return Path("tensorboard") / safe_name(study)


def losses(kind: str | None, study: str) -> Path | None:
    """Return the folder for losses within trainings, which TensorBoard alone gets; None for other loggers.

    Example:
        >>> losses("tensorboard", "paper").parts[-3:], losses("mlflow", "paper")
        (('tensorboard', 'paper', 'losses'), None)
    """
    return (_folder(study) / "losses").absolute() if kind == "tensorboard" else None


LOGGERS = {"mlflow": _mlflow, "wandb": _wandb, "tensorboard": _tensorboard}
"""What ``--log-to`` takes, and what imports it; extras of the same names install it."""
