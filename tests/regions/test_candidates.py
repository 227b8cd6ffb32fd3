from __future__ import annotations

import pytest

from atml import task_files
from atml.regions import Box, Choice, Interval, RegionError, learn
from atml.regions.candidates import LARGEST_SHARE, LEAST_SHARE, LIMIT, declare, mine
from atml.regions.space import check


def words(*args) -> list[str]:
    return [box.words() for box in declare(*args)]


def test_the_family_of_a_space_is_its_structure(space, toy):
    # What decides whether others exist, in groups that have the same others; and the learning rate.
    assert words(space) == [
        "cell = none", "cell in {lstm, gru}", "rate_sgd in [0.01, 0.0316]", "rate_sgd in [0.316, 1.0]",
    ]  # fmt: skip
    assert declare(learn(toy)) == declare(space)


def test_a_file_may_name_parameters_and_boxes(space):
    assert words(space, ("batch", "dropout")) == [
        "batch = 64", "batch = 128", "dropout in [0.0, 0.125]", "dropout in [0.375, 0.5]",
    ]  # fmt: skip
    pair = "cell = gru and optimizer = sgd"
    assert words(space, (pair, "units", pair)) == [pair, "units in [4, 8]", "units in [20, 24]"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("cells",), "REGIONS has 'cells': 'cells' is not a region"),
        (("cell = rnn",), "REGIONS has 'cell = rnn': .*never rnn"),
        (("",), "name a parameter, or a region in words"),
        ((3,), "REGIONS has 3: name a parameter"),
        (("cell in {none, lstm, gru}",), "which is 100% of the search space"),
        (("rate in [0.0001, 0.00011]",), "has at least 5%"),
        (("cell", "optimizer", "batch", "dropout"), "REGIONS makes 8 boxes, and 6 at most"),
    ],
)
def test_what_a_file_names_wrongly_is_quoted(named, message, space):
    with pytest.raises(RegionError, match=message) as caught:
        declare(space, named)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["afib", "defib", "iccad", "rhythm"])
def test_the_families_of_the_built_in_spaces(task):
    definition = task_files.find(task)
    space = learn(definition.suggest, 500)
    family = declare(space, definition.regions)
    assert 4 <= len(family) <= LIMIT
    for box in family:
        check(box, space)
        assert LEAST_SHARE <= space.share(box) < 1
    assert "family" in {name for box in family for name in box.names}


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
