from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from atml.searching import pruning
from atml.training import loop
from atml.training.records import POINTS_KEPT, ReportPoint, points_from, points_to

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
    [
        (0, 0.25),
        (1, 0.25),
        (LAST, 0.6),
        (LAST + pruning.POINTS, 0.4),
        (LAST + 2 * pruning.POINTS, 0.25),
        (LAST + 4 * pruning.POINTS, 0.25),
    ],
    ids=["25% of fold 1", "50%", "after fold 1", "after fold 2", "after fold 3", "after fold 5"],
)
def test_shares_that_go_on(step: int, bar: float) -> None:
    assert pruning.holds_up(bar + 0.01, step, PEERS)
    assert not pruning.holds_up(bar, step, PEERS)


def test_nothing_is_compared_late_in_fold_1_nor_inside_later_ones() -> None:
    compared = {step for step in range(5 * pruning.POINTS) if pruning.SCHEDULE.share(step) is not None}
    assert compared == {0, 1, 3, 7, 11, 15, 19}
    assert all(pruning.holds_up(-1.0, step, PEERS) for step in set(range(20)) - compared)


def test_another_schedule_may_take_its_place() -> None:
    strict = pruning.Schedule(({0.75: 0.1},))
    assert not pruning.holds_up(0.8, 2, PEERS, strict) and pruning.holds_up(0.0, 3, PEERS, strict)


@pytest.mark.parametrize(
    ("fraction", "spread", "auc", "nothing"),
    [
        (0.5, 0.02, 0.52, True),
        (1.0, 0.0, 0.5, True),
        (0.5, 0.02, math.nan, True),  # a fold that lacks a class
        (0.25, 0.02, 0.52, False),  # it may still begin
        (0.5, 0.1, 0.52, False),
        (0.5, 0.02, 0.9, False),  # small outputs, the right order
        (0.5, math.nan, math.nan, False),  # nothing was judged
    ],
)
def test_who_has_learned_nothing(fraction: float, spread: float, auc: float, nothing: bool) -> None:
    for fold in (0, 3):
        point = ReportPoint(fold, fraction, 0.4, auc=auc, spread=spread)
        assert pruning.learned_nothing(point) is nothing
    if nothing and auc == 0.52:
        said = pruning.nothing_in_words(ReportPoint(0, fraction, 0.4, auc=auc, spread=spread))
        assert (
            said == "has learned nothing: at 50% of fold 1 its outputs differ by 0.02 logits (SD), AUC 0.52"
        )


def others(
    count: int, value: float, auc: float | None, state: TrialState = TrialState.PRUNED
) -> list[FrozenTrial]:
    """Trials that reported the same a quarter into fold 1."""
    made = []
    for number in range(count):
        trial = create_trial(
            state=state,
            value=1.0 if state == TrialState.COMPLETE else None,
            user_attrs={} if auc is None else {POINTS_KEPT: points_to({0: (auc + 0.01 * number, 0.3)})},
            intermediate_values={0: value},
        )
        trial.number = number
        made.append(trial)
    return made


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.COMPLETE, TrialState.RUNNING])
def test_at_the_first_point_the_ranking_is_compared_not_the_value(state: TrialState) -> None:
    trials = others(8, value=0.37, auc=0.6, state=state)
    late_starter = ReportPoint(0, 0.25, 0.37, auc=0.66, spread=0.05)
    dead = ReportPoint(0, 0.25, 0.37, auc=0.52, spread=0.01)
    lucky = ReportPoint(0, 0.25, 0.5, auc=0.52, spread=0.01)
    peers = pruning.Peers()
    assert peers.allow(late_starter, trials, 99)
    assert not peers.allow(dead, trials, 99)
    assert not peers.allow(lucky, trials, 99)


def test_values_are_compared_where_peers_of_earlier_versions_have_no_ranking() -> None:
    trials = others(8, value=0.37, auc=None)
    peers = pruning.Peers()
    assert peers.allow(ReportPoint(0, 0.25, 0.4, auc=0.1, spread=1.0), trials, 99)
    some = others(6, value=0.5, auc=None)
    assert not pruning.Peers().allow(ReportPoint(0, 0.25, 0.4, auc=0.9, spread=1.0), some, 99)
    # A fold that lacks a class has no ranking either.
    ranked = others(8, value=0.5, auc=0.6)
    assert not pruning.Peers().allow(ReportPoint(0, 0.25, 0.4), ranked, 99)


def test_a_later_point_compares_values() -> None:
    trials = others(8, value=0.37, auc=0.6)
    for trial in trials:
        trial.intermediate_values[1] = 0.5
    assert not pruning.Peers().allow(ReportPoint(0, 0.5, 0.4, auc=0.99, spread=1.0), trials, 99)


def test_reported_figures_are_kept_as_json() -> None:
    kept = points_to({0: (0.61234567, 0.2), 4: (math.nan, 0.0)})
    assert json.loads(json.dumps(kept)) == {"0": [0.6123, 0.2], "4": [None, 0.0]}
    back = points_from(kept)
    assert back[0] == (0.6123, 0.2) and math.isnan(back[4][0]) and points_from(None) == {}


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
