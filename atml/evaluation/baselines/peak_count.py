"""The baseline "peak_count": fibrillation has many large waves, a normal beat a long rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.ndimage import maximum_filter1d

from atml.arrays import Floats
from atml.ecg.beats import flattened
from atml.evaluation.baselines.threshold_grid import Setting, ThresholdMethod, Wave, every, size


def _quantities(x: Floats, sampling_rate: float, settings: Sequence[Setting]) -> Iterator[Floats]:
    """Peaks a second above a share of the window's size, the time spent above it, and the size itself.

    A normal beat is one or two narrow peaks with a long rest between them; in fibrillation and tachycardia
    large waves follow each other. Both figures are classic: the count of an implanted defibrillator, the time
    above a threshold of Thakor 1990 (TCI) and Arafat 2011 (TCSC).
    """
    seconds = x.shape[1] / sampling_rate
    # What several settings share is computed once.
    waves: dict[float, tuple[Wave, Floats]] = {}
    heights: dict[tuple[float, float], Wave] = {}
    for setting in settings:
        width, apart = setting["baseline_s"], setting["apart_s"]
        if width not in waves:
            narrow = np.abs(flattened(x, sampling_rate, width)).astype(np.float32)
            waves[width] = narrow, size(narrow)
        wave, height = waves[width]
        if (width, apart) not in heights:
            reach = max(1, round(apart * sampling_rate))
            top = wave >= maximum_filter1d(wave, 2 * reach + 1, axis=1, mode="nearest")
            top[:, 1:] &= ~top[:, :-1]
            heights[width, apart] = np.where(top, wave, 0)
        threshold = (setting["fraction"] * height)[:, None]
        count = (heights[width, apart] > threshold).sum(axis=1)
        yield np.stack([count / seconds, (wave > threshold).mean(axis=1), height], axis=1)


def _words(setting: Setting, limits: Setting) -> str:
    time = f" and {limits['share_above']:.0%} of the time is above it" if limits["share_above"] > 0 else ""
    count, apart = limits["peaks_per_second"], setting["apart_s"]
    rule = f"at least {count:.3g} peaks a second, {apart:g} s apart, rise above"
    height = (
        f"98th percentile of what is left without a moving mean over {setting['baseline_s']:g} s, at least"
    )
    return (
        f"{rule} {setting['fraction']:.0%} of the window's size{time} (size: {height} {limits['size']:.3g})"
    )


def _grid(seconds: float) -> tuple[Floats, ...]:
    """Counts half-way between one and the next, whatever the window, and shares."""
    counts = (np.arange(1, max(2, round(10 * seconds))) - 0.5) / seconds
    return np.asarray(counts, np.float64), np.arange(0, 50) / 50


METHOD = ThresholdMethod(
    name="peak_count",
    title="counting peaks",
    settings=every(baseline_s=(0.3, 0.9), apart_s=(0.06, 0.1, 0.15, 0.2), fraction=(0.2, 0.3, 0.4, 0.5)),
    limits=("peaks_per_second", "share_above", "size"),
    scales=(1.0, 0.1, 1.0),
    operations=15,
    quantities=_quantities,
    grid=_grid,
    words=_words,
)
