from __future__ import annotations

import datetime
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atml.regions import (
    BaseRate,
    Bounds,
    Box,
    Choice,
    Claim,
    Interval,
    Outcome,
    RegionError,
    begin,
    judge,
    meaning,
)
from atml.regions.claims import CEILING, BaseRates
from atml.regions.ledger import Candidate
from atml.regions.sequential_test import Test, weigh

BEGAN = datetime.datetime(2026, 11, 28, 6, 0)
PRINT = {"space": "a"}
GRU = Box((Choice("cell", ("gru",)),))


def draw(number, learned, **fields):
    verdict = "learned" if learned else "collapsed"
    return Outcome(
        **{"number": number, "params": {"cell": "gru"}, "origin": "reference", "verdict": verdict, **fields},
        ended=BEGAN + datetime.timedelta(minutes=number),
    )


@given(st.integers(0, 400), st.floats(0, 1))
def test_p0_is_never_more_than_half_of_what_the_draws_support(draws, part):
    rate = BaseRate(draws, round(part * draws))
    assert 0 <= rate.supports <= CEILING
    assert rate.supports <= rate.lower / 2 <= (rate.learned / draws if draws else 0) / 2 + 1e-12
    assert rate.test(0.01).p0 == rate.supports
    above = rate.supports + 0.01
    with pytest.raises(RegionError, match=r"is too much: .* random draws of the space learned"):
        rate.test(0.01, above)


@pytest.mark.parametrize("p0", [0.21, 0.5])
def test_a_ledger_takes_no_p0_that_no_rate_supports(p0, space):
    with pytest.raises(RegionError, match="the largest that any rate of learning supports"):
        begin(space, PRINT, p0=p0)
    assert begin(space, PRINT, p0=p0, claim=Claim.QUALIFIES).p0 == p0


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
@settings(deadline=None)
def test_evidence_grows_with_p0_so_that_p0_may_follow_from_the_draws(learned, one, other):
    """What is rejected at a p0 below the true rate is rejected at the true rate as well."""
    low, high = sorted((one, other))
    draws = [draw(i, success) for i, success in enumerate(learned)]
    small, large = (weigh(draws, Test(p0, 0.01)) for p0 in (low, high))
    assert small.reached <= large.reached + 1e-12
    if small.crossed is not None:
        assert large.crossed is not None and large.crossed <= small.crossed


def test_the_rate_of_the_space_counts_reference_draws_up_to_the_first_that_runs():
    draws = [
        draw(0, True), draw(1, False), draw(2, True, origin="sampled"), draw(3, True, origin="audit"),
        draw(4, True, verdict="untrained"), draw(5, True, verdict="unresolved"), draw(6, True),
        draw(7, True, verdict="pending"), draw(8, True),
    ]  # fmt: skip
    rates = BaseRates(draws)
    assert rates.last == BaseRate(4, 2)
    assert [rates.at(n) for n in (0, 1, 4, 5, 99)] == [
        BaseRate(1, 1), BaseRate(2, 1), BaseRate(2, 1), BaseRate(3, 1), BaseRate(4, 2),
    ]  # fmt: skip
    # Once a box is rejected what is drawn is no sample of the whole space any more.
    rates.until = 1
    assert rates.last == rates.at(99) == BaseRate(2, 1)


def learns(drawn, count, chance, seed=0):
    """Reference draws of which each learns with ``chance(params)``."""
    rng = random.Random(seed)
    draws = drawn(count, lambda p: rng.random() < chance(p), seed=seed)
    return [replace(d, verdict="learned" if d.verdict == "qualifies" else "collapsed") for d in draws]


NAMED = ("cell = gru", "cell = lstm", "cell = none", "dropout")


def test_where_nothing_learns_no_box_is_rejected(space, drawn):
    """The fault of version 0.1: with p0 ten times the rate of the whole space any box got rejected."""
    for rate in (0.0, 0.02):
        draws = learns(drawn, 400, lambda _, rate=rate: rate)
        now = judge(begin(space, PRINT, named=NAMED), draws, space)
        assert {r.status for r in now} <= {"open", "suspect"}, rate
        before = begin(space, PRINT, named=NAMED, claim=Claim.QUALIFIES)
        assert any(r.binds for r in judge(before, draws, space))
    region = now[0]
    assert region.p0 < 0.02
    assert "drawn at random in it" in meaning(begin(space, PRINT), now)


def test_before_anything_learned_nothing_is_claimed(space, drawn):
    ledger = begin(space, PRINT, named=NAMED)
    for draws in ([], learns(drawn, 40, lambda _: 0.0)):
        found = judge(ledger, draws, space)
        assert {(r.status, r.needed, r.p0) for r in found} == {("open", 0, 0.0)}
        assert all("too few random draws of the whole space learned" in r.words() for r in found)
        assert f"(0 of {len(draws)} random draws of the whole space learned)" in meaning(ledger, found)


def test_a_collapsed_branch_is_rejected_though_a_few_of_it_learned(space, drawn):
    ledger = begin(space, PRINT, named=NAMED)
    draws = learns(drawn, 500, lambda p: 0.03 if p["cell"] == "gru" else 0.8)
    found = {r.box.words(): r for r in judge(ledger, draws, space)}
    region = found["cell = gru"]
    assert region.binds and region.evidence.successes > 0
    assert [r for r in found.values() if r.binds] == [region]
    assert region.p0 == CEILING
    assert (
        region.words()
        == f"{region.evidence.successes} of {len(region.evidence.trials)} reference trials learned"
    )
    said = meaning(ledger, tuple(found.values()))
    assert said.startswith(
        "of the configs drawn at random in it fewer than 20% learn anything by half of fold 1 ("
    )
    # One that qualifies keeps it open all the same, however it was drawn.
    inside = next(p for p in space.sample if p["cell"] == "gru")
    winner = Outcome(number=500, params=inside, origin="sampled", verdict="qualifies", ended=draws[0].ended)
    assert {r.box.words(): r for r in judge(ledger, [*draws, winner], space)}["cell = gru"].status == "open"
    # One that merely learned does not.
    weak = replace(winner, verdict="learned")
    assert {r.box.words(): r for r in judge(ledger, [*draws, weak], space)}["cell = gru"].binds


def test_audits_that_learn_lift_a_rejected_box(space, drawn):
    ledger = begin(space, PRINT, named=NAMED)
    draws = learns(drawn, 300, lambda p: 0.0 if p["cell"] == "gru" else 0.8)
    inside = next(p for p in space.sample if p["cell"] == "gru")

    def status(learned):
        audits = [
            draw(300 + i, one, params=inside, origin="audit", aimed=GRU.id) for i, one in enumerate(learned)
        ]
        return next(r for r in judge(ledger, [*draws, *audits], space) if r.box == GRU)

    assert status([False] * 5).binds
    lifted = status([True] * 40)
    assert lifted.status == "lifted" and "draws since it was rejected learned" in lifted.by
    assert lifted.rejected is not None and lifted.lifted is not None and lifted.rejected < lifted.lifted


def test_what_was_found_in_the_trials_is_a_record_and_binds_nothing(space, drawn):
    box = Box((Choice("cell", ("gru",)), Interval("dropout", 0.0, 0.4)))
    ledger = begin(space, PRINT, named=("optimizer",))
    ledger = replace(ledger, mined=(Candidate(box, "mined", 0.01, rank=1, after=0),))
    draws = learns(drawn, 600, lambda p: 0.0 if box.contains(p) else 0.8)
    draws = [replace(d, known=1) for d in draws]
    region = next(r for r in judge(ledger, draws, space) if r.box == box)
    assert region.status == "recorded" and not region.binds and not region.live
    assert region.words().endswith("reference trials learned; a record, not avoided")
    early = judge(ledger, draws[:30], space)
    assert Bounds.of(early).noted == (box,) and box not in Bounds.of(early).slowed
    # Nominated by a person, from another study, it does bind.
    brought = replace(ledger, mined=(replace(ledger.mined[0], source="imported"),))
    assert next(r for r in judge(brought, draws, space) if r.box == box).binds


@pytest.mark.parametrize("whole", [0.3, 0.6])
def test_false_rejections_over_many_searches(whole, space, drawn):
    """Boxes that learn a little more often than any p0 that could be claimed of them."""
    ledger = begin(space, PRINT, named=NAMED, alpha=0.2)
    wrong = 0
    for seed in range(40):
        rate = min(0.21, whole / 2)  # of every gru; p0 is at most half of a lower limit of the rate of all
        draws = learns(drawn, 250, lambda p, rate=rate: rate if p["cell"] == "gru" else whole, seed=seed)
        for region in judge(ledger, draws, space):
            if region.binds:
                truth = rate if region.box == GRU else rate / 3
                wrong += truth >= region.p0
    # At 20% of 40 searches 8 are expected at most; 15 or more would come up once in 250 times.
    assert wrong < 15
