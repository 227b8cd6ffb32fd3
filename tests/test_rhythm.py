import numpy as np
import pytest

from atml import rhythm

RATE = 250


def wave(hz, seconds=4.0, rate=RATE, height=1.0):
    """A sine of so many mV peak to peak, as one window of one lead."""
    t = np.arange(round(seconds * rate)) / rate
    return (height / 2 * np.sin(2 * np.pi * hz * t + 0.3)).astype(np.float32)[None, None]


@pytest.mark.parametrize("hz", [3.0, 4.5, 6.0, 8.0])
@pytest.mark.parametrize("seconds", [1.0, 4.0, 8.0])
def test_amplitude_of_a_wave(hz, seconds):
    assert rhythm.amplitude(wave(hz, seconds, height=0.2), RATE)[0] == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("rate", [125, 360, 500])
def test_amplitude_at_other_rates(rate):
    assert rhythm.amplitude(wave(5, rate=rate), rate)[0] == pytest.approx(1.0, rel=0.08)


def test_wander_is_no_amplitude():
    t = np.arange(1000) / RATE
    for wander in (3 * np.sin(2 * np.pi * 0.3 * t), 2 * t, np.full(1000, 5.0)):
        assert rhythm.amplitude((wave(5, height=0.3) + wander).astype(np.float32), RATE)[0] == pytest.approx(
            0.3, rel=0.15
        )


def test_one_spike_is_no_amplitude():
    x = wave(5, height=0.15)
    x[0, 0, 500:503] += 8
    assert rhythm.amplitude(x, RATE)[0] == pytest.approx(0.15, rel=0.1)
    assert rhythm.largest(x, RATE)[0] == pytest.approx(0.15, rel=0.1)


def test_one_wave_is_for_the_largest_alone():
    x = wave(5, height=0.04)
    x[0, 0, 480:520] += 1
    assert rhythm.amplitude(x, RATE)[0] < 0.15 < 0.8 < rhythm.largest(x, RATE)[0]


def test_the_largest_lead_counts():
    x = np.concatenate([wave(5, height=0.1), wave(5, height=0.4)], axis=1)
    assert rhythm.amplitude(x, RATE)[0] == pytest.approx(0.4, rel=0.08)


def test_flat_and_none():
    flat = np.zeros((2, 1, 1000), np.float32)
    assert rhythm.amplitude(flat, RATE).tolist() == [0, 0] == rhythm.largest(flat, RATE).tolist()
    assert np.isnan(rhythm.rate_per_minute(flat, RATE)).all()
    for measure in (rhythm.amplitude, rhythm.largest, rhythm.rate_per_minute):
        assert measure(flat[:0], RATE).shape == (0,)
