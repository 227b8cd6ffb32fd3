"""Three short trainings through the code of a trial, and what they tell of a whole search."""

from __future__ import annotations

import contextlib
import random
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atml import models
from atml.data.dataset import Dataset, Fold
from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.regions import Draft
from atml.task_files.definition import TaskDefinition
from atml.training import cross_validation

DRAWS = 2
"""Configs drawn at random beside DEFAULT."""

SECONDS = 3.0
"""What one rehearsal's steps may take; whole ones that are shorter are done whole."""

TRIAL_BYTES = 20_000
"""What a database keeps of a trial without its predictions; 17,000 in a study of `afib`."""

GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """One config trained on a fold for ``steps`` of its ``of`` optimiser steps.

    ``trial_s`` is what a whole trial would take: every fold, nothing cut short. ``value`` is the objective on
    the held-out windows, of a training that was hardly begun.
    """

    name: str
    steps: int
    of: int
    step_ms: float
    trial_s: float
    size_kib: float
    diverged: bool
    value: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a search would take. Trials that do worse than others are cut short: it may well be faster.

    ``database_gb`` and ``memory_gb`` (all workers) are in 1e9 bytes, the former for ``trials`` trials.
    """

    workers: int
    seconds_a_trial: float
    trials_an_hour: float
    trials: int
    hours: float
    database_gb: float
    memory_gb: float

    def text(self) -> str:
        """Say it in a line."""
        return (
            f"{self.seconds_a_trial:.0f} s a trial and worker, {self.trials_an_hour:.0f} trials an hour with"
            f" {self.workers} worker(s): {self.trials} trials in {self.hours:.1f} h at most, without the"
            f" finalists; {self.database_gb:.3f} GB of database, {self.memory_gb:.1f} GB of memory"
        )


def configs(definition: TaskDefinition, seed: int = 0) -> dict[str, ModelConfig]:
    """Return DEFAULT and `DRAWS` random draws that fit the window and the budget, by name."""
    rng = random.Random(seed)
    default: Any = definition.suggest(Draft(lambda axis: axis.draw(rng), fixed=definition.default))
    found = {"DEFAULT": default}
    for _ in range(50):
        if len(found) > DRAWS:
            break
        config: Any = definition.suggest(Draft(lambda axis: axis.draw(rng)))
        try:
            cost = models.cost(config, definition.task)
        except ConfigError:
            continue
        if not definition.budget.broken(cost):
            found[f"draw {len(found)}"] = config
    return found


def rehearse(
    definition: TaskDefinition,
    dataset: Dataset,
    folds: Sequence[Fold],
    *,
    device: str = "cpu",
    seconds: float = SECONDS,
) -> list[Rehearsal]:
    """Train each of `configs` for a few steps of the first fold; ``seconds`` bound the steps of each."""
    forget_peak()
    return [
        _one(name, config, definition, dataset, folds, device, seconds)
        for name, config in configs(definition).items()
    ]


def _one(
    name: str,
    config: ModelConfig,
    definition: TaskDefinition,
    dataset: Dataset,
    folds: Sequence[Fold],
    device: str,
    seconds: float,
) -> Rehearsal:
    def train(steps: int) -> tuple[Any, float]:
        begun = time.perf_counter()
        found = cross_validation.run(
            replace(config, steps=steps),
            definition.task,
            dataset,
            folds[:1],
            definition.value,
            seed=0,
            device=device,
            judged=definition.agreement,
        )
        return found, time.perf_counter() - begun

    few = min(4, config.steps)
    found, wall = train(few)
    a_step = found.seconds / max(1, found.steps)
    steps = min(config.steps, max(few, int(seconds / max(a_step, 1e-6))))
    if steps > few:
        found, wall = train(steps)
        a_step = found.seconds / max(1, found.steps)
    rest = max(0.0, wall - found.seconds)
    return Rehearsal(
        name=name,
        steps=found.steps,
        of=config.steps,
        step_ms=1000 * a_step,
        trial_s=len(folds) * (config.steps * a_step + rest),
        size_kib=models.cost(config, definition.task).size_bytes / 1024,
        diverged=found.diverged,
        value=found.value,
    )


def forecast(
    rehearsals: Sequence[Rehearsal], dataset: Dataset, classes: int, *, workers: int, trials: int
) -> Forecast:
    """Work out what a search takes from its rehearsals, in this process so far."""
    each = sum(one.trial_s for one in rehearsals) / len(rehearsals)
    # Logits in 16 bits and row numbers, of which compression leaves about so much.
    kept = TRIAL_BYTES + len(dataset) * (2 * classes + 1.5)
    return Forecast(
        workers=workers,
        seconds_a_trial=each,
        trials_an_hour=3600 * workers / max(each, 1e-9),
        trials=trials,
        hours=trials * each / workers / 3600,
        database_gb=trials * kept / GB,
        memory_gb=(workers + 1) * peak_bytes() / GB,
    )


def forget_peak() -> None:
    """Begin to measure `peak_bytes` anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Return the most memory that this process has had at once; a worker needs as much."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
