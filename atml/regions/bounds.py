"""What regions mean for the next trial: where it may not lie, where it rarely may, and what it is drawn for.

Which reference draws are drawn again. A reference draw in a rejected box mostly shows what is known already,
and it costs a training. Yet it can't simply be drawn outside of all rejected boxes. A box R that overlaps a
rejected box D would then be judged by its part outside of D alone, and just the part inside may be the good
one. So a draw is repeated only while it lies in a rejected box *and in no box whose test goes on*
(`Bounds.spared`). Call that set of configs E. E depends only on trials that had ended before the draw, and no
box R under test overlaps it. So a draw that falls in R is distributed as Q inside R, whatever came before,
and the claim about R stays exact. Draws in E would have been evidence for no box under test. A box nominated
later counts only draws made after its nomination, and from then on E does not overlap it.

Why an audit counts for one box alone. An audit of D is drawn from Q inside D, so for D it is a reference
draw. Of another box that overlaps D it shows the common part only: there it can veto, and never support.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atml.regions.box import Box
from atml.regions.verdicts import Region, Status
from atml.training.records import ParameterSource

REFERENCE_EVERY = 4
"""While any test goes on, one in so many trials after the start-up ones is a reference draw."""

AUDIT_EVERY = 50
"""One in so many trials audits a rejected box."""

FIRST_AUDITS_EVERY = 10
"""One in so many trials audits an imported box that is not decided yet."""

SUSPECT_RATE = 0.25
"""Share of the proposals in a suspect box that are accepted."""


@dataclass(frozen=True)
class Bounds:
    """The regions as a sampler needs them.

    ``closed`` boxes are avoided and ``slowed`` ones sampled less; the tests of the ``live`` ones go on, and
    reference draws are made for them. Those of ``noted`` ones go on as well, without draws of their own: they
    are records, and never avoided. ``known`` is the number of boxes nominated since the study began, mined or
    imported.
    """

    closed: tuple[Box, ...] = ()
    slowed: tuple[Box, ...] = ()
    live: tuple[Box, ...] = ()
    noted: tuple[Box, ...] = ()
    imported: tuple[Box, ...] = ()
    known: int = 0

    @classmethod
    def of(cls, regions: Sequence[Region]) -> Bounds:
        """Sort judged regions into these groups."""
        return cls(
            closed=tuple(r.box for r in regions if r.status == Status.REJECTED),
            slowed=tuple(r.box for r in regions if r.status in (Status.SUSPECTED, Status.IMPORTED)),
            live=tuple(r.box for r in regions if r.live and r.may_bind),
            noted=tuple(r.box for r in regions if r.live and not r.may_bind),
            imported=tuple(r.box for r in regions if r.status == Status.IMPORTED),
            known=max((r.candidate.rank for r in regions), default=0),
        )

    def origin(self, number: int, drawn: int, startup: int) -> tuple[ParameterSource, Box | None]:
        """Return what trial ``number`` is for: "reference", "sampled", or "audit" and the box to audit.

        ``drawn`` reference draws came before it; the first ``startup`` trials are reference draws. The answer
        depends on no result of the trial itself, so that it biases no reference draw.
        """
        if drawn < startup:
            return ParameterSource.REFERENCE, None
        for targets, every in ((self.imported, FIRST_AUDITS_EVERY), (self.closed, AUDIT_EVERY)):
            if targets and number % every == every // 2:
                order = sorted(targets, key=lambda box: box.id)
                return ParameterSource.AUDIT, order[number // every % len(order)]
        if self.live and number % REFERENCE_EVERY == 0:
            return ParameterSource.REFERENCE, None
        return ParameterSource.SAMPLED, None

    def spared(self, params: Mapping[str, Any]) -> bool:
        """Whether a reference draw is drawn again: it lies in a closed box and is evidence for no test."""
        tested = (*self.live, *self.noted)
        return bool(self.hits(params)) and not any(box.contains(params) for box in tested)

    def hits(self, params: Mapping[str, Any]) -> tuple[Box, ...]:
        """Return the closed boxes that a config lies in."""
        return tuple(box for box in self.closed if box.contains(params))

    def slows(self, params: Mapping[str, Any]) -> bool:
        """Whether a config lies in a box that is sampled less."""
        return any(box.contains(params) for box in self.slowed)
