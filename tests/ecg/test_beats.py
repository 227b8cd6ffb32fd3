import numpy as np
import pytest

from atml.ecg.beats import beats, flattened

RATE = 250


def ecg(times, seconds, rate=RATE, seed=0, noise=0.02, width=0.02, t_wave=0.25):
    """Beats at ``times`` in s: a narrow R wave, a slow T wave 0.3 s later, wander and noise."""
    t = np.arange(round(seconds * rate)) / rate
    x = 0.4 * np.sin(2 * np.pi * 0.2 * t) + np.random.default_rng(seed).normal(0, noise, len(t))
    for at in times:
        x += np.exp(-(((t - at) / width) ** 2) / 2) + t_wave * np.exp(-(((t - at - 0.3) / 0.06) ** 2) / 2)
    return x


@pytest.mark.parametrize("rate", [128, 250, 360, 1000])
def test_every_beat_is_found_once(rate):
    times = np.array([0.5, 1.3, 1.9, 2.9, 3.3, 4.4])
    found = np.flatnonzero(beats(ecg(times, 5, rate), rate))
    assert len(found) == len(times)
    assert np.abs(found / rate - times).max() < 0.05


@pytest.mark.parametrize("gain", [1e-4, -1.0, 1e4])
def test_gain_sign_and_offset_do_not_matter(gain):
    x = ecg(np.arange(0.4, 5, 0.7), 5)
    moved, plain = (np.flatnonzero(beats(signal, RATE)) for signal in (gain * x + 3 * gain, x))
    assert (np.abs(moved - plain) <= 2).all()


def test_an_artefact_hides_no_beats():
    times = np.arange(0.4, 5, 0.8)
    x = ecg(times, 5)
    x[600:605] += 20
    found = np.flatnonzero(beats(x, RATE)) / RATE
    assert all(np.abs(found - at).min() < 0.08 for at in times)


@pytest.mark.parametrize("samples", [60, 250, 1250])
def test_nothing_beats_in_a_flat_signal(samples):
    assert not beats(np.full(samples, 3.7), RATE).any()


def test_rows_are_looked_at_alone():
    rows = np.stack([ecg([1, 2, 3], 4), 100 * ecg([0.5, 1.5, 2.5, 3.5], 4, seed=1), np.zeros(1000)])
    found = beats(rows, RATE)
    assert found.shape == rows.shape and found.sum(axis=1).tolist() == [3, 4, 0]
    for row, marks in zip(rows, found, strict=True):
        assert (marks == beats(row, RATE)).all()


def test_flattening_takes_off_wander_and_leaves_beats():
    t = np.arange(2500) / RATE
    assert np.abs(flattened(5 + np.sin(2 * np.pi * 0.1 * t), RATE)[250:-250]).max() < 0.01
    assert flattened(ecg([5.0], 10, noise=0.0), RATE)[1250] > 0.8


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, at wfdb
def test_real_beats_where_cardiologists_put_them(real_data):
    wfdb = pytest.importorskip("wfdb")
    for name, least in (("101", 0.99), ("119", 0.98), ("223", 0.99)):
        record = wfdb.rdrecord(str(real_data / "mitdb" / name), sampto=10 * 60 * 360)
        notes = wfdb.rdann(str(real_data / "mitdb" / name), "atr", sampto=10 * 60 * 360)
        true = np.array([s for s, c in zip(notes.sample, notes.symbol, strict=True) if c not in "+~|x"])
        found = np.flatnonzero(beats(record.p_signal[:, 0], record.fs))
        near = np.abs(found[:, None] - true).min(axis=1) < 0.15 * record.fs
        assert near.sum() / len(true) > least and near.mean() > least, name
