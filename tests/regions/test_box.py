from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atml.regions import Box, Choice, Interval, RegionError, parse
from atml.regions.space import Columns, check

GRU = Box((Choice("cell", ("gru",)), Interval("rate", 0.02, 0.1)))

values = st.one_of(
    st.text(max_size=8), st.booleans(), st.integers(-9, 9), st.floats(-1e6, 1e6), st.none(),
    st.sampled_from(["and", "in", "true", "1", "a, b", '"', "#", "cnn+lstm", "x=1", "", "é", "\n", "[0, 1]"]),
)  # fmt: skip
names = st.one_of(st.sampled_from(["cell", "rate", "in", "and", "a b", '"', "#x", "1"]), st.text(min_size=1))
numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e9, 1e9))
conditions = st.one_of(
    st.builds(Choice, names, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(lambda n, a, b: Interval(n, min(a, b), max(a, b)), names, numbers, numbers),
)
boxes = st.lists(conditions, min_size=1, max_size=3, unique_by=lambda c: c.name).map(
    lambda found: Box(tuple(found))
)


@given(boxes)
@settings(deadline=None, max_examples=150)
def test_a_box_comes_back_from_json_and_from_words(box):
    assert Box.from_dict(json.loads(json.dumps(box.to_dict()))).key == box.key
    line = box.words()
    assert "\n" not in line
    back = parse(f"  {line}  # 0 of 41 reference trials")
    assert back is not None
    assert back.key == box.key


def test_it_reads_well():
    assert GRU.words() == "cell = gru and rate in [0.02, 0.1]"
    assert Box((Choice("wide", (True,)), Choice("pool", ("max", "mean")))).words() == (
        "pool in {max, mean} and wide = true"
    )


@pytest.mark.parametrize("line", ["", "   ", "# cell = gru", "  # anything"])
def test_a_line_may_say_nothing(line):
    assert parse(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "cell", "cell =", "= gru", "cell gru", "cell = gru and", "cell = gru rate = 1", "rate in [0.1]",
        "rate in [0.1, 0.2", "rate in [a, b]", "rate in {1, 2]", "rate in [0.2, 0.1]", "rate in [0, NaN]",
        'cell = "gru', "cell = gru and cell = lstm", "rate in [true, 2]", "0.001", "cell in {}",
    ],
)  # fmt: skip
def test_a_line_that_is_no_region_is_quoted(line):
    with pytest.raises(RegionError) as caught:
        parse(line)
    assert "\n" not in str(caught.value)


def test_a_config_without_the_parameter_is_not_inside():
    assert GRU.contains({"cell": "gru", "rate": 0.02})
    assert GRU.contains({"cell": "gru", "rate": 0.1, "more": 1})
    assert not GRU.contains({"cell": "gru"})
    assert not GRU.contains({"cell": "gru", "rate": 0.1001})
    assert not GRU.contains({"rate": 0.05})


def test_one_and_true_are_two():
    assert not Box((Choice("x", (1,)),)).contains({"x": True})
    assert not Box((Interval("x", 0, 2),)).contains({"x": True})
    assert Box((Choice("x", (1,)),)).key != Box((Choice("x", (True,)),)).key


def test_what_lies_within():
    gru, slow = Box((Choice("cell", ("gru",)),)), Box((Interval("rate", 0.01, 0.1),))
    assert GRU.within(gru) and GRU.within(slow) and GRU.within(GRU)
    assert not gru.within(GRU) and not slow.within(GRU)
    assert gru.within(Box((Choice("cell", ("lstm", "gru")),)))


@given(boxes=st.data())
@settings(deadline=None, max_examples=40)
def test_columns_agree_with_one_by_one(boxes, space):
    name = boxes.draw(st.sampled_from(list(space.axes)))
    axis = space.axes[name]
    if axis.kind == "categorical":
        box = Box((Choice(name, (boxes.draw(st.sampled_from(axis.choices)),)),))
    else:
        ends = sorted(boxes.draw(st.tuples(*[st.floats(axis.low, axis.high)] * 2)))
        box = Box((Interval(name, *ends),))
    configs = space.sample[:200]
    assert np.array_equal(Columns(configs).inside(box), [box.contains(c) for c in configs])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cells = gru", "no parameter 'cells'"),
        ("cell = rnn", "one of none, lstm, gru, never rnn"),
        ("cell in [0, 1]", "takes a choice"),
        ("rate = 0.1", "takes an interval"),
        ("rate in [0.1, 0.2]", "lies in [0.0001, 0.01], outside of it"),
    ],
)
def test_a_box_of_another_space_is_refused(line, message, space):
    with pytest.raises(RegionError, match=message.replace("[", r"\[").replace("]", r"\]")):
        check(parse(line), space)
