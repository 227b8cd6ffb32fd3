"""What regions mean for the next trial: where it may not go, where less often, and what it is drawn for.

Which reference draws may be spared. A reference draw in a rejected box mostly tells what is known already,
and it costs a training. It can't simply be drawn outside of all rejected boxes: a box R that shares a part
with a rejected box D would then be judged by its part outside of D alone, and just the part inside may be
the good one. So a reference draw is drawn again only while it lies in a rejected box *and in no box whose
test goes on* (`Bounds.spared`). Call what is spared E. It follows from trials that had ended when the draw
was made, and no live R shares a point with it. So the draw, given that it falls in R, is distributed as Q
inside R, whatever came before, and the claim about R stays exact. What is spared would have been evidence
for no live box. A box that is nominated later counts draws only that were made when it was known, and from
then on E leaves it alone.

Why an audit counts for one box alone. An audit of D is drawn from Q inside D: for D that is a reference
draw. Of another box that shares a part with D it shows that part only; there it can veto, and never
support.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atml.regions.box import Box
from atml.regions.verdicts import IMPORTED, REJECTED, SUSPECTED, Region

REFERENCE_EVERY = 4
"""Of so many trials after the start-up ones, one is a reference draw, while any test goes on."""

AUDIT_EVERY = 50
"""Of so many trials, one audits a rejected box."""

FIRST_AUDITS_EVERY = 10
"""Of so many trials, one audits an imported box that is not settled yet."""

SUSPECT_RATE = 0.25
"""Share of the proposals in a suspect box that are let through."""


@dataclass(frozen=True)
class Bounds:
    """The regions as a sampler needs them.

    ``closed`` boxes are kept out of, ``slowed`` ones sampled less; the test of the ``live`` ones goes on.
    ``known`` is the number of mined boxes so far.
    """

    closed: tuple[Box, ...] = ()
    slowed: tuple[Box, ...] = ()
    live: tuple[Box, ...] = ()
    imported: tuple[Box, ...] = ()
    known: int = 0

    @classmethod
    def of(cls, regions: Sequence[Region]) -> Bounds:
        """Read them from judged regions."""
        return cls(
            closed=tuple(r.box for r in regions if r.status == REJECTED),
            slowed=tuple(r.box for r in regions if r.status in (SUSPECTED, IMPORTED)),
            live=tuple(r.box for r in regions if r.live),
            imported=tuple(r.box for r in regions if r.status == IMPORTED),
            known=sum(r.candidate.source == "mined" for r in regions),
        )

    def origin(self, number: int, drawn: int, startup: int) -> tuple[str, Box | None]:
        """Say what trial ``number`` is for: "reference", "sampled", or "audit" of the box returned.

        ``drawn`` reference draws came before it. It depends on nothing that the trial itself will show, so
        choosing which trials are reference draws biases none of them.
        """
        if drawn < startup:
            return "reference", None
        for targets, every in ((self.imported, FIRST_AUDITS_EVERY), (self.closed, AUDIT_EVERY)):
            if targets and number % every == every // 2:
                order = sorted(targets, key=lambda box: box.id)
                return "audit", order[number // every % len(order)]
        if self.live and number % REFERENCE_EVERY == 0:
            return "reference", None
        return "sampled", None

    def spared(self, params: Mapping[str, Any]) -> bool:
        """Whether a reference draw is drawn again: it lies in a closed box and tells no test anything."""
        return bool(self.hits(params)) and not any(box.contains(params) for box in self.live)

    def hits(self, params: Mapping[str, Any]) -> tuple[Box, ...]:
        """Closed boxes that a config lies in; what is queued by hand can be warned about."""
        return tuple(box for box in self.closed if box.contains(params))

    def slows(self, params: Mapping[str, Any]) -> bool:
        """Whether a config lies in a box that is sampled less."""
        return any(box.contains(params) for box in self.slowed)
