"""Pages that tests share; all of this needs Pillow, and is skipped where it is not installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from atml.pages.dipole_heart import RATE, heart, strip
from atml.pages.page_drawing import Page, page
from atml.pages.page_layout import LAYOUTS, PAPER_WIDTH
from atml.pages.page_style import style

SIZE = (512, 672)
Drawn = Callable[..., Page]


def draw(seed: int = 0, layout: str = "3x4+1", size: tuple[int, int] = SIZE, has: str = "") -> Page:
    """Draw a page of a heart."""
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    random = np.random.default_rng(seed)
    who = heart(random, frozenset(has.split()))
    signal = strip(random, who).signal
    height = size[0] / size[1] * PAPER_WIDTH
    assert layout in LAYOUTS
    look = style(random, signal, layouts=(layout,), height=height, rate=who.rate)
    return page(signal, RATE, look, size)


@pytest.fixture
def drawn() -> Drawn:
    return draw
