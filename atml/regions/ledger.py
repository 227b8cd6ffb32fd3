"""What a study keeps about its regions, and what follows from it and the trials.

A `Ledger` holds what the trials do not say: the declared family, what the claims are about, what a person
lifted. All else, the status of each box with its dates, is computed from the trials by `judge`. It depends on
nothing but the records, whoever asks, and in whatever order trials finished; so does `update`, which
nominates boxes at fixed numbers of trials. Several workers that see the same trials see the same regions.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from atml.regions.box import Box, RegionError, check
from atml.regions.evidence import PENDING, QUALIFIES, Evidence, Outcome, Test, counted, weigh
from atml.regions.family import declare, mine
from atml.regions.space import Space

P0 = 0.2
"""A box is rejected where fewer than this share of its configs qualify."""

ALPHA = 0.05
"""Largest chance that any box at all is rejected though its share is `P0` or more."""

EVERY = 50
"""Trials between two nominations of mined boxes."""

NOMINEES = 2
"""Boxes nominated at a time."""

LEAST_OPEN = 0.05
"""Share of Q that stays open, whatever the evidence."""

SUSPECT = 1 / 3
"""Share of the evidence needed, as a logarithm, from which a box is suspect."""

OPEN, SUSPECTED, REJECTED, LIFTED = "open", "suspect", "rejected", "lifted"
IMPORTED, REFUSED, STALE = "imported", "refused", "stale"


@dataclass(frozen=True)
class Candidate:
    """A box under test, and the share of alpha that its test may spend.

    ``source`` is "declared", "imported" or "mined". The ``rank``-th mined box was nominated after the trials
    below number ``after``; both are 0 for the others. ``note`` says what an imported box brought along.
    """

    box: Box
    source: str
    alpha: float
    rank: int = 0
    after: int = 0
    note: str = ""

    @property
    def id(self) -> str:
        """What a person calls it."""
        return self.box.id


@dataclass(frozen=True)
class Lift:
    """A person's decision that a box is open for good."""

    id: str
    why: str
    at: str


@dataclass(frozen=True)
class Ledger:
    """What a study keeps; as JSON with `to_dict`.

    ``fingerprint`` is what the claims are about: search space, data split, objective, threshold. Trials
    below number ``since`` were measured against another one and don't count; those below ``looked`` have been
    mined. ``former`` are the regions of earlier fingerprints, as `judge` saw them last.
    """

    fingerprint: dict[str, str]
    family: tuple[Candidate, ...]
    p0: float = P0
    alpha: float = ALPHA
    since: int = 0
    looked: int = 0
    mined: tuple[Candidate, ...] = ()
    lifts: tuple[Lift, ...] = ()
    former: tuple[dict[str, Any], ...] = ()

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every box under test."""
        return self.family + self.mined

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""

        def plain(candidates: tuple[Candidate, ...]) -> list[dict[str, Any]]:
            return [{**asdict(c), "box": c.box.to_dict()} for c in candidates]

        return {
            "fingerprint": dict(self.fingerprint),
            "family": plain(self.family),
            "p0": self.p0,
            "alpha": self.alpha,
            "since": self.since,
            "looked": self.looked,
            "mined": plain(self.mined),
            "lifts": [asdict(lift) for lift in self.lifts],
            "former": list(self.former),
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Ledger:
        """Rebuild from `to_dict`."""

        def boxes(plain: list[dict[str, Any]]) -> tuple[Candidate, ...]:
            return tuple(Candidate(**{**c, "box": Box.from_dict(c["box"])}) for c in plain)

        return cls(
            fingerprint=dict(fields["fingerprint"]),
            family=boxes(fields["family"]),
            p0=fields["p0"],
            alpha=fields["alpha"],
            since=fields["since"],
            looked=fields["looked"],
            mined=boxes(fields["mined"]),
            lifts=tuple(Lift(**lift) for lift in fields["lifts"]),
            former=tuple(fields["former"]),
        )


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
    evidence: Evidence
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


def begin(
    space: Space,
    fingerprint: dict[str, str],
    *,
    p0: float = P0,
    alpha: float = ALPHA,
    since: int = 0,
    imported: Sequence[tuple[Box, str]] = (),
    former: tuple[dict[str, Any], ...] = (),
) -> Ledger:
    """Declare the family of a study, before its first trial.

    ``imported`` boxes, each with a note, join the family and share its half of alpha: what another study
    found is a reason to look at a box, no evidence here. Raises RegionError for a box that the space can't
    hold.
    """
    if not (0 < p0 < 1 and 0 < alpha < 1):
        raise RegionError(f"p0 {p0:g} and alpha {alpha:g} must lie between 0 and 1")
    for box, _ in imported:
        check(box, space)
    notes = {box.key: (box, note) for box, note in imported}
    sources = [(box, "imported", note) for box, note in notes.values()]
    sources += [(box, "declared", "") for box in declare(space) if box.key not in notes]
    each = alpha / 2 / max(len(sources), 1)
    family = tuple(Candidate(box, source, each, note=note) for box, source, note in sources)
    return Ledger(fingerprint, family, p0=p0, alpha=alpha, since=since, former=former)


def renew(
    ledger: Ledger, space: Space, fingerprint: dict[str, str], regions: Sequence[Region], since: int
) -> Ledger:
    """Begin again where the claims are about something else now; ``ledger`` itself where they are not.

    What was known stays to be read, as stale, and binds no more. Trials from number ``since`` on count.
    """
    if fingerprint == ledger.fingerprint:
        return ledger
    told = [r for r in regions if r.status not in (OPEN, REFUSED) or r.vetoes]
    past = {"fingerprint": dict(ledger.fingerprint), "regions": [row(r, status=STALE) for r in told]}
    return begin(
        space, fingerprint, p0=ledger.p0, alpha=ledger.alpha, since=since, former=(*ledger.former, past)
    )


def update(ledger: Ledger, outcomes: Sequence[Outcome], space: Space) -> Ledger:
    """Nominate the mined boxes that are due: pure, and without effect when done again.

    Every `EVERY` trials, from the trials below that number alone, once all of them ended. The j-th box ever
    nominated may spend 6 / (pi^2 j^2) of half of alpha: together they spend that half at most.
    """
    outcomes = [o for o in outcomes if o.number >= ledger.since]
    pending = [o.number for o in outcomes if o.verdict == PENDING]
    ended = min(pending) if pending else max((o.number for o in outcomes), default=-1) + 1
    mined, after = list(ledger.mined), max(ledger.looked, ledger.since)
    while after + EVERY <= ended:
        after += EVERY
        past = [o for o in outcomes if o.number < after and o.params]
        boxes = mine(
            space,
            [dict(o.params) for o in past],
            [o.verdict == QUALIFIES for o in past],
            [c.box for c in (*ledger.family, *mined)],
            NOMINEES,
        )
        for box in boxes:
            rank = len(mined) + 1
            share = ledger.alpha / 2 * 6 / (math.pi * rank) ** 2
            mined.append(Candidate(box, "mined", share, rank=rank, after=after))
    return ledger if after <= ledger.looked else replace(ledger, mined=tuple(mined), looked=after)


def lift(ledger: Ledger, name: str, why: str, at: datetime.datetime) -> Ledger:
    """Open a box for good, for a reason; ``at`` is local time without a zone, as trials keep it.

    A start of its id is enough where it is the only one. Raises RegionError for an unknown box, and without a
    reason.
    """
    matching = [c.id for c in ledger.candidates if name and c.id.startswith(name.lower())]
    if len(set(matching)) != 1:
        what = "names several regions" if matching else "is no region of this study"
        raise RegionError(f"{name!r} {what}; `atml regions` lists them")
    if not why.strip():
        raise RegionError("say why with --why: whoever finds the region open later will want to know")
    if any(one.id == matching[0] for one in ledger.lifts):
        return ledger
    return replace(ledger, lifts=(*ledger.lifts, Lift(matching[0], why.strip(), at.isoformat())))


def judge(ledger: Ledger, outcomes: Sequence[Outcome], space: Space) -> tuple[Region, ...]:
    """Say how each box stands, from the trials alone.

    Boxes are rejected in the order of their moments, as long as `LEAST_OPEN` of Q stays open; one that would
    leave less is "refused": the evidence stands, and it does not bind.
    """
    outcomes = sorted((o for o in outcomes if o.number >= ledger.since), key=lambda o: o.number)
    lifts = {one.id: one for one in ledger.lifts}
    regions = [_judged(c, outcomes, space, ledger.p0, lifts.get(c.id)) for c in ledger.candidates]
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
        before = [o for o in outcomes if o.number <= last and o.origin in ("reference", "audit")]
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
