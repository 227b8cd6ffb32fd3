"""What of a recording is worth a strip: the most telling events of each kind, a bounded number in all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.annotating.beats import Annotated
from atml.annotating.clock import Clock
from atml.annotating.contact import Contact
from atml.annotating.events import Ectopy, Events
from atml.annotating.intervals import OVER
from atml.annotating.patterns import Span
from atml.annotating.shapes import MOST, shapes
from atml.arrays import Floats, Int64, evenly
from atml.formatting import plural

STRIP_S, LONGEST_S = 8.0, 14.0
"""Length of a strip in s, and how long it may become to hold its event whole."""

AROUND_S = 1.5
"""Signal that is shown before and after an event, in s."""

SHAPES = 5
"""Shapes of single ventricular beats that are shown."""

BEFORE_S, AFTER_S = 0.2, 0.36
"""What of a beat is compared to tell its shape, before and after it in s."""

Cut = Callable[[Int64, int, int], npt.NDArray[np.floating]]
"""Returns the first lead round samples ``(n,)``, from so many samples before to so many after: ``(n, m)``."""


@dataclass(frozen=True)
class Finding:
    """One event from ``first_s`` to ``last_s``, and the strip from ``start_s`` to ``end_s`` that shows it.

    ``name`` has no spaces, ``title`` is what it is, ``says`` when and whatever else.
    """

    name: str
    title: str
    says: str
    first_s: float
    last_s: float
    start_s: float
    end_s: float


def findings(found: Annotated, events: Events, clock: Clock, cut: Cut) -> list[Finding]:
    """Return what is worth a strip, in the order in which a reader wants it; some 25 at most.

    Args:
        found: The recording.
        events: What is in it.
        clock: Tells when.
        cut: Reads the signal, to tell shapes.
    """
    made = _Findings(events, clock, found.samples / float(found.rate))
    ventricular, supraventricular = events.kinds
    made.runs(ventricular, 3)
    made.pauses(3)
    made.runs(supraventricular, 2)
    made.fastest("couplet", "couplet", ventricular.couplets, ventricular, 2)
    made.longest("bigeminy", ventricular.bigeminy, ventricular)
    made.longest("trigeminy", ventricular.trigeminy, ventricular)
    made.rates()
    made.singles(found, ventricular, cut)
    made.fastest("couplet", "couplet", supraventricular.couplets, supraventricular, 1)
    made.longest("bigeminy", supraventricular.bigeminy, supraventricular)
    made.premature(supraventricular)
    made.lost(found)
    made.beginning()
    return made.all


class _Findings:
    """Collects findings."""

    def __init__(self, events: Events, clock: Clock, duration: float) -> None:
        self.events, self.clock, self.duration = events, clock, duration
        self.all: list[Finding] = []

    def add(self, name: str, title: str, says: str, first: float, last: float) -> None:
        """Add an event that lasts from ``first`` to ``last`` s, its strip with some signal around it."""
        length = min(max(STRIP_S, last - first + 2 * AROUND_S), LONGEST_S)
        spare = length - (last - first)
        start = first - AROUND_S if spare < 2 * AROUND_S else (first + last - length) / 2
        start = max(0.0, min(start, self.duration - length))
        says = f"{says}At {self.clock.said(first)}."
        end = min(start + length, self.duration)
        self.all.append(Finding(name, title, says, first, last, start, end))

    def of_span(self, name: str, title: str, span: Span, says: str = "") -> None:
        seconds = self.events.seconds
        self.add(name, title, says, float(seconds[span.first]), float(seconds[span.last]))

    def runs(self, kind: Ectopy, most: int) -> None:
        """Add the longest run, the fastest, and the next longest."""
        ranked = sorted(kind.runs, key=lambda span: (-span.ectopics, -self.events.rate_of(span)))
        if not ranked:
            return
        fastest = max(ranked, key=self.events.speed)
        chosen = list(dict.fromkeys([ranked[0], fastest, *ranked]))[:most]
        for number, span in enumerate(chosen, 1):
            words = [word for word, one in (("longest", ranked[0]), ("fastest", fastest)) if one == span]
            which = f"{' and '.join(words).capitalize()} run" if words else "Run"
            title = f"{which} of {kind.short}: {span.ectopics} beats at {self.events.rate_of(span):.0f}/min"
            self.of_span(f"{kind.name}-run-{number}", title, span)

    def fastest(self, name: str, word: str, spans: Sequence[Span], kind: Ectopy, most: int) -> None:
        """Add those with the shortest interval."""
        for number, span in enumerate(sorted(spans, key=self.events.rate_of, reverse=True)[:most], 1):
            apart = 1000 * float(self.events.rr[span.last])
            title = f"{kind.short} {word}, {apart:.0f} ms apart"
            says = _best("closest", len(spans), word) if number == 1 else ""
            self.of_span(f"{kind.name}-{name}-{number}", title, span, says)

    def longest(self, name: str, spans: Sequence[Span], kind: Ectopy) -> None:
        """Add the episode with the most ectopic beats."""
        if spans:
            span = max(spans, key=lambda one: one.ectopics)
            title = f"Longest {kind.name} {name}: {span.ectopics} {kind.short}"
            self.of_span(f"{kind.name}-{name}", title, span, _best("longest", len(spans), "episode"))

    def pauses(self, most: int) -> None:
        rr, seconds = self.events.rr, self.events.seconds
        for number, beat in enumerate(
            sorted(self.events.pauses.tolist(), key=lambda one: -rr[one])[:most], 1
        ):
            what = "Longest pause" if number == 1 else "Pause"
            says = _best("longest", len(self.events.pauses), "pause") if number == 1 else ""
            self.add(
                f"pause-{number}",
                f"{what}: {rr[beat]:.2f} s",
                says,
                float(seconds[beat - 1]),
                float(seconds[beat]),
            )

    def rates(self) -> None:
        """Add where the heart is fastest and slowest."""
        last, rate = self.events.rates
        if not len(rate):
            return
        for word, at in (("Highest", int(rate.argmax())), ("Lowest", int(rate.argmin()))):
            span = Span(int(last[at]) - OVER, int(last[at]), 0)
            title = f"{word} heart rate: {rate[at]:.0f}/min over {OVER} intervals"
            self.of_span(f"{word.lower()}-rate", title, span)

    def singles(self, found: Annotated, kind: Ectopy, cut: Cut) -> None:
        """Add a single beat of each shape."""
        every = np.array(kind.singles, np.int64)
        if not len(every):
            return
        beats = every[evenly(len(every), MOST)]
        rate = float(found.rate)
        x = cut(found.beats.sample[beats], round(BEFORE_S * rate), round(AFTER_S * rate))
        made = shapes(x, SHAPES)
        for number, shape in enumerate(made, 1):
            beat = int(beats[shape.row])
            title = f"Single {kind.short}" + (f", shape {number}" if len(made) > 1 else "")
            some = f"{shape.members:,} of {len(beats):,} single {kind.short}"
            says = f"{some}{'' if len(beats) == len(every) else ' looked at'} are of this shape. "
            self.of_span(f"{kind.name}-single-{number}", title, Span(beat, beat, 1), says)

    def premature(self, kind: Ectopy) -> None:
        """Add the single beat that comes earliest after the one before it."""
        early = [beat for beat in kind.singles if math.isfinite(self.events.rr[beat])]
        if early:
            beat = min(early, key=lambda one: float(self.events.rr[one]))
            title = (
                f"Earliest single {kind.short}: {1000 * self.events.rr[beat]:.0f} ms after the beat before"
            )
            says = _best("earliest", len(kind.singles), "single beat")
            self.of_span(f"{kind.name}-single", title, Span(beat, beat, 1), says)

    def lost(self, found: Annotated) -> None:
        """Add the longest stretch of each kind that could not be analysed."""
        second = found.second / float(found.rate)
        for one in Contact:
            starts, ends = _stretches(found.seconds == one)
            if one and len(starts):
                at = int((ends - starts).argmax())
                first, last = float(starts[at] * second), min(float(ends[at] * second), self.duration)
                title = f"Not analysed: {one.words}, {last - first:.0f} s"
                says = _best("longest", len(starts), "such time")
                self.add(f"not-analysed-{one.name.lower()}", title, says, first, last)

    def beginning(self) -> None:
        if self.duration:
            self.add("beginning", "The beginning, for comparison", "", 0.0, 0.0)


def _best(which: str, count: int, word: str) -> str:
    """Say that something is the longest, or another, of several."""
    return f"The {which} of {plural(count, word)}. " if count > 1 else ""


def _stretches(mask: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return where stretches of True begin and end."""
    padded = np.concatenate([[False], mask, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).astype(np.float64)
    return edges[::2], edges[1::2]
