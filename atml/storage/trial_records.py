"""Optuna's trials read as `TrialRecord`, and the names under which they keep what is ours."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.regions.sequential_test import CRASHED as CRASHED
from atml.storage.optuna_internals import trial_id
from atml.training.records import POINTS_KEPT, ParameterSource, Role, State, TrialRecord, points_from

FAILURE = "failure"
"""User attribute of a trial: why it has no result."""

DIVERGED = "diverged"
"""Constraint that a trial breaks whose training came to a number that is not finite."""

_STATES = {
    TrialState.RUNNING: State.RUNNING,
    TrialState.WAITING: State.WAITING,
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAILED,
}


class Records:
    """Reads trials, finished ones only once. The records are shared: change none."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[FrozenTrial, TrialRecord]] = {}

    def of(self, trial: FrozenTrial) -> TrialRecord:
        """Return the record of a trial."""
        key = trial_id(trial)
        known = self._known.get(key)
        if known is not None and known[0] is trial:
            return known[1]
        made = record(trial)
        if trial.state.is_finished():
            self._known[key] = (trial, made)
        return made


def record(trial: FrozenTrial) -> TrialRecord:
    """Read one of Optuna's trials as a record."""
    attrs = trial.user_attrs
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        role=attrs.get("role", Role.SEARCH),
        origin=source_of(trial) or ParameterSource.SAMPLED,
        of=attrs.get("of"),
        length=attrs.get("length", 1),
        value=value_of(trial),
        seed=attrs.get("seed", 0),
        params=dict(trial.params),
        config=ModelConfig.from_dict(attrs["config"]) if "config" in attrs else None,
        cost=Cost(**attrs["cost"]) if "cost" in attrs else None,
        constraints=dict(trial.constraints),
        steps=dict(trial.intermediate_values),
        points=points_from(attrs.get(POINTS_KEPT)),
        result=dict(attrs.get("result", {})),
        marks=dict(attrs.get("regions") or {}),
        failure=attrs.get(FAILURE, ""),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def value_of(trial: FrozenTrial) -> float | None:
    """Return the value of a trial: the objective out of fold over the folds that ended; None where none did.

    Optuna takes the last report of a pruned trial for its value, and so did databases of earlier versions:
    within a fold that is the value of other subjects, and no value of the trial. What a pruned trial is worth
    stands in its result.
    """
    if trial.state != TrialState.PRUNED:
        return trial.values[0] if trial.values else None
    left = trial.user_attrs.get("result") or {}
    ended = left.get("fold_values") and not trial.constraints.get(DIVERGED, 0.0) > 0
    return left.get("value") if ended else None


def source_of(trial: FrozenTrial) -> str | None:
    """Return the `ParameterSource` that a trial is marked with, None where it is not marked yet."""
    return trial.user_attrs.get("origin")
