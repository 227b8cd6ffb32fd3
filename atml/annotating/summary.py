"""What the beats of a recording come to, as a Holter report has it: for programs, and for people."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from atml.annotating import intervals
from atml.annotating.beats import Annotated
from atml.annotating.clock import Clock
from atml.annotating.contact import Codes, Contact
from atml.annotating.events import Ectopy, Events
from atml.annotating.patterns import Span
from atml.arrays import Int64

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Moment:
    """A value in a moment, ``at_s`` since the beginning; NaN in both where there is none."""

    value: float
    at_s: float


@dataclass(frozen=True)
class Run:
    """A run: how many beats, when the first of them is, how long from the first to the last, how fast."""

    beats: int
    at_s: float
    seconds: float
    rate: float


@dataclass(frozen=True)
class EctopySummary:
    """The ectopic beats of one kind.

    ``an_hour`` is by analysed hour, ``share`` of the beats that could be named. ``longest`` and ``fastest``
    are runs. Of bigeminy and trigeminy, episodes and the ectopic beats in them.
    """

    beats: int
    an_hour: float
    share: float
    singles: int
    couplets: int
    runs: int
    beats_in_runs: int
    longest: Run | None
    fastest: Run | None
    bigeminy: int
    beats_in_bigeminy: int
    trigeminy: int
    beats_in_trigeminy: int


@dataclass(frozen=True)
class Hour:
    """An hour of the recording: by the clock where its beginning is known, else since it began."""

    start_s: float
    end_s: float
    clock: str
    analysed_s: float
    beats: int
    undecided: int
    mean_rate: float
    lowest_rate: float
    highest_rate: float
    ventricular: int
    supraventricular: int
    pauses: int


@dataclass(frozen=True)
class Summary:
    """What a recording comes to; rates are in beats a minute, times in s.

    ``mean_rate`` is over all intervals; the lowest and the highest are over ``over`` intervals in succession.
    ``minutes`` are the mean rates minute by minute since the beginning, NaN where none can be told.
    """

    recording: str
    start: str
    duration_s: float
    analysed_s: float
    not_analysed_s: dict[str, float]
    beats: int
    by_class: dict[str, int]
    undecided: int
    undecided_by: dict[str, int]
    mean_rate: float
    lowest_rate: Moment
    highest_rate: Moment
    over: int
    longest_rr: Moment
    pause_s: float
    pauses: int
    ventricular: EctopySummary
    supraventricular: EctopySummary
    hours: tuple[Hour, ...]
    minutes: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types: rounded to what they tell, None for what is no number."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def summarise(
    found: Annotated, events: Events, *, recording: str, clock: Clock, notes: Sequence[str] = ()
) -> Summary:
    """Sum a recording up."""
    rate, label = float(found.rate), found.beats.label
    duration = found.samples / rate
    lengths = np.full(len(found.seconds), found.second / rate)
    if len(lengths):
        lengths[-1] = duration - (len(lengths) - 1) * found.second / rate
    analysed = float(lengths[found.seconds == 0].sum())
    edges = _hours(duration, clock)
    rr = events.rr
    longest = int(np.nanargmax(rr)) if np.isfinite(rr).any() else -1
    ventricular, supraventricular = events.kinds
    minute = (events.seconds // MINUTE).astype(np.int64)
    return Summary(
        recording=recording,
        start=clock.of_day(0.0),
        duration_s=duration,
        analysed_s=analysed,
        not_analysed_s=_by_reason(found.seconds, lengths),
        beats=len(label),
        by_class={name: int((label == number).sum()) for number, name in enumerate(found.classes)},
        undecided=int((label < 0).sum()),
        undecided_by={
            one.name.lower(): int(((found.beats.why == one) & (label < 0)).sum()) for one in Contact if one
        },
        mean_rate=intervals.mean_rate(rr),
        lowest_rate=_extreme(events, np.argmin),
        highest_rate=_extreme(events, np.argmax),
        over=intervals.OVER,
        longest_rr=Moment(float(rr[longest]), float(events.seconds[longest - 1])) if longest > 0 else NEVER,
        pause_s=events.pause_s,
        pauses=len(events.pauses),
        ventricular=_ectopy(events, ventricular, analysed, int((label >= 0).sum())),
        supraventricular=_ectopy(events, supraventricular, analysed, int((label >= 0).sum())),
        hours=_by_hour(found, events, edges, lengths, clock),
        minutes=tuple(intervals.by_bin(minute, rr, max(1, math.ceil(duration / MINUTE))).tolist()),
        notes=tuple(notes),
    )


NEVER = Moment(math.nan, math.nan)


def _by_reason(seconds: Codes, lengths: np.ndarray[Any, Any]) -> dict[str, float]:
    return {one.name.lower(): float(lengths[seconds == one].sum()) for one in Contact if one}


def _extreme(events: Events, which: Any) -> Moment:
    """Return the lowest or the highest rate, and when the first of its beats was."""
    last, rate = events.rates
    if not len(rate):
        return NEVER
    at = int(which(rate))
    return Moment(float(rate[at]), float(events.seconds[int(last[at]) - intervals.OVER]))


def _run(events: Events, span: Span) -> Run:
    start, end = events.seconds[span.first], events.seconds[span.last]
    return Run(span.ectopics, float(start), float(end - start), events.rate_of(span))


def _ectopy(events: Events, kind: Ectopy, analysed: float, known: int) -> EctopySummary:
    count = int(kind.mask.sum())
    runs = [_run(events, span) for span in kind.runs]
    return EctopySummary(
        beats=count,
        an_hour=count / analysed * HOUR if analysed else math.nan,
        share=count / known if known else math.nan,
        singles=len(kind.singles),
        couplets=len(kind.couplets),
        runs=len(runs),
        beats_in_runs=sum(run.beats for run in runs),
        longest=max(runs, key=lambda run: (run.beats, run.rate), default=None),
        fastest=_run(events, max(kind.runs, key=events.speed)) if runs else None,
        bigeminy=len(kind.bigeminy),
        beats_in_bigeminy=sum(span.ectopics for span in kind.bigeminy),
        trigeminy=len(kind.trigeminy),
        beats_in_trigeminy=sum(span.ectopics for span in kind.trigeminy),
    )


def _hours(duration: float, clock: Clock) -> list[float]:
    """Return where hours begin and end, in s since the beginning."""
    first = HOUR - clock.past_hour() % HOUR
    inner = np.arange(first, duration, HOUR).tolist()
    return [0.0, *inner, duration] if duration else [0.0]


def _by_hour(
    found: Annotated, events: Events, edges: list[float], lengths: np.ndarray[Any, Any], clock: Clock
) -> tuple[Hour, ...]:
    inner, count = edges[1:-1], len(edges) - 1

    def place(seconds: np.ndarray[Any, Any]) -> Int64:
        return np.asarray(np.searchsorted(inner, seconds, "right"), np.int64)

    def counted(rows: np.ndarray[Any, Any]) -> list[int]:
        return [int(n) for n in np.bincount(place(events.seconds[rows]), minlength=count)]

    of_second = place(np.arange(len(lengths)) * found.second / float(found.rate))
    analysed = np.bincount(of_second, np.where(found.seconds == 0, lengths, 0.0), minlength=count)
    means = intervals.by_bin(place(events.seconds), events.rr, count)
    lowest, highest = np.full((2, count), np.nan)
    of_rate = place(events.seconds[events.rates.last])
    for hour in np.unique(of_rate).tolist():
        there = events.rates.rate[of_rate == hour]
        lowest[hour], highest[hour] = there.min(), there.max()
    every = np.arange(len(events.seconds))
    columns = (
        counted(every),
        counted(np.flatnonzero(found.beats.label < 0)),
        counted(np.flatnonzero(events.kinds[0].mask)),
        counted(np.flatnonzero(events.kinds[1].mask)),
        counted(events.pauses),
    )
    return tuple(
        Hour(
            start_s=edges[at],
            end_s=edges[at + 1],
            clock=clock.short(edges[at]),
            analysed_s=float(analysed[at]),
            beats=columns[0][at],
            undecided=columns[1][at],
            mean_rate=float(means[at]),
            lowest_rate=float(lowest[at]),
            highest_rate=float(highest[at]),
            ventricular=columns[2][at],
            supraventricular=columns[3][at],
            pauses=columns[4][at],
        )
        for at in range(count)
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value
