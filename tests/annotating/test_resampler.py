from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.annotating.resampler import Resampler
from atml.data.rates import rate_of, resampled


def wave(samples: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.cumsum(random.normal(0, 0.05, (2, samples)), axis=1) + np.array([[5.0], [-3.0]])


def whole(x: np.ndarray, rate: float, target: int) -> np.ndarray:
    one = Resampler(rate_of(rate), target, leads=len(x))
    return np.concatenate([one.push(x), one.end()], axis=1)


@pytest.mark.parametrize("rate", [125, 128, 250, 360, 500, 1000, 249.89])
def test_it_is_what_resampling_the_whole_gives(rate):
    x = wave(3000)
    found = whole(x, rate, 125)
    wanted = resampled(x, rate_of(rate), 125)
    assert found.shape[1] == int(3000 * 125 / rate)
    edge = 15  # beyond the ends the other filter goes on by a line
    assert np.abs(found - wanted[:, : found.shape[1]])[:, edge:-edge].max() < 2e-3
    assert np.abs(found - wanted[:, : found.shape[1]]).max() < 0.2


@given(
    st.sampled_from([128, 250, 360, 500, 125]), st.lists(st.integers(0, 400), max_size=12), st.integers(0, 3)
)
def test_pieces_of_any_length_give_the_same_bits(rate, lengths, seed):
    x = wave(1500, seed)
    x[0, 200 * seed : 220 * seed] = np.nan
    one = Resampler(rate, 125, leads=2)
    edges = [0, *np.cumsum(lengths).clip(0, 1500).tolist(), 1500]
    parts = [one.push(x[:, a:b]) for a, b in itertools.pairwise(edges)]
    found = np.concatenate([*parts, one.end()], axis=1)
    assert np.array_equal(found, whole(x, rate, 125), equal_nan=True)


def test_samples_one_by_one():
    x = wave(700)
    one = Resampler(360, 125, leads=2)
    parts = [one.push(x[:, at : at + 1]) for at in range(700)]
    assert np.array_equal(np.concatenate([*parts, one.end()], axis=1), whole(x, 360, 125))
    assert one._kept.shape[1] < 200  # it keeps no more than the filter reaches


@pytest.mark.parametrize("rate", [125, 250, 360])
def test_what_is_missing_is_missing_and_nothing_else(rate):
    x = wave(10 * rate)
    x[1, 4 * rate : 5 * rate] = np.nan
    found = whole(x, rate, 125)
    gap = np.isnan(found).any(axis=0)
    assert np.flatnonzero(gap).tolist() == list(range(4 * 125, 5 * 125)) or abs(gap.sum() - 125) <= 1
    assert (np.isnan(found).all(axis=0) == gap).all()
    assert np.abs(found[:, 3 * 125] - x[:, 3 * rate]).max() < 0.2


def test_a_signal_that_is_missing_at_first_or_throughout():
    x = wave(2000)
    x[:, :600] = np.nan
    found = whole(x, 250, 125)
    assert np.isnan(found[:, :300]).all() and np.isfinite(found[:, 301:]).all()
    assert np.abs(found[:, 500] - x[:, 1000]).max() < 0.2
    assert np.isnan(whole(np.full((2, 100), np.nan), 250, 125)).all()
    assert whole(np.empty((1, 0)), 250, 125).shape == (1, 0)


def test_an_offset_passes_unchanged():
    assert np.abs(whole(np.full((1, 3600), 1000.0), 360, 125) - 1000).max() == 0
