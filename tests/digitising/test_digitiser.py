"""Pages come back as signals, wherever they lie in their pictures; what is no page is refused."""

from __future__ import annotations

import numpy as np
import pytest

from atml.digitising import grid, light, unwarping
from atml.digitising.digitiser import RATE, Asked, digitise
from atml.digitising.leads import laws, stretches
from atml.digitising.rows import regular
from atml.digitising.signal_rules import PictureMatch
from atml.errors import DataError, InputError
from atml.pages.twelve_leads import twelve
from tests.digitising.conftest import Made, make


def test_a_clean_page_comes_back(clean: Made) -> None:
    found = digitise(clean.picture.rgb)
    match = PictureMatch.of(clean.signal, found.signal, RATE)
    assert (found.layout, found.speed, found.gain) == ("3x4+1", 25.0, 10.0) and not found.notes
    assert match.db > 13 and match.pearson > 0.95
    assert found.signal.shape == (12, 5000)
    drawn = np.isfinite(clean.signal)
    assert (np.isfinite(found.signal) == drawn).mean() > 0.99
    assert found.confidence.min() > 0.8


def test_a_photograph_comes_back(turned: Made) -> None:
    found = digitise(turned.picture.rgb)
    match = PictureMatch.of(turned.signal, found.signal, RATE)
    assert found.layout == "3x4+1" and match.pearson > 0.9 and match.db > 7
    assert abs(abs(found.angle) - 4.0) < 1.0


@pytest.mark.parametrize(
    ("layout", "changed"), [("12x1", {"gain": 5.0}), ("6x2", {}), ("3x4", {"speed": 50.0})]
)
def test_other_layouts_gains_and_speeds(layout: str, changed: dict[str, float]) -> None:
    made = make(21, layout, **changed)
    found = digitise(made.picture.rgb)
    assert found.layout == layout
    assert (found.gain, found.speed) == (changed.get("gain", 10.0), changed.get("speed", 25.0))
    assert PictureMatch.of(made.signal, found.signal, RATE).pearson > 0.9


def test_a_pulse_behind_the_names_of_leads_is_found() -> None:
    """At 50 mm/s pulses are 10 mm wide, and of twelve rows the names stand before and on them."""
    found = digitise(make(3, "12x1", speed=50.0).picture.rgb)
    assert (found.speed, found.gain, found.notes) == (50.0, 10.0, ())


def test_two_pictures_of_one_page_agree() -> None:
    """The page itself, its scan, and a photograph of it."""
    scan = {"rotation": 0.6, "frame": 0.004, "blur": 0.4, "noise": 0.01}
    photo = {"rotation": 3.0, "perspective": 0.015, "light": 0.2, "blur": 0.5, "noise": 0.015}
    whole = digitise(make(31, "6x2").picture.rgb)
    for wear in (scan, photo):
        other = digitise(make(31, "6x2", wear).picture.rgb)
        match = PictureMatch.of(whole.signal, other.signal, RATE)
        assert match.pearson > 0.95 and match.db > 10


def test_what_no_pulse_says_is_assumed_and_said() -> None:
    made = make(11, "3x4+1", pulse="", gain=5.0)
    found = digitise(made.picture.rgb)
    assert (found.speed, found.gain) == (25.0, 10.0)
    assert [note.split(":")[1] for note in found.notes] == [
        " 25 mm/s is assumed (--speed)",
        " 10 mm/mV is assumed (--gain)",
    ]
    told = digitise(made.picture.rgb, Asked(gain=5.0, speed=25.0))
    assert not told.notes
    assert np.nanstd(told.signal) == pytest.approx(2 * np.nanstd(found.signal), rel=1e-3)


def test_the_map_of_the_grid_is_that_of_the_page(turned: Made) -> None:
    """To a tenth of a mm or two: a tenth is 4 ms."""
    even = light.evened(turned.picture.rgb, 11)
    dark = light.grid_darkness(even)
    found = grid.find(dark)
    assert found is not None and found.mm == 5
    lattice = unwarping.lattice(dark, light.inked(even), found)
    page, geometry = turned.picture.page, turned.picture.geometry
    errors = []
    for place in page.places:
        x = np.linspace(place.x, place.x + 60, 40)
        mm = np.stack([x, np.full(40, place.y)], 1)
        seen = geometry.to_picture(mm * page.scale) - 0.5
        at = [lattice.at(seen[:, 0], seen[:, 1], values) for values in (lattice.x, lattice.y)]
        errors.append(np.stack(at, 1) - mm)
    error = np.concatenate(errors)
    error -= np.median(error, 0)
    assert np.sqrt((error**2).mean(0)).max() < 0.25


def test_weights_at_places_are_those_of_a_filter_over_every_pixel() -> None:
    from scipy.ndimage import gaussian_filter

    picture = np.random.default_rng(0).normal(size=(90, 130))
    at_i, at_j = np.array([0, 4, 45, 89]), np.array([1, 64, 129])
    down, across = unwarping._near(at_i, 90, 6.3), unwarping._near(at_j, 130, 6.3)
    whole = gaussian_filter(picture, 6.3, mode="constant", truncate=3)
    assert down @ picture @ across.T == pytest.approx(whole[np.ix_(at_i, at_j)], abs=1e-12)


@pytest.mark.parametrize("what", ["noise", "white", "lines", "small", "photo"])
def test_what_is_no_ecg_is_refused(what: str) -> None:
    random = np.random.default_rng(0)
    if what == "noise":
        rgb = random.integers(0, 255, (300, 400, 3), np.uint8)
    elif what == "white":
        rgb = np.full((300, 400, 3), 255, np.uint8)
    elif what == "small":
        rgb = np.full((40, 60, 3), 255, np.uint8)
    elif what == "photo":
        from scipy.ndimage import gaussian_filter

        rgb = np.stack([gaussian_filter(random.normal(size=(300, 400)), 9) for _ in range(3)], -1)
        rgb = np.clip(128 + 900 * rgb, 0, 255).astype(np.uint8)
    else:  # ruled paper: lines in one direction
        rgb = np.full((300, 400, 3), 250, np.uint8)
        rgb[::12] = (150, 170, 230)
    with pytest.raises(
        DataError, match="no grid was found|0 rows of traces" if what == "photo" else "no grid"
    ):
        digitise(rgb)


def test_grid_paper_without_traces_is_refused() -> None:
    rgb = np.full((480, 640, 3), 255, np.uint8)
    rgb[::3] = rgb[:, ::3] = (255, 225, 225)
    rgb[::12] = rgb[:, ::12] = (240, 150, 150)
    with pytest.raises(DataError, match=r"rows of traces|no trace"):
        digitise(rgb)


def test_a_page_that_is_cut_off_is_refused(clean: Made) -> None:
    half = clean.picture.rgb[:250]
    with pytest.raises(DataError, match=r"[0-9] rows of traces were found.*cut off"):
        digitise(half)


def test_a_layout_that_does_not_fit_is_refused(clean: Made) -> None:
    with pytest.raises(DataError, match="4 rows of traces were found, and the layout 12x1 has 12"):
        digitise(clean.picture.rgb, Asked(layout="12x1"))
    with pytest.raises(InputError, match="--layout '4x3' is not known; there are 3x4"):
        Asked(layout="4x3")
    with pytest.raises(InputError, match="--gain 500 is no gain in mm/mV"):
        Asked(gain=500)


def test_rows_are_those_at_a_regular_distance() -> None:
    twelve_rows = 40.0 + 15.5 * np.arange(12)
    assert regular(np.sort(np.append(twelve_rows, 3.0))).tolist() == twelve_rows.tolist()
    assert regular(np.delete(twelve_rows, 4)) == pytest.approx(twelve_rows)
    assert len(regular(np.array([10.0, 200.0]))) == 2


def test_laws_of_the_limb_leads() -> None:
    eight = np.random.default_rng(0).normal(size=(8, 500))
    agree = twelve(eight)
    assert laws(agree)[0] < 1e-20
    agree[2] *= -1
    assert laws(agree)[0] > 0.2
    agree[:6] = np.nan
    assert np.isnan(laws(agree)[0])
    assert [one.lead for one in stretches("6x2", 6)][:3] == ["I", "V1", "II"]
