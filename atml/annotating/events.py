"""All that is found in the beats of one recording, by the numbers of the beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.annotating import intervals, patterns
from atml.annotating.beats import SUPRAVENTRICULAR, VENTRICULAR, Annotated
from atml.annotating.intervals import Rates
from atml.annotating.patterns import Span
from atml.arrays import Bools, Floats, Int64


@dataclass(frozen=True)
class Ectopy:
    """The ectopic beats of one kind and their patterns; ``mask (n,)`` tells which they are."""

    name: str
    short: str
    mask: Bools
    singles: list[int]
    couplets: list[Span]
    runs: list[Span]
    bigeminy: list[Span]
    trigeminy: list[Span]

    @classmethod
    def of(cls, name: str, short: str, mask: Bools, known: Bools, linked: Bools) -> Ectopy:
        """Find the patterns of the beats in ``mask``; ``known`` are the beats that could be named."""
        plain = known & ~mask
        return cls(
            name=name,
            short=short,
            mask=mask,
            singles=patterns.singles(mask, linked),
            couplets=patterns.couplets(mask, linked),
            runs=patterns.runs(mask, linked),
            bigeminy=patterns.bigeminy(mask, plain, linked),
            trigeminy=patterns.trigeminy(mask, plain, linked),
        )


@dataclass(frozen=True)
class Events:
    """What is found in the beats of a recording.

    Attributes:
        seconds: When each beat is, in s since the beginning, ``(n,)``.
        rr: The interval before each in s, NaN where it is not linked.
        rates: Heart rates over eight intervals.
        pauses: The beats that end a pause.
        pause_s: What a pause is longer than.
        kinds: Ventricular and supraventricular ectopy.
    """

    seconds: Floats
    rr: Floats
    rates: Rates
    pauses: Int64
    pause_s: float
    kinds: tuple[Ectopy, Ectopy]

    @classmethod
    def of(cls, found: Annotated, pause_s: float = intervals.PAUSE_S) -> Events:
        """Find them."""
        seconds = found.beats.sample / float(found.rate)
        linked, known = found.linked, found.beats.label >= 0
        rr = intervals.rr(seconds, linked)
        return cls(
            seconds=seconds,
            rr=rr,
            rates=intervals.rates(rr),
            pauses=intervals.pauses(rr, pause_s),
            pause_s=pause_s,
            kinds=(
                Ectopy.of("ventricular", "VEB", found.of_class(VENTRICULAR), known, linked),
                Ectopy.of("supraventricular", "SVEB", found.of_class(SUPRAVENTRICULAR), known, linked),
            ),
        )

    def speed(self, span: Span) -> tuple[float, int]:
        """Return what the fastest of stretches has most of; of equally fast ones it is the longest."""
        return round(self.rate_of(span), 1), span.ectopics

    def rate_of(self, span: Span) -> float:
        """Return the heart rate within a stretch of two beats or more, in beats a minute."""
        took = self.seconds[span.last] - self.seconds[span.first]
        return float(60 * (span.last - span.first) / took) if took > 0 else float(np.nan)
