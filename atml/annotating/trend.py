"""Heart rate and ectopic beats over the whole recording, as one drawing (SVG written by hand)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from atml.annotating import intervals
from atml.annotating.beats import Annotated
from atml.annotating.clock import Clock
from atml.annotating.events import Events
from atml.arrays import Floats, Int64
from atml.report.svg import text
from atml.report.theme import BLUE, FONT, GRID, INK, MUTED, PANEL, PURPLE, RED, SKY

WIDE, LEFT, RIGHT, TOP = 210.0, 13.0, 3.0, 6.0
HIGH, LANE, GAP = 45.0, 22.0, 10.0
"""Measures in mm: of the paper, its margins, the lane of the rate, that of the counts, what lies between."""

BINS = 300
"""Most stretches of time that are told apart."""

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440)
"""Minutes from one tick of the time to the next."""


def trend(found: Annotated, events: Events, clock: Clock) -> tuple[str, str]:
    """Draw it; return the ``<svg>`` and the sentence that says what it shows."""
    duration = max(found.samples / float(found.rate), 1.0)
    minutes = next(step for step in (1, 2, 5, 10, 15, 30, 60, 1 << 20) if duration / 60 / step <= BINS)
    count = max(1, math.ceil(duration / (60 * minutes)))
    place = np.minimum((events.seconds // (60 * minutes)).astype(np.int64), count - 1)
    mean = intervals.by_bin(place, events.rr, count)
    low, high = _range(place[events.rates.last], events.rates.rate, count)
    bounds = [float(value) for row in (mean, low, high) for value in row if math.isfinite(value)]
    bottom, top = _round(min(bounds, default=50), max(bounds, default=100))
    paper = _Paper(duration, bottom, top, 60.0 * minutes)
    paper.lost(found)
    paper.axes(clock)
    paper.band(low, high)
    paper.line(mean)
    kinds = [np.bincount(place[kind.mask], minlength=count) for kind in events.kinds]
    paper.counts(kinds, [kind.short for kind in events.kinds], minutes)
    every = "minute" if minutes == 1 else f"{minutes} minutes"
    says = (
        f"Line: mean heart rate of every {every}. Band: from the lowest to the highest rate over"
        f" {intervals.OVER} intervals. Below: ectopic beats every {every}. Grey: not analysed."
    )
    return paper.svg(), says


def _range(place: Int64, rate: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the lowest and the highest rate of each stretch of time."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, place, rate)
    np.maximum.at(high, place, rate)
    none = np.isinf(low)
    low[none] = high[none] = np.nan
    return low, high


def _round(low: float, high: float) -> tuple[float, float]:
    """Return whole tens that hold both, at least 40 apart."""
    bottom, top = 10 * math.floor(low / 10), 10 * math.ceil(high / 10)
    return float(bottom), float(max(top, bottom + 40))


class _Paper:
    """What is drawn so far."""

    def __init__(self, duration: float, bottom: float, top: float, every: float) -> None:
        self.duration, self.bottom, self.top, self.every = duration, bottom, top, every
        self.parts: list[str] = []

    def x(self, seconds: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * min(max(seconds / self.duration, 0.0), 1.0)

    def y(self, rate: float) -> float:
        return TOP + HIGH * (self.top - rate) / (self.top - self.bottom)

    def text(self, x: float, y: float, words: str, colour: str = MUTED, anchor: str = "start") -> None:
        self.parts.append(text(x, y, words, colour, 2.8, anchor))

    def box(self, x: float, y: float, wide: float, high: float, colour: str, *, alone: bool = True) -> None:
        fade = "" if alone else ' fill-opacity="0.35"'
        self.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}" fill="{colour}"{fade}/>'
        )

    def lost(self, found: Annotated) -> None:
        """Shade what was not analysed: stretches of time that have more than half of their seconds so."""
        self.box(LEFT, TOP, WIDE - LEFT - RIGHT, HIGH, PANEL)
        count = math.ceil(self.duration / self.every * 4)
        second = found.second / float(found.rate)
        place = np.minimum(
            (np.arange(len(found.seconds)) * second * 4 // self.every).astype(np.int64), count - 1
        )
        all_of, bad = np.bincount(place, minlength=count), np.bincount(place, found.seconds != 0, count)
        for at in np.flatnonzero(bad > all_of / 2).tolist():
            start, end = self.x(at * self.every / 4), self.x((at + 1) * self.every / 4)
            self.box(start, TOP, end - start + 0.05, HIGH, GRID)

    def axes(self, clock: Clock) -> None:
        """Draw lines and numbers of both axes."""
        step = next(one for one in (10, 20, 25, 50, 100) if (self.top - self.bottom) / one <= 6)
        for rate in np.arange(math.ceil(self.bottom / step) * step, self.top + 1, step).tolist():
            y = self.y(rate)
            self.parts.append(
                f'<path d="M{LEFT:g} {y:.2f}H{WIDE - RIGHT:g}" stroke="{GRID}" stroke-width="0.2"/>'
            )
            self.text(LEFT - 1.5, y + 1.0, f"{rate:.0f}", anchor="end")
        self.text(LEFT, TOP - 2.0, "heart rate, beats a minute", INK)
        every = 60.0 * next((one for one in STEPS if self.duration / 60 / one <= 12), STEPS[-1])
        past = clock.past_hour()
        first = -(past % every)
        for at in np.arange(first, self.duration + 1, every).tolist():
            if at < 0:
                continue
            x, y = self.x(at), TOP + HIGH
            self.parts.append(f'<path d="M{x:.2f} {y:.2f}v1.2" stroke="{MUTED}" stroke-width="0.2"/>')
            label = clock.short(at)[:5] or f"{round(at) // 3600}:{round(at) // 60 % 60:02d}"
            self.text(x, y + 4.4, label, anchor="start" if x < LEFT + 2 else "middle")

    def band(self, low: Floats, high: Floats) -> None:
        for at in np.flatnonzero(np.isfinite(low)).tolist():
            start, end = self.x(at * self.every), self.x((at + 1) * self.every)
            up, down = self.y(high[at]), self.y(low[at])
            self.box(start, up, end - start, max(down - up, 0.3), SKY, alone=False)

    def line(self, mean: Floats) -> None:
        """Draw the means, each in the middle of its time; nothing joins two across a gap."""
        pen, path = "M", []
        for at, rate in enumerate(mean.tolist()):
            if math.isfinite(rate):
                middle = self.x((at + 0.5) * self.every)
                path.append(f"{pen}{middle:.2f} {self.y(rate):.2f}" + ("h0.01" if pen == "M" else ""))
                pen = "L"
            else:
                pen = "M"
        self.parts.append(
            f'<path d="{"".join(path)}" stroke="{BLUE}" stroke-width="0.5" stroke-linejoin="round"'
            ' stroke-linecap="round"/>'
        )

    def counts(self, kinds: Sequence[Int64], names: Sequence[str], minutes: int) -> None:
        """Draw counts as bars, those of the second kind on top of those of the first."""
        top, most = TOP + HIGH + GAP, max(1, int(sum(kinds).max()))  # type: ignore[union-attr]
        self.box(LEFT, top, WIDE - LEFT - RIGHT, LANE, PANEL)
        self.text(LEFT - 1.5, top + 2.4, f"{most}", anchor="end")
        self.text(LEFT - 1.5, top + LANE, "0", anchor="end")
        base = np.full(len(kinds[0]), top + LANE)
        x = LEFT
        for kind, name, colour in zip(kinds, names, (RED, PURPLE), strict=True):
            high = LANE * kind / most
            for at in np.flatnonzero(kind).tolist():
                start, end = self.x(at * self.every), self.x((at + 1) * self.every)
                self.box(start, base[at] - high[at], max(0.2, 0.9 * (end - start)), high[at], colour)
            base = base - high
            self.box(x, top + LANE + 1.6, 2.4, 2.4, colour)
            self.text(x + 3.4, top + LANE + 3.8, name, INK)
            x += 18.0
        self.text(x, top + LANE + 3.8, "each minute" if minutes == 1 else f"every {minutes} minutes")

    def svg(self) -> str:
        high = TOP + HIGH + GAP + LANE + 6.0
        font = escape(FONT, quote=True)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE:g} {high:g}" width="{WIDE:g}mm"'
            f' height="{high:g}mm" style="--paper-width:{WIDE:g}mm" font-family="{font}" fill="none">'
            f"{''.join(self.parts)}</svg>"
        )
