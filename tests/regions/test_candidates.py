from __future__ import annotations

import pytest

from atml import task_files
from atml.regions import Box, Choice, Interval, learn
from atml.regions.candidates import LARGEST_SHARE, LEAST_SHARE, LIMIT, PAIRS, declare, mine
from atml.regions.space import check


def test_the_family_of_a_space(space, toy):
    family = declare(space)
    words = [box.words() for box in family]
    assert {"cell = none", "cell = lstm", "cell = gru", "optimizer = sgd", "batch = 64"} <= set(words)
    assert {"rate in [0.0001, 0.000316]", "dropout in [0.0, 0.125]", "dropout in [0.375, 0.5]"} <= set(words)
    assert "units in [4, 8]" in words and "layers in [2, 2]" in words
    assert 1 <= sum(len(box.conditions) == 2 for box in family) <= PAIRS
    assert len({box.key for box in family}) == len(family) <= LIMIT
    assert [box.key for box in declare(learn(toy))] == [box.key for box in family]


@pytest.mark.parametrize("task", ["afib", "defib"])
def test_the_families_of_the_rooms(task):
    space = learn(task_files.find(task).suggest, 500)
    family = declare(space)
    assert 20 <= len(family) <= LIMIT
    for box in family:
        check(box, space)
        assert LEAST_SHARE <= space.share(box) < 1
    # What decides about the rest is looked at first.
    assert {"family", "optimizer", "learning_rate"} <= {name for box in family for name in box.names}


def test_a_space_of_one_config_has_no_family():
    assert declare(learn(lambda trial: trial.suggest_categorical("only", ["this"]), 10)) == ()


def test_a_dead_corner_is_mined(space):
    def good(params):
        return not (params["cell"] == "gru" and params["dropout"] > 0.25)

    configs = [*space.sample[:200]]
    found = mine(space, configs, [good(c) for c in configs], [], 1)
    corner = Box((Choice("cell", ("gru",)), Interval("dropout", 0.25, 0.5)))
    inside, wanted = space.inside(found[0]), space.inside(corner)
    assert (inside & wanted).sum() > 0.8 * (inside | wanted).sum()


def test_what_is_mined_holds_no_success_and_is_new(space, drawn):
    draws = drawn(150, lambda params: params["dropout"] < 0.3 and params["optimizer"] == "adam")
    configs, wins = [d.params for d in draws], [d.verdict == "qualifies" for d in draws]
    known: list[Box] = []
    for _ in range(4):
        found = mine(space, configs, wins, known, 2)
        for box in found:
            assert not any(box.contains(c) for c, won in zip(configs, wins, strict=True) if won)
            assert LEAST_SHARE <= space.share(box) <= LARGEST_SHARE
            assert box.key not in {b.key for b in known}
        known += found
    assert known


def test_nothing_stands_out_where_all_fail_or_all_qualify(space):
    configs = list(space.sample[:100])
    assert mine(space, configs, [False] * 100, [], 2) == ()
    assert mine(space, configs, [True] * 100, [], 2) == ()
    assert mine(space, [], [], [], 2) == ()
