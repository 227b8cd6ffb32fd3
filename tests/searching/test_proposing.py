"""TPE that reads each trial once proposes what Optuna's proposes, trial for trial."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from atml.searching.samplers.proposing import Once, tpe

HOW: dict[str, Any] = {"multivariate": True, "group": True, "constant_liar": True, "n_startup_trials": 10}
TRIALS = 60


def suggest(trial: optuna.Trial) -> float:
    """A conditional space with each kind of parameter, and a parameter that comes late."""
    family = trial.suggest_categorical("family", ["cnn", "lstm", "both"])
    value = (
        trial.suggest_float("rate", 1e-4, 1e-1, log=True) * 3
        + trial.suggest_int("steps", 100, 900, step=100) / 900
    )
    if family != "lstm":
        value += trial.suggest_int("width", 4, 64, log=True) / 64 + trial.suggest_categorical(
            "norm", ["a", "b"]
        ).count("a")
    if family != "cnn":
        value -= trial.suggest_float("units", 0.0, 2.0) ** 2
    if trial.number > 40:
        value += trial.suggest_float("late", -1.0, 1.0)
    return value


def end(study: optuna.Study, trial: optuna.Trial, value: float) -> None:
    """End a trial in one of the ways in which trials of a search end."""
    kind = trial.number % 7
    if kind == 1:
        trial.report(value, trial.number % 4)
        study.tell(trial, state=TrialState.PRUNED)
    elif kind == 2:
        trial.set_constraint("size", float(trial.number % 3))
        study.tell(trial, state=TrialState.PRUNED)
    elif kind == 3:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, round(value, 1))  # with ties


def proposed(kind: type[TPESampler], *, running: int) -> list[dict[str, Any]]:
    """Return the parameters of a search in which so many trials run at a time, ended out of order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize", sampler=kind(seed=3, **HOW))
    found, going = [], []
    for number in range(TRIALS):
        trial = study.ask()
        going.append((trial, suggest(trial)))
        found.append(trial.params)
        while len(going) >= running:
            end(study, *going.pop(number % len(going)))
    return found


@pytest.mark.parametrize("running", [1, 4])
def test_the_proposals_are_those_of_optuna(running: int) -> None:
    assert proposed(Once, running=running) == proposed(TPESampler, running=running)


def test_one_sampler_for_two_studies_keeps_them_apart() -> None:
    shared = tpe(5)
    assert _fifteen(shared, "first") != _fifteen(shared, "second") == _fifteen(tpe(5), "second")


def _fifteen(sampler: TPESampler, name: str) -> list[dict[str, Any]]:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(15):
        trial = study.ask()
        study.tell(trial, trial.suggest_float(name, 0, 1))
    return [trial.params for trial in study.trials]
