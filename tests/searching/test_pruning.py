from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.searching import pruning
from atml.training import loop

FEW = [0.5] * (pruning.MIN_PEERS - 1)
PEERS = [i / 10 for i in range(11)]
LAST = pruning.POINTS - 1


def test_the_trainer_reports_where_trials_are_compared() -> None:
    assert loop.FRACTIONS == pruning.FRACTIONS
    assert [pruning.step(1, f) for f in pruning.FRACTIONS] == [4, 5, 6, 7]


def test_nobody_is_compared_with_too_few() -> None:
    assert pruning.holds_up(0.0, LAST, FEW)


@pytest.mark.parametrize(
    ("step", "bar"),
    [(0, 0.25), (LAST, 0.6), (LAST + 1, 0.25), (LAST + pruning.POINTS, 0.25)],
    ids=["within the first fold", "after the first", "within the second", "after the second"],
)
def test_shares_that_go_on(step: int, bar: float) -> None:
    assert pruning.holds_up(bar + 0.01, step, PEERS)
    assert not pruning.holds_up(bar, step, PEERS)


def test_a_tie_with_the_many_is_no_pass() -> None:
    assert not pruning.holds_up(0.43, LAST, [0.43] * 9 + [0.9])
    assert pruning.holds_up(0.43, LAST, [0.43] * 9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 19))
def test_the_best_so_far_always_goes_on(peers: list[float], step: int) -> None:
    assert pruning.holds_up(max(peers), step, peers)


@given(
    st.lists(st.floats(0, 1), min_size=pruning.MIN_PEERS, max_size=40), st.floats(0, 1), st.integers(0, 19)
)
def test_a_better_value_never_fares_worse(peers: list[float], value: float, step: int) -> None:
    if pruning.holds_up(value, step, peers):
        assert pruning.holds_up(value + 0.1, step, peers)


def test_since_improved_counts_from_the_last_real_gain() -> None:
    assert pruning.since_improved([]) == 0
    assert pruning.since_improved([0.5]) == 0
    assert pruning.since_improved([0.5, None, 0.4]) == 2
    assert pruning.since_improved([0.5, 0.4, 0.6, None]) == 1
    assert pruning.since_improved([0.5, 0.5 + pruning.LEAST_GAIN / 2]) == 1
    assert pruning.since_improved([None, None, None]) == 3
