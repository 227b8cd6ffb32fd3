"""The line of a trace comes out of its ink, where it is steep as where it is level."""

from __future__ import annotations

import numpy as np

from atml.digitising.fitting import Pen, fitted, pen
from atml.digitising.rows import Ink
from atml.digitising.tracing import Trace, follow, untangled
from atml.pages.page_drawing import coverage


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A peak of eight columns, and its ink as a recorder leaves it: heights, the columns' middles, ink."""
    fine = np.arange(0, 120, 0.05)
    line = 40 - 25 * np.exp(-(((fine - 60.3) / 2.2) ** 2)) + 9 * np.exp(-(((fine - 66) / 2.0) ** 2))
    top, first, cover = coverage(fine, line, 1.6, (60, 120))
    ink = np.zeros((60, 120), np.float32)
    ink[top : top + len(cover), first : first + cover.shape[1]] = cover
    at = np.arange(118)
    middle = (ink * np.arange(60)[:, None]).sum(0)[:118] / ink.sum(0)[:118]
    return np.interp(at + 0.5, fine, line) - 0.5, middle, ink


def test_a_steep_peak_is_nearer_than_the_middles_of_its_columns() -> None:
    line, middle, ink = drawn()
    found_pen = pen(ink, [np.pad(middle, (0, 2), constant_values=np.nan)])
    edges = [np.flatnonzero(ink[:, j] > 0.1) for j in range(118)]
    low, high = (np.array([float(one[at]) for one in edges]) for at in (0, -1))
    found = fitted(ink[:, :118], middle, low - 2, high + 2, found_pen)
    before, after = (np.sqrt(((one - line)[3:-3] ** 2).mean()) for one in (middle, found))
    assert after < 0.5 * before and after < 0.6
    assert abs(found.min() - line.min()) < 1.0


def test_the_pen_is_measured_where_lines_are_level() -> None:
    away = np.arange(40)[:, None] - 20.3
    ink = np.repeat(0.8 * np.exp(-0.5 * (away / 1.2) ** 2), 60, 1).astype(np.float32)
    found = pen(ink, [np.full(60, 20.3)])
    assert abs(found.dark - 0.8) < 0.03 and abs(found.wide - 1.2) < 0.06
    assert pen(ink, [np.full(60, np.nan)]) == Pen(1.0, 0.9)


def test_what_a_row_shares_for_long_belongs_to_the_nearer_row() -> None:
    """The upper row is not seen for a while, and its way goes along the lower one's ink."""
    columns = 90
    upper, lower = np.full(columns, 20.0), np.full(columns, 60.0)
    upper[30:70] = 60.0
    one, two = (
        Trace(middle - 1, middle + 1, middle, level, 2.0) for middle, level in ((upper, 20.0), (lower, 60.0))
    )
    first, second = untangled([one, two])
    assert np.isnan(first.middle[30:70]).all() and np.isfinite(first.middle[:30]).all()
    assert np.isfinite(second.middle).all()


def test_a_peak_that_goes_on_beyond_its_row_is_known_as_cut() -> None:
    """A line with one stroke far down, two pixels wide, and one that ends within the row."""
    cover = np.zeros((120, 60), np.float32)
    cover[29:32] = 1
    cover[29:110, 20:22] = 1
    cover[29:50, 40:42] = 1
    ink = Ink(cover, np.ones(cover.shape, bool), 0.0, 4.0)
    found = follow(ink, 30.0, (28.0, 40.0), 40.0)
    assert np.flatnonzero(found.cut).tolist() == [20, 21]
    assert follow(ink, 30.0, (28.0, 85.0), 400.0).cut.sum() == 0
