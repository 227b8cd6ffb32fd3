"""Rows, speed, gain and leads are read off what a perfect network says of a page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atml.arrays import Float32
from atml.models.paper_config import PaperConfig
from atml.page_sets.page_set import Asked, make
from atml.paper.decoding import decode, resampled
from atml.paper.flat_page import FlatPage
from atml.paper.page_sources import sources
from atml.paper.page_truth import Pages, read
from atml.paper.reading import Reader, sized
from atml.paper.scores import lead_decibels
from tests.paper.conftest import SIZE, perfect

PER_MM = 672 / 297


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    asked = Asked(hearts=5, pages=1, size=SIZE, seed=9, kinds=("clean",))
    return read(sources(make(tmp_path_factory.mktemp("many") / "set", asked).folder), SIZE)


def test_layout_and_scale_of_every_page(many: Pages) -> None:
    assert len(set(many.layout.tolist())) > 1
    for number in range(len(many)):
        found = decode(FlatPage.of(perfect(many, number), PER_MM))
        assert found.layout == many.layout[number] and not found.refused
        if found.scale.surety > 0:  # one page of ten has no pulse
            assert [found.scale.speed, found.scale.gain] == many.scale[number].tolist()
            assert np.median(lead_decibels(many.signal[number], found.signal)) > 8
            assert (found.confidence > 0.8).all()


def test_what_is_not_drawn_is_not_read(many: Pages) -> None:
    found = decode(FlatPage.of(perfect(many, 0), PER_MM))
    drawn, got = np.isfinite(many.signal[0]), np.isfinite(found.signal)
    assert (drawn == got).mean() > 0.99


def test_a_photograph_is_laid_flat_first(pages: Pages) -> None:
    """The network that knows the truth is asked twice: of the picture, and of the page laid flat."""
    asked: list[tuple[int, ...]] = []

    def maps(page: Float32) -> Float32:
        asked.append(page.shape)
        if len(asked) == 1:
            return perfect(pages, 1)[None]
        # What is laid flat begins at the picture's corner, not at the page's.
        empty = np.zeros((1, 10, *page.shape[2:]), np.float32)
        empty[:, 0] = 5.0
        return empty

    found = Reader(PaperConfig(), maps).read(pages.rgb[1])
    assert len(asked) == 2 and asked[0] == (1, 3, 512, 672)
    assert all(n % 8 == 0 for n in asked[1][2:]) and abs(asked[1][3] - 672) < 150
    assert found.refused.startswith("0 rows of leads found; known are pages with 3 (3x4)")


def test_what_is_no_page_is_refused() -> None:
    nothing = Reader(PaperConfig(), lambda page: np.zeros((1, 10, *page.shape[2:]), np.float32))
    found = nothing.read(np.full((300, 400, 3), 255, np.uint8))
    assert found.refused == "no trace of an ECG found" and np.isnan(found.signal).all()

    def traces(page: Float32) -> Float32:
        out = np.zeros((1, 10, *page.shape[2:]), np.float32)
        out[:, 1] = 5.0
        return out

    assert Reader(PaperConfig(), traces).read(np.zeros((512, 672, 3), np.uint8)).refused == "no grid found"


@pytest.mark.parametrize("how", ["linear", "fft"])
def test_resampling_keeps_what_is_slow(how: str) -> None:
    t = np.arange(140) / 56.6
    fine = np.arange(1200) / 500
    got = resampled(t, np.sin(2 * np.pi * 2 * t) + t, fine, how)
    assert np.abs(got - np.sin(2 * np.pi * 2 * fine) - fine)[60:-60].max() < 0.02


def test_fft_resampling_is_nearer() -> None:
    t, fine = np.arange(140) / 56.6, np.arange(1200) / 500
    true = np.sin(2 * np.pi * 15 * fine)
    wave = np.sin(2 * np.pi * 15 * t)
    apart = [np.abs(resampled(t, wave, fine, how) - true)[100:-100].max() for how in ("fft", "linear")]
    assert apart[0] < 0.1 < apart[1]


def test_pictures_keep_their_shape() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 200:] = 255
    found = sized(wide, (512, 672))
    assert found.shape == (512, 672, 3) and found[:168, 400:].min() == 255 and found[:, :300].max() == 0


def test_the_learned_weights_count(many: Pages) -> None:
    page = FlatPage.of(perfect(many, 0), PER_MM)
    odd = np.broadcast_to(np.arange(512)[:, None] % 2, page.weight.shape)
    heavy = replace(page, weight=np.where(odd, 0.1, 1.0).astype(np.float32))
    by = {how: decode(heavy, reading=how).signal for how in ("centroid", "soft_argmax")}
    plain = decode(page, reading="centroid").signal
    assert np.array_equal(by["centroid"], plain, equal_nan=True)
    assert not np.array_equal(by["soft_argmax"], plain, equal_nan=True)
