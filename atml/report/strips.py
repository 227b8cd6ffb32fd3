"""ECG as it is printed: traces on ruled paper at 25 mm a second, as SVG written by hand (numpy, pure).

Small squares are 1 mm, large ones 5 mm. Amplitudes in mV are drawn at 10 mm a mV, or at 5 or 20 where that
does not fit; the scale is printed below. Where the unit is not known the axis has none.

A drawing is measured in mm: printed at its own size, 25 mm are a second. Every colour is one of
`atml.report.theme`, which the page replaces in the dark theme.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from atml.report import strip_attention, strip_beats
from atml.report.svg import text
from atml.report.theme import BLUE, FONT, GREY, INK, MUTED, ORANGE, RULE_BOLD, RULE_FINE, RULED

Floats = npt.NDArray[np.floating]

SPEED = 25.0
"""mm a second."""

COLUMN = 0.1
"""Width in mm of a column; of the samples in it only the lowest and the highest are drawn."""

UNIT = 0.02
"""Unit of coordinates in mm, a tenth of a line's width; traces are written in whole multiples."""

LEVELS = 5
"""Number of shades of colour for saliency, in each direction."""

LEFT, RIGHT, TOP, BOTTOM, GAP = 13.0, 3.0, 6.0, 5.0, 3.0
"""Margins of a strip in mm, and the gap between two strips."""

LANE = 10.0
"""Height in mm of the lane under a strip, in which its saliency is drawn to scale."""


@dataclass(frozen=True)
class Scale:
    """How amplitudes are drawn: one mm is ``per_mm`` of ``unit``, which is "" where it is not known."""

    per_mm: float
    unit: str

    @property
    def words(self) -> str:
        """Say it: "10 mm/mV"; without a known unit "10 mm = 2"."""
        if self.unit == "mV":
            return f"{1 / self.per_mm:g} mm/mV"
        return f"10 mm = {10 * self.per_mm:g}{f' {self.unit}' if self.unit else ''}"


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One window to draw: ``x (leads, samples)`` at ``rate`` Hz under a ``title``.

    ``under``, of the same shape, is drawn in grey behind it. ``saliency (samples,)`` is drawn over it: above
    0 in orange, below 0 in blue, the deeper the nearer to ``strongest`` (the largest magnitude where that is
    0). ``leads`` are names, where there are any. ``beats`` are named above it: seconds since its start, and
    symbols; between neighbours stands the interval in ms. ``span`` underlines them from one time to another.
    Where a sample is missing (NaN) nothing is drawn. ``mark`` is a second at which a line crosses it.
    ``attention (samples,)`` is drawn in a lane below, in even shares.
    """

    x: Floats
    rate: float
    title: str
    under: Floats | None = None
    saliency: Floats | None = None
    strongest: float = 0.0
    leads: tuple[str, ...] = ()
    beats: tuple[tuple[float, str], ...] = ()
    span: tuple[float, float] | None = None
    mark: float | None = None
    attention: Floats | None = None


def choose(strips: Sequence[Strip], unit: str) -> Scale:
    """Choose one scale for all strips: the usual 10 mm/mV, half or double where that does not fit.

    For another unit, or none, the first of 1, 2, 5, 10 ... for 10 mm that keeps every trace below 40 mm.
    """
    spans = [float(np.ptp(_steady(lead))) for strip in strips for lead in _leads(strip)]
    widest = max((span for span in spans if math.isfinite(span)), default=0.0)
    if unit == "mV":
        per_mm = 0.1 if 0.4 <= widest <= 5.0 else 0.2 if widest > 5.0 else 0.05
        if widest <= 10.0:
            return Scale(per_mm, unit)
    most = max(widest, 1e-9) / 4  # of 10 mm
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= most * (1 - 1e-9))
    return Scale(float(f"{step / 10:.6g}"), unit)


def thinned(x: Floats, columns: int) -> tuple[Floats, Floats]:
    """Return which points of ``x (samples,)`` to draw in so many columns: their samples and values.

    Of each column its lowest and its highest sample, in the order in which they come, so that no R peak is
    lost; the first and the last of all stay. A trace of at most two samples a column is returned as it is.
    """
    x = np.asarray(x, np.float64)
    if len(x) <= 2 * columns:
        return np.arange(len(x), dtype=np.float64), x
    keep = [0, len(x) - 1]
    edges = np.linspace(0, len(x), columns + 1).round().astype(np.int64)
    for a, b in itertools.pairwise(edges):
        keep += [int(a + x[a:b].argmin()), int(a + x[a:b].argmax())]
    places = np.unique(keep)
    return places.astype(np.float64), x[places]


def draw(strips: Sequence[Strip], *, unit: str, legend: str = "") -> str:
    """Draw strips below one another, all to one scale, as one ``<svg>``.

    Args:
        strips: At least one.
        unit: "mV" where amplitudes are known to be; another name, or "" where none is known.
        legend: What saliency above 0 speaks for; needed where a strip has one.
    """
    scale = choose(strips, unit)
    page = _Page()
    wide = max(LEFT + _length(strip) + RIGHT for strip in strips)
    for strip in strips:
        _strip(page, strip, scale)
    unknown = "" if scale.unit else "; the data do not say in which unit"
    page.text(LEFT, page.y + 1.5, f"25 mm/s, {scale.words}{unknown}", MUTED, 2.6)
    page.y += 3.0
    if legend:
        _legend(page, legend)
    if any(strip.attention is not None for strip in strips):
        words = "purple lane: attention, 1 (dashed) where all weigh the same"
        page.text(LEFT, page.y + 2.6, words, MUTED, 2.6)
        page.y += 4.0
    return page.svg(wide)


class _Page:
    """What is drawn so far, and how far down the page, in mm."""

    def __init__(self) -> None:
        self.y = 0.0
        self.parts: list[str] = []

    def text(self, x: float, y: float, words: str, colour: str, size: float, anchor: str = "start") -> None:
        self.parts.append(text(x, y, words, colour, size, anchor))

    def svg(self, wide: float) -> str:
        high = self.y + 1.0
        font = escape(FONT, {'"': "&quot;"})
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.1f} {high:.1f}"'
            f' width="{wide:.1f}mm" height="{high:.1f}mm" style="--paper-width:{wide:.1f}mm"'
            f' font-family="{font}" fill="none">'
            f"{''.join(self.parts)}</svg>"
        )


def _length(strip: Strip) -> float:
    """Width of a strip's paper in mm: whole large squares."""
    seconds = float(np.shape(strip.x)[-1] / strip.rate)
    return max(5.0, 5.0 * math.ceil(SPEED * seconds / 5.0 - 1e-6))


def _strip(page: _Page, strip: Strip, scale: Scale) -> None:
    """Draw a title, every lead on one ruled ground, the axis of time and the lane of saliency."""
    page.parts.append(text(LEFT, page.y + 4.0, strip.title, INK, 3.1, bold=True))
    page.y += TOP
    if strip.beats:
        page.y += strip_beats.HIGH
        page.parts += strip_beats.named(LEFT, page.y, SPEED, strip.beats, strip.span)
    top, wide = page.y, _length(strip)
    rows = [_Row(both, scale) for both in _leads(strip)]
    high = sum(row.high for row in rows)
    page.parts.append(f'<rect x="{LEFT:g}" y="{top:.2f}" width="{wide:g}" height="{high:g}" fill="{RULED}"/>')
    _ruled(page, top, wide, high)
    if strip.mark is not None:
        line = f"M{LEFT + SPEED * strip.mark:.2f} {top:.2f}v{high:g}"
        page.parts.append(f'<path d="{line}" stroke="{GREY}" stroke-width="2" stroke-opacity="0.35"/>')
    under = None if strip.under is None else np.atleast_2d(strip.under)
    # Places of samples are their own times: the last one is not stretched to the edge of the paper.
    columns = max(1, round(SPEED * np.shape(strip.x)[-1] / strip.rate / COLUMN))
    for number, row in enumerate(rows):
        _amplitudes(page, row, scale, strip.leads[number] if number < len(strip.leads) else "")
        base = page.y + row.zero
        if strip.saliency is not None:
            _marked(page, row.x, strip, base, scale, columns)
        if under is not None:
            _trace(page, under[number], strip.rate, base, scale, columns, GREY, 0.3)
        _trace(page, row.x, strip.rate, base, scale, columns, INK, 0.25)
        page.y += row.high
    if strip.saliency is not None:
        _lane(page, strip, wide)
    if strip.attention is not None:
        page.parts += strip_attention.lane(LEFT, page.y + 1, SPEED, strip.rate, strip.attention)
        page.y += 1 + strip_attention.HIGH
    _seconds(page, strip, wide)
    page.y += BOTTOM + GAP


def _leads(strip: Strip) -> list[Floats]:
    """Return each lead as ``(1, samples)``, or ``(2, samples)`` with the trace under it."""
    drawn = [np.atleast_2d(strip.x), *([] if strip.under is None else [np.atleast_2d(strip.under)])]
    return list(np.stack(drawn, axis=1))


class _Row:
    """One lead: its values, the height of its paper in mm (whole large squares), and where 0 lies in it."""

    def __init__(self, drawn: Floats, scale: Scale) -> None:
        every = np.nan_to_num(np.asarray(drawn, np.float64))
        self.x = every[0]
        low, high = (float(v) / scale.per_mm for v in (every.min(), every.max()))
        # 0 lies on a bold line: 2 mm free above and below, then up to the next large square.
        up = 5.0 * max(1, math.ceil((high + 2.0) / 5.0))
        down = 5.0 * max(1, math.ceil((2.0 - low) / 5.0))
        # The paper of a trace far from 0 (one with an offset) does not reach down, or up, to 0.
        self.first = 0.0
        if low > 15.0 or high < -15.0:
            self.first = 5.0 * math.floor((low - 2.0) / 5.0)
            up, down = 5.0 * math.ceil((high + 2.0) / 5.0) - self.first, 0.0
        self.high, self.zero = up + down, up + self.first


def _ruled(page: _Page, top: float, wide: float, high: float) -> None:
    """Rule 1 mm and 5 mm lines."""
    right, bottom = LEFT + wide, top + high
    for step, colour, width in ((1, RULE_FINE, 0.1), (5, RULE_BOLD, 0.18)):
        skip = [i for i in range(0, int(wide) + 1, step) if step == 5 or i % 5]
        lines = [f"M{LEFT + i:g} {top:.2f}V{bottom:.2f}" for i in skip]
        lines += [
            f"M{LEFT:g} {top + i:.2f}H{right:g}" for i in range(0, int(high) + 1, step) if step == 5 or i % 5
        ]
        page.parts.append(f'<path d="{"".join(lines)}" stroke="{colour}" stroke-width="{width}"/>')


def _amplitudes(page: _Page, row: _Row, scale: Scale, lead: str) -> None:
    """Write amplitudes at bold lines, the unit at the highest of them where it is short, and the lead."""
    step = 5 if row.high <= 15 else 10
    marks = range(step * math.ceil((row.zero - row.high) / step), int(row.zero) + 1, step)
    short = f" {scale.unit}" if 0 < len(scale.unit) <= 2 else ""
    for mm in marks:
        unit = short if mm == marks[-1] else ""
        value = f"{mm * scale.per_mm:.4g}".replace("-", "\N{MINUS SIGN}")
        page.text(LEFT - 1.2, page.y + row.zero - mm + 0.9, value + unit, MUTED, 2.6, "end")
    if lead:
        page.parts.append(text(LEFT + 1.0, page.y + 3.2, lead, INK, 2.8, bold=True))


def _seconds(page: _Page, strip: Strip, wide: float) -> None:
    """Write the seconds below a strip."""
    for second in range(int(wide / SPEED) + 1):
        unit = " s" if second == int(wide / SPEED) else ""
        page.text(LEFT + SPEED * second, page.y + 3.4, f"{second}{unit}", MUTED, 2.6, "middle")


def _points(x: Floats, rate: float, base: float, scale: Scale, columns: int) -> Iterator[tuple[int, int]]:
    """Yield a trace's points in multiples of `UNIT`."""
    place, value = thinned(x, columns)
    across = np.rint((LEFT + SPEED * place / rate) / UNIT).astype(int)
    down = np.rint((base - value / scale.per_mm) / UNIT).astype(int)
    return zip(across.tolist(), down.tolist(), strict=True)


def _path(points: Sequence[tuple[int, int]]) -> str:
    """Write a line through points; each but the first by its distance from the one before."""
    parts, before = [f"M{points[0][0]} {points[0][1]}l"], points[0]
    for point in points[1:]:
        parts.append(f"{point[0] - before[0]} {point[1] - before[1]} ")
        before = point
    return "".join(parts).strip()


def _trace(
    page: _Page, x: Floats, rate: float, base: float, scale: Scale, columns: int, colour: str, width: float
) -> None:
    for first, last in _there(x):
        share = max(1, round(columns * (last - first) / len(x)))
        right = round(SPEED * first / rate / UNIT)
        points = [(across + right, down) for across, down in _points(x[first:last], rate, base, scale, share)]
        page.parts.append(
            f'<path transform="scale({UNIT})" d="{_path(points)}" stroke="{colour}"'
            f' stroke-width="{width / UNIT:g}" stroke-linejoin="round" stroke-linecap="round"/>'
        )


def _there(x: Floats) -> list[tuple[int, int]]:
    """Return where the stretches of samples that are not missing begin and end."""
    there = np.concatenate([[False], np.isfinite(x), [False]])
    edges = np.flatnonzero(there[1:] != there[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _salience(strip: Strip) -> tuple[Floats, float]:
    """Return a strip's saliency and the magnitude that is drawn strongest."""
    found = np.nan_to_num(np.asarray(strip.saliency, np.float64))
    return found, strip.strongest or float(np.abs(found).max())


def _levels(strip: Strip) -> npt.NDArray[np.int64]:
    """Return the depth of colour of each sample, from -`LEVELS` to `LEVELS`; 0 is none."""
    found, most = _salience(strip)
    if most <= 0:
        return np.zeros(len(found), np.int64)
    return np.asarray(np.clip(np.rint(LEVELS * found / most), -LEVELS, LEVELS), np.int64)


def _shade(level: int) -> tuple[str, float]:
    return (ORANGE if level > 0 else BLUE), round(0.15 + 0.7 * abs(level) / LEVELS, 2)


def _marked(page: _Page, x: Floats, strip: Strip, base: float, scale: Scale, columns: int) -> None:
    """Mark a trace in colour, the deeper the more salient."""
    level = _levels(strip)
    starts = np.flatnonzero(np.concatenate(([True], level[1:] != level[:-1])))
    for a, b in zip(starts, [*starts[1:], len(level)], strict=True):
        if level[a] == 0:
            continue
        last = min(int(b) + 1, len(level))  # up to the next one, so that no gap is seen
        part = x[a:last]
        share = max(1, math.ceil(columns * len(part) / len(x)))
        points = [
            (across + round(SPEED * int(a) / strip.rate / UNIT), down)
            for across, down in _points(part, strip.rate, base, scale, share)
        ]
        if len(points) < 2:
            continue
        colour, depth = _shade(int(level[a]))
        page.parts.append(
            f'<path transform="scale({UNIT})" d="{_path(points)}" stroke="{colour}" stroke-opacity="{depth}"'
            f' stroke-width="{1.6 / UNIT:g}" stroke-linejoin="round"/>'
        )


def _lane(page: _Page, strip: Strip, wide: float) -> None:
    """Draw the saliency to scale under the strip, above 0 upwards."""
    found, most = _salience(strip)
    page.y += 1.0
    middle = page.y + LANE / 2
    page.parts.append(
        f'<path d="M{LEFT:g} {middle:.2f}H{LEFT + wide:g}" stroke="{GREY}" stroke-width="0.15"/>'
    )
    if most > 0:
        scale = Scale(most / (LANE / 2 - 0.5), "")
        columns = max(1, round(SPEED * len(found) / strip.rate / (5 * COLUMN)))
        for colour, part in ((ORANGE, np.maximum(found, 0)), (BLUE, np.minimum(found, 0))):
            points = list(_points(part, strip.rate, middle, scale, columns))
            zero = round(middle / UNIT)
            area = [(points[0][0], zero), *points, (points[-1][0], zero)]
            page.parts.append(
                f'<path transform="scale({UNIT})" d="{_path(area)}z" fill="{colour}" fill-opacity="0.75"/>'
            )
        page.text(LEFT - 1.2, middle + 0.9, f"\N{PLUS-MINUS SIGN}{most:.2g}", MUTED, 2.6, "end")
    page.y += LANE


def _legend(page: _Page, towards: str) -> None:
    """Explain the marker and the lane."""
    y, x = page.y + 1.0, LEFT
    page.text(x, y + 2.1, f"against {towards}", MUTED, 2.6)
    x += 1.45 * len(f"against {towards}") + 1.5
    for level in (*range(-LEVELS, 0), *range(1, LEVELS + 1)):
        colour, depth = _shade(level)
        page.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="3" height="2.6" fill="{colour}" fill-opacity="{depth}"/>'
        )
        x += 3.0
    page.text(x + 1.5, y + 2.1, f"for {towards}", MUTED, 2.6)
    words = "lane: change of the margin (logits) when that part becomes a line"
    page.text(LEFT, y + 6.4, words, MUTED, 2.6)
    page.y += 8.0


def _steady(x: Floats) -> Floats:
    """Return the values that are finite; zeros where none is."""
    found = np.asarray(x, np.float64)
    found = found[np.isfinite(found)]
    return found if len(found) else np.zeros(1)
