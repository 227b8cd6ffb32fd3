from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from atml import DataError, Task
from atml.data.rates import Rate, resampled
from atml.library import recordings
from atml.library.recordings import Recording, rate_in_hz, windows

TASK = Task(name="t", classes=("a", "b"), positive=1, sampling_rate=250, window=500)
TWO = Task(name="t", classes=("a", "b"), positive=1, sampling_rate=250, window=500, leads=2)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def cut(recording: Recording, step: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = recording.starts(step)
    parts = list(recording.blocks(starts))
    return starts, np.concatenate([one.x for one in parts]), np.concatenate([one.sound for one in parts])


def test_windows_at_the_tasks_rate_are_the_samples_themselves() -> None:
    x = noise(2, 2600)
    starts, found, sound = cut(Recording.of(x, 250, TWO), step=1.0)
    assert starts.tolist() == [*range(0, 2001, 250), 2100]
    assert sound.all()
    for start, window in zip(starts, found, strict=True):
        np.testing.assert_array_equal(window, x[:, start : start + 500].astype(np.float32))


@pytest.mark.parametrize("rate", [128, 257, Fraction(515, 2), 360, 1000])
def test_blocks_are_resampled_as_the_whole_recording_is(rate: Rate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "BLOCK", 3)
    seconds = np.arange(int(60 * rate)) / float(rate)
    x = np.sin(2 * np.pi * 5 * seconds) + np.sin(2 * np.pi * 17 * seconds)
    starts, found, _ = cut(Recording.of(x, rate, TASK), step=1.3)
    whole = resampled(x, rate, 250)
    assert len(starts) > 40
    for start, window in zip(starts, found, strict=True):
        np.testing.assert_allclose(window[0], whole[start : start + 500], atol=5e-3)


def test_the_rest_of_a_recording_is_in_a_last_window_that_overlaps() -> None:
    assert Recording.of(noise(1250), 250, TASK).starts(None).tolist() == [0, 500, 750]
    assert Recording.of(noise(1000), 250, TASK).starts(None).tolist() == [0, 500]
    # Windows that are apart leave out what lies between them anyway.
    assert Recording.of(noise(1800), 250, TASK).starts(4.0).tolist() == [0, 1000]
    # At 360 Hz the last sample at 250 Hz must not be made up.
    recording = Recording.of(noise(721), 360, TASK)
    assert recording.samples == 500 and recording.starts(None).tolist() == [0]


def test_windows_with_a_missing_sample_are_known_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "BLOCK", 2)
    x = noise(360 * 20)
    x[360 * 5] = np.nan
    x[360 * 13 + 100] = np.inf
    starts, found, sound = cut(Recording.of(x, 360, TASK))
    assert [start / 250 for start in starts[~sound]] == [4.0, 12.0]
    assert np.isfinite(found).all()
    nothing = np.full(360 * 4, np.nan)
    assert not cut(Recording.of(nothing, 360, TASK))[2].any()


def test_a_memory_map_is_read_piece_by_piece(tmp_path: Path) -> None:
    """Of a day at 250 Hz no more than a block is ever asked for."""

    class Watched(np.memmap):
        most = 0

        def __getitem__(self, key: object) -> np.ndarray:
            part = super().__getitem__(key)
            Watched.most = max(Watched.most, np.size(part))
            return np.asarray(part)

    samples = 24 * 3600 * 250
    x = Watched(tmp_path / "day", np.float32, "w+", shape=(1, samples))
    recording = Recording.of(x, 250, TASK)
    count = sum(len(one.x) for one in recording.blocks(recording.starts(None)))
    assert count == samples // 500
    assert Watched.most <= recordings.BLOCK * 500 + 500 + 2 * 250


def test_memory_does_not_grow_with_the_length_of_a_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "BLOCK", 16)
    resampled(noise(1000), 128, 250)  # what it imports is no memory of a recording
    peaks = []
    for number, minutes in enumerate((6, 24)):
        file = tmp_path / f"{number}.npy"
        np.save(file, noise(2, minutes * 60 * 128).astype(np.float32))
        recording = Recording.of(np.load(file, mmap_mode="r"), 128, TWO)
        starts = recording.starts(None)
        tracemalloc.start()
        count = sum(len(one.x) for one in recording.blocks(starts))
        peaks.append(tracemalloc.get_traced_memory()[1] - 40 * len(starts))  # a number a window
        tracemalloc.stop()
        assert count == minutes * 30
    assert peaks[1] < 1.1 * peaks[0] < 3e6, peaks


def test_windows_given_at_another_rate_become_the_tasks() -> None:
    assert windows(noise(3, 1, 720), TASK, 360).shape == (3, 1, 500)
    assert windows(noise(0, 1, 500), TASK, 250).shape == (0, 1, 500)
    # 2 s are 514 samples of 257 Hz, and 10,001 Hz make one sample too many.
    assert windows(noise(1, 1, 514), TASK, 257).shape == (1, 1, 500)


@pytest.mark.parametrize(
    ("shape", "rate", "words"),
    [
        ((3, 1, 499), 250, r"\(3, 1, 499\).*\(n, 1, 500\) at 250 Hz"),
        ((3, 2, 500), 250, r"\(3, 2, 500\).*\(n, 1, 500\)"),
        ((3, 1, 500), 360, r"\(n, 1, 720\) at 360 Hz"),
    ],
)
def test_windows_of_another_shape_are_refused(shape: tuple[int, ...], rate: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        windows(noise(*shape), TASK, rate)


def test_windows_that_hold_no_number_are_refused() -> None:
    x = noise(4, 1, 500)
    x[2, 0, 7] = np.nan
    with pytest.raises(DataError, match="window 2 of x has the sample nan"):
        windows(x, TASK, 250)
    # float32 makes infinity of it, or its square does.
    for value in (np.inf, 1e39, -1e20):
        x[2, 0, 7] = value
        with pytest.raises(DataError, match="window 2 of x has the sample"):
            windows(x, TASK, 250)
        assert cut(Recording.of(x.ravel(), 250, TASK))[2].tolist() == [True, True, False, True]


def test_signals_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(3, 5000\); give \(1, samples\), \(samples,\)"):
        Recording.of(noise(3, 5000), 250, TASK)
    with pytest.raises(DataError, match=r"shape \(5000,\); give \(2, samples\) or windows \(n, 2, samples\)"):
        Recording.of(noise(5000), 250, TWO)
    with pytest.raises(DataError, match="1 s long at 360 Hz; the model needs 2 s"):
        Recording.of(noise(360), 360, TASK)
    for step in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match="step is"):
            Recording.of(noise(5000), 250, TASK).starts(step)
    for rate in (0, -250, 0.5, float("nan"), float("inf")):
        with pytest.raises(DataError, match="sampling_rate is"):
            rate_in_hz(rate, TASK)
    assert rate_in_hz(249.89, TASK) == Fraction(24989, 100)
