"""The status of each box, with its dates.

It is computed from the trials and the ledger alone, so it does not depend on the order in which trials
finish.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from atml.regions.box import Box
from atml.regions.claims import BaseRate, BaseRates, Claim, means
from atml.regions.ledger import Candidate, Ledger, Lift, begin
from atml.regions.sequential_test import (
    DRAWN_FROM_Q,
    QUALIFIES,
    SUCCESSES,
    Outcome,
    Tally,
    Test,
    counted,
    weigh,
)
from atml.regions.space import Space
from atml.training.records import ParameterSource

LEAST_OPEN = 0.05
"""Least share of Q that stays open, whatever the evidence."""

SUSPECT = 1 / 3
"""Share of the needed evidence, as a logarithm, from which a box is suspect."""


class Status(StrEnum):
    """How a region stands, in the order of listings. Members equal the strings in ledgers and files."""

    REJECTED = "rejected"
    """Avoided: too few of its configs learn, or qualify where that is the claim."""
    REFUSED = "refused"
    """Rejected by its test, and open because too little of the space would be left."""
    IMPORTED = "imported"
    """Rejected by another study, and not decided in this one."""
    SUSPECTED = "suspect"
    """Sampled less, until its test is decided."""
    LIFTED = "lifted"
    """Open for good: a trial in it qualified after all, or a person decided so."""
    RECORDED = "recorded"
    """Rejected by its test, and sampled as before: the box was found in the trials and is no part of the
    structure of the space, so it is a record for people."""
    OPEN = "open"
    STALE = "stale"
    """Of an earlier search space, data split or objective; no longer in force."""


REJECTED, REFUSED, IMPORTED, SUSPECTED, LIFTED, RECORDED, OPEN, STALE = Status


@dataclass(frozen=True)
class Region:
    """A box with its status.

    ``binds`` says that sampling avoids it, ``live`` that its test goes on. ``share`` is the part of Q that it
    covers, ``needed`` the number of draws that reject it if no further one succeeds (0: no rate for it
    is known yet), ``p0`` the rate of its test, by ``base``, the rate of the whole space. ``rejected``
    and ``lifted`` are the times of these events, if any; ``by`` is the trial that lifted it or the person's
    reason. ``vetoes`` are the trials inside that qualify. ``why`` adds to the status what it does not say.
    """

    candidate: Candidate
    status: Status
    evidence: Tally
    needed: int
    share: float
    vetoes: tuple[int, ...] = ()
    rejected: datetime.datetime | None = None
    lifted: datetime.datetime | None = None
    by: str = ""
    why: str = ""
    claim: Claim = Claim.LEARNS
    p0: float = 0.0
    base: BaseRate = field(default_factory=BaseRate)

    @property
    def id(self) -> str:
        """Six hexadecimal digits that people name it by."""
        return self.candidate.id

    @property
    def box(self) -> Box:
        """The box."""
        return self.candidate.box

    @property
    def binds(self) -> bool:
        """Whether sampling avoids it."""
        return self.status == REJECTED

    @property
    def may_bind(self) -> bool:
        """Whether it is avoided once rejected: not where it was found in the trials of the search itself."""
        return self.claim == Claim.QUALIFIES or self.candidate.source != "mined"

    @property
    def live(self) -> bool:
        """Whether reference draws in it still decide something."""
        return not self.vetoes and self.status in (OPEN, SUSPECTED, IMPORTED)

    def words(self) -> str:
        """Write the evidence in one line: "0 of 41 reference trials learned"."""
        count, successes = len(self.evidence.trials), self.evidence.successes
        learned = " learned" if self.claim == Claim.LEARNS else ""
        counts = f"{successes} of {count} reference trials{learned}"
        if self.why:
            return f"{counts}; {self.why}"
        if self.live and not self.needed:
            return f"{counts}; insufficient evidence (too few random draws of the whole space learned)"
        if self.live:
            return f"{counts}; insufficient evidence ({count} of about {self.needed} needed)"
        if self.status == OPEN:
            return f"{counts}; trial {self.vetoes[0]} in it qualifies"
        return counts


def judge(ledger: Ledger, outcomes: Sequence[Outcome], space: Space) -> tuple[Region, ...]:
    """Return each box of the ledger with its status.

    Boxes are rejected in the order in which their evidence was complete, as long as `LEAST_OPEN` of Q stays
    open. One that would leave less is "refused": the evidence stands, and it is not avoided.
    """
    outcomes = sorted((o for o in outcomes if o.number >= ledger.since), key=lambda o: o.number)
    lifts = {one.id: one for one in ledger.lifts}
    # Most of ten thousand trials say nothing about any box: they are left out once, not once a box.
    telling = [o for o in outcomes if o.origin in DRAWN_FROM_Q or o.verdict == QUALIFIES]
    tests = _Tests(ledger, telling)
    regions = [_judged(c, telling, space, tests, lifts.get(c.id)) for c in ledger.candidates]
    closed: list[Box] = []
    for index in sorted(
        (i for i, r in enumerate(regions) if r.status == REJECTED),
        key=lambda i: (regions[i].rejected or datetime.datetime.min, regions[i].id),
    ):
        region = regions[index]
        left = 1 - space.share(*closed, region.box)
        if left >= LEAST_OPEN:
            closed.append(region.box)
        else:
            why = f"refused: closing it too would leave {100 * left:.0f}% of the search space"
            regions[index] = replace(region, status=REFUSED, why=why)
    return tuple(regions)


class _Tests:
    """The tests of the boxes of a ledger, at the rates that were known as draws ended.

    Where p0 follows from the rate of the whole space, it stays as it is from the first rejection of any box
    on, see `BaseRates`.
    """

    def __init__(self, ledger: Ledger, outcomes: Sequence[Outcome]) -> None:
        self.claim, self._p0 = ledger.claim, ledger.p0
        self._rates = BaseRates(outcomes)
        self._drawn = {c.id: counted(outcomes, c.box, c.rank) for c in ledger.candidates}
        if self.claim == Claim.LEARNS:
            tallies = [self.weigh(candidate) for candidate in ledger.candidates]
            crossings = [tally.trials[tally.crossed] for tally in tallies if tally.crossed is not None]
            self._rates.until = min(crossings, default=None)

    def weigh(self, candidate: Candidate) -> Tally:
        """Run the test of a box."""
        return weigh(
            self._drawn[candidate.id],
            self.now(candidate.alpha),
            lambda number: self._at(self._rates.at(number), candidate.alpha),
        )

    @property
    def base(self) -> BaseRate:
        """The rate of the whole space that p0 follows from."""
        return self._rates.last if self.claim == Claim.LEARNS else BaseRate()

    def now(self, alpha: float) -> Test:
        """Return a test at the p0 of now."""
        return self._at(self._rates.last, alpha)

    def _at(self, rate: BaseRate, alpha: float) -> Test:
        if self.claim == Claim.QUALIFIES:
            return Test(self._p0, alpha, self.claim.ratio)
        return rate.test(alpha, min(self._p0, rate.supports))


def renew(
    ledger: Ledger,
    outcomes: Sequence[Outcome],
    space: Space,
    fingerprint: dict[str, str],
    since: int,
    named: Sequence[str] = (),
) -> Ledger:
    """Begin a new ledger where ``fingerprint`` differs; return ``ledger`` itself where it does not.

    The regions so far are kept as stale, and no longer avoided. Trials from number ``since`` on count.
    ``named`` is as `begin` has it.
    """
    if fingerprint == ledger.fingerprint:
        return ledger
    kept = [row(r, status=STALE) for r in judge(ledger, outcomes, space) if r.status not in (OPEN, REFUSED)]
    past = {"fingerprint": dict(ledger.fingerprint), "regions": kept, "claim": str(ledger.claim)}
    former = (*ledger.former, past)
    return begin(space, fingerprint, named=named, alpha=ledger.alpha, since=since, former=former)


def _judged(
    candidate: Candidate, outcomes: Sequence[Outcome], space: Space, tests: _Tests, lifted: Lift | None
) -> Region:
    """Judge one box without regard to the others."""
    box = candidate.box
    test = tests.now(candidate.alpha)
    evidence = tests.weigh(candidate)
    winners = [o for o in outcomes if o.verdict == QUALIFIES and box.contains(o.params)]
    region = Region(
        candidate,
        OPEN,
        evidence,
        test.needed if evidence.crossed is not None else _needed(evidence, test),
        space.share(box),
        vetoes=tuple(o.number for o in winners),
        claim=tests.claim,
        p0=test.p0,
        base=tests.base,
    )
    first = min(winners, key=lambda o: (_moment(o), o.number), default=None)
    crossed = None
    if evidence.crossed is not None:
        # The evidence was complete once every draw up to that one had ended.
        last = evidence.trials[evidence.crossed]
        before = [o for o in outcomes if o.number <= last and o.origin in DRAWN_FROM_Q]
        before = [o for o in before if o.origin == ParameterSource.REFERENCE or o.aimed == box.id]
        crossed = max(_moment(o) for o in before)
        if first is not None and _moment(first) <= crossed:
            crossed = None
    if lifted is not None:
        at = datetime.datetime.fromisoformat(lifted.at)
        rejected = crossed if crossed is not None and crossed <= at else None
        return replace(region, status=LIFTED, rejected=rejected, lifted=at, by=lifted.why, why=lifted.why)
    if first is not None and (crossed is not None or candidate.source == IMPORTED):
        by = f"trial {first.number}"
        moment = first.ended
        return replace(region, status=LIFTED, rejected=crossed, lifted=moment, by=by, why=f"{by} qualifies")
    if crossed is not None and not region.may_bind:
        return replace(region, status=RECORDED, rejected=crossed, why="a record, not avoided")
    if crossed is not None and evidence.undone is not None and tests.claim == Claim.LEARNS:
        return _doubted(region, crossed, outcomes)
    if crossed is not None:
        return replace(region, status=REJECTED, rejected=crossed)
    if first is not None:
        return region
    if candidate.source == IMPORTED:
        return replace(region, status=IMPORTED)
    if region.may_bind and evidence.reached >= SUSPECT - 1e-9:
        return replace(region, status=SUSPECTED)
    return region


def _needed(evidence: Tally, test: Test) -> int:
    """Number of draws that reject a box if none succeeds from now on; 0 where p0 is 0."""
    if not test.p0:
        return 0
    fails = len(evidence.trials) - evidence.successes
    level = fails * test.failure + evidence.successes * test.success
    return len(evidence.trials) + max(math.ceil((test.target - level) / test.failure - 1e-9), 1)


def _doubted(region: Region, crossed: datetime.datetime, outcomes: Sequence[Outcome]) -> Region:
    """Lift a box since the draws after its rejection speak for it."""
    evidence = region.evidence
    assert evidence.crossed is not None and evidence.undone is not None
    since = set(evidence.trials[evidence.crossed + 1 : evidence.undone + 1])
    ends = [o for o in outcomes if o.number in since]
    learned = sum(o.verdict in SUCCESSES for o in ends)
    by = f"{learned} of {len(ends)} draws since it was rejected learned"
    moment = max(map(_moment, ends))
    return replace(region, status=LIFTED, rejected=crossed, lifted=moment, by=by, why=by)


def meaning(ledger: Ledger, regions: Sequence[Region]) -> str:
    """Write in one sentence what a rejected region of a study claims; ``regions`` are of `judge`."""
    if ledger.claim == Claim.QUALIFIES or not regions:
        return means(ledger.claim, ledger.p0 * (ledger.claim == Claim.QUALIFIES), ledger.alpha, BaseRate())
    return means(ledger.claim, regions[0].p0, ledger.alpha, regions[0].base)


def row(region: Region, status: Status | None = None) -> dict[str, Any]:
    """Return a region as JSON types, for a listing or a file."""
    return {
        "id": region.id,
        "region": region.box.words(),
        "status": status or region.status,
        "evidence": region.words(),
        "trials": list(region.evidence.trials),
        "successes": region.evidence.successes,
        "needed": region.needed,
        "covers": round(region.share, 4),
        "source": region.candidate.source,
        "alpha": region.candidate.alpha,
        "claim": str(region.claim),
        "p0": round(region.p0, 4),
        "vetoes": list(region.vetoes),
        "rejected": region.rejected and region.rejected.isoformat(timespec="seconds"),
        "lifted": region.lifted and region.lifted.isoformat(timespec="seconds"),
        "by": region.by,
        "box": region.box.to_dict(),
    }


def _moment(outcome: Outcome) -> datetime.datetime:
    return outcome.ended or datetime.datetime.min
