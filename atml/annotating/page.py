"""The page about one recording: what it comes to, its heart rate, and strips of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from atml.annotating import words
from atml.annotating.beats import Annotated
from atml.annotating.clock import Clock
from atml.annotating.contact import cleaned
from atml.annotating.events import Events
from atml.annotating.findings import Finding, findings
from atml.annotating.intervals import OVER
from atml.annotating.patterns import CYCLES, RUN
from atml.annotating.summary import Summary
from atml.annotating.trend import trend
from atml.arrays import Int64
from atml.formatting import clock as lasting
from atml.formatting import plural, value
from atml.report.page import Block, Drawing, Empty, Grid, Heading, Section, Text
from atml.report.strips import Strip, draw
from atml.report.writing import Head, html

FINEST = 500.0
"""Samples of a strip a second, at most: of more, some are left out."""


def page(
    found: Annotated,
    events: Events,
    summary: Summary,
    clock: Clock,
    *,
    model: str,
    leads: Sequence[str] = (),
    x: npt.NDArray[np.generic] | None = None,
    unit: str = "mV",
) -> str:
    """Return the page, which opens offline.

    Args:
        found: The recording.
        events: What is in it.
        summary: What it comes to.
        clock: Tells when.
        model: What named the beats.
        leads: Names of the leads.
        x: The signal ``(leads, samples)``, which may be a memory map; None where it was not kept.
        unit: Of the signal.
    """
    sections = [
        *(
            [Section("notes", "To know first", tuple(Text(note) for note in summary.notes))]
            if summary.notes
            else []
        ),
        Section("rate", "Heart rate", tuple(_rate(found, events, summary, clock))),
        Section("ectopy", "Ectopic beats", (_ectopy(summary),)),
        Section("strips", "Strips", tuple(_strips(found, events, clock, leads, x, unit))),
        Section("counted", "How it is counted", (_definitions(summary, model),)),
    ]
    return html(_head(summary, clock, model), sections)


def _head(found: Summary, clock: Clock, model: str) -> Head:
    rows = words.lines(found, clock)
    both = (
        f"{value(found.lowest_rate.value, 0)} to {value(found.highest_rate.value, 0)} over {OVER} intervals"
    )
    pause = f"{plural(found.pauses, 'pause')} longer than {found.pause_s:g} s"
    ventricular, supraventricular = found.ventricular, found.supraventricular
    facts = (
        ("Analysed", lasting(found.analysed_s), f"of {lasting(found.duration_s)}"),
        ("Beats", f"{found.beats:,}", f"{found.undecided:,} of them undecided"),
        ("Heart rate, mean", _number(found.mean_rate, "/min"), both),
        ("Ventricular", f"{ventricular.beats:,}", f"{value(ventricular.an_hour, 1)} an hour"),
        ("Supraventricular", f"{supraventricular.beats:,}", f"{value(supraventricular.an_hour, 1)} an hour"),
        ("Longest RR", _number(found.longest_rr.value, " s", 2), pause),
    )
    return Head(
        title=f"{found.recording}, beat by beat",
        kicker=f"Beats found and named by {model}",
        lead=_lead(found),
        facts=facts,
        rows=tuple(rows),
        foot="Made by atml, a tool for engineers: no diagnosis, no medical device. Every beat was named by"
        " a network; look at the strips.",
    )


def _lead(found: Summary) -> str:
    if not found.beats:
        return "No beat was found in this recording."
    runs = found.ventricular.runs + found.supraventricular.runs
    ectopic = found.ventricular.beats + found.supraventricular.beats
    told = f"{plural(ectopic, 'ectopic beat')}, {plural(runs, 'run')}, {plural(found.pauses, 'pause')}"
    return f"{plural(found.beats, 'beat')} in {lasting(found.analysed_s)}: {told}."


def _number(number: float, unit: str, digits: int = 0) -> str:
    said = value(number, digits)
    return said if said == "-" else said + unit


def _rate(found: Annotated, events: Events, summary: Summary, clock: Clock) -> Iterator[Block]:
    if not summary.beats:
        yield Empty("There is no heart rate, for no beat was found.")
        return
    svg, says = trend(found, events, clock)
    yield Drawing("trend", svg, says, wide=0.0)
    yield Grid(
        words.HOURS,
        tuple(words.hours(summary)),
        "By hour; rates in beats a minute, the lowest and the highest over"
        f" {OVER} intervals. "
        + ("Hours are those of the clock." if summary.start else "Since the beginning."),
        right=words.HOURS[1:],
    )


def _ectopy(found: Summary) -> Block:
    both = (found.ventricular, found.supraventricular)
    if not any(kind.beats for kind in both):
        return Empty("No beat was named ventricular or supraventricular.")
    rows = {
        "beats": [f"{kind.beats:,}" for kind in both],
        "an hour": [value(kind.an_hour, 1) for kind in both],
        "of the beats named": [words.percent(kind.share) for kind in both],
        "single": [f"{kind.singles:,}" for kind in both],
        "couplets": [f"{kind.couplets:,}" for kind in both],
        f"runs of {RUN} or more (beats in them)": [_both(kind.runs, kind.beats_in_runs) for kind in both],
        "longest run": [f"{kind.longest.beats} beats" if kind.longest else "-" for kind in both],
        "fastest run": [f"{kind.fastest.rate:.0f}/min" if kind.fastest else "-" for kind in both],
        "bigeminy (beats in it)": [_both(kind.bigeminy, kind.beats_in_bigeminy) for kind in both],
        "trigeminy (beats in it)": [_both(kind.trigeminy, kind.beats_in_trigeminy) for kind in both],
    }
    table = tuple((name, *cells) for name, cells in rows.items())
    says = "VEB: ventricular ectopic beats; SVEB: supraventricular ones."
    return Grid(("", "VEB", "SVEB"), table, says, right=("VEB", "SVEB"))


def _both(events: int, beats: int) -> str:
    return f"{events:,} ({beats:,})" if events else "0"


def _strips(
    found: Annotated,
    events: Events,
    clock: Clock,
    leads: Sequence[str],
    x: npt.NDArray[np.generic] | None,
    unit: str,
) -> Iterator[Block]:
    if x is None:
        yield Empty("The signal of a stream is not kept, so there are no strips.")
        return
    signal = x

    def cut(samples: Int64, before: int, after: int) -> npt.NDArray[np.floating]:
        place = samples[:, None] + np.arange(-before, after)
        inside = np.clip(place, 0, found.samples - 1)
        part = np.stack([cleaned(signal[:1, row])[0] for row in inside]) if len(inside) else np.empty((0, 1))
        part[(inside != place).any(axis=1)] = np.nan
        return part

    every = findings(found, events, clock, cut)
    yield Text(
        "Beats are named above each strip, with the RR interval in ms between two of them: "
        + ", ".join(f"{name}" for name in (*found.classes, "Q where it could not be decided"))
        + ". What is drawn is the signal as it was recorded, at 25 mm a second."
    )
    for one in every:
        middle = (one.first_s + one.last_s) / 2 - one.start_s
        first = min(1.0, middle / max(one.end_s - one.start_s, 1e-9))
        yield Heading(one.title)
        yield Drawing(one.name, _strip(found, one, leads, signal, unit, clock), one.says, wide=first)


def _strip(
    found: Annotated,
    one: Finding,
    leads: Sequence[str],
    x: npt.NDArray[np.generic],
    unit: str,
    clock: Clock,
) -> str:
    rate = float(found.rate)
    first, last = round(one.start_s * rate), min(round(one.end_s * rate), found.samples)
    thin = max(1, int(rate // FINEST))
    part = cleaned(x[:, first:last:thin])
    within = slice(*np.searchsorted(found.beats.sample, [first, last]).tolist())
    names = found.symbols[within]
    beats = ((found.beats.sample[within] - first) / rate).tolist()
    strip = Strip(
        x=part,
        rate=rate / thin,
        title=f"from {clock.said(one.start_s)}",
        leads=tuple(leads),
        beats=tuple(zip(beats, names, strict=True)),
        span=(one.first_s - one.start_s, min(one.last_s, one.end_s) - one.start_s) if one.last_s else None,
    )
    return draw([strip], unit=unit)


def _definitions(found: Summary, model: str) -> Block:
    rows = (
        ("beats", "found by atml's QRS detector in the first lead, named by the network"),
        ("undecided", "samples are missing in a beat's window, or a lead is flat or at the rail: called Q"),
        ("analysed", "seconds with all samples, no lead flat for more than half, none at the rail"),
        ("RR interval", "from one beat to the next, if all seconds between were analysed"),
        ("heart rate", "mean: intervals over the time that they take; lowest and highest: over"
         f" {found.over} intervals in succession"),
        ("pause", f"an RR interval longer than {found.pause_s:g} s; beats that were not found make one too"),
        ("couplet, run", f"2, and {RUN} or more, ectopic beats of one kind in succession"),
        ("bigeminy, trigeminy", f"every second, or third, beat ectopic, {CYCLES} times or more"),
        ("an hour", "by analysed hour"),
        ("model", model),
    )  # fmt: skip
    return Grid(("what", "how"), rows, "Definitions of other systems may differ, and so may their figures.")
