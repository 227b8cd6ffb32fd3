"""A page as a recorder prints it, in numpy: the coverage of each pixel by each line, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats
from atml.pages.page_layout import PAPER_WIDTH, TRACE_WIDTH, Place, places
from atml.pages.page_style import PAPERS, Style
from atml.pages.stroke_font import shifted, stamp, written
from atml.pages.twelve_leads import LEADS

UInt8 = npt.NDArray[np.uint8]

INKED = 0.35
"""Coverage from which a pixel belongs to a trace or a text, of a pen that is a pixel wide or wider."""

MINOR, MAJOR = 128, 255
"""Values of the mask of the grid: lines 1 mm apart, and those 5 mm apart."""

STRIPS = 4
"""Strips that a column is cut into: within each the trace covers all that it passes."""

PULSE_MV, PULSE_S = 1.0, 0.2
"""Height and length of the calibration pulse: 5 mm wide at 25 mm/s."""


@dataclass(frozen=True)
class Page:
    """A printed page, flat and seen straight: ``rgb (rows, columns, 3)`` between 0 and 1, and its truth.

    ``ink`` and ``text`` are coverages by traces and by everything else that is printed; ``wave`` has 0 for
    none or 1 to 12 for a lead of `twelve_leads.LEADS`, ``grid`` 0, `MINOR` or `MAJOR`. ``signal (12,
    samples)`` in mV has NaN where nothing is drawn. ``scale`` is in pixels a mm.
    """

    rgb: Float32
    ink: Float32
    text: Float32
    wave: UInt8
    grid: UInt8
    signal: Float32
    rate: int
    style: Style
    places: tuple[Place, ...]
    scale: float

    @property
    def inked(self) -> float:
        """Return the coverage from which a pixel belongs to a trace: less for a pen thinner than one."""
        return inked(self.style, self.scale)

    def trace(self, place: Place) -> tuple[Floats, Floats]:
        """Return x and y in pixels of the samples of a stretch."""
        return trace(self.signal, self.rate, place, self.style.speed, self.style.gain, self.scale)


def inked(look: Style, scale: float) -> float:
    """Return the coverage from which a pixel belongs to a trace."""
    return INKED * min(1.0, look.line * scale)


def trace(
    signal: Float32, rate: int, place: Place, speed: float, gain: float, scale: float
) -> tuple[Floats, Floats]:
    """Return x and y in pixels, from the corner of the page, of the samples of a stretch."""
    values = signal[LEADS.index(place.lead), place.start : place.stop].astype(np.float64)
    x = (place.x + np.arange(len(values)) / rate * speed) * scale
    return x, (place.y - gain * values) * scale


def page(signal: Float32, rate: int, look: Style, size: tuple[int, int]) -> Page:
    """Draw ``signal (12, samples)`` in mV on a page of ``size`` rows and columns of pixels."""
    rows, columns = size
    scale = columns / PAPER_WIDTH
    found = places(
        look.layout,
        speed=look.speed,
        rate=rate,
        samples=signal.shape[1],
        height=rows / scale,
        left=look.left,
    )
    shown = np.full(signal.shape, np.nan, np.float32)
    ink, text = np.zeros(size, np.float32), np.zeros(size, np.float32)
    wave, best = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    for place in found:
        lead = LEADS.index(place.lead)
        shown[lead, place.start : place.stop] = signal[lead, place.start : place.stop]
        x, y = trace(signal, rate, place, look.speed, look.gain, scale)
        top, first, cover = coverage(x, y, look.line * scale, size)
        where = np.s_[top : top + cover.shape[0], first : first + cover.shape[1]]
        ink[where] = 1 - (1 - ink[where]) * (1 - cover)
        mine = (cover > best[where]) & (cover > inked(look, scale))
        wave[where][mine] = lead + 1
        best[where] = np.maximum(best[where], cover)
    _labels(text, found, look, scale)
    grid, mask = _grid(size, scale, look)
    rgb = grid * (1 - np.maximum(ink, text))[..., None]
    rgb += np.maximum(ink, text)[..., None] * np.array(look.ink, np.float32)
    return Page(rgb.astype(np.float32), ink, text, wave, mask, shown, rate, look, found, scale)


def coverage(x: Floats, y: Floats, width: float, size: tuple[int, int]) -> tuple[int, int, Float32]:
    """Return the first row and column of what a trace through ``x``, ``y`` covers, and how much of each.

    Each column is cut into `STRIPS`; in one, a round pen covers from the highest to the lowest point of the
    trace and what it covers from the strips beside. A sample that is NaN leaves a gap.
    """
    rows, columns = size
    first, last = max(0, int(np.floor(x[0]))), min(columns, int(np.ceil(x[-1])) + 1)
    fine = 4  # points in a strip
    edges = first + np.arange((last - first) * STRIPS * fine + 1) / (STRIPS * fine)
    points = np.interp(edges, x, y)
    points[(edges < x[0]) | (edges > x[-1])] = np.nan
    at = np.arange((last - first) * STRIPS)[:, None] * fine + np.arange(fine + 1)
    inside = points[at]
    gap = np.isnan(inside).all(1)
    inside[gap] = 0.0
    low, high = np.nanmin(inside, 1), np.nanmax(inside, 1)
    low[gap], high[gap] = np.inf, -np.inf
    low, high = _with_pen(low, high, width / 2)
    if gap.all():
        return 0, first, np.zeros((0, last - first), np.float32)
    top, bottom = (int(np.clip(v, 0, rows)) for v in (np.floor(low.min()), np.ceil(high.max())))
    row = np.arange(top, bottom, dtype=np.float32)[:, None]
    part = np.minimum(row + 1, high.astype(np.float32)) - np.maximum(row, low.astype(np.float32))
    return top, first, np.clip(part, 0, 1).reshape(bottom - top, last - first, STRIPS).mean(2)


def _with_pen(low: Floats, high: Floats, radius: float) -> tuple[Floats, Floats]:
    """Return the least and the greatest y in each strip that a round pen covers on its way."""
    reach = int(radius * STRIPS)
    wide_low = np.pad(low, reach, constant_values=np.inf)
    wide_high = np.pad(high, reach, constant_values=-np.inf)
    found_low, found_high = np.full(len(low), np.inf), np.full(len(low), -np.inf)
    for at in range(2 * reach + 1):
        more = np.sqrt(radius**2 - ((at - reach) / STRIPS) ** 2)
        found_low = np.minimum(found_low, wide_low[at : at + len(low)] - more)
        found_high = np.maximum(found_high, wide_high[at : at + len(low)] + more)
    return found_low, found_high


def _labels(text: Float32, found: tuple[Place, ...], look: Style, scale: float) -> None:
    """Draw names of leads, calibration pulses, ticks between leads and the lines of the header."""
    strokes: list[Floats] = []
    lift = -7.5 if look.names_above else 6.5
    rows = sorted({place.y for place in found})
    for place in found:
        x, y = place.x + 1.0, place.y + lift
        if len(rows) > 6:  # rows lie close: names stand before the pulse
            x, y = look.left - 19, place.y + look.text / 2
        strokes += shifted(written(place.lead, look.text), x, y)
        if look.ticks and place.x > look.left + 1:
            strokes.append(np.array([[place.x, place.y - 4.0], [place.x, place.y + 4.0]]))
    wide = PULSE_S * look.speed
    for y in rows if look.pulse else ():
        x = look.left - wide - 3.5 if look.pulse == "left" else look.left + TRACE_WIDTH + 1.5
        up, down, high = x + 1, x + 1 + wide, y - PULSE_MV * look.gain
        strokes.append(np.array([[x, y], [up, y], [up, high], [down, high], [down, y], [down + 1, y]]))
    for x, y, height, line in look.header:
        strokes += shifted(written(line, height), x, y)
    stamp(text, [stroke * scale for stroke in strokes], max(0.75, 0.30 * scale))


def _grid(size: tuple[int, int], scale: float, look: Style) -> tuple[Float32, UInt8]:
    """Return paper with its grid, ``(rows, columns, 3)``, and the mask of the grid."""
    _, paper, minor, major = next(one for one in PAPERS if one[0] == look.paper)
    fine_y, fine_x = (_lines(n, scale, 1.0, 0.13) for n in size)
    thick_y, thick_x = (_lines(n, scale, 5.0, 0.22) for n in size)
    fine = np.minimum(fine_y[:, None], fine_x) * 1.6 if look.dots else np.maximum(fine_y[:, None], fine_x)
    thick = np.maximum(thick_y[:, None], thick_x)
    rgb = np.empty((*size, 3), np.float32)
    for channel in range(3):
        plain = paper[channel]
        shade = plain - np.clip(fine * look.strength, 0, 1) * (plain - minor[channel])
        deep = max(0.0, 1 - (1 - major[channel]) * look.strength)
        rgb[..., channel] = shade - thick * (shade - deep)
    mask = np.zeros(size, np.uint8)
    for every, value in ((1.0, MINOR), (5.0, MAJOR)):
        for axis, n in enumerate(size):
            at = np.arange(0, n / scale, every) * scale
            mask[(np.s_[:],) * axis + (np.clip(at.astype(np.int64), 0, n - 1),)] = value
    return rgb, mask


def _lines(count: int, scale: float, every: float, width: float) -> Float32:
    """Return how much lines ``every`` mm, ``width`` mm wide, darken each of ``count`` pixels.

    Lines thinner than half a pixel are drawn half a pixel wide, as a printer's dots are.
    """
    thick = max(width * scale, 0.45)
    edges = np.arange(count + 1.0)
    period = every * scale

    def below(at: Floats) -> Floats:
        """Return how much of a line's width lies before a point."""
        turns, rest = np.divmod(at + thick / 2, period)
        return np.asarray(turns * thick + np.minimum(rest, thick))

    return np.clip(np.diff(below(edges)), 0, 1).astype(np.float32)
