import numpy as np
import pytest

from atml.ecg import waves

RATE = 250


def wave(hz, seconds=4.0, rate=RATE, height=1.0):
    """A sine of so many mV peak to peak, as one window of one lead."""
    t = np.arange(round(seconds * rate)) / rate
    return (height / 2 * np.sin(2 * np.pi * hz * t + 0.3)).astype(np.float32)[None, None]


@pytest.mark.parametrize("hz", [3.0, 4.5, 6.0, 8.0])
@pytest.mark.parametrize("seconds", [1.0, 4.0, 8.0])
def test_amplitude_of_a_wave(hz, seconds):
    assert waves.amplitude(wave(hz, seconds, height=0.2), RATE)[0] == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("rate", [125, 360, 500])
def test_amplitude_at_other_rates(rate):
    assert waves.amplitude(wave(5, rate=rate), rate)[0] == pytest.approx(1.0, rel=0.08)


def test_wander_is_no_amplitude():
    t = np.arange(1000) / RATE
    for wander in (3 * np.sin(2 * np.pi * 0.3 * t), 2 * t, np.full(1000, 5.0)):
        assert waves.amplitude((wave(5, height=0.3) + wander).astype(np.float32), RATE)[0] == pytest.approx(
            0.3, rel=0.15
        )


def test_one_spike_is_no_amplitude():
    x = wave(5, height=0.15)
    x[0, 0, 500:503] += 8
    assert waves.amplitude(x, RATE)[0] == pytest.approx(0.15, rel=0.1)
    assert waves.largest(x, RATE)[0] == pytest.approx(0.15, rel=0.1)


def test_one_wave_is_for_the_largest_alone():
    x = wave(5, height=0.04)
    x[0, 0, 480:520] += 1
    assert waves.amplitude(x, RATE)[0] < 0.15 < 0.8 < waves.largest(x, RATE)[0]


def test_the_largest_lead_counts():
    x = np.concatenate([wave(5, height=0.1), wave(5, height=0.4)], axis=1)
    assert waves.amplitude(x, RATE)[0] == pytest.approx(0.4, rel=0.08)


def test_flat_and_none():
    flat = np.zeros((2, 1, 1000), np.float32)
    assert waves.amplitude(flat, RATE).tolist() == [0, 0] == waves.largest(flat, RATE).tolist()
    assert np.isnan(waves.rate_per_minute(flat, RATE)).all()
    for measure in (waves.amplitude, waves.largest, waves.rate_per_minute):
        assert measure(flat[:0], RATE).shape == (0,)


def beats(per_minute, waves, seconds=4.0, rate=RATE):
    """Broad complexes at a rate, each of so many waves ``(s after the beat, width in s, height in mV)``."""
    t = np.arange(round(seconds * rate)) / rate
    x = np.zeros_like(t)
    for beat in np.arange(-0.5, seconds + 1, 60 / per_minute):
        for after, width, height in waves:
            x += height * np.exp(-0.5 * ((t - beat - after) / width) ** 2)
    return x.astype(np.float32)[None, None]


BROAD = ((0.0, 0.06, 1.0),)
NOTCHED = ((0.0, 0.04, 1.0), (0.12, 0.04, 0.7))


@pytest.mark.parametrize("shape", [BROAD, NOTCHED], ids=["broad", "notched"])
@pytest.mark.parametrize("seconds", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("per_minute", [110, 140, 160, 200, 250])
def test_rate_of_tachycardia(per_minute, seconds, shape):
    got = waves.rate_per_minute(beats(per_minute, shape, seconds), RATE)[0]
    assert got == pytest.approx(per_minute, rel=0.06)


@pytest.mark.parametrize("rate", [125, 360])
def test_rate_at_other_sampling_rates(rate):
    got = waves.rate_per_minute(beats(170, BROAD, rate=rate), rate)[0]
    assert got == pytest.approx(170, rel=0.04)


def test_wander_and_noise_do_not_set_the_rate():
    t = np.arange(1000) / RATE
    noise = np.random.default_rng(0).normal(0, 0.05, 1000)
    x = beats(180, BROAD) + (2 * np.sin(2 * np.pi * 0.25 * t + 1) + noise).astype(np.float32)
    assert waves.rate_per_minute(x, RATE)[0] == pytest.approx(180, rel=0.04)


def test_rates_of_many_are_each_ones():
    x = np.concatenate([beats(per_minute, BROAD) for per_minute in (120, 180, 240)])
    assert waves.rate_per_minute(x, RATE) == pytest.approx([120, 180, 240], rel=0.04)


@pytest.mark.parametrize("per_minute", [120, 180, 240])
def test_rate_of_spikes_without_waves(per_minute):
    """As in electrograms from inside the heart, which are filtered from 15 Hz up."""
    t = np.arange(1250) / RATE
    x = np.random.default_rng(1).normal(0, 0.02, 1250)
    for beat in np.arange(0.1, 5, 60 / per_minute):
        x += 0.5 * np.exp(-0.5 * ((t - beat) / 0.02) ** 2) * np.sin(2 * np.pi * 25 * (t - beat))
    got = waves.rate_per_minute(x.astype(np.float32)[None, None], RATE)[0]
    assert got == pytest.approx(per_minute, rel=0.04)
