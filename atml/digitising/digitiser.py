"""From a picture of an ECG page to the signals of its twelve leads: all steps together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atml.arrays import Float32, Floats
from atml.digitising import calibration, fitting, rows, sight, tracing, unwarping
from atml.digitising.leads import BY_ROWS, Stretch, laws, stretches
from atml.errors import DataError, InputError
from atml.pages.page_layout import LAYOUTS
from atml.pages.picture import UInt8
from atml.pages.twelve_leads import LEADS

MOST_INK = 0.35
"""Share of a picture that may be ink: traces and print take up to 0.24 of small ones, 0.04 of large ones."""

RATE = 500
"""Samples a second of what is read."""

FAR_MM, CLOSE_MM = (16.0, 33.0), 25.0
"""How far traces go from their rows, at 10 mm/mV: of rows more than `CLOSE_MM` apart, and less."""

BORDER = 1.5
"""Pixels beside the end of a lead, where another one begins, that are not looked at."""

FINEST_MM = 12
"""Pixels a mm that a page is looked at with, at most."""


CUT = 0.5
"""What is left of the confidence in a lead whose peaks go on beyond what is read of them."""

DISAGREE = 0.6
"""What limb leads leave of their laws from which they are none, of their variance: leads by chance have 1."""


@dataclass(frozen=True)
class Asked:
    """What a person says that the picture does not: None is read from it, or assumed.

    ``layout`` is a name of `page_layout.LAYOUTS`, ``speed`` in mm/s, ``gain`` in mm/mV.

    Raises:
        InputError: A value that can't be; the message names it.
    """

    layout: str | None = None
    speed: float | None = None
    gain: float | None = None

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout not in LAYOUTS:
            raise InputError(f"--layout {self.layout!r} is not known; there are {', '.join(LAYOUTS)}")
        for option, value, low, high in (("speed", self.speed, 5, 200), ("gain", self.gain, 1, 80)):
            if value is not None and not low <= value <= high:
                unit = "mm/s" if option == "speed" else "mm/mV"
                raise InputError(f"--{option} {value:g} is no {option} in {unit}: give {low} to {high}")


@dataclass(frozen=True)
class Digitised:
    """What was read from a page.

    ``signal (12, samples)`` in mV at `RATE`, leads as `LEADS`, NaN where nothing is drawn or read.
    ``confidence (12,)`` is 0 to 1, ``paths`` are the traces in the picture: lead, columns and rows.
    """

    signal: Float32
    confidence: Floats
    layout: str
    speed: float
    gain: float
    notes: tuple[str, ...]
    angle: float
    pixels_per_mm: float
    paths: list[tuple[str, Floats, Floats]] = field(repr=False)


def digitise(rgb: UInt8, asked: Asked | None = None) -> Digitised:
    """Read a page of twelve leads from a picture, ``rgb (rows, columns, 3)``.

    Raises:
        DataError: It can't be read; the message says why.
    """
    return digitised(sight.seen(rgb), asked)


def digitised(seen: sight.Sight | None, asked: Asked | None = None) -> Digitised:
    """Read a page of which is known what is seen, None for no grid; see `digitise`."""
    if seen is None:
        raise DataError("no grid was found: it is no ECG on grid paper, or too small or too blurred")
    asked, page = asked or Asked(), _flat(seen)
    ink = rows.ink(page)
    levels = rows.levels(ink)
    layout = _layout(levels, asked)
    traces = _traces(ink, levels)
    ends = _ends(traces, ink.scale)
    pulse = calibration.find(ink, levels, ends)
    notes: list[str] = []
    speed, gain = asked.speed, asked.gain
    if speed is None:
        speed = pulse.speed if pulse else 25.0
        if pulse is None:
            notes.append("no calibration pulse was found: 25 mm/s is assumed (--speed)")
    if gain is None:
        gain = pulse.gain if pulse else 10.0
        if pulse is None:
            notes.append("no calibration pulse was found: 10 mm/mV is assumed (--gain)")
    if gain > 10:
        traces = _traces(ink, levels, gain)
    start, stop = _extent(traces, ink.scale, pulse, ends, notes)
    signal, confidence, paths = _leads(
        traces, stretches(layout, len(levels)), (start, stop), page, ink, pulse, speed, gain
    )
    return Digitised(
        signal,
        confidence,
        layout,
        speed,
        gain,
        tuple(notes),
        seen.grid.angle,
        seen.grid.pixels_per_mm,
        paths,
    )


def _flat(seen: sight.Sight) -> unwarping.FlatPage:
    share = seen.inked.mean()
    if share > MOST_INK:
        raise DataError(
            f"{share:.0%} of the picture is as dark as ink in every colour, its grid too: traces can't"
            " be told from it; a scan in colour, or one with a lighter grid, can be read"
        )
    per_mm = seen.grid.pixels_per_mm
    fine = 2 if per_mm < 3.5 else 1
    scale = min(max(round(5 * fine * per_mm), 8), 5 * FINEST_MM) / 5
    return unwarping.flattened(seen.even, seen.lattice, scale)


def _layout(levels: Floats, asked: Asked) -> str:
    if asked.layout is not None:
        expected = len(LAYOUTS[asked.layout])
        if len(levels) != expected:
            raise DataError(
                f"{len(levels)} rows of traces were found, and the layout {asked.layout} has {expected}"
            )
        return asked.layout
    if len(levels) not in BY_ROWS:
        known = ", ".join(f"{n} ({name})" for n, name in BY_ROWS.items())
        raise DataError(
            f"{len(levels)} rows of traces were found; pages of twelve leads have {known}: the page is cut"
            " off, or no ECG"
        )
    return BY_ROWS[len(levels)]


def _traces(ink: rows.Ink, levels: Floats, gain: float = 10.0) -> list[tracing.Trace]:
    apart = float(np.median(np.diff(levels))) if len(levels) > 1 else 40 * ink.scale
    reach = max(1.15 * apart, 12 * ink.scale)
    # Between rows that lie close there is no text to stray to.
    far_off = FAR_MM[apart < CLOSE_MM * ink.scale] * ink.scale * max(1.0, gain / 10)
    found = [tracing.follow(ink, float(level), (reach, reach), far_off) for level in levels]
    return tracing.untangled(found)


def _ends(traces: list[tracing.Trace], scale: float) -> tuple[float, float]:
    """Return the columns where most rows' ink begins and ends: of the longest stretch without a gap."""
    found = []
    for trace in traces:
        there = trace.there.copy()
        at = np.flatnonzero(there)
        if not len(at):
            continue
        cuts = np.flatnonzero(np.diff(at) > 1.1 * scale)
        firsts, lasts = np.append(at[0], at[cuts + 1]), np.append(at[cuts], at[-1])
        # Stretches that follow each other with small gaps are one: only what is beyond a gap at an end goes.
        long = (lasts - firsts) > 12 * scale
        if long.any():
            found.append((float(firsts[long][0]), float(lasts[long][-1])))
    if not found:
        raise DataError("no trace that goes on for more than a few millimetres was found: it is no ECG")
    starts, stops = zip(*found, strict=True)
    return float(np.median(starts)), float(np.median(stops))


def _extent(
    traces: list[tracing.Trace],
    scale: float,
    pulse: calibration.Pulse | None,
    ends: tuple[float, float],
    notes: list[str],
) -> tuple[float, float]:
    """Return the columns where the rows' signals begin and end."""
    start, stop = ends
    if pulse is not None:
        near = round(4 * scale)
        if pulse.left < (start + stop) / 2:
            start = max(start, _beyond(traces, round(pulse.right), near))
        else:
            stop = min(stop, _beyond(traces, round(pulse.left), -near))
    length = (stop - start + 1) / scale
    if abs(length - rows.ROW_MM) < 3:
        middle = (start + stop) / 2
        half = rows.ROW_MM / 2 * scale
        return middle - half, middle + half
    if (fitted := _fitted(traces, scale, pulse)) is not None:
        return fitted
    notes.append(f"rows are {length:.0f} mm long, and {rows.ROW_MM:.0f} mm are usual: is the page cut off?")
    return start - 0.5, stop + 0.5


def _beyond(traces: list[tracing.Trace], edge: int, near: int) -> float:
    """Return the column where most rows go on after a gap within ``near`` columns of a pulse's edge.

    The pulse's foot ends there; where rows have no gap, they begin at the pulse.
    """
    way = 1 if near > 0 else -1
    found = []
    for trace in traces:
        at = [j for j in range(edge, edge + near, way) if 0 <= j < len(trace.there)]
        gaps = [j for j in at if not trace.there[j]]
        found.append(gaps[-1] + way if gaps else edge + way)
    return float(np.median(found))


def _fitted(
    traces: list[tracing.Trace], scale: float, pulse: calibration.Pulse | None
) -> tuple[float, float] | None:
    """Return where rows of the usual length have ink throughout and none beside; None where nowhere."""
    there = np.stack([trace.there for trace in traces]).astype(np.float64)
    if pulse is not None:
        there[:, max(0, int(pulse.left - scale)) : int(pulse.right + scale)] = 0
    columns = there.shape[1]
    n = round(rows.ROW_MM * scale)
    if n > columns:
        return None
    total = np.concatenate([[0], np.cumsum(there.mean(0))])
    starts = np.arange(columns - n + 1)
    inside = total[starts + n] - total[starts]
    side = round(6 * scale)
    outside = total[starts] - total[np.maximum(starts - side, 0)]
    outside += total[np.minimum(starts + n + side, columns)] - total[starts + n]
    value = inside - 0.7 * outside
    best = int(np.median(np.flatnonzero(value > value.max() - 0.3)))
    return (best - 0.5, best + n - 0.5) if inside[best] > 0.88 * n else None


def _leads(
    traces: list[tracing.Trace],
    places: list[Stretch],
    extent: tuple[float, float],
    page: unwarping.FlatPage,
    ink: rows.Ink,
    pulse: calibration.Pulse | None,
    speed: float,
    gain: float,
) -> tuple[Float32, Floats, list[tuple[str, Floats, Floats]]]:
    """Read the stretches: signals in mV, a confidence for each lead, and the traces in the picture."""
    start, stop = extent
    seconds = (stop - start) / ink.scale / speed
    samples = round(seconds * RATE)
    signal = np.full((len(LEADS), samples), np.nan, np.float32)
    quality: dict[str, float] = {}
    paths = []
    time = np.arange(samples) / RATE
    x = start + time * speed * ink.scale
    pen = fitting.pen(ink.cover, [trace.thin for trace in traces])
    for place in places:
        trace = traces[place.row]
        zero = trace.level
        columns, heights = trace.points()
        first, last = (round(share * samples) for share in (place.start, place.stop))
        # Where another lead begins, its ink is not this one's.
        mine = columns >= x[first] + (-1 if place.start == 0 else BORDER)
        mine &= columns <= x[last - 1] + (1 if place.stop == 1 else -BORDER)
        if mine.sum() < 10:
            continue
        at = x[first:last]
        line = _line(ink, trace, columns[mine], heights[mine], pen)
        y = np.interp(at, *line)
        near = np.interp(at, np.arange(len(trace.there)), trace.there.astype(float))
        if pulse is not None and np.isfinite(pulse.foot[place.row]):
            zero = float(pulse.foot[place.row])
        else:
            zero = float(np.nanmedian(trace.middle))
        lead = LEADS.index(place.lead)
        share = float((near > 0.5).mean())
        if trace.cut[max(0, int(x[first])) : int(x[last - 1]) + 1].sum() > 1:
            share *= CUT
        if place.lead in quality and place.stop - place.start <= 0.5:
            continue
        values = (zero - y) / ink.scale / gain
        signal[lead, first:last] = values
        quality[place.lead] = share
        paths.append((place.lead, *page.to_picture(*line)))
    confidence = np.array([quality.get(lead, 0.0) for lead in LEADS])
    rest, _ = laws(np.asarray(signal, np.float64))
    if np.isfinite(rest):
        # Leads that do not agree are of another layout, or of another moment: the others then are as well.
        confidence[:6] *= 1 / (1 + 4 * rest)
        confidence[6:] *= 1 / (1 + rest)
    if rest > DISAGREE:
        raise DataError(
            "its limb leads do not agree (I + III = II, aVR + aVL + aVF = 0): it is another layout than"
            f" {len(traces)} rows tell, rows were missed, or it is no ECG of twelve leads"
        )
    return signal, confidence, paths


def _line(
    ink: rows.Ink, trace: tracing.Trace, columns: Floats, heights: Floats, pen: fitting.Pen
) -> tuple[Floats, Floats]:
    """Return columns and heights of the line that leaves the ink of part of a trace, between its ends."""
    first, last = int(columns[0]), int(columns[-1])
    part = np.s_[first : last + 1]
    every = np.arange(first, last + 1)
    start = np.interp(every, columns, heights)
    low = np.where(np.isfinite(trace.top[part]), trace.top[part], start) - 2
    high = np.where(np.isfinite(trace.bottom[part]), trace.bottom[part], start) + 2
    return every.astype(np.float64), fitting.fitted(ink.cover[:, part], start, low, high, pen)
