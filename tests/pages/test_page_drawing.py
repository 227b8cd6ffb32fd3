"""A page shows its signals where its truth says, in every layout, and they can be read back."""

from __future__ import annotations

import numpy as np
import pytest

from atml.pages.page_drawing import MAJOR, MINOR, Page, coverage
from atml.pages.page_layout import LAYOUTS, TRACE_WIDTH
from atml.pages.stroke_font import shifted, stamp, written
from atml.pages.twelve_leads import LEADS
from tests.pages.conftest import Drawn


def read_back(page: Page, scale: float, rgb: np.ndarray) -> np.ndarray:
    """Read a flat page by its geometry: the middle of what is dark in each column of a lead."""
    signal = np.full(page.signal.shape, np.nan)
    dark = np.clip(rgb.min((0, 1)).sum() - rgb.sum(2) + 0.9, 0, None)
    for place in page.places:
        x, _ = page.trace(place)
        lead = LEADS.index(place.lead)
        columns = np.arange(int(x[0]), int(x[-1]) + 1)
        mine = np.where((page.wave[:, columns] == lead + 1), dark[:, columns] + 1e-6, 0.0)
        reach = np.abs(np.arange(len(mine))[:, None] + 0.5 - place.y * scale) < 45 * scale
        mine = mine * reach
        weight = mine.sum(0)
        middle = (mine * (np.arange(len(mine)) + 0.5)[:, None]).sum(0) / np.maximum(weight, 1e-9)
        seen = weight > 0
        at = np.interp(x, columns[seen] + 0.5, middle[seen])
        signal[lead, place.start : place.stop] = (place.y * scale - at) / (scale * page.style.gain)
    return signal


def snr(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the ratio of signal and error in dB; each lead less its own offset."""
    power = error = 0.0
    for lead, other in zip(truth, found, strict=True):
        shown = np.isfinite(lead)
        x, y = lead[shown] - lead[shown].mean(), other[shown] - other[shown].mean()
        power, error = power + float((x**2).sum()), error + float(((x - y) ** 2).sum())
    return 10 * float(np.log10(power / error))


@pytest.mark.parametrize(("size", "least"), [((512, 672), 12), ((256, 336), 4.5)])
def test_a_clean_page_reads_back(size: tuple[int, int], least: float, drawn: Drawn) -> None:
    found = []
    for seed, layout in enumerate(LAYOUTS):
        page = drawn(seed, layout, size)
        found.append(snr(page.signal, read_back(page, page.scale, page.rgb)))
    assert min(found) >= least, found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_show_what_they_are_to(layout: str, drawn: Drawn) -> None:
    page = drawn(3, layout)
    shown = np.isfinite(page.signal).sum(1)
    seconds = min(10.0, TRACE_WIDTH / page.style.speed)
    columns = max(map(len, LAYOUTS[layout]))
    for lead, samples in zip(LEADS, shown, strict=True):
        whole = (lead,) in LAYOUTS[layout]
        assert samples == round(500 * seconds / (1 if whole else columns)), lead
    assert set(np.unique(page.wave)) == set(range(13))
    assert set(np.unique(page.grid)) == {0, MINOR, MAJOR}
    places = {place.lead: place for place in page.places}
    assert places["II"].y > places["I"].y
    if columns > 1:
        assert places["V1"].x > places["I"].x


def test_traces_lie_where_the_truth_says(drawn: Drawn) -> None:
    page = drawn(1, "6x2")
    for place in page.places:
        x, y = page.trace(place)
        here = page.ink[np.clip(y.astype(int), 0, 511), x.astype(int)]
        # A pen that is thinner than a pixel may lie between two.
        assert (here > 0.15).mean() > 0.97
        assert (here > page.inked).mean() > 0.7
    assert page.ink[: int(12 * page.scale)].max() == 0


def test_coverage_is_that_of_the_line() -> None:
    x = np.arange(0, 21.0)
    top, first, flat = coverage(x, np.full(21, 5.5), 1.0, (12, 20))
    assert (top, first) == (5, 0) and flat.shape == (1, 20) and np.allclose(flat, 1.0)
    top, _, half = coverage(x, np.full(21, 5.0), 1.0, (12, 20))
    assert top == 4 and np.allclose(half[:, 2:-2], 0.5)
    _, _, slope = coverage(x, 0.5 * x, 1.0, (12, 20))
    assert slope.sum() / 20 == pytest.approx(
        np.sqrt(1.25), rel=0.1
    )  # a slanting line is as wide as a level one
    y = np.where((x > 8) & (x < 12), np.nan, 5.0)
    _, _, gap = coverage(x, y, 1.0, (12, 20))
    assert gap[:, 10].sum() == 0 and gap[:, 4].sum() > 0


def test_grid_is_a_millimetre(drawn: Drawn) -> None:
    page = drawn(0, size=(1024, 1344))
    lines = np.flatnonzero((page.grid == MAJOR).all(0))
    assert np.allclose(np.diff(lines) / page.scale, 5.0, atol=0.3)
    red = page.rgb[..., 1].mean(0)  # the lines are darker than the paper between them
    between = (lines[:-1] + lines[1:]) // 2
    assert red[lines].mean() < red[between].mean() - 0.05


def test_letters_are_drawn() -> None:
    for text in ("aVR", "V1", "25 mm/s", "Vent. rate 80 bpm", "ÄÖ"):
        layer = np.zeros((30, 240), np.float32)
        stamp(layer, shifted(written(text, 10), 5.5, 20.5), 1.0)
        assert layer.max() > 0.9 and layer[9:26].sum() == pytest.approx(layer.sum())
    one, seven = (sum(len(s) for s in written(letter, 6)) for letter in "17")
    assert one and seven
