from __future__ import annotations

import random

import numpy as np
import optuna
import pytest

from atml import task_files
from atml.regions import Box, Choice, Draft, Interval, learn
from atml.regions.space import Axis


def test_a_space_is_learnt_with_its_conditions(space):
    assert next(iter(space.axes)) == "cell"
    assert space.axes["units"].when == ("cell", ("lstm", "gru"))
    assert space.axes["layers"].when == ("bidirectional", (False,))
    assert space.axes["rate_sgd"].when == ("optimizer", ("sgd",))
    assert space.axes["dropout"].when is None
    assert (space.axes["rate"].low, space.axes["rate"].high, space.axes["rate"].log) == (1e-4, 1e-2, True)
    assert space.axes["units"].step == 4


def test_the_same_space_is_learnt_again_and_another_has_another_digest(space, toy):
    again = learn(toy)
    assert again.sample == space.sample
    assert again.digest == space.digest

    def wider(trial):
        toy(trial)
        trial.suggest_float("more", 0, 1)

    assert learn(wider).digest != space.digest


def test_a_range_that_moves_is_widened():
    def moving(trial):
        high = 4 if trial.suggest_categorical("big", [False, True]) else 2
        trial.suggest_int("depth", 1, high)

    assert learn(moving, 200).axes["depth"].high == 4


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("suggest_float", {"low": 0.5, "high": 2.5}),
        ("suggest_float", {"low": 1e-4, "high": 1e-1, "log": True}),
        ("suggest_float", {"low": 0.0, "high": 1.0, "step": 0.25}),
        ("suggest_int", {"low": 2, "high": 5}),
        ("suggest_int", {"low": 3, "high": 15, "step": 4}),
        ("suggest_int", {"low": 1, "high": 64, "log": True}),
        ("suggest_categorical", {"choices": ["a", "b", "c"]}),
    ],
)
def test_drafts_are_drawn_as_optuna_draws(method, args):
    """Two samples of one distribution: Kolmogorov-Smirnov at 1 in 10,000."""
    rng = random.Random(1)
    count = 3000

    def suggest(trial):
        return getattr(trial, method)("x", **args)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    theirs = [suggest(study.ask()) for _ in range(count)]
    ours = [suggest(Draft(lambda axis: axis.draw(rng))) for _ in range(count)]
    order = sorted(set(theirs) | set(ours))
    assert {type(v) for v in ours} == {type(v) for v in theirs}
    ranks = {value: i for i, value in enumerate(order)}
    below = [
        np.cumsum(np.bincount([ranks[v] for v in values], minlength=len(order))) / count
        for values in (ours, theirs)
    ]
    assert np.abs(below[0] - below[1]).max() < 2.23 * (2 / count) ** 0.5


def test_quartiles_in_the_scale_of_the_parameter():
    linear = Axis(name="x", kind="float", low=0.0, high=0.5)
    assert (linear.quantile(0.25), linear.quantile(0.25, upper=True)) == (0.125, 0.375)
    log = Axis(name="x", kind="float", low=1e-4, high=1.0, log=True)
    assert (log.quantile(0.25), log.quantile(0.25, upper=True)) == (1e-3, 0.1)
    steps = Axis(name="x", kind="int", low=4, high=24, step=4)
    assert (steps.quantile(0.25), steps.quantile(0.25, upper=True)) == (8, 20)
    two = Axis(name="x", kind="int", low=1, high=2, step=1)
    assert (two.quantile(0.25), two.quantile(0.25, upper=True)) == (1, 2)


def test_the_share_of_a_box_counts_what_a_config_has(space):
    # Two of three cells, half of them with one direction: the other third has no directions.
    one_way = Box((Choice("bidirectional", (False,)),))
    assert space.share(one_way) == pytest.approx(1 / 3, abs=0.03)
    low = Box((Interval("dropout", 0.0, 0.125),))
    assert space.share(one_way & low) == pytest.approx(1 / 12, abs=0.02)
    assert space.share(one_way, low) == pytest.approx(1 / 2, abs=0.03)
    assert space.share() == 0.0


@pytest.mark.parametrize("task", ["afib", "defib"])
def test_the_rooms_are_learnt(task):
    definition = task_files.find(task)
    space = learn(definition.suggest, 300)
    assert set(definition.default) <= set(space.axes)
    assert space.axes["learning_rate_sgd"].when == ("optimizer", ("sgd",))
