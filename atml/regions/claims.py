"""What a region claims, and the rate at which its test may claim it.

Regions of a study that begins now claim *collapse*: of the configs drawn at random in the box fewer than p0
learn anything in the first half of fold 1. What learns at all is a fact about training that is known early
and that many random draws show, while hardly any of them qualifies: a p0 above the rate of the whole space
rejects any box that is drawn often enough. Therefore p0 is not chosen but follows from the draws of the whole
space, see `BaseRate`.

Studies of version 0.1 keep regions that claim that fewer than ``Ledger.p0`` of the configs *qualify*, a fixed
number. They stand as they were.

That p0 may follow from the very draws that the test counts: with q a fixed part of p0, the evidence of any
sequence of draws grows with p0 (`tests/regions/test_claims.py` shows it). If the true rate of a box is r and
it is rejected at some p0 <= r, whatever that p0 was chosen from, then the test at r rejects it as well, and
that happens with probability alpha at most.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from atml.errors import RegionError
from atml.metrics import clopper_pearson
from atml.regions.sequential_test import PENDING, SUCCESSES, UNTRAINED, Outcome, Test
from atml.training.records import ParameterSource

CEILING = 0.2
"""Largest p0 of a test, however many random draws learn."""

CONFIDENCE = 0.95
"""Level of the lower limit of the rate of the whole space, one-sided."""


class Claim(StrEnum):
    """What hardly any config of a rejected box does. Members equal the strings that studies keep."""

    LEARNS = "learns"
    """Learns anything in the first half of fold 1."""
    QUALIFIES = "qualifies"
    """Reaches the threshold of the objective: what regions of version 0.1 claim."""

    @property
    def ratio(self) -> float:
        """How many times q is smaller than p0; q is the rate that the test is made for."""
        return 2.0 if self == Claim.LEARNS else 4.0


@dataclass(frozen=True)
class BaseRate:
    """Random draws of the whole space, and how many of them learned.

    >>> rate = BaseRate(draws=38, learned=25)
    >>> round(rate.lower, 2), rate.supports
    (0.51, 0.2)
    >>> round(BaseRate(draws=30, learned=4).supports, 3)
    0.023
    """

    draws: int = 0
    learned: int = 0

    @property
    def lower(self) -> float:
        """Lower confidence limit of the rate of learning, one-sided at `CONFIDENCE`."""
        return _lower(self.learned, self.draws)

    @property
    def supports(self) -> float:
        """Largest p0 that a box may be tested at: half of `lower`, at most `CEILING`.

        So a rejected box always learns at most half as often as the space does.
        """
        return min(CEILING, self.lower / 2)

    def test(self, alpha: float, p0: float | None = None) -> Test:
        """Return the test of a box at ``p0``, by default the largest supported one.

        Raises:
            RegionError: ``p0`` is above what the rate of the whole space supports.
        """
        p0 = self.supports if p0 is None else p0
        if p0 > self.supports:
            raise RegionError(
                f"p0 {p0:g} is too much: {self.learned} of {self.draws} random draws of the space learned,"
                f" which supports {self.supports:.3g} at most; leave p0 out, and it is set from them"
            )
        return Test(p0, alpha, Claim.LEARNS.ratio)


@lru_cache(maxsize=4096)
def _lower(learned: int, draws: int) -> float:
    return float(clopper_pearson(learned, draws, CONFIDENCE, one_sided=True).low)


class BaseRates:
    """The rate of the whole space as it was known after each reference draw, in the order of drawing.

    Only reference draws up to the first one still running count; a draw that nobody knows the end of counts
    as one that did not learn, so that the rate is never overstated. From draw ``until`` on it is no longer
    measured: once a box is rejected, draws in it are spared, and those that are left are no sample of the
    whole space.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._numbers: list[int] = []
        self._rates = [BaseRate()]
        self.until: int | None = None
        for one in outcomes:
            if one.origin != ParameterSource.REFERENCE or one.verdict == UNTRAINED:
                continue
            if one.verdict == PENDING:
                break
            last = self._rates[-1]
            self._numbers.append(one.number)
            self._rates.append(BaseRate(last.draws + 1, last.learned + (one.verdict in SUCCESSES)))

    def at(self, number: int) -> BaseRate:
        """Return the rate as known once draw ``number`` had ended."""
        number = number if self.until is None else min(number, self.until)
        return self._rates[bisect.bisect_right(self._numbers, number)]

    @property
    def last(self) -> BaseRate:
        """The rate as known now."""
        return self._rates[-1] if self.until is None else self.at(self.until)


def means(claim: Claim, p0: float, alpha: float, base: BaseRate) -> str:
    """Write what a rejected region claims, "of the configs drawn at random in it ...", in one sentence.

    ``p0`` is the rate that its study is tested at; of collapse it is 0 as long as nothing can be claimed.

    >>> means(Claim.QUALIFIES, 0.2, 0.05, BaseRate())[:66]
    'of the configs drawn at random in it fewer than 20% qualify; the c'
    """
    wrong = f"the chance that any region is rejected wrongly is {100 * alpha:g}% at most"
    if claim == Claim.QUALIFIES:
        return f"of the configs drawn at random in it fewer than {100 * p0:g}% qualify; {wrong}"
    whole = f"{base.learned} of {base.draws} random draws of the whole space learned"
    if not p0:
        return (
            "of the configs drawn at random in it hardly any learns by half of fold 1; nothing is rejected"
            f" before more is known of the whole space ({whole})"
        )
    return (
        f"of the configs drawn at random in it fewer than {100 * p0:.3g}% learn anything by half of fold 1"
        f" ({whole}: at least {100 * base.lower:.0f}%); {wrong}"
    )
