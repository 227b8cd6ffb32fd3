"""Pages that tests of their reading share, and what a perfect network would say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atml.arrays import Float32
from atml.models.unet import OUTPUTS
from atml.page_sets.page_set import Asked, make
from atml.paper.page_sources import sources
from atml.paper.page_truth import Pages, read, upsampled

SIZE = (512, 672)


def perfect(pages: Pages, number: int, strength: float = 0.8) -> Float32:
    """Return the maps of a network that knows the truth of a page."""
    size = pages.size
    x, y = (upsampled(axis, size) for axis in np.asarray(pages.place[number]))
    who, zero = np.asarray(pages.who[number]), np.asarray(pages.zero[number])
    inked = (who > 0) & (who != 255)
    maps = np.zeros((OUTPUTS, *size), np.float32)
    maps[0], maps[1], maps[2] = 4.0, np.where(inked, 8.0, 0.0), np.where(who == 255, 8.0, 0.0)
    maps[3][inked] = (zero[who[inked] - 1] - y[inked]) / 10
    inside = (x > 0) & (x < 297) & (y > 0) & (y < 226)
    turns = np.stack([x, y]) * (2 * np.pi / 5)
    maps[4:8] = strength * inside * np.stack([f(turns[axis]) for axis in (0, 1) for f in (np.cos, np.sin)])
    return maps


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    asked = Asked(hearts=2, pages=2, size=SIZE, seed=5, kinds=("clean", "photo"), layouts=("3x4+1",))
    return make(tmp_path_factory.mktemp("paper") / "set", asked).folder


@pytest.fixture(scope="session")
def pages(root: Path) -> Pages:
    """Four pages: clean, photo, photo, clean; then both photographs laid flat."""
    return read(sources(root), SIZE, both=True)
