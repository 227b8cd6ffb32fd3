"""Messages between a search and its worker processes: jobs one way, reports the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy.typing as npt

from atml.data.dataset import DataSource, Fold
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.training.records import Measurement, ReportPoint


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What every worker of a search gets at its start; ``window`` is in seconds, None of pictures.

    ``code`` is `atml.training.fingerprint.here` and ``objective_hash`` the hash of the objective's code, both
    as the search began: files changed since then would train or judge something else. ``losses`` is where
    trainings that have several losses write them for TensorBoard, None for nowhere.
    """

    task: str
    space: Path
    objective: str
    objective_hash: str
    window: float | None
    origin: DataSource
    fingerprint: str
    folds: tuple[Fold, ...]
    code: dict[str, str]
    losses: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A config to train; ``number`` is that of its trial."""

    number: int
    config: ModelConfig
    seed: int


@dataclass(frozen=True, kw_only=True)
class TrialJob(Job):
    """Train and predict fold by fold; with ``agreement`` after each change of `atml.ecg.changes` too.

    With ``quantised`` each fold's network predicts in the formats of fewer bits as well. ``board`` is
    `Cost.board` of the config, for an objective that counts it.
    """

    agreement: bool = False
    quantised: bool = False
    board: tuple[float, float] | None = None


class FinalJob(Job):
    """Train on all subjects and send the model back."""


@dataclass(frozen=True)
class Trained:
    """A model trained on all subjects: its weights by name, and what its training took."""

    weights: dict[str, npt.NDArray[Any]]
    steps: int
    seconds: float
    predictions: Predictions
    device: str


class ReportKind(StrEnum):
    """What a report of a worker is about."""

    READY = "ready"
    ALIVE = "alive"
    """Nothing but a sign of life, which a `Pool` keeps to itself."""
    PROGRESS = "progress"
    """The value at a report point; answered with `Pool.go_on`."""
    MEASURED = "measured"
    """The end of a `TrialJob`."""
    TRAINED = "trained"
    """The end of a `FinalJob`."""
    REFUSED = "refused"
    """An AtmlError was raised."""
    BROKEN_TASK_FILE = "broken task file"
    """The search space or the objective raised."""
    CRASHED = "crashed"
    """Any other exception was raised."""
    LOST = "lost"
    """The process ended, or hung and was killed."""
    STILLBORN = "stillborn"
    """It was lost before it was ready."""


@dataclass(frozen=True)
class Report:
    """A message from a worker; ``text`` explains an error, ``fold`` to ``spread`` are a `ReportPoint`."""

    worker: int
    kind: str
    job: Job | None = None
    fold: int = 0
    fraction: float = 0.0
    value: float = 0.0
    auc: float = math.nan
    spread: float = math.nan
    measurement: Measurement | None = None
    trained: Trained | None = None
    text: str = ""

    @property
    def point(self) -> ReportPoint:
        """The report point that it is about."""
        return ReportPoint(self.fold, self.fraction, self.value, auc=self.auc, spread=self.spread)

    @property
    def reason(self) -> str:
        """Why a job came to no result, in one line."""
        last = self.text.strip().splitlines()[-1]
        return last if self.kind == ReportKind.REFUSED else f"its worker {last}"
