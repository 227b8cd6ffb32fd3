"""What a training leaves: the result of a trial, and a trial as its study keeps it."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from atml.arrays import Int64
from atml.metrics.predictions import Predictions
from atml.models.budget import Cost
from atml.models.config import ModelConfig


class State(StrEnum):
    """How far a trial is. Members equal the strings that ``--json`` prints.

    >>> State.COMPLETE == "complete"
    True
    """

    COMPLETE = "complete"
    """Ran over every fold."""
    PRUNED = "pruned"
    """Ended early, with the value over the folds that ended, if any did."""
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    """Ended without a result."""


class Role(StrEnum):
    """What a trial is for. Members equal the strings that databases keep."""

    SEARCH = "search"
    """Counts towards the total of a search."""
    FINALIST = "finalist"
    """Repeats another trial on a fresh seed."""


class ParameterSource(StrEnum):
    """Where the parameters of a trial came from. Members equal the strings that databases keep."""

    DEFAULT = "default"
    """The default config of the search space."""
    PORTFOLIO = "portfolio"
    """One of the configs that the search space names to be tried first."""
    EARLIER = "earlier"
    """Those of a finalist of an earlier study, trained anew."""
    REFERENCE = "reference"
    """Drawn at random from the search space."""
    SAMPLED = "sampled"
    """Chosen by the sampler."""
    AUDIT = "audit"
    """Drawn at random inside a rejected region."""
    QUEUED = "queued"
    """Given by hand."""
    REPEAT = "repeat"
    """Those of the trial that a finalist's repeat is of."""


@dataclass(frozen=True)
class ReportPoint:
    """What a trial reports after ``fraction`` of the training of ``fold``, the first of which is 0.

    ``value`` is the objective: before the fold's end on its held-out windows alone, at 1.0 over all subjects
    predicted so far. ``auc`` and ``spread`` are of the fold's held-out windows alone, see
    `atml.tasks.targets.base.Target`; NaN where nothing was judged.
    """

    fold: int
    fraction: float
    value: float
    auc: float = math.nan
    spread: float = math.nan


POINTS_KEPT = "points"
"""Key of the trial attribute that holds the AUC and the spread of each report point."""


def points_to(points: Mapping[int, tuple[float, float]]) -> dict[str, list[float | None]]:
    """Return AUC and spread by step as a trial keeps them: JSON, rounded, None for NaN."""
    return {
        str(step): [round(figure, 4) if math.isfinite(figure) else None for figure in pair]
        for step, pair in points.items()
    }


def points_from(kept: Mapping[str, Sequence[float | None]] | None) -> dict[int, tuple[float, float]]:
    """Read what `points_to` wrote; nothing where a trial of an earlier version has none.

    >>> points_from(points_to({0: (0.61, math.nan)}))
    {0: (0.61, nan)}
    """
    return {
        int(step): (math.nan if auc is None else auc, math.nan if spread is None else spread)
        for step, (auc, spread) in (kept or {}).items()
    }


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

    @property
    def out_of_fold(self) -> float | None:
        """The value of a trial: the objective over the folds that ended; None without one, or if it diverged.

        >>> cut = Measurement(
        ...     value=0.93, fold_values=(), train_values=(), curves=(), seconds=1.0, steps=9, finished=False
        ... )
        >>> cut.out_of_fold  # 0.93 is what it reported within its first fold
        """
        return self.value if self.fold_values and not self.diverged else None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as the study keeps it.

    ``origin`` is the source of its parameters; ``of`` is the trial that a finalist's repeat repeats.
    ``constraints`` hold where they are at or below 0. ``steps[s]`` is the value reported at report point s.
    ``points[s]`` is its AUC and spread there, see `ReportPoint`; trials of earlier versions have none.
    ``value`` is the objective out of fold over the folds that ended, None where none did.
    ``result`` is what a finished trial left: fold values, metrics, seconds. ``marks`` is what the sampler
    noted about regions. ``failure`` says why it has no result, such as what its worker did; "" otherwise.
    """

    number: int
    state: str
    role: str = Role.SEARCH
    origin: str = ParameterSource.SAMPLED
    of: int | None = None
    length: int = 1
    """How many times the optimiser steps of trial ``of`` a repeat has."""
    value: float | None = None
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    config: ModelConfig | None = None
    cost: Cost | None = None
    constraints: dict[str, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    points: dict[int, tuple[float, float]] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether it ended with a result: complete or pruned."""
        return self.state in (State.COMPLETE, State.PRUNED)

    @property
    def feasible(self) -> bool:
        """Whether it keeps every constraint."""
        return all(v <= 0 for v in self.constraints.values())

    def lengthened(self, length: int) -> ModelConfig:
        """Return its config with ``length`` times its optimiser steps."""
        assert self.config is not None, f"trial {self.number} has no config"
        return replace(self.config, steps=self.config.steps * length)
