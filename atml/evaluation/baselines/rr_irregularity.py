"""The baseline "rr_irregularity": in atrial fibrillation each RR interval differs from the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from atml.arrays import Floats
from atml.ecg.beats import beats, flattened
from atml.evaluation.baselines.threshold_grid import Setting, ThresholdMethod, every, size


def _quantities(x: Floats, sampling_rate: float, settings: Sequence[Setting]) -> Iterator[Floats]:
    """Root mean square of the change between RR intervals over their mean, and the size of the signal.

    The change is taken to the next interval and to the one after it, and the smaller counts: a bigeminy
    changes with every beat and repeats after two. Below three intervals it is 0.
    """
    height = size(np.abs(flattened(x, sampling_rate)))
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
        yield np.stack([np.where(some, change.min(axis=0), 0.0), height], axis=1)


def _words(setting: Setting, limits: Setting) -> str:
    return (
        f"RR intervals change by at least {limits['irregularity']:.1%} of their mean, from beat to beat and"
        f" over two beats, root mean square (beats have slopes above {setting['fraction']:.0%} of the large"
        f" ones'; the size of the signal is at least {limits['size']:.3g})"
    )


def _grid(seconds: float) -> tuple[Floats, ...]:
    return (np.arange(1, 100) / 200,)


METHOD = ThresholdMethod(
    name="rr_irregularity",
    title="irregular RR intervals",
    settings=every(fraction=(0.35, 0.5)),
    limits=("irregularity", "size"),
    scales=(0.1, 1.0),
    operations=20,
    quantities=_quantities,
    grid=_grid,
    words=_words,
)
