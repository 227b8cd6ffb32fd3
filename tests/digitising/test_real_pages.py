"""Pictures of real pages and of another maker: they are read, or refused with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from atml.digitising.digitiser import RATE, Digitised, digitise
from atml.digitising.signal_rules import PictureMatch
from atml.errors import DataError
from atml.pages.picture_file import read

PAGES = Path(os.environ.get("ATML_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "pages"

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason=f"no pictures of pages in {PAGES}")


@pytest.fixture(scope="module")
def found() -> Digitised:
    """What is read of a generated page."""
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    return digitise(read(PAGES / "generated" / "00003_hr-clean.png"))


def test_a_generated_page_is_read(found: Digitised) -> None:
    assert (found.layout, found.speed, found.gain) == ("3x4+1", 25.0, 10.0)
    assert found.confidence.min() > 0.8


def test_part_of_a_page_is_refused() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    with pytest.raises(DataError, match="rows of traces were found"):
        digitise(read(PAGES / "scans" / "ecg00008.jpg"))


def test_a_layout_that_is_none_of_these_is_refused() -> None:
    """Three rows of four leads, and three more for rhythm."""
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    with pytest.raises(DataError, match=r"limb leads do not agree|rows of traces were found"):
        digitise(read(PAGES / "scans" / "ecg00006.png"))


def test_a_grid_as_dark_as_the_traces_is_refused() -> None:
    """Lines of one colour and darkness with the traces, 1 mm apart."""
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    with pytest.raises(DataError, match=r"is as dark as ink in every colour, its grid too"):
        digitise(read(PAGES / "scans" / "ecg00013.jpg"))


def test_two_pictures_of_one_page_agree(found: Digitised) -> None:
    """As it is, and at half its size."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed here")
    rgb = read(PAGES / "generated" / "00003_hr-clean.png")
    half = image.fromarray(rgb).resize((rgb.shape[1] // 2, rgb.shape[0] // 2), image.Resampling.BOX)
    match = PictureMatch.of(found.signal, digitise(np.asarray(half, np.uint8)).signal, RATE)
    assert match.pearson > 0.9 and match.db > 8
    assert np.isfinite(found.signal[1]).all()


def test_a_creased_page_is_not_read_wrongly(found: Digitised) -> None:
    """The same page as it was folded: it agrees with the other picture, or is refused."""
    try:
        creased = digitise(read(PAGES / "generated" / "00003_hr-creases.png"))
    except DataError as error:
        assert "limb leads do not agree" in str(error) or "rows of traces" in str(error)
    else:
        assert PictureMatch.of(found.signal, creased.signal, RATE).pearson > 0.9
