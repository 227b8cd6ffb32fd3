from __future__ import annotations

import numpy as np
import pytest

from atml.ecg.resampling import resample, resampled_length, windows


def tone(hz: float, rate: int, seconds: float = 4.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize(("source", "target"), [(360, 250), (500, 250), (128, 250), (300, 250), (250, 360)])
def test_a_tone_keeps_its_frequency_and_size(source, target):
    found = resample(tone(7.0, source)[None], source, target)[0]
    middle = slice(target // 2, -target // 2)  # a filter's ends ring
    expected = tone(7.0, target)
    assert found.shape == (resampled_length(4 * source, source, target),)
    np.testing.assert_allclose(found[middle], expected[middle], atol=0.01)


def test_what_the_new_rate_cannot_hold_is_filtered_out():
    found = resample(tone(180.0, 500)[None], 500, 250)[0]  # would alias to 70 Hz
    assert np.abs(found[125:-125]).max() < 0.02


def test_an_offset_rings_at_neither_end():
    np.testing.assert_allclose(resample(np.full((1, 1000), 5.0), 500, 250), np.full((1, 500), 5.0), atol=1e-6)


def test_equal_rates_change_nothing():
    x = np.random.default_rng(0).normal(size=(2, 100))
    np.testing.assert_array_equal(resample(x, 250, 250), x)


@pytest.mark.parametrize("rates", [(0, 250), (250, -1)])
def test_a_rate_must_be_positive(rates):
    with pytest.raises(ValueError, match="positive"):
        resample(np.zeros((1, 10)), *rates)


@pytest.mark.parametrize("samples", [1, 7, 1799, 1800, 1801])
def test_the_length_is_foretold(samples):
    assert resample(np.ones((1, samples)), 360, 250).shape[1] == resampled_length(samples, 360, 250)


def test_windows_are_adjacent_and_keep_leads():
    x = np.arange(2 * 11).reshape(2, 11).astype(float)
    cut = windows(x, 4)
    assert cut.shape == (2, 2, 4)
    np.testing.assert_array_equal(cut[1, 0], [4, 5, 6, 7])
    np.testing.assert_array_equal(cut[1, 1], [15, 16, 17, 18])


def test_too_short_for_a_window_is_none():
    assert windows(np.zeros((1, 3)), 4).shape == (0, 1, 4)
