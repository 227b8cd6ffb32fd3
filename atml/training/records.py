"""What a training leaves: the result of a trial, and a trial as its study keeps it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atml.arrays import Int64
from atml.metrics.predictions import Predictions
from atml.models.budget import Cost
from atml.models.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One trial's result.

    ``value`` is the objective over all subjects predicted out of fold so far, ``fold_values[k]`` that of
    fold k alone; ``curves[k]`` holds ``(fraction, training loss, held-out value)``. ``rows`` are the row
    numbers of the dataset that ``predictions`` belong to. ``diverged`` says that training produced a
    value that is not finite; ``collapsed`` that a fold's model decides every held-out window the same;
    either ends the trial. ``finished`` says that every fold ran to its end.
    """

    value: float
    fold_values: tuple[float, ...]
    train_values: tuple[float, ...]
    curves: tuple[tuple[tuple[float, float, float], ...], ...]
    seconds: float
    """Spent training, validation left out."""
    steps: int
    finished: bool
    diverged: bool = False
    collapsed: bool = False
    rows: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    predictions: Predictions | None = None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as the study keeps it.

    ``state`` is "running", "waiting", "complete", "pruned" or "failed". ``role`` is "search" for a trial
    that counts, "finalist" for a repeat of trial ``of`` on a fresh seed. ``origin`` tells where the
    parameters came from: "default", "reference" (drawn from the declared space), "sampled", "audit" (drawn
    in a rejected region) or "queued" (given by hand). ``constraints`` are feasible at or below 0.
    ``steps[s]`` is the value reported at step s. ``result`` is what a finished trial left: fold values,
    metrics, seconds. ``marks`` is what the sampler wrote of regions. ``failure`` says why it came to nothing,
    "" where it did not: what its worker did, or who went down with it.
    """

    number: int
    state: str
    role: str = "search"
    origin: str = "sampled"
    of: int | None = None
    value: float | None = None
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    config: ModelConfig | None = None
    cost: Cost | None = None
    constraints: dict[str, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether it ended with a result: complete or pruned."""
        return self.state in ("complete", "pruned")

    @property
    def feasible(self) -> bool:
        """Whether it keeps every constraint."""
        return all(v <= 0 for v in self.constraints.values())
