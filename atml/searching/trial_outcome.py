"""A trial from its beginning to what it leaves in the study."""

from __future__ import annotations

import time
from typing import Any

import optuna

from atml.artifacts.record import processor
from atml.tasks.targets import Target
from atml.training.device import facts
from atml.training.records import Measurement


class RunningTrial:
    """A trial in a worker's hands, and the slot it fills."""

    def __init__(
        self, trial: optuna.Trial, slot: int, seed: int, steps: dict[int, float], origin: str
    ) -> None:
        self.trial = trial
        self.slot = slot
        self.seed = seed
        self.steps = steps
        self.origin = origin
        self.below_floor: float | None = None
        """By how much it stays below the rule that ended it, None while it may go on."""
        self.what = ""
        self.since = time.monotonic()


def result(
    target: Target, measured: Measurement, wall: float, device: str, code: dict[str, str]
) -> dict[str, Any]:
    """Write a measurement as the trial attribute ``result``, with what trained it, and on what."""
    fields: dict[str, Any] = {
        "value": measured.value,
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
    return fields


def place(device: str) -> dict[str, str]:
    """Say on what a trial was trained: all that its bits may depend on besides its code."""
    return {"processor": processor(), **facts(device)}


def frozen(trial: optuna.Trial) -> optuna.trial.FrozenTrial:
    """Read a trial as it stands in the study."""
    return trial.storage.get_trial(trial._trial_id)
