"""The phase of a grid gives coordinates, through rotation, perspective, bends and noise."""

from __future__ import annotations

import numpy as np
import pytest

from atml.paper.grid_field import grid_field
from atml.paper.page_truth import Pages, upsampled
from tests.paper.conftest import perfect


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_page_is_found_where_it_lies(pages: Pages, number: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, (4, *pages.size))
    field = grid_field((perfect(pages, number, 0.6)[4:8] + noise).astype(np.float32), 5.0)
    y, x = np.mgrid[20:500:16, 20:660:16] + 0.5
    points = np.stack([x, y], -1)
    true = np.stack(
        [upsampled(axis, pages.size)[y.astype(int), x.astype(int)] for axis in pages.place[number]], -1
    )
    inside = (true > 2).all(-1) & (true[..., 0] < 295) & (true[..., 1] < 224)
    apart = (field.at(points) - true)[inside]
    apart -= np.round(np.median(apart, 0) / 5) * 5  # whole periods are not known
    assert np.sqrt((apart**2).mean(0)).max() < 0.25
    assert np.percentile(np.abs(apart), 99) < 1.0
    assert np.abs(field.inverse(field.at(points)) - points)[inside].max() < 0.2


def test_what_has_no_grid_is_unsure() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, (4, 128, 160)).astype(np.float32)
    assert grid_field(noise, 5.0).surety < 0.1
