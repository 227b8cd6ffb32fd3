from __future__ import annotations

import datetime
import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atml.regions import Box, Choice, Outcome, outcomes
from atml.regions.sequential_test import Test, counted, weigh
from atml.training.records import TrialRecord

BOX = Box((Choice("cell", ("gru",)),))
IN, OUT = {"cell": "gru"}, {"cell": "lstm"}


def outcome(number, verdict="fails", *, params=None, origin="reference", **fields):
    return Outcome(number=number, params=params or IN, origin=origin, verdict=verdict, **fields)


def test_what_it_costs_when_nothing_qualifies():
    """The numbers of the design: 30 boxes that share all of 0.05."""
    assert [Test(p0, 0.05 / 30, ratio=4).needed for p0 in (0.3, 0.2, 0.1)] == [23, 38, 80]
    # Half of it, as declared boxes have.
    assert Test(0.2, 0.025 / 30, ratio=4).needed == 42
    # Of today: six boxes, q half of p0; a success costs six more failures at .2.
    assert [Test(p0, 0.025 / 6).needed for p0 in (0.2, 0.15, 0.1)] == [47, 65, 102]
    test = Test(0.2, 0.025 / 6)
    assert -test.success / test.failure == pytest.approx(5.9, abs=0.1)
    # Nothing can be shown about a rate of 0.
    assert (Test(0.0, 0.01).needed, Test(0.0, 0.01).failure) == (0, 0.0)


@given(st.floats(0.05, 0.5), st.floats(1e-5, 0.1), st.sampled_from([2.0, 4.0]))
@settings(deadline=None)
def test_as_many_failures_as_needed_reject_and_one_less_does_not(p0, alpha, ratio):
    test = Test(p0, alpha, ratio)
    fails = [outcome(i) for i in range(test.needed)]
    assert weigh(fails, test).crossed == test.needed - 1
    assert weigh(fails[:-1], test).crossed is None
    assert weigh([replace(fails[0], verdict="qualifies"), *fails[1:]], test).crossed is None


@given(st.floats(0.05, 0.5), st.floats(0, 1), st.sampled_from([2.0, 4.0]))
def test_no_factor_grows_on_average_under_the_null(p0, above, ratio):
    p = p0 + above * (1 - p0)
    test = Test(p0, 0.01, ratio)
    assert (1 - p) * math.exp(test.failure) + p * math.exp(test.success) <= 1 + 1e-12


@pytest.mark.parametrize(("p0", "ratio"), [(0.3, 4.0), (0.2, 2.0)])
def test_the_chance_to_cross_is_at_most_alpha_at_any_length(p0, ratio):
    """Exactly, over every sequence: dynamic programming over (draws, successes)."""
    alpha = 0.05
    test = Test(p0, alpha, ratio)
    alive, crossed = {0: 1.0}, 0.0
    for n in range(1, 400):
        after: dict[int, float] = {}
        for successes, chance in alive.items():
            for more, part in ((0, 1 - p0), (1, p0)):
                count = successes + more
                level = (n - count) * test.failure + count * test.success
                if level >= test.target - 1e-9:
                    crossed += chance * part
                else:
                    after[count] = after.get(count, 0.0) + chance * part
        alive = after
    assert 0.2 * alpha < crossed <= alpha


@given(st.permutations(range(12)), st.integers(0, 11))
@settings(deadline=None)
def test_counting_stops_at_the_first_still_running(order, running):
    """Whoever finishes first: only what was drawn before counts."""
    every = [outcome(i, "pending" if i == running else "fails") for i in order]
    found = counted(sorted(every, key=lambda o: o.number), BOX)
    assert [o.number for o in found] == list(range(running))


def test_what_a_sampler_chose_never_supports():
    chosen = [
        outcome(i, origin=origin) for i, origin in enumerate(["sampled", "default", "queued", "repeat"])
    ]
    assert counted(chosen, BOX) == []
    mixed = [outcome(0), *chosen[1:], outcome(7), outcome(8, params=OUT)]
    assert [o.number for o in counted(mixed, BOX)] == [0, 7]


def test_an_audit_counts_for_its_own_box_alone():
    other = Box((Choice("cell", ("gru", "lstm")),))
    audits = [outcome(0, origin="audit", aimed=BOX.id), outcome(1, origin="audit", aimed=other.id)]
    assert [o.number for o in counted(audits, BOX)] == [0]
    assert [o.number for o in counted(audits, other)] == [1]
    # One that runs holds up its own box alone.
    audits[1] = replace(audits[1], verdict="pending")
    assert [o.number for o in counted([*audits, outcome(2)], BOX)] == [0, 2]
    assert counted([*audits, outcome(2)], other) == []


def test_a_mined_box_counts_draws_only_that_were_made_when_it_was_known():
    draws = [outcome(i, known=k) for i, k in enumerate([0, 0, 1, 1, 2, 3])]
    assert [o.number for o in counted(draws, BOX, 2)] == [4, 5]


# --- from trials

NOW = datetime.datetime(2026, 11, 21, 12, 0)


def trial(number, state="complete", **fields):
    return TrialRecord(number=number, state=state, params=IN, ended=NOW, **{"origin": "reference", **fields})


def read(*records, marks=None):
    return outcomes(records, lambda r: (r.value or 0) >= 0.9, marks or {})


def test_how_trials_are_read():
    found = read(
        trial(0, value=0.95),
        trial(1, value=0.85),
        trial(2, value=0.95, constraints={"size_kib": 3.0}),
        trial(3, "pruned", constraints={"diverged": 1.0}),
        trial(4, "running"),
        trial(5, "waiting"),
        trial(6, "pruned", origin="sampled"),
    )
    verdicts = [o.verdict for o in found]
    assert verdicts == ["qualifies", "fails", "fails", "fails", "pending", "pending", "fails"]


@pytest.mark.parametrize(
    "lost",
    [
        trial(0, "failed"),
        trial(0, "pruned", constraints={"crashed": 1.0}),
        # Comparison with others is no verdict on a reference draw.
        trial(0, "pruned"),
    ],
)
def test_what_nobody_knows_counts_as_a_success(lost):
    found = read(lost)
    assert found[0].verdict == "unresolved"
    evidence = weigh(found, Test(0.2, 0.01))
    assert (evidence.successes, evidence.reached) == (1, 0.0)


def test_how_trials_are_read_by_the_claim_of_today():
    def nothing(record):
        return record.steps[1] < 0.4 if 1 in record.steps else None

    records = [
        trial(0, value=0.95, steps={1: 0.6}),
        trial(1, value=0.85, steps={1: 0.6}),
        # A comparison with others does not undo what it has shown.
        trial(2, "pruned", steps={1: 0.6}),
        trial(3, "pruned", steps={1: 0.3}, constraints={"constant": 1.0}),
        trial(4, "pruned", steps={0: 0.3}),
        trial(5, "pruned", constraints={"size_kib": 3.0}),
        trial(6, "running", steps={1: 0.3}),
        trial(7, "failed", steps={1: 0.3}),
        trial(8, "pruned", steps={1: 0.3}, constraints={"crashed": 1.0}),
    ]
    found = outcomes(records, lambda r: (r.value or 0) >= 0.9, {}, nothing)
    assert [o.verdict for o in found] == [
        "qualifies", "learned", "learned", "collapsed", "unresolved", "untrained", "pending", "unresolved",
        "unresolved",
    ]  # fmt: skip
    # What was never trained is no draw; what nobody knows counts as a success.
    assert [o.number for o in counted(found, BOX)] == [0, 1, 2, 3, 4]
    assert weigh(counted(found, BOX), Test(0.2, 0.01)).successes == 4


def test_draws_after_a_rejection_can_undo_it():
    test = Test(0.2, 0.01)
    fails = [outcome(i, "collapsed") for i in range(test.needed)]
    later = [outcome(100 + i, "learned") for i in range(3)]
    assert weigh([*fails, later[0]], test).undone is None
    undone = weigh([*fails, *later], test)
    assert (undone.crossed, undone.undone) == (test.needed - 1, test.needed + 1)
    # Before that they only make it dearer.
    assert weigh([*later, *fails], test).crossed is None


def test_a_repeat_takes_the_place_of_what_a_lost_worker_took():
    records = [trial(0), trial(1, "failed"), trial(2), trial(3, "failed"), trial(4, value=0.95)]
    found = read(*records, marks={1: {"known": 1}, 3: {"again": 1, "known": 1}, 4: {"again": 3, "known": 1}})
    assert [(o.number, o.verdict, o.known) for o in found] == [
        (0, "fails", 0), (1, "qualifies", 1), (2, "fails", 0),
    ]  # fmt: skip
    # While it waits, counting stops where the first was drawn.
    waiting = read(*records[:4], trial(4, "waiting"), marks={3: {"again": 1}, 4: {"again": 3}})
    assert [o.number for o in counted(waiting, BOX)] == [0]


def test_all_orders_of_reading_are_one():
    records = [trial(0), trial(1, "failed"), trial(2, value=1.0), trial(3)]
    marks = {3: {"again": 1}}
    for order in itertools.permutations(records):
        assert read(*order, marks=marks) == read(*records, marks=marks)
