"""Each degradation changes the picture and not the truth; masks and geometry follow what moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, maximum_filter1d, minimum_filter1d

from atml.pages.bending import folds, seen
from atml.pages.geometry import Geometry, homography
from atml.pages.page_drawing import Page
from atml.pages.picture import Picture, take
from atml.pages.twelve_leads import LEADS
from atml.pages.wear_ranges import DEGRADATIONS, KINDS
from atml.pages.wear_ranges import drawn as wear_of
from tests.pages.conftest import Drawn

AMOUNT = {
    "frame": 0.02, "rotation": 4.0, "perspective": 0.03, "bend": 0.01, "crease": 0.8, "handwriting": 2,
    "stain": 0.4, "light": 0.3, "shadow": 0.4, "blur": 0.8, "noise": 0.03, "jpeg": 60,
}  # fmt: skip
MOVES = {"frame", "rotation", "perspective", "bend", "crease"}


def hits(picture: Picture) -> tuple[float, float]:
    """Return two shares: of the traces' points that the mask has, and of the mask that lies on its trace."""
    page = picture.page
    found, total, near, masked = 0, 0, 0, 0
    rows, columns = picture.wave.shape
    for place in page.places:
        x, y = page.trace(place)
        lead = LEADS.index(place.lead) + 1
        j, i = np.floor(picture.geometry.to_picture(np.stack([x, y], 1))).astype(int).T
        inside = (i >= 0) & (j >= 0) & (i < rows) & (j < columns)
        thick = maximum_filter(picture.wave == lead, 3)
        found, total = found + int(thick[i[inside], j[inside]].sum()), total + int(inside.sum())
        i, j = np.nonzero(picture.wave == lead)
        u, v = picture.geometry.to_page(np.stack([j + 0.5, i + 0.5], 1)).T
        mine = (u > x[0] + 2) & (u < x[-1] - 2)
        low, high = minimum_filter1d(y, 31), maximum_filter1d(y, 31)  # 15 samples are some 1.7 pixels
        at = np.clip(np.rint(np.interp(u[mine], x, np.arange(len(x)))).astype(int), 0, len(x) - 1)
        near += int(((v[mine] > low[at] - 1.5) & (v[mine] < high[at] + 1.5)).sum())
        masked += int(mine.sum())
    return found / total, near / masked


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_degradation_changes_the_picture_and_not_the_truth(name: str, drawn: Drawn) -> None:
    page = drawn(2, size=(256, 336))
    before = [array.copy() for array in (page.rgb, page.signal, page.wave, page.grid)]
    plain, worn = take(page, {}, (1,)), take(page, {name: AMOUNT[name]}, (1,))
    assert not np.array_equal(plain.rgb, worn.rgb)
    assert worn.rgb.dtype == np.uint8 and worn.rgb.shape == (256, 336, 3)
    for old, new in zip(before, (page.rgb, page.signal, page.wave, page.grid), strict=True):
        assert np.array_equal(old, new, equal_nan=True)
    moved = not np.array_equal(plain.wave, worn.wave)
    assert moved == (name in MOVES) == (not np.array_equal(plain.grid, worn.grid))
    if name not in MOVES:
        assert np.array_equal(worn.geometry.matrix, np.eye(3)) and worn.geometry.lattice is None
        assert np.array_equal(plain.other, worn.other) == (name != "handwriting")
    assert (worn.geometry.lattice is not None) == (name in {"bend", "crease"})


@pytest.mark.parametrize("wear", [{}, {"rotation": 4.0, "perspective": 0.03}, {"bend": 0.01}, AMOUNT])
def test_the_mask_lies_on_the_traces_that_the_geometry_takes_there(
    wear: dict[str, float], drawn: Drawn
) -> None:
    found, near = hits(take(drawn(4, "6x2"), wear, (5,)))
    assert found > 0.97 and near > 0.97, (found, near)


@pytest.mark.parametrize(
    "wear", [{"rotation": 5.0}, {"perspective": 0.04}, {"bend": 0.012}, {"crease": 1.0}, AMOUNT]
)
def test_there_and_back_is_where_it_began(wear: dict[str, float]) -> None:
    found = folds(np.random.default_rng(7), wear.get("crease", 0.0), (512, 672))
    geometry = seen(np.random.default_rng(7), wear, (512, 672), found)
    points = np.random.default_rng(0).uniform([20, 20], [650, 490], (200, 2))
    assert np.abs(geometry.to_page(geometry.to_picture(points)) - points).max() < 0.01
    again = Geometry.from_json(geometry.to_json(), geometry.lattice)
    assert np.array_equal(again.to_picture(points), geometry.to_picture(points))
    moved = np.abs(geometry.to_picture(points) - points).max()
    assert 2 < moved < 160


def test_a_homography_takes_corners_to_corners() -> None:
    square = np.array([[0, 0], [10, 0], [10, 8], [0, 8]], np.float64)
    other = np.array([[1, 1], [9, 0], [11, 9], [-1, 7]], np.float64)
    assert np.allclose(Geometry(homography(square, other)).to_picture(square), other)


def test_a_page_is_seen_whole() -> None:
    for seed in range(40):
        wear = wear_of(np.random.default_rng(seed), "photo")
        found = folds(np.random.default_rng(seed), wear.get("crease", 0.0), (512, 672))
        geometry = seen(np.random.default_rng(seed), wear, (512, 672), found)
        corners = geometry.to_picture(np.array([[4.0, 4.0], [668, 4], [668, 508], [4, 508]]))
        assert (corners > -8).all() and (corners < [680, 520]).all(), (seed, corners)


def test_kinds_are_as_bad_as_they_say() -> None:
    drawn = {kind: [wear_of(np.random.default_rng(s), kind) for s in range(60)] for kind in KINDS}
    assert all(wear == {} for wear in drawn["clean"])
    for kind, ranges in KINDS.items():
        for wear in drawn[kind]:
            for name, amount in wear.items():
                assert ranges[name].low - 0.5 <= amount <= ranges[name].high + 0.5
        assert set().union(*drawn[kind]) == set(ranges)
    for name in ("rotation", "perspective", "shadow", "blur", "noise"):
        mild, photo = (np.mean([wear.get(name, 0) for wear in drawn[kind]]) for kind in ("mild", "photo"))
        assert photo > mild


def test_pictures_of_a_kind_go_from_clean_to_bad(drawn: Drawn) -> None:
    """How far from the clean page the grey values on the traces are, on average over a few pictures."""
    page: Page = drawn(6, size=(256, 336))
    contrast = {}
    for kind in KINDS:
        found = []
        for seed in range(3):
            picture = take(page, wear_of(np.random.default_rng(seed), kind), (seed,))
            grey = picture.rgb.mean(2) / 255
            found.append(np.median(grey[picture.grid > 0]) - np.median(grey[picture.wave > 0]))
        contrast[kind] = float(np.mean(found))
    assert contrast["clean"] > contrast["scan"] > contrast["photo"] > 0.05, contrast
    assert contrast["mild"] > contrast["photo"]
