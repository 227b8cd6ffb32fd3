"""How each box stands, with its dates: computed from the trials.

It depends on nothing but the records and the ledger, whoever asks, and in whatever order trials finished.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from atml.regions.box import Box
from atml.regions.ledger import Candidate, Ledger, Lift, begin
from atml.regions.sequential_test import (
    DRAWN_FROM_Q,
    QUALIFIES,
    CrossValidationResult,
    Outcome,
    Test,
    counted,
    weigh,
)
from atml.regions.space import Space

LEAST_OPEN = 0.05
"""Share of Q that stays open, whatever the evidence."""

SUSPECT = 1 / 3
"""Share of the evidence needed, as a logarithm, from which a box is suspect."""

OPEN, SUSPECTED, REJECTED, LIFTED = "open", "suspect", "rejected", "lifted"
IMPORTED, REFUSED, STALE = "imported", "refused", "stale"


@dataclass(frozen=True)
class Region:
    """A box as things stand.

    ``binds`` says that sampling keeps out of it; ``live`` that its test goes on. ``share`` is what it covers
    of Q, ``needed`` the number of draws that reject if none qualifies. ``rejected`` and ``lifted`` are the
    moments, as far as there were any; ``by`` is the trial that lifted it or the person's reason; ``vetoes``
    are the trials inside that qualify. ``why`` says what a status alone does not.
    """

    candidate: Candidate
    status: str
    evidence: CrossValidationResult
    needed: int
    share: float
    vetoes: tuple[int, ...] = ()
    rejected: datetime.datetime | None = None
    lifted: datetime.datetime | None = None
    by: str = ""
    why: str = ""

    @property
    def id(self) -> str:
        """What a person calls it."""
        return self.candidate.id

    @property
    def box(self) -> Box:
        """The box."""
        return self.candidate.box

    @property
    def binds(self) -> bool:
        """Whether sampling keeps out of it."""
        return self.status == REJECTED

    @property
    def live(self) -> bool:
        """Whether reference draws in it still decide something."""
        return not self.vetoes and self.status in (OPEN, SUSPECTED, IMPORTED)

    def words(self) -> str:
        """Say the evidence in one line: "0 of 41 reference trials"."""
        count, successes = len(self.evidence.trials), self.evidence.successes
        said = f"{successes} of {count} reference trials"
        if self.why:
            return f"{said}; {self.why}"
        if self.live:
            return f"{said}; insufficient evidence ({count} of about {self.needed} needed)"
        if self.status == OPEN:
            return f"{said}; trial {self.vetoes[0]} in it qualifies"
        return said


def judge(ledger: Ledger, outcomes: Sequence[Outcome], space: Space) -> tuple[Region, ...]:
    """Say how each box stands, from the trials alone.

    Boxes are rejected in the order of their moments, as long as `LEAST_OPEN` of Q stays open; one that would
    leave less is "refused": the evidence stands, and it does not bind.
    """
    outcomes = sorted((o for o in outcomes if o.number >= ledger.since), key=lambda o: o.number)
    lifts = {one.id: one for one in ledger.lifts}
    # Of ten thousand trials most say nothing about any box: they are looked at once, not once a box.
    speaking = [o for o in outcomes if o.origin in DRAWN_FROM_Q or o.verdict == QUALIFIES]
    regions = [_judged(c, speaking, space, ledger.p0, lifts.get(c.id)) for c in ledger.candidates]
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


def renew(
    ledger: Ledger, outcomes: Sequence[Outcome], space: Space, fingerprint: dict[str, str], since: int
) -> Ledger:
    """Begin again where the claims are about something else now; ``ledger`` itself where they are not.

    What was known stays to be read, as stale, and binds no more. Trials from number ``since`` on count.
    """
    if fingerprint == ledger.fingerprint:
        return ledger
    told = [row(r, status=STALE) for r in judge(ledger, outcomes, space) if r.status not in (OPEN, REFUSED)]
    former = (*ledger.former, {"fingerprint": dict(ledger.fingerprint), "regions": told})
    return begin(space, fingerprint, p0=ledger.p0, alpha=ledger.alpha, since=since, former=former)


def _judged(
    candidate: Candidate, outcomes: Sequence[Outcome], space: Space, p0: float, lifted: Lift | None
) -> Region:
    """Judge one box by itself."""
    box = candidate.box
    test = Test(p0, candidate.alpha)
    draws = counted(outcomes, box, candidate.rank)
    evidence = weigh(draws, test)
    winners = [o for o in outcomes if o.verdict == QUALIFIES and box.contains(o.params)]
    region = Region(
        candidate,
        OPEN,
        evidence,
        test.needed,
        space.share(box),
        vetoes=tuple(o.number for o in winners),
    )
    first = min(winners, key=lambda o: (_moment(o), o.number), default=None)
    crossed = None
    if evidence.crossed is not None:
        # Known once every draw up to that one had ended.
        last = evidence.trials[evidence.crossed]
        before = [o for o in outcomes if o.number <= last and o.origin in DRAWN_FROM_Q]
        before = [o for o in before if o.origin == "reference" or o.aimed == box.id]
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
    if crossed is not None:
        return replace(region, status=REJECTED, rejected=crossed)
    if first is not None:
        return region
    if candidate.source == IMPORTED:
        return replace(region, status=IMPORTED)
    return replace(region, status=SUSPECTED) if evidence.reached >= SUSPECT - 1e-9 else region


def row(region: Region, status: str | None = None) -> dict[str, Any]:
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
        "vetoes": list(region.vetoes),
        "rejected": region.rejected and region.rejected.isoformat(timespec="seconds"),
        "lifted": region.lifted and region.lifted.isoformat(timespec="seconds"),
        "by": region.by,
        "box": region.box.to_dict(),
    }


def _moment(outcome: Outcome) -> datetime.datetime:
    return outcome.ended or datetime.datetime.min
