"""Optuna's trials, read as ours."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.storage.recovery import FAILURE
from atml.training.records import TrialRecord

_STATES = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class Records:
    """Reads trials, each once where it changes no more. What it returns is shared: change none."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[FrozenTrial, TrialRecord]] = {}

    def of(self, trial: FrozenTrial) -> TrialRecord:
        """Return the record of a trial."""
        known = self._known.get(trial._trial_id)
        if known is not None and known[0] is trial:
            return known[1]
        made = record(trial)
        if trial.state.is_finished():
            self._known[trial._trial_id] = (trial, made)
        return made


def record(trial: FrozenTrial) -> TrialRecord:
    """Read one of Optuna's trials as ours."""
    attrs = trial.user_attrs
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        role=attrs.get("role", "search"),
        origin=attrs.get("origin", "sampled"),
        of=attrs.get("of"),
        value=trial.values[0] if trial.values else None,
        seed=attrs.get("seed", 0),
        params=dict(trial.params),
        config=ModelConfig.from_dict(attrs["config"]) if "config" in attrs else None,
        cost=Cost(**attrs["cost"]) if "cost" in attrs else None,
        constraints=dict(trial.constraints),
        steps=dict(trial.intermediate_values),
        result=dict(attrs.get("result", {})),
        marks=dict(attrs.get("regions") or {}),
        failure=attrs.get(FAILURE, ""),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )
