"""What a study keeps about its regions beside its trials.

These are the declared family, the fingerprint of what the claims are about, and the boxes that a person
lifted. Mined boxes are kept as well, though `update` could find them again: it nominates them at fixed
numbers of trials and from the trials alone. So workers that see the same trials keep the same ledger.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from atml.errors import RegionError
from atml.regions.box import Box
from atml.regions.candidates import declare, mine
from atml.regions.claims import CEILING, Claim
from atml.regions.sequential_test import FAILURES, PENDING, SUCCESSES, Outcome
from atml.regions.space import Space, check

ALPHA = 0.05
"""Largest chance that any box at all is rejected although what it claims is wrong."""

EVERY = 50
"""Trials between two nominations of mined boxes."""

NOMINEES = 2
"""Most boxes that one nomination adds."""


@dataclass(frozen=True)
class Candidate:
    """A box under test, and the share of alpha that its test may spend.

    ``source`` is "declared", "imported" or "mined". A box that was nominated after the start is the
    ``rank``-th of its kind, and was chosen from the trials below number ``after``; both are 0 for the
    declared family. ``note`` says where an imported box comes from.
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
    """A person's decision that the box with this ``id`` is open for good."""

    id: str
    why: str
    at: str


@dataclass(frozen=True)
class Ledger:
    """What a study keeps; `to_dict` makes JSON types of it.

    ``fingerprint`` says what the claims are about: search space, data split, objective, threshold. Trials
    below number ``since`` belong to an earlier fingerprint and don't count; those below ``looked`` have been
    mined. ``former`` are the regions of earlier fingerprints, as `judge` left them.

    ``claim`` says what the regions claim. Where that is collapse, ``p0`` is only the largest rate that a test
    may have: `atml.regions.claims.BaseRate` sets it. Regions of version 0.1 are tested at ``p0`` itself.

    Raises RegionError for ``p0`` or ``alpha`` outside of (0, 1), and for a ``p0`` that no rate supports.
    """

    fingerprint: dict[str, str]
    family: tuple[Candidate, ...]
    p0: float = CEILING
    alpha: float = ALPHA
    since: int = 0
    looked: int = 0
    mined: tuple[Candidate, ...] = ()
    lifts: tuple[Lift, ...] = ()
    former: tuple[dict[str, Any], ...] = ()
    claim: Claim = Claim.LEARNS

    def __post_init__(self) -> None:
        if not (0 < self.p0 < 1 and 0 < self.alpha < 1):
            raise RegionError(f"p0 {self.p0:g} and alpha {self.alpha:g} must lie between 0 and 1")
        if self.claim == Claim.LEARNS and self.p0 > CEILING:
            raise RegionError(
                f"p0 {self.p0:g} is above {CEILING:g}, the largest that any rate of learning supports;"
                " leave p0 out, and it is set from the random draws of the whole space"
            )

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
            "claim": str(self.claim),
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
            # Ledgers of version 0.1 don't say.
            claim=Claim(fields.get("claim", Claim.QUALIFIES)),
        )


def begin(
    space: Space,
    fingerprint: dict[str, str],
    *,
    named: Sequence[str] = (),
    p0: float = CEILING,
    alpha: float = ALPHA,
    since: int = 0,
    imported: Sequence[tuple[Box, str]] = (),
    former: tuple[dict[str, Any], ...] = (),
    claim: Claim = Claim.LEARNS,
    boxes: Sequence[Box] | None = None,
) -> Ledger:
    """Declare the family of a study, before its first trial.

    The family is what `declare` makes of the space and of ``named``, ``REGIONS`` of its file; ``boxes`` are
    another one. ``imported`` boxes, each with a note, join it and share its half of alpha: what another study
    found is a reason to test a box, and no evidence in this one.

    Raises RegionError for a box that is not of this space, and as `Ledger` does.
    """
    for box, _ in imported:
        check(box, space)
    family = declare(space, named) if boxes is None else boxes
    notes = {box.key: (box, note) for box, note in imported}
    sources = [(box, "imported", note) for box, note in notes.values()]
    sources += [(box, "declared", "") for box in family if box.key not in notes]
    each = alpha / 2 / max(len(sources), 1)
    tested = tuple(Candidate(box, source, each, note=note) for box, source, note in sources)
    return Ledger(fingerprint, tested, p0=p0, alpha=alpha, since=since, former=former, claim=claim)


def nominate(ledger: Ledger, imported: Sequence[tuple[Box, str]], space: Space, after: int) -> Ledger:
    """Add boxes of another study to a ledger that has begun; those under test already are left out.

    They are nominated as mined boxes are: each has its own share of alpha, and only draws from trial
    ``after`` on count for it. Raises RegionError for a box that is not of this space.
    """
    mined, known = list(ledger.mined), {c.box.key for c in ledger.candidates}
    for box, note in imported:
        check(box, space)
        if box.key in known:
            continue
        known.add(box.key)
        mined.append(_nominee(ledger, box, "imported", len(mined) + 1, after, note))
    return replace(ledger, mined=tuple(mined))


def _nominee(ledger: Ledger, box: Box, source: str, rank: int, after: int, note: str = "") -> Candidate:
    """Give the ``rank``-th nominated box its share of alpha; all such shares add up to half of alpha."""
    share = ledger.alpha / 2 * 6 / (math.pi * rank) ** 2
    return Candidate(box, source, share, rank=rank, after=after, note=note)


def update(ledger: Ledger, outcomes: Sequence[Outcome], space: Space) -> Ledger:
    """Nominate the mined boxes that are due; doing it again changes nothing.

    A nomination comes every `EVERY` trials, once all trials below that number have ended, and uses them
    alone. The j-th box ever nominated may spend 6 / (pi^2 j^2) of half of alpha, so all of them spend at most
    half.
    """
    outcomes = [o for o in outcomes if o.number >= ledger.since]
    pending = [o.number for o in outcomes if o.verdict == PENDING]
    ended = min(pending) if pending else max((o.number for o in outcomes), default=-1) + 1
    mined, after = list(ledger.mined), max(ledger.looked, ledger.since)
    while after + EVERY <= ended:
        after += EVERY
        past = [o for o in outcomes if o.number < after and o.params]
        if ledger.claim == Claim.LEARNS:
            # Of the others nobody knows whether they would have learned.
            past = [o for o in past if o.verdict in SUCCESSES + FAILURES]
        boxes = mine(
            space,
            [dict(o.params) for o in past],
            [o.verdict in SUCCESSES for o in past],
            [c.box for c in (*ledger.family, *mined)],
            NOMINEES,
        )
        for box in boxes:
            mined.append(_nominee(ledger, box, "mined", len(mined) + 1, after))
    return ledger if after <= ledger.looked else replace(ledger, mined=tuple(mined), looked=after)


def lift(ledger: Ledger, name: str, why: str, at: datetime.datetime) -> Ledger:
    """Open a box for good, for a reason; ``at`` is local time without a zone, as trials keep it.

    ``name`` is its id or the start of it. Raises RegionError where that fits no box or several, and where the
    reason is empty.
    """
    matching = [c.id for c in ledger.candidates if name and c.id.startswith(name.lower())]
    if len(set(matching)) != 1:
        what = "names several regions" if matching else "is not a region of this study"
        raise RegionError(f"{name!r} {what}; `atml regions` lists them")
    if not why.strip():
        raise RegionError("give a reason with --why: it tells a later reader why the region is open again")
    if any(one.id == matching[0] for one in ledger.lifts):
        return ledger
    return replace(ledger, lifts=(*ledger.lifts, Lift(matching[0], why.strip(), at.isoformat())))
