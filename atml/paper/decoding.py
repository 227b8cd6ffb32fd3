"""From what a network says of a page laid flat to twelve leads at 500 Hz."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atml.arrays import Bools, Float32, Floats
from atml.pages.page_layout import LAYOUTS, TRACE_WIDTH
from atml.pages.twelve_leads import LEADS
from atml.paper.flat_page import FlatPage
from atml.paper.page_truth import RATE, SAMPLES
from atml.paper.rows_and_scale import BY_ROWS, Scale, left_of, rows_of, scale_of

ROW_MM = 4.0
"""Standard deviation in mm of how far what a pixel says of its zero line may lie off its row's."""

LEAST_INK = 0.3
"""Probabilities of a column that must come together for it to be read."""

FINER = 8
"""Points that Fourier resampling puts between two columns before the last, linear step."""


@dataclass(frozen=True)
class Decoded:
    """What was read: ``signal (12, SAMPLES)`` in mV at 500 Hz, NaN where nothing was; leads as `LEADS`.

    ``confidence (12,)`` is the share of a lead's columns that were read, times how sure the trace is, 0 to 1.
    ``rows`` are the zero lines and ``left`` is where they begin, in mm on the flat page; ``heights``, for
    each of ``rows``, those of its trace in each column from there on. ``refused`` says why nothing was read,
    "" where it was. ``paths`` are the traces in the picture: lead, columns, rows; ``turned`` is by how many
    degrees the page lies clockwise there, ``pixels_per_mm`` how large it is.
    """

    signal: Float32
    confidence: Floats
    layout: str = ""
    scale: Scale = field(default_factory=lambda: Scale(25.0, 10.0, 0.0))
    rows: Floats = field(default_factory=lambda: np.empty(0))
    left: float = 0.0
    heights: tuple[Floats, ...] = ()
    refused: str = ""
    paths: tuple[tuple[str, Floats, Floats], ...] = field(default=(), repr=False)
    turned: float = 0.0
    pixels_per_mm: float = 0.0


def refusal(why: str) -> Decoded:
    """Return what is read of a page that can't be."""
    return Decoded(np.full((len(LEADS), SAMPLES), np.nan, np.float32), np.zeros(len(LEADS)), refused=why)


def decode(
    page: FlatPage, *, reading: str = "soft_argmax", resampling: str = "fft", scale: Scale | None = None
) -> Decoded:
    """Read the leads off a page.

    Args:
        page: What the network says of each pixel.
        reading: A way to read a column, see `PaperConfig.reading`.
        resampling: A way from columns to samples, see `PaperConfig.resampling`.
        scale: Speed and gain where they are known; else they are read off the calibration pulses.
    """
    rows = rows_of(page)
    if len(rows) not in BY_ROWS:
        known = ", ".join(f"{count} ({name})" for count, name in sorted(BY_ROWS.items()))
        return refusal(f"{len(rows)} rows of leads found; known are pages with {known}")
    layout = BY_ROWS[len(rows)]
    left = left_of(page)
    scale = scale or scale_of(page, rows, left)
    signal = np.full((len(LEADS), SAMPLES), np.nan, np.float32)
    confidence = np.zeros(len(LEADS))
    where = page.x()
    columns = np.flatnonzero((where >= left) & (where < left + TRACE_WIDTH))
    shown = min(SAMPLES, round(TRACE_WIDTH / scale.speed * RATE))
    seconds = (where[columns] - left) / scale.speed
    heights = []
    for names, row in zip(LAYOUTS[layout], rows, strict=True):
        height, there, sure = column_heights(page, float(row), columns, reading)
        heights.append(np.where(there, height, np.nan))
        for place, name in enumerate(names):
            start, stop = (shown * at // len(names) for at in (place, place + 1))
            inside = (seconds >= start / RATE) & (seconds < stop / RATE)
            if inside.sum() < 4 or there[inside].mean() < 0.2:
                continue
            lead = LEADS.index(name)
            values = _filled((row - height[inside]) / scale.gain, there[inside])
            signal[lead] = np.nan
            times = np.arange(start, stop) / RATE
            signal[lead, start:stop] = resampled(seconds[inside], values, times, resampling)
            confidence[lead] = there[inside].mean() * sure[inside].mean()
    return Decoded(signal, confidence, layout, scale, rows, left, tuple(heights))


def column_heights(
    page: FlatPage, row: float, columns: np.ndarray, reading: str
) -> tuple[Floats, Bools, Floats]:
    """Return the height of a row's trace in each column in mm, whether it is there, and how sure that is."""
    part = np.s_[:, columns[0] : columns[-1] + 1]
    y = page.y()[:, None]
    ink = page.trace[part] * np.exp(-0.5 * ((y + page.drop[part] - row) / ROW_MM) ** 2)
    weight = ink if reading == "centroid" else ink * page.weight[part]
    height = (weight * y).sum(0) / np.maximum(weight.sum(0), 1e-6)
    return height, ink.sum(0) > LEAST_INK, ink.max(0)


def _filled(values: Floats, there: Bools) -> Floats:
    """Fill columns without ink from those beside."""
    at = np.arange(len(values))
    return np.interp(at, at[there], values[there])


def resampled(seconds: Floats, values: Floats, wanted: Floats, how: str) -> Floats:
    """Return values at the times ``wanted`` from those at ``seconds``, equally far apart.

    "linear" joins them by lines; "fft" by what has no frequency above half of theirs.

    Example:
        >>> at = np.arange(10.0)
        >>> resampled(at, at, np.array([2.5]), "linear").tolist()
        [2.5]
    """
    if how == "linear":
        return np.interp(wanted, seconds, values)
    from scipy.signal import resample

    reach = len(values) // 2
    padded = np.pad(values, reach, mode="reflect", reflect_type="odd")
    # The ends meet: both are brought to the same height, or the jump would ring.
    ramp = np.linspace(padded[0], padded[-1], len(padded), endpoint=False)
    fine = resample(padded - ramp, len(padded) * FINER)
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1)
    at = np.arange(len(fine)) / FINER - reach
    fine = fine + np.interp(at, np.arange(len(padded)) - reach, ramp)
    return np.interp(wanted, seconds[0] + at * step, fine)
