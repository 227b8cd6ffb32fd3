"""What a supervisor and its worker processes tell each other: jobs one way, reports the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from atml.data.dataset import DataSource, Fold
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.training.records import Measurement


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What every worker of a search is told once; ``window`` is in seconds.

    ``code`` is what `atml.training.fingerprint.here` said when the search began, ``objective_hash`` that of
    the objective's code: files that changed on disk since then would train or judge something else.
    """

    task: str
    space: Path
    objective: str
    objective_hash: str
    window: float
    origin: DataSource
    fingerprint: str
    folds: tuple[Fold, ...]
    code: dict[str, str]


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
    AtmlError, its text in ``text``), "room" (a search space or objective that raises), "crashed" (any other
    exception), "lost" (the process ended, or hung and was ended) or "stillborn" (the same, before it was ever
    ready). Of the last three the last line of ``text`` goes on after "its worker". "alive" is a sign of life
    that a `Pool` keeps to itself.
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
