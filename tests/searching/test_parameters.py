from __future__ import annotations

from typing import Any

import optuna
import pytest

from atml.searching.samplers.parameters import STARTUP, SearchSampler

DEFAULT = {"x": 0.5, "kind": "a"}


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("kind", ["a", "b", "c"])
    return dict(trial.params)


def searches(*samplers: SearchSampler) -> list[optuna.Study]:
    """One study, as each of several searches sees it."""
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="s", storage=storage, direction="maximize")
    return [optuna.load_study(study_name="s", storage=storage, sampler=sampler) for sampler in samplers]


def test_two_searches_started_together_draw_apart() -> None:
    studies = searches(SearchSampler(3), SearchSampler(3))
    drawn = [suggest(study.ask())["x"] for _ in range(5) for study in studies]
    assert len(set(drawn)) == 10


def test_a_draw_is_the_same_whoever_asks() -> None:
    (alone,) = searches(SearchSampler(3))
    one_by_one = [suggest(alone.ask()) for _ in range(6)]
    # A later search has another seed, for TPE; the study is the same.
    studies = searches(SearchSampler(3), SearchSampler(7, study_seed=3))
    assert [suggest(study.ask()) for _ in range(3) for study in studies] == one_by_one
    (another,) = searches(SearchSampler(4))
    assert suggest(another.ask())["x"] != one_by_one[0]["x"]


def test_a_draw_cut_off_goes_on_as_it_would_have() -> None:
    (whole,) = searches(SearchSampler(3))
    expected = suggest(whole.ask())
    first, second = searches(SearchSampler(3), SearchSampler(4, study_seed=3))
    trial = first.ask()
    trial.suggest_float("x", 0, 1)
    first._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.WAITING)
    again = second.ask()
    assert again.number == trial.number
    assert suggest(again) == expected


def test_parameters_are_drawn_apart() -> None:
    (study,) = searches(SearchSampler(3))
    trial = study.ask()
    assert trial.suggest_float("x", 0, 1) != trial.suggest_float("y", 0, 1)


def test_the_default_then_reference_draws_then_proposals() -> None:
    (study,) = searches(SearchSampler(3))
    study.enqueue_trial(DEFAULT, user_attrs={"origin": "default"})
    for number in range(STARTUP + 4):
        trial = study.ask()
        params = suggest(trial)
        if number == 0:
            assert params == DEFAULT
        study.tell(trial, params["x"])
    origins = [t.user_attrs["origin"] for t in study.trials]
    assert origins == ["default"] + ["reference"] * STARTUP + ["sampled"] * 3


@pytest.mark.parametrize("startup", [0, 2])
def test_startup_is_a_matter_of_choice(startup: int) -> None:
    (study,) = searches(SearchSampler(3, startup=startup))
    for _ in range(3):
        suggest(study.ask())
    origins = [t.user_attrs["origin"] for t in study.trials]
    assert origins == ["reference"] * startup + ["sampled"] * (3 - startup)
