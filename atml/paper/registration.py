"""What is known of a page that has its signals and no masks: found from its grid and from its traces.

The page is read without a network. Where its traces fit the signals that are known, the signals say exactly
where each lead lies, and the masks follow; where one trace does not, nothing is known but the signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from atml.arrays import Bools, Float32, Floats
from atml.digitising import light, sight, unwarping
from atml.digitising.digitiser import Digitised, digitised
from atml.errors import DataError
from atml.pages.geometry import Geometry, nodes
from atml.pages.page_folder import Truth
from atml.pages.page_layout import GAINS, PAPER_WIDTH, TRACE_WIDTH
from atml.pages.picture import UInt8
from atml.pages.twelve_leads import LEADS
from atml.paper.lead_places import Trace, drawn, fitted, of_points, stretches

LINES_MM = 5.0
"""Distance of the lines that a network learns the phase of."""

SURE = 1.25
"""How many times as dark the darkest of five lines 1 mm apart has to be as the next, to be a thick one."""

PEN_MM = 0.45
"""How far from the middle of a trace its ink may lie."""


@dataclass(frozen=True)
class Scaled:
    """How signals of ``fs`` Hz are drawn: a layout, ``speed`` in mm/s and ``gain`` in mm/mV."""

    fs: float
    layout: str
    speed: float
    gain: float


def registered(rgb: UInt8, signal: Float32, fs: float) -> Truth | None:
    """Return where the leads of a page lie whose signals are known; None where that is not found.

    Args:
        rgb: The picture, ``(rows, columns, 3)``.
        signal: ``(12, samples)`` in mV, NaN where nothing is drawn.
        fs: Its samples a second.
    """
    seen = sight.seen(rgb)
    try:
        read = digitised(seen)
    except DataError:
        return None
    found = lattice_of(seen)
    if found is None:
        return None
    shown = drawn(signal, read.layout, fs, read.speed)
    traces = _traces(read, found, shown.shape[1], fs)
    if traces is None:
        return None
    scale = Scaled(fs, read.layout, read.speed, read.gain)
    for gain in (read.gain, *(gain for gain in GAINS if gain != read.gain)):
        leads = fitted(traces, shown, fs=fs, speed=read.speed, gain=gain)
        if leads is not None:
            return truth_of(found, leads, shown, replace(scale, gain=gain), rgb.shape)
    return None


def of_masks(rgb: UInt8, wave: UInt8, signal: Float32, scale: Scaled) -> Truth | None:
    """Return where the leads of a page lie of which the traces are known; None where that is not found.

    Args:
        rgb: The picture, ``(rows, columns, 3)``.
        wave: The mask of its leads, 1 to 12 as in `LEADS`, ``(rows, columns)``.
        signal: ``(12, samples)`` in mV.
        scale: How it is drawn.
    """
    found = lattice_of(sight.seen(rgb))
    if found is None:
        return None
    shown = drawn(signal, scale.layout, scale.fs, scale.speed)
    rows, columns = (at.astype(np.float64) for at in np.nonzero(wave))
    x, y = found.at(columns, rows, found.x), found.at(columns, rows, found.y)
    traces = of_points(wave[wave > 0], x, y, stretches(scale.layout, shown.shape[1], scale.fs, scale.speed))
    leads = fitted(traces, shown, fs=scale.fs, speed=scale.speed, gain=scale.gain)
    return None if leads is None else truth_of(found, leads, shown, scale, rgb.shape)


def lattice_of(seen: sight.Sight | None) -> unwarping.Lattice | None:
    """Return where the points of a picture lie on its page, whose lines 5 mm apart are at multiples of 5."""
    if seen is None:
        return None
    lattice = seen.lattice
    if seen.grid.mm == LINES_MM:
        return lattice
    right, down = (_thick(seen.dark, seen.inked, lattice, place) for place in (lattice.x, lattice.y))
    if right is None or down is None:
        return None
    return unwarping.Lattice(lattice.x - right, lattice.y - down, lattice.step, lattice.strength)


def _thick(dark: Float32, inked: Bools, lattice: unwarping.Lattice, place: Floats) -> int | None:
    """Return which of five lines 1 mm apart is the dark one, None where none is."""
    row, column = (at.ravel()[::3].astype(np.float64) for at in np.indices(dark.shape))
    where = lattice.at(column, row, place)
    strong = lattice.at(column, row, lattice.strength) > unwarping.SEEN
    line = np.round(where)
    use = (np.abs(where - line) < 0.2) & ~inked.ravel()[::3] & strong
    between = (np.abs(where - line) > 0.35) & ~inked.ravel()[::3] & strong
    if use.sum() < 500 or between.sum() < 500:
        return None
    number = line[use].astype(np.int64) % 5
    mean = np.bincount(number, dark.ravel()[::3][use], 5) / np.maximum(np.bincount(number, minlength=5), 1)
    mean = np.maximum(mean - dark.ravel()[::3][between].mean(), 1e-6)
    order = np.argsort(mean)
    return int(order[-1]) if mean[order[-1]] > SURE * mean[order[-2]] else None


def _traces(read: Digitised, lattice: unwarping.Lattice, samples: int, fs: float) -> list[Trace] | None:
    """Return the traces that were read, on the flat page, one for each stretch; None where one is missing."""
    wanted = stretches(read.layout, samples, fs, read.speed)
    if [place.lead for _, place in wanted] != [lead for lead, _, _ in read.paths]:
        return None
    out = []
    for (_, place), (lead, columns, rows) in zip(wanted, read.paths, strict=True):
        x, y = lattice.at(columns, rows, lattice.x), lattice.at(columns, rows, lattice.y)
        out.append(Trace(lead, place.start, place.stop, x, y))
    return out


def truth_of(
    lattice: unwarping.Lattice,
    leads: Sequence[dict[str, Any]],
    signal: Float32,
    scale: Scaled,
    shape: tuple[int, ...],
) -> Truth:
    """Return what is known of a page, as `atml.pages.page_folder.truth` reads it.

    Args:
        lattice: Where the points of the picture lie on the page, in mm.
        leads: What `atml.paper.lead_places.fitted` found.
        signal: ``(12, samples)`` in mV, NaN where nothing is drawn.
        scale: How it is drawn.
        shape: Rows and columns of the picture.
    """
    strong = lattice.strength > unwarping.SEEN
    left = min(lead["x"] for lead in leads)
    # Lines stay at multiples of 5 mm; a page that is seen whole has its rows in the middle.
    across = round(((PAPER_WIDTH - TRACE_WIDTH) / 2 - left) / LINES_MM) * LINES_MM
    down = float(-np.floor(lattice.y[strong].min() / LINES_MM) * LINES_MM)
    x, y = lattice.x + across, lattice.y + down
    per_mm = _per_mm(x, y, strong, lattice.step)
    about = {
        "fs": scale.fs,
        "layout_type": scale.layout,
        "physical_params": {
            "paper_speed_mm_s": scale.speed,
            "gain_mm_mv": scale.gain,
            "pixels_per_mm": per_mm,
            "pixels_per_mv": per_mm * scale.gain,
            "pixels_per_s": per_mm * scale.speed,
        },
        "leads": [
            {**lead, "x": (lead["x"] + across) * per_mm, "y": (lead["y"] + down) * per_mm} for lead in leads
        ],
    }
    place = unwarping.Lattice(x, y, lattice.step, lattice.strength)
    return Truth(signal, _geometry(place, strong, per_mm, shape), about)


def _per_mm(x: Floats, y: Floats, strong: Bools, step: float) -> float:
    """Return how many pixels a mm of the page has, as a rule."""
    sides = [
        np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis))[
            strong[:, 1:] & strong[:, :-1] if axis else strong[1:] & strong[:-1]
        ]
        for axis in (0, 1)
    ]
    return float(step / np.median(np.concatenate(sides)))


def _geometry(lattice: unwarping.Lattice, strong: Bools, per_mm: float, shape: tuple[int, ...]) -> Geometry:
    """Return the way from the page to the picture: straight, and what is left over on a lattice."""
    i, j = np.mgrid[: strong.shape[0], : strong.shape[1]] * lattice.step + 0.5
    page = np.stack([lattice.x, lattice.y], -1) * per_mm
    design = np.stack([page[strong][:, 0], page[strong][:, 1], np.ones(strong.sum())], 1)
    picture = np.stack([j[strong], i[strong]], 1)
    straight, *_ = np.linalg.lstsq(design, picture, rcond=None)
    matrix = np.eye(3)
    matrix[:2] = straight.T
    back = np.linalg.inv(matrix)
    corners = np.array([[0.0, 0.0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]])
    most = (np.concatenate([corners, np.ones((4, 1))], 1) @ back.T)[:, :2].max(0)
    across, down = nodes((max(16, int(most[1]) + 1), max(16, int(most[0]) + 1)))
    seen = np.stack([across, down, np.ones_like(across)], -1) @ matrix.T
    column = np.clip(seen[..., 0] - 0.5, 0, shape[1] - 1)
    row = np.clip(seen[..., 1] - 0.5, 0, shape[0] - 1)
    there = np.stack([column + 0.5, row + 0.5, np.ones_like(row)], -1) @ back.T
    places = np.stack([lattice.at(column, row, one) for one in (lattice.x, lattice.y)], -1) * per_mm
    away = np.moveaxis(places - there[..., :2], -1, 0)
    sure = lattice.at(column, row, lattice.strength) > unwarping.SEEN
    return Geometry(matrix, _filled(away, sure).astype(np.float32))


def _filled(values: Floats, sure: Bools) -> Floats:
    """Return values ``(2, rows, columns)``; where they are not sure, those of the nearest that are."""
    from scipy.ndimage import distance_transform_edt

    at = distance_transform_edt(~sure, return_distances=False, return_indices=True)
    return np.asarray(values[:, at[0], at[1]])


def masks(rgb: UInt8, known: Truth) -> tuple[UInt8, UInt8]:
    """Return the mask of the leads, 1 to 12, and that of other ink, 255, each ``(rows, columns)``."""
    from scipy.ndimage import maximum_filter

    ink = light.ink(sight.evened(rgb))
    scale = known.about["physical_params"]
    high, wide = rgb.shape[:2]
    line = np.zeros((high, wide), np.uint8)
    for lead in known.about["leads"]:
        number = LEADS.index(lead["lead"])
        values = known.signal[number, lead["start"] : lead["stop"]].astype(np.float64)
        at = np.arange(len(values) * 4) / 4
        x = lead["x"] + at / known.about["fs"] * scale["pixels_per_s"]
        y = lead["y"] - np.interp(at, np.arange(len(values)), values) * scale["pixels_per_mv"]
        there = np.isfinite(y)
        points = known.geometry.to_picture(np.stack([x, y], -1)[there])
        # A steep stroke skips rows from one sample to the next.
        steps = np.maximum(1, np.ceil(np.abs(np.diff(points[:, 1], append=points[-1:, 1]))).astype(int))
        fine = np.interp(
            np.concatenate([np.arange(n) / n + k for k, n in enumerate(steps)]),
            np.arange(len(points)),
            points[:, 1],
        )
        columns = np.repeat(points[:, 0], steps)
        rows, columns = np.floor(fine).astype(int), np.floor(columns).astype(int)
        use = (rows >= 0) & (rows < high) & (columns >= 0) & (columns < wide)
        line[rows[use], columns[use]] = number + 1
    reach = max(1, round(PEN_MM * float(scale["pixels_per_mm"])))
    wave = np.where(ink, maximum_filter(line, 2 * reach + 1), 0).astype(np.uint8)
    return wave, np.where(ink & (wave == 0), 255, 0).astype(np.uint8)
