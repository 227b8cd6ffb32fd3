"""A trial while it runs, and what it leaves in the study."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import optuna

from atml.artifacts.record import processor
from atml.evaluation import gate
from atml.storage.optuna_internals import trial_id
from atml.tasks.targets import Target
from atml.training.device import facts
from atml.training.records import Measurement


@dataclass(kw_only=True)
class RunningTrial:
    """A trial that a worker of this process trains, and the slot that it fills."""

    trial: optuna.Trial
    slot: int
    seed: int
    reports: dict[int, float]
    """Reported values by step."""
    origin: str
    """The source of its parameters, a `ParameterSource`."""
    points: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Reported AUC and spread by step."""
    nothing_learned: str = ""
    """Why it has learned nothing, in words; "" while it may have."""
    below_floor: float | None = None
    """By how much it stays below the floor that ended it; None while it may continue."""
    what: str = ""
    """The config in words, and why it can't work."""
    since: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> int:
        """Its key in the storage."""
        return trial_id(self.trial)


def result(
    target: Target, measured: Measurement, wall: float, device: str, code: dict[str, str]
) -> dict[str, Any]:
    """Return the trial attribute ``result``: a measurement, with the code and the machine that trained it."""
    fields: dict[str, Any] = {
        "value": measured.out_of_fold,
        "fold_values": list(measured.fold_values),
        "train_values": list(measured.train_values),
        "curves": [[list(point) for point in curve] for curve in measured.curves],
        "training_s": round(measured.seconds, 3),
        "wall_s": round(wall, 3),
        "steps": measured.steps,
        "finished": measured.finished,
        "code": code,
        "place": place(device),
    }
    if measured.predictions is not None and len(measured.predictions.y):
        fields["metrics"] = target.four(measured.predictions)
        rates = gate.rates(target.task, measured.predictions)
        fields["rates"] = {name: rate for name, rate in rates.items() if math.isfinite(rate)}
        if measured.predictions.changed:
            fields["agreement"] = measured.predictions.agreement()
    return fields


def place(device: str) -> dict[str, str]:
    """Describe the hardware that trained a trial: all that its bits may depend on besides the code."""
    return {"processor": processor(), **facts(device)}


def frozen(trial: optuna.Trial) -> optuna.trial.FrozenTrial:
    """Read a trial from its study as it is now."""
    return trial.storage.get_trial(trial_id(trial))
