"""A summary in words: the same lines in a terminal and on the page."""

from __future__ import annotations

import math

from atml.annotating.clock import Clock, elapsed
from atml.annotating.summary import EctopySummary, Moment, Run, Summary
from atml.formatting import clock as lasting
from atml.formatting import listed, plural, share, value

HOURS = ("hour from", "analysed", "beats", "mean", "lowest", "highest", "VEB", "SVEB", "undecided", "pauses")
"""Heads of the table by hour."""


def lines(found: Summary, clock: Clock) -> list[tuple[str, str]]:
    """Return what a recording comes to as ``(name, words)``."""
    rows = [
        (
            "recording",
            f"{found.recording}, {lasting(found.duration_s)}"
            + (f" from {found.start[:19]}" if found.start else ""),
        ),
        ("analysed", analysed(found)),
        ("beats", _beats(found)),
    ]
    if not found.beats:
        return rows
    rows += [
        ("heart rate", _rates(found, clock)),
        ("longest RR", f"{_of(found.longest_rr, 's', clock, 2)}; {_pauses(found)}"),
    ]
    for name, kind in (("VEB", found.ventricular), ("SVEB", found.supraventricular)):
        rows.append((name, _ectopy(kind)))
        if kind.runs:
            rows.append((f"{name} runs", _runs(kind, clock)))
        if kind.bigeminy or kind.trigeminy:
            rows.append((f"{name} patterns", _patterns(kind)))
    return rows


def analysed(found: Summary) -> str:
    """Say how much was analysed, and why the rest was not."""
    why = {"missing": "samples missing", "flat": "a lead flat", "saturated": "at the rail"}
    parts = [f"{why[name]} {lasting(time)}" for name, time in found.not_analysed_s.items() if time]
    said = f"{lasting(found.analysed_s)} ({share(found.analysed_s, found.duration_s)})"
    return f"{said}; not: {', '.join(parts)}" if parts else said


def hours(found: Summary) -> list[tuple[str, ...]]:
    """Return a row for each hour, under `HOURS`."""
    return [
        (
            one.clock[:5] or elapsed(one.start_s)[:-3],
            lasting(one.analysed_s),
            f"{one.beats:,}",
            *(value(rate, 0) for rate in (one.mean_rate, one.lowest_rate, one.highest_rate)),
            *(f"{count:,}" for count in (one.ventricular, one.supraventricular, one.undecided, one.pauses)),
        )
        for one in found.hours
    ]


def _beats(found: Summary) -> str:
    if not found.beats:
        return "none found"
    named = ", ".join(f"{name} {count:,}" for name, count in found.by_class.items())
    why = {"missing": "samples missing", "flat": "flat", "saturated": "at the rail"}
    reasons = [f"{why[name]} {count:,}" for name, count in found.undecided_by.items() if count]
    lost = f"; undecided {found.undecided:,} ({', '.join(reasons)})" if found.undecided else ""
    return f"{found.beats:,}: {named}{lost}"


def _rates(found: Summary, clock: Clock) -> str:
    if math.isnan(found.mean_rate):
        return "none: no two beats in succession"
    said = f"mean {found.mean_rate:.0f}/min"
    if math.isnan(found.lowest_rate.value):
        return said
    low, high = (_of(one, "", clock, 0) for one in (found.lowest_rate, found.highest_rate))
    return f"{said}; lowest {low}, highest {high}, over {found.over} intervals each"


def _of(one: Moment, unit: str, clock: Clock, digits: int) -> str:
    if math.isnan(one.value):
        return "none"
    return f"{one.value:.{digits}f}{' ' if unit else ''}{unit} at {clock.said(one.at_s)}"


def _pauses(found: Summary) -> str:
    return f"{plural(found.pauses, 'pause')} longer than {found.pause_s:g} s"


def _ectopy(kind: EctopySummary) -> str:
    if not kind.beats:
        return "none"
    parts = [f"{kind.singles:,} single", plural(kind.couplets, "couplet"), plural(kind.runs, "run")]
    hourly = f"{kind.an_hour:,.1f} an hour, " if math.isfinite(kind.an_hour) else ""
    return f"{kind.beats:,}: {hourly}{percent(kind.share)} of the beats named; {listed(parts)}"


def percent(part: float) -> str:
    """Write a share in percent, small ones with two figures that count.

    Example:
        >>> percent(0.384), percent(0.00067), percent(1.0), percent(float("nan"))
        ('38.4%', '0.067%', '100%', '-')
    """
    if math.isnan(part):
        return "-"
    return f"{100 * part:.2g}%" if part < 0.01 else f"{round(100 * part, 1):g}%"


def _run(one: Run, clock: Clock) -> str:
    return f"{one.beats} beats at {one.rate:.0f}/min at {clock.said(one.at_s)}"


def _runs(kind: EctopySummary, clock: Clock) -> str:
    assert kind.longest is not None and kind.fastest is not None
    said = f"{kind.beats_in_runs:,} beats in them; longest {_run(kind.longest, clock)}"
    return said + ("" if kind.fastest == kind.longest else f"; fastest {_run(kind.fastest, clock)}")


def _patterns(kind: EctopySummary) -> str:
    both = (
        ("bigeminy", kind.bigeminy, kind.beats_in_bigeminy),
        ("trigeminy", kind.trigeminy, kind.beats_in_trigeminy),
    )
    return "; ".join(
        f"{name} {plural(count, 'episode')} with {beats:,} ectopic beats"
        for name, count, beats in both
        if count
    )
