"""Pages that tests read: drawn once, small enough to be read in a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from atml.pages.dipole_heart import RATE, heart, strip
from atml.pages.page_drawing import page
from atml.pages.page_layout import PAPER_WIDTH
from atml.pages.page_style import Style, style
from atml.pages.picture import Picture, take

SIZE = (512, 672)


@dataclass(frozen=True)
class Made:
    """A page, its picture, and what it shows: ``signal (12, samples)`` in mV."""

    picture: Picture
    signal: np.ndarray
    look: Style

    def save(self, file: Path) -> Path:
        from PIL import Image

        Image.fromarray(self.picture.rgb).save(file)
        return file


def make(seed: int, layout: str, wear: dict[str, float] | None = None, **changed: object) -> Made:
    """Draw a page, look as ``changed`` says, and take its picture."""
    from dataclasses import replace

    pytest.importorskip("PIL", reason="Pillow is not installed here")
    random = np.random.default_rng(seed)
    signal = strip(random, heart(random, frozenset())).signal
    height = SIZE[0] / SIZE[1] * PAPER_WIDTH
    usual = {"speed": 25.0, "gain": 10.0, "paper": "red", "dots": False, "pulse": "left"}
    look = replace(style(random, signal, layouts=(layout,), height=height, rate=70), **{**usual, **changed})
    drawn = page(signal, RATE, look, SIZE)
    return Made(take(drawn, wear or {}, (seed,)), drawn.signal, look)


@pytest.fixture(scope="session")
def clean() -> Made:
    return make(11, "3x4+1")


@pytest.fixture(scope="session")
def turned() -> Made:
    wear = {"rotation": 4.0, "perspective": 0.02, "light": 0.3, "shadow": 0.3, "noise": 0.015, "bend": 0.006}
    return make(12, "3x4+1", wear)
