"""Detectors that are no network: what they measure in a window, and in which words they decide.

Each looks at lead 0 and measures a few quantities of a window; a window is positive if every quantity
reaches its limit. `atml.evaluation.baseline` chooses the settings and the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from atml.ecg.beats import beats, flattened

Floats = npt.NDArray[np.float64]
Wave = npt.NDArray[np.floating]
Setting = Mapping[str, float]


@dataclass(frozen=True)
class Detector:
    """One kind of detector.

    ``settings`` are the ways to measure that are tried, ``limits`` the names of what is measured, the last
    one the size of the signal. ``measure(x, sampling_rate, settings)`` takes ``x (n, samples)`` and yields
    ``(n, limits)`` for each setting. ``grid(seconds)`` gives the limits that are tried for all but the size,
    for windows of so many seconds. ``scales`` is what a limit must be missed by to count alike.
    ``operations`` is about how many a sample costs.
    """

    title: str
    settings: tuple[Setting, ...]
    limits: tuple[str, ...]
    scales: tuple[float, ...]
    operations: int
    measure: Callable[[Floats, float, Sequence[Setting]], Iterator[Floats]]
    grid: Callable[[float], tuple[Floats, ...]]
    words: Callable[[Setting, Setting], str]


def _all(**choices: tuple[float, ...]) -> tuple[Setting, ...]:
    return tuple(dict(zip(choices, values, strict=True)) for values in product(*choices.values()))


def _size(magnitude: Wave) -> Floats:
    """Height that 2% of the samples exceed, ``(n,)``: the largest alone may be an artefact."""
    place = max(0, int(0.98 * magnitude.shape[1]) - 1)
    return np.asarray(np.partition(magnitude, place, axis=1)[:, place], np.float64)


def _peak_count(x: Floats, sampling_rate: float, settings: Sequence[Setting]) -> Iterator[Floats]:
    """Peaks a second above a share of the window's size, the time spent above it, and the size itself.

    A normal beat is one or two narrow peaks and long rest between; in fibrillation and tachycardia large
    waves follow each other. Both figures are classic: the count of an implanted defibrillator, the time
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
            waves[width] = narrow, _size(narrow)
        wave, size = waves[width]
        if (width, apart) not in heights:
            reach = max(1, round(apart * sampling_rate))
            top = wave >= maximum_filter1d(wave, 2 * reach + 1, axis=1, mode="nearest")
            top[:, 1:] &= ~top[:, :-1]
            heights[width, apart] = np.where(top, wave, 0)
        threshold = (setting["fraction"] * size)[:, None]
        count = (heights[width, apart] > threshold).sum(axis=1)
        yield np.stack([count / seconds, (wave > threshold).mean(axis=1), size], axis=1)


def _peak_count_words(setting: Setting, limits: Setting) -> str:
    time = f" and {limits['share_above']:.0%} of the time is above it" if limits["share_above"] > 0 else ""
    count, apart = limits["peaks_per_second"], setting["apart_s"]
    rule = f"at least {count:.3g} peaks a second, {apart:g} s apart, rise above"
    size = f"98th percentile of what is left without a moving mean over {setting['baseline_s']:g} s, at least"
    return f"{rule} {setting['fraction']:.0%} of the window's size{time} (size: {size} {limits['size']:.3g})"


def _rr_irregularity(x: Floats, sampling_rate: float, settings: Sequence[Setting]) -> Iterator[Floats]:
    """Root mean square of the change between RR intervals over their mean, and the size of the signal.

    The change is taken to the next interval and to the one after it, and the smaller counts: a bigeminy
    changes with every beat and repeats after two. Below three intervals it is 0.
    """
    size = _size(np.abs(flattened(x, sampling_rate)))
    for setting in settings:
        row, at = np.nonzero(beats(x, sampling_rate, setting["fraction"]))
        interval = np.diff(at)
        found = np.bincount(row, minlength=len(x))
        first = np.searchsorted(row, np.arange(len(x)))
        mean = np.zeros(len(x))
        some = found > 3
        mean[some] = (at[(first + found - 1)[some]] - at[first[some]]) / (found[some] - 1)
        change = np.full((2, len(x)), np.inf)
        for lag in (1, 2):
            same = row[: -lag - 1] == row[lag + 1 :]
            square = (interval[lag:] - interval[:-lag]).astype(np.float64)[same] ** 2
            total = np.bincount(row[: -lag - 1][same], square, minlength=len(x))
            change[lag - 1, some] = np.sqrt(total[some] / (found[some] - 1 - lag)) / mean[some]
        yield np.stack([np.where(some, change.min(axis=0), 0.0), size], axis=1)


def _rr_words(setting: Setting, limits: Setting) -> str:
    return (
        f"RR intervals change by at least {limits['irregularity']:.1%} of their mean, from beat to beat and"
        f" over two beats, root mean square (beats have slopes above {setting['fraction']:.0%} of the large"
        f" ones'; the size of the signal is at least {limits['size']:.3g})"
    )


BASELINES: dict[str, Detector] = {
    "peak_count": Detector(
        title="counting peaks",
        settings=_all(baseline_s=(0.3, 0.9), apart_s=(0.06, 0.1, 0.15, 0.2), fraction=(0.2, 0.3, 0.4, 0.5)),
        limits=("peaks_per_second", "share_above", "size"),
        scales=(1.0, 0.1, 1.0),
        operations=15,
        measure=_peak_count,
        # Half-way between one count and the next, whatever the window.
        grid=lambda seconds: (
            np.asarray((np.arange(1, max(2, round(10 * seconds))) - 0.5) / seconds, np.float64),
            np.arange(0, 50) / 50,
        ),
        words=_peak_count_words,
    ),
    "rr_irregularity": Detector(
        title="irregular RR intervals",
        settings=_all(fraction=(0.35, 0.5)),
        limits=("irregularity", "size"),
        scales=(0.1, 1.0),
        operations=20,
        measure=_rr_irregularity,
        grid=lambda seconds: (np.arange(1, 100) / 200,),
        words=_rr_words,
    ),
}
"""Detectors by the name that a task's objectives file gives as ``BASELINE``."""
