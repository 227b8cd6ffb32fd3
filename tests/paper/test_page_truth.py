"""What is known of each pixel of a page fits its picture, as it lies and laid flat."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from atml.errors import DataError
from atml.page_sets.page_set import Asked, make
from atml.paper.page_sources import sources
from atml.paper.page_truth import PRINT, Pages, at_rate, one_page, opened, upsampled
from atml.paper.reading import sized


def test_pages_come_as_they_are_and_laid_flat(pages: Pages) -> None:
    assert pages.kind.tolist() == ["clean", "photo", "photo", "clean", "photo", "photo"]
    assert pages.flat.tolist() == [False] * 4 + [True] * 2
    assert pages.name[4:].tolist() == pages.name[1:3].tolist()
    assert pages.rgb.shape == (6, 512, 672, 3) and pages.signal.shape == (6, 12, 5000)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_mean_row_of_a_trace_lies_in_its_mask(pages: Pages, number: int) -> None:
    rows = np.arange(512)[:, None] + 0.5
    for stretch in range(13):
        mine = pages.who[number] == stretch + 1
        centre = pages.centre[number, stretch]
        both = mine.any(0) & np.isfinite(centre)
        assert both.sum() > 100
        top = np.where(mine, rows, np.inf).min(0)[both]
        bottom = np.where(mine, rows, -np.inf).max(0)[both]
        within = (centre[both] > top - 1.5) & (centre[both] < bottom + 1.5)
        assert within.mean() > 0.93


def test_laid_flat_a_page_fills_its_picture(pages: Pages) -> None:
    x, y = pages.place[4]
    assert x[0, 0] == y[0, 0] == 0 and np.allclose([x[-1, -1], y[-1, -1]], [297, 512 / 672 * 297], atol=1e-3)
    # Of a photograph the corner of the picture is not that of the page.
    assert abs(pages.place[1][0, 0, 0]) > 1
    ink = (pages.who[4] > 0) & (pages.who[4] != PRINT)
    grey = pages.rgb[4].mean(-1)
    assert grey[ink].mean() < grey[pages.who[4] == 0].mean() - 30


def test_a_set_is_read_once(root: Path, tmp_path: Path) -> None:
    first = opened(root, (256, 336), tmp_path)
    entry = next(tmp_path.glob("paper-*"))
    stamp = (entry / "rgb.npy").stat().st_mtime_ns
    again = opened(root, (256, 336), tmp_path)
    assert (entry / "rgb.npy").stat().st_mtime_ns == stamp and len(list(tmp_path.iterdir())) == 1
    assert np.array_equal(first.rgb, again.rgb) and first.rgb.shape == (4, 256, 336, 3)
    assert np.array_equal(first.centre, again.centre, equal_nan=True)


@pytest.mark.parametrize(
    "ending", ["_dirty.png", "_label_wave.png", "_label_other.png", "_metadata.json", "_v00.csv"]
)
def test_a_set_that_was_edited_is_read_again(root: Path, tmp_path: Path, ending: str) -> None:
    copy = tmp_path / "set"
    shutil.copytree(root, copy)
    opened(copy, (64, 84), tmp_path / "cache")
    edited = sorted(copy.rglob(f"*{ending}"))[0]
    os.utime(edited, ns=(1, edited.stat().st_mtime_ns + 1))
    opened(copy, (64, 84), tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("paper-*"))) == 2


def test_long_names_are_kept_whole(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / ("a set of a long name " * 5).strip()
    shutil.copytree(root, copy)
    other = tmp_path / "other"
    shutil.copytree(root, other)
    found = opened([copy, other], (64, 84), tmp_path / "cache")
    assert found.name[0].startswith(f"{copy.name}/s5h0000_v00") and len(set(found.name.tolist())) == 8


@pytest.mark.parametrize("kind", ["clean", "photo"])
def test_pages_of_another_shape_are_learned_as_they_are_read(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    asked = Asked(hearts=1, pages=1, size=(512, 512), seed=6, kinds=(kind,), layouts=("3x4+1",))
    (page,) = sources(make(tmp_path / "set", asked).folder)
    rgb = page.load().rgb
    one = one_page(page, (512, 672))
    assert np.array_equal(one["rgb"], sized(rgb, (512, 672)))
    rows = np.arange(512)[:, None] + 0.5
    mine, centre = one["who"] == 13, one["centre"][12]
    both = mine.any(0) & np.isfinite(centre)
    mean = (np.where(mine, rows, 0).sum(0) / np.maximum(1, mine.sum(0)))[both]
    assert both.sum() > 300 and np.abs(mean - centre[both]).mean() < 1.5 and not mine[:, 512:].any()
    small = one_page(page, (256, 336))
    assert np.abs(small["rgb"].astype(float) - sized(rgb, (256, 336))).mean() < 1
    flat = one_page(page, (512, 672), flat=True)
    ink, grey = (flat["who"] > 0) & (flat["who"] != PRINT), flat["rgb"].mean(-1)
    beside = maximum_filter(ink, 9) & (flat["who"] == 0)
    assert ink.sum() > 2000 and grey[ink].mean() < grey[beside].mean() - 8


def test_a_folder_without_pages_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pages with their truth; make some with"):
        sources(tmp_path)


@pytest.mark.parametrize("rate", [250, 256, 500, 512, 1000, 1025])
def test_every_rate_becomes_500(rate: int) -> None:
    t = np.arange(10 * rate) / rate
    signal = np.tile(np.sin(2 * np.pi * 3 * t), (12, 1)).astype(np.float32)
    signal[0, : 5 * rate] = np.nan
    found = at_rate(signal, rate)
    assert found.shape == (12, 5000)
    wanted = np.sin(2 * np.pi * 3 * np.arange(5000) / 500)
    assert np.abs(found[1] - wanted)[50:-50].max() < 0.02
    assert np.isnan(found[0, :2499]).all() and np.isfinite(found[0, 2501:]).all()


def test_upsampling_is_exact_for_planes() -> None:
    y, x = np.mgrid[:9, :9] * 8.0
    plane = (2 * x - y).astype(np.float32)
    got = upsampled(plane, (16, 24), (8, 4))
    rows, columns = np.mgrid[8:24, 4:28] + 0.5
    assert np.allclose(got, 2 * columns - rows, atol=1e-3)
