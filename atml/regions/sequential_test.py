"""The sequential test that rejects a box; it stays valid however often it is read.

For a box R the null hypothesis is that a config drawn from Q inside R succeeds with probability ``p0`` or
more; what success is, and what p0 is, `atml.regions.claims` says. Start at 1; multiply by ``(1 - q) / (1 -
p0)`` for each draw that fails and by ``q / p0`` for each that succeeds, with ``q = p0 / 2`` (``p0 / 4`` for
regions of version 0.1). Under the null the expected factor is 1 at most, whatever came before, so the product
is a non-negative supermartingale, and by Ville's inequality (1939) it ever reaches ``1 / alpha`` with
probability ``alpha`` at most. R is rejected where it does.

What it costs, with 6 boxes that share half of alpha .05: at p0 .2 and none of the draws in the box a success,
47 of them; each success costs 6 more. A box that holds half of Q is so rejected after some 100 draws.

Which trials count is as important as the test:

- Only reference draws, and audits of R (drawn from Q inside R). A trial that a sampler chose, or that was
  drawn from another distribution, says nothing about R under Q.
- A config that is never trained, since it breaks the budget, is no draw: the claim is about those that are.
- In the order of drawing, up to the first one still running: failures finish sooner than successes.
- A trial whose worker was lost, and that was not run to its end later, counts as a success. So does one that
  was pruned by comparison with others. Nobody knows how it would have ended.
- For a mined box, only draws made after its nomination.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atml.regions.box import Box
from atml.training.records import ParameterSource, State, TrialRecord

QUALIFIES, FAILS, UNRESOLVED, PENDING = "qualifies", "fails", "unresolved", "pending"
LEARNED, COLLAPSED, UNTRAINED = "learned", "collapsed", "untrained"

SUCCESSES = (QUALIFIES, LEARNED)
FAILURES = (FAILS, COLLAPSED)

DOUBT = math.log(4)
"""Draws since a rejection that are this much likelier, as a logarithm, at p0 than at q lift the box again."""

DRAWN_FROM_Q = (ParameterSource.REFERENCE, ParameterSource.AUDIT)
"""Sources of parameters whose trials can be evidence against a region."""

CRASHED = "crashed"
"""Name of the constraint that a trial breaks when it is given up after several workers were lost with it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one trial says about regions.

    ``origin`` is the source of its parameters: trials other than "reference" and "audit" were chosen, and can
    only veto, where they qualify. ``verdict`` is "pending", "unresolved" for a trial that ended without
    showing what it is, "untrained" for a config that breaks the budget, and otherwise "qualifies", "learned"
    or "collapsed" (of version 0.1: "qualifies" or "fails"). ``known`` is the number of boxes nominated
    before it was drawn, ``aimed`` the id of the box that an audit is of.
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
    """The test of one box: the null rate ``p0``, the ``alpha`` that it may spend, and ``ratio``, p0 / q.

    At a ``p0`` of 0 nothing can be shown, and nothing is rejected.

    >>> Test(p0=0.2, alpha=0.05 / 12).needed
    47
    """

    # Not a test case, whatever pytest makes of the name.
    __test__ = False

    p0: float
    alpha: float
    ratio: float = 2.0

    @property
    def target(self) -> float:
        """Logarithm of the evidence at which the box is rejected."""
        return -math.log(self.alpha)

    @property
    def failure(self) -> float:
        """What a failure adds to the logarithm of the evidence."""
        return math.log((1 - self.p0 / self.ratio) / (1 - self.p0))

    @property
    def success(self) -> float:
        """What a success adds to it, a negative number."""
        return -math.log(self.ratio)

    @property
    def needed(self) -> int:
        """Number of draws that reject the box where none of them succeeds; 0 where p0 is 0."""
        return math.ceil(self.target / self.failure - 1e-9) if self.p0 else 0


@dataclass(frozen=True)
class Tally:
    """What was counted for a box: the numbers of the ``trials``, and the ``successes`` among them.

    ``reached`` is the largest logarithm of the evidence so far, as a share of what rejects the box.
    ``crossed`` is the index in ``trials`` at which it reached 1, None where it has not; ``undone`` the index
    after that at which the draws since then spoke for the box, see `DOUBT`.
    """

    trials: tuple[int, ...] = ()
    successes: int = 0
    reached: float = 0.0
    crossed: int | None = None
    undone: int | None = None


def weigh(draws: Iterable[Outcome], test: Test, at: Callable[[int], Test] | None = None) -> Tally:
    """Run the test over the draws that count, in order.

    ``test`` is the test as it is now, and ``at(number)`` as it was once draw ``number`` had ended, where its
    p0 changes with what is known.
    """
    top = since = 0.0
    trials: list[int] = []
    successes, crossed, undone = 0, None, None
    for draw in draws:
        success = draw.verdict not in FAILURES
        trials.append(draw.number)
        successes += success
        then = test if at is None else at(draw.number)
        failures = len(trials) - successes
        top = max(top, failures * test.failure + successes * test.success)
        if crossed is not None:
            since += then.success if success else then.failure
            if undone is None and since <= 1e-9 - DOUBT:
                undone = len(trials) - 1
        elif failures * then.failure + successes * then.success >= then.target - 1e-9:
            crossed = len(trials) - 1
    return Tally(tuple(trials), successes, min(top / test.target, 1.0), crossed, undone)


def counted(outcomes: Sequence[Outcome], box: Box, known: int = 0) -> list[Outcome]:
    """Select the outcomes that count for ``box``; ``outcomes`` are in the order of drawing.

    ``known`` is the rank of a nominated box: draws made before its nomination are left out.
    """
    found = []
    for one in outcomes:
        if one.origin != ParameterSource.REFERENCE and not (
            one.origin == ParameterSource.AUDIT and one.aimed == box.id
        ):
            continue
        if one.verdict == PENDING:
            break
        if one.verdict == UNTRAINED:
            continue
        if one.known >= known and box.contains(one.params):
            found.append(one)
    return found


def outcomes(
    records: Iterable[TrialRecord],
    qualifies: Callable[[TrialRecord], bool],
    marks: Mapping[int, Mapping[str, Any]],
    collapsed: Callable[[TrialRecord], bool | None] | None = None,
) -> tuple[Outcome, ...]:
    """Read trials as outcomes, in the order of drawing.

    ``qualifies`` judges a trial that ended with a result. ``collapsed`` returns whether one learned nothing,
    None where that was not seen; without it the claim is that of version 0.1. ``marks[number]`` is
    what the sampler wrote with the trial: "known", "aimed", and "again" with the number of a failed trial
    that it repeats. Such a repeat takes the place of the first one: its parameters are the same, and it
    counts as drawn when that was.

    A failed trial without a repeat is "unresolved". So is one that was given up as crashed, and a reference
    draw or an audit that was pruned by comparison: only a rule fixed before the search may end those, and
    such a rule leaves a constraint above 0.
    """
    by_number = {record.number: record for record in records}
    again = {int(mark["again"]): n for n, mark in marks.items() if "again" in mark and n in by_number}
    repeats = set(again.values())
    made = []
    for number, first in sorted(by_number.items()):
        if number in repeats:
            continue
        last, seen = first, {number}
        while last.state == State.FAILED and last.number in again and again[last.number] not in seen:
            last = by_number[again[last.number]]
            seen.add(last.number)
        mark = marks.get(number, {})
        made.append(
            Outcome(
                number=number,
                params=first.params or last.params,
                origin=first.origin,
                verdict=_verdict(last, first.origin, qualifies, collapsed),
                known=int(mark.get("known", 0)),
                aimed=str(mark.get("aimed", "")),
                ended=last.ended,
            )
        )
    return tuple(made)


def _verdict(
    record: TrialRecord,
    origin: str,
    qualifies: Callable[[TrialRecord], bool],
    collapsed: Callable[[TrialRecord], bool | None] | None,
) -> str:
    if record.state in (State.RUNNING, State.WAITING):
        return PENDING
    if record.state == State.FAILED or record.constraints.get(CRASHED, 0.0) > 0:
        return UNRESOLVED
    if collapsed is None and not record.feasible:
        return FAILS
    if record.state == State.COMPLETE and qualifies(record):
        return QUALIFIES
    if collapsed is None:
        return UNRESOLVED if record.state == State.PRUNED and origin in DRAWN_FROM_Q else FAILS
    seen = collapsed(record)
    if seen is None:
        return UNRESOLVED if record.feasible or record.steps else UNTRAINED
    return COLLAPSED if seen else LEARNED
