"""Changes of a recording that leave the heart as it is."""

from __future__ import annotations

import numpy as np
import pytest

from atml.ecg.changes import BAND_HZ, CHANGES, GAIN, NOISE, SHIFT_S, changed, in_words

RATE = 250.0


def sine(hz: float, rate: float = RATE, seconds: float = 8.0, leads: int = 1) -> np.ndarray:
    wave = np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate).astype(np.float32)
    return np.tile(wave, (1, leads, 1))


def done(kind: str, x: np.ndarray, rate: float = RATE, first: int = 0) -> np.ndarray:
    return changed(kind, x, rate, first + np.arange(len(x)))


def test_polarity_and_gain() -> None:
    x = sine(7)
    np.testing.assert_array_equal(done("polarity", x), -x)
    np.testing.assert_allclose(done("gain", x), GAIN * x, rtol=1e-6)


def test_the_filter_passes_the_heart_and_stops_mains_and_drift() -> None:
    middle = slice(500, 1500)
    for hz in (3.0, 10.0, 20.0):
        kept = done("filter", sine(hz))[0, 0, middle]
        # Zero phase: what passes stays where it is.
        np.testing.assert_allclose(kept, sine(hz)[0, 0, middle], atol=0.1)
    for hz in (0.05, 60.0):
        assert np.abs(done("filter", sine(hz))[0, 0, middle]).max() < 0.15
    assert np.abs(done("filter", sine(10) + 5)[0, 0, middle] - sine(10)[0, 0, middle]).max() < 0.1


def test_noise_is_of_the_size_it_says_in_each_lead() -> None:
    x = sine(5, leads=2) * np.array([[[1.0], [3.0]]], np.float32) + np.float32(2)
    added = done("noise", x) - x
    assert added[0].std(axis=-1) / x[0].std(axis=-1) == pytest.approx([NOISE, NOISE], rel=0.1)
    assert abs(np.corrcoef(added[0])[0, 1]) < 0.1


def test_a_shifted_window_begins_later_and_ends_mirrored() -> None:
    x = np.arange(1000, dtype=np.float32)[None, None]
    by = round(SHIFT_S * RATE)
    found = done("shift", x)[0, 0]
    np.testing.assert_array_equal(found[: 1000 - by], x[0, 0, by:])
    np.testing.assert_array_equal(found[1000 - by :], x[0, 0, -1 - by : -1][::-1])


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize(("rate", "samples", "leads"), [(50.0, 50, 1), (100.0, 1000, 2), (360.0, 360, 1)])
def test_a_window_is_changed_alike_whatever_stands_beside_it(
    kind: str, rate: float, samples: int, leads: int
) -> None:
    x = np.random.default_rng(0).normal(size=(6, leads, samples)).astype(np.float32)
    x.setflags(write=False)
    whole = done(kind, x, rate, first=200_000)
    assert whole.shape == x.shape and whole.dtype == np.float32 and np.isfinite(whole).all()
    assert not np.array_equal(whole, x)
    for row in range(6):
        alone = changed(kind, x[row : row + 1], rate, np.array([200_000 + row]))
        np.testing.assert_array_equal(alone[0], whole[row])


def test_every_change_is_described_with_its_strength() -> None:
    words = in_words()
    assert list(words) == list(CHANGES)
    for kind, strength in {"filter": BAND_HZ[1], "gain": GAIN, "noise": NOISE, "shift": SHIFT_S}.items():
        assert f"{strength:g}" in words[kind]
