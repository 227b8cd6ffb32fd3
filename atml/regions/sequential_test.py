"""The sequential test that rejects a box, safe to look at after every trial.

For a box R the null hypothesis is that a config drawn from Q inside R qualifies with probability ``p0`` or
more. Start at 1; multiply by ``(1 - q) / (1 - p0)`` for each draw that fails and by ``q / p0`` for each that
qualifies, with ``q = p0 / 4``. Under the null the expected factor is 1 at most, whatever came before, so
the product is a non-negative supermartingale, and by Ville's inequality (1939) it ever reaches ``1 / alpha``
with probability ``alpha`` at most. R is rejected where its running maximum does.

What counts is as important as the test:

- Reference draws alone, and audits aimed at R (drawn from Q inside R). What a sampler chose, or what was
  drawn from another distribution, says nothing about R under Q.
- In the order of drawing, up to the first one still running: failures finish sooner than successes.
- A trial that a lost worker took with it, and that was not tried again to an end, counts as a success, and so
  does one that was stopped by comparison with others: nobody knows how it would have ended.
- A mined box counts draws only that were made when its nomination was known.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atml.regions.box import Box
from atml.training.records import TrialRecord

QUALIFIES, FAILS, UNRESOLVED, PENDING = "qualifies", "fails", "unresolved", "pending"

DRAWN_FROM_Q = ("reference", "audit")
"""Origins of the trials that can speak against a region."""

CRASHED = "crashed"
"""Constraint of a trial that was given up after every worker that ran it was lost."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one trial says about regions.

    ``origin`` is "reference" or "audit"; anything else was chosen and can only veto. ``verdict`` is
    "qualifies", "fails", "unresolved" (it ended and nobody knows how it would have) or "pending". ``known``
    is the number of nominated boxes known when it was drawn; ``aimed`` the id of the box that an audit is of.
    """

    number: int
    params: Mapping[str, Any]
    origin: str
    verdict: str
    known: int = 0
    aimed: str = ""
    ended: datetime.datetime | None = None


@dataclass(frozen=True)
class Test:
    """One box's test: a null rate ``p0``, and the ``alpha`` that it may spend."""

    # Not a test case, whatever pytest makes of the name.
    __test__ = False

    p0: float
    alpha: float

    @property
    def target(self) -> float:
        """Logarithm of the evidence that rejects."""
        return -math.log(self.alpha)

    @property
    def failure(self) -> float:
        """What a failure adds to the logarithm of the evidence."""
        return math.log((1 - self.p0 / 4) / (1 - self.p0))

    @property
    def success(self) -> float:
        """What a success adds: it is below 0."""
        return math.log(1 / 4)

    @property
    def needed(self) -> int:
        """Draws that reject when none of them qualifies."""
        return math.ceil(self.target / self.failure - 1e-9)


@dataclass(frozen=True)
class CrossValidationResult:
    """What was counted for a box: ``trials`` by number, ``successes`` among them.

    ``reached`` is the largest logarithm of the evidence so far, as a share of what rejects; ``crossed`` the
    index in ``trials`` at which it reached 1, None where it did not.
    """

    trials: tuple[int, ...] = ()
    successes: int = 0
    reached: float = 0.0
    crossed: int | None = None


def weigh(draws: Iterable[Outcome], test: Test) -> CrossValidationResult:
    """Run the test over what counts, in order."""
    level = top = 0.0
    trials, successes, crossed = [], 0, None
    for draw in draws:
        success = draw.verdict != FAILS
        level += test.success if success else test.failure
        top = max(top, level)
        trials.append(draw.number)
        successes += success
        if crossed is None and top >= test.target - 1e-9:
            crossed = len(trials) - 1
    return CrossValidationResult(tuple(trials), successes, min(top / test.target, 1.0), crossed)


def counted(outcomes: Sequence[Outcome], box: Box, known: int = 0) -> list[Outcome]:
    """Pick what counts for ``box`` out of ``outcomes``, which are in the order of drawing.

    ``known`` is the rank of a nominated box: draws made when fewer were known are left out.
    """
    found = []
    for one in outcomes:
        if one.origin != "reference" and not (one.origin == "audit" and one.aimed == box.id):
            continue
        if one.verdict == PENDING:
            break
        if one.known >= known and box.contains(one.params):
            found.append(one)
    return found


def outcomes(
    records: Iterable[TrialRecord],
    qualifies: Callable[[TrialRecord], bool],
    marks: Mapping[int, Mapping[str, Any]],
) -> tuple[Outcome, ...]:
    """Read trials as outcomes, in the order of drawing.

    ``qualifies`` judges a trial that ended with a result. ``marks[number]`` is what the sampler wrote with
    the trial: "known", "aimed", and "again" where it repeats a trial that a lost worker took with it. Such a
    repeat takes the place of the first: the params are the same, and so is the moment of drawing.

    A failed trial without a repeat is "unresolved". So is one that was given up as crashed, and a reference
    draw or an audit that was stopped by comparison: only a rule fixed before the search may end those,
    and it leaves a constraint above 0.
    """
    by_number = {record.number: record for record in records}
    again = {int(mark["again"]): n for n, mark in marks.items() if "again" in mark and n in by_number}
    repeats = set(again.values())
    made = []
    for number, first in sorted(by_number.items()):
        if number in repeats:
            continue
        last, seen = first, {number}
        while last.state == "failed" and last.number in again and again[last.number] not in seen:
            last = by_number[again[last.number]]
            seen.add(last.number)
        mark = marks.get(number, {})
        made.append(
            Outcome(
                number=number,
                params=first.params or last.params,
                origin=first.origin,
                verdict=_verdict(last, first.origin, qualifies),
                known=int(mark.get("known", 0)),
                aimed=str(mark.get("aimed", "")),
                ended=last.ended,
            )
        )
    return tuple(made)


def _verdict(record: TrialRecord, origin: str, qualifies: Callable[[TrialRecord], bool]) -> str:
    if record.state in ("running", "waiting"):
        return PENDING
    if record.state == "failed" or record.constraints.get(CRASHED, 0.0) > 0:
        return UNRESOLVED
    if not record.feasible:
        return FAILS
    if record.state == "pruned" and origin in ("reference", "audit"):
        return UNRESOLVED
    return QUALIFIES if record.state == "complete" and qualifies(record) else FAILS
