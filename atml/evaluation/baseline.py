"""A detector that is no network, fitted to the same data: what a network has to beat.

Two or three limits are chosen on training rows to make the task's objective large, by trying all on a
small grid; `atml.evaluation.detectors` says what is measured. Everything is deterministic and takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64, Strings
from atml.data.dataset import Dataset, Fold
from atml.errors import ExportError, TaskFileError
from atml.evaluation.detectors import BASELINES, Detector, Floats, Setting
from atml.metrics.predictions import Predictions
from atml.tasks import targets
from atml.tasks.task import Task

VERSION = 1
"""Raised whenever the same data give another detector."""

ROWS = 20_000
"""Most windows that are measured for a fit; they are taken evenly from all."""

CHUNK = 1024
"""Windows that are measured at a time, to keep memory small."""

JUDGED = 64
"""About as many limits are judged by the objective at a time: it may be slow."""

Value = Callable[[Predictions], float]


@dataclass(frozen=True)
class Baseline:
    """A fitted detector: ``setting`` is how it measures, ``limits`` what a positive window reaches.

    ``classes`` and ``positive`` are the task's.
    """

    name: str
    setting: Setting
    limits: Setting
    classes: tuple[str, ...]
    positive: int

    def logits(self, x: Float32, sampling_rate: float) -> Float32:
        """Return ``(n, classes)`` for ``x (n, leads, samples)``: the margin for the positive class, else 0.

        The margin is that of the limit that is reached worst, so `Predictions.decided` says what `decide`
        does. Lead 0 alone is looked at.
        """
        detector = BASELINES[self.name]
        (measured,) = _measure(detector, x, sampling_rate, [self.setting])
        return self._logits(measured)

    def decide(self, x: Float32, sampling_rate: float) -> Int64:
        """Return the class of each window of ``x (n, leads, samples)``, ``(n,)``."""
        other = next(i for i in range(len(self.classes)) if i != self.positive)
        margin = self.logits(x, sampling_rate)[:, self.positive]
        return np.where(margin >= 0, self.positive, other).astype(np.int64)

    def _logits(self, measured: Floats) -> Float32:
        detector = BASELINES[self.name]
        limits = np.array([self.limits[name] for name in detector.limits])
        # The size of a signal has no unit that all data share: it counts by its own limit.
        scales = np.array([*detector.scales[:-1], limits[-1]])
        out = np.zeros((len(measured), len(self.classes)), np.float32)
        out[:, self.positive] = ((measured - limits) / scales).min(axis=1)
        return out

    @property
    def title(self) -> str:
        """Two or three words for it."""
        return BASELINES[self.name].title

    @property
    def size_bytes(self) -> int:
        """Its constants as float32; the code to use them is another one or two KiB on a small processor."""
        return 4 * (len(self.setting) + len(self.limits))

    def operations(self, samples: int) -> int:
        """About how many operations one window of ``samples`` costs, as a stream of them would be treated."""
        return BASELINES[self.name].operations * samples

    def describe(self) -> str:
        """Say the rule in words."""
        words = BASELINES[self.name].words(self.setting, self.limits)
        return f"{self.classes[self.positive]} if {words}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "name": self.name,
            "version": VERSION,
            "setting": dict(self.setting),
            "limits": dict(self.limits),
            "classes": list(self.classes),
            "positive": self.positive,
        }

    @classmethod
    def from_dict(cls, fields: Any) -> Baseline:
        """Rebuild from `to_dict`; raises ExportError for whatever it did not write."""
        known = ("name", "version", "setting", "limits", "classes", "positive")
        if not isinstance(fields, dict) or set(fields) != set(known):
            have = ", ".join(map(str, fields)) if isinstance(fields, dict) else repr(fields)
            raise ExportError(f"a baseline has {', '.join(known)}, not {have}; export the model again")
        name, classes, positive = fields["name"], fields["classes"], fields["positive"]
        if name not in BASELINES or fields["version"] != VERSION:
            raise ExportError(
                f"baseline {name!r} of version {fields['version']!r} is none of this version's:"
                f" {', '.join(BASELINES)} of version {VERSION}; export the model again"
            )
        detector = BASELINES[name]
        for part, keys in (("setting", tuple(detector.settings[0])), ("limits", detector.limits)):
            values = fields[part]
            sound = (
                isinstance(values, dict) and set(values) == set(keys) and all(map(_number, values.values()))
            )
            if not sound:
                raise ExportError(
                    f"the {part} of baseline {name!r} are {values!r}, not a number each for"
                    f" {', '.join(keys)}; export the model again"
                )
        if not (isinstance(classes, list) and isinstance(positive, int) and 0 <= positive < len(classes)):
            raise ExportError(
                f"baseline {name!r} has class {positive!r} of {classes!r}; export the model again"
            )
        return cls(name, fields["setting"], fields["limits"], tuple(map(str, classes)), positive)


@dataclass(frozen=True)
class OutOfFold:
    """A detector fitted for each fold without its held-out rows, and what those are worth on them.

    ``baseline`` is fitted on all rows, ``folds[k]`` without those of fold k; ``predictions`` belong to
    ``rows`` of the data set.
    """

    baseline: Baseline
    folds: tuple[Baseline, ...]
    rows: Int64
    predictions: Predictions


def fit(
    x: Float32, y: Int64, subject: Strings, task: Task, value: Value, *, name: str = "peak_count"
) -> Baseline:
    """Fit the detector called ``name`` to ``x (n, leads, samples)``: make ``value(Predictions)`` large.

    All settings and limits of its grid are tried. Those that no other beats in both sensitivity and
    specificity are judged by ``value``; the first of the best is taken, in the middle of the counts that
    decide alike. Raises RoomError for an unknown name.
    """
    rows = _some(len(y))
    measured = _measure(detector(name), x[rows], task.sampling_rate, detector(name).settings)
    return _choose(name, measured, y[rows], subject[rows], task, value)


def out_of_fold(
    dataset: Dataset, folds: Sequence[Fold], task: Task, value: Value, *, name: str = "peak_count"
) -> OutOfFold:
    """Fit for each fold on its training rows alone, and once on all; decide the held-out rows.

    Raises RoomError for an unknown name.
    """
    rows = _some(len(dataset))
    measured = _measure(detector(name), dataset.x[rows], task.sampling_rate, detector(name).settings)

    def fitted(which: Int64) -> Baseline:
        of = rows[which]
        parts = [part[which] for part in measured]
        return _choose(name, parts, dataset.y[of], dataset.subject[of], task, value)

    each = tuple(fitted(np.flatnonzero(np.isin(rows, fold.train))) for fold in folds)
    return decided(fitted(np.arange(len(rows))), each, dataset, folds)


def decided(
    baseline: Baseline, fitted: Sequence[Baseline], dataset: Dataset, folds: Sequence[Fold]
) -> OutOfFold:
    """Decide each fold's held-out rows with what was fitted for it; ``fitted[k]`` belongs to fold k."""
    rows = np.concatenate([fold.held_out for fold in folds])
    parts = [
        one.logits(dataset.x[fold.held_out], dataset.sampling_rate)
        for one, fold in zip(fitted, folds, strict=True)
    ]
    predictions = Predictions(
        np.concatenate(parts), dataset.y[rows], dataset.subject[rows], baseline.positive
    )
    return OutOfFold(baseline, tuple(fitted), rows, predictions)


def detector(name: str) -> Detector:
    """Return the detector of a name; raises RoomError for one that is not there."""
    if name not in BASELINES:
        raise TaskFileError(
            f"no baseline {name!r}; BASELINE in an objectives file is one of {', '.join(BASELINES)}"
        )
    return BASELINES[name]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _some(n: int) -> Int64:
    return np.unique(np.linspace(0, n - 1, min(n, ROWS)).round().astype(np.int64))


def _measure(
    detector: Detector, x: Float32, sampling_rate: float, settings: Sequence[Setting]
) -> list[Floats]:
    """Measure lead 0 of ``x (n, leads, samples)`` in every setting: ``(n, limits)`` each."""
    out = [np.empty((len(x), len(detector.limits))) for _ in settings]
    for at in range(0, len(x), CHUNK):
        chunk = np.asarray(x[at : at + CHUNK, 0], np.float64)
        for part, found in zip(out, detector.measure(chunk, sampling_rate, settings), strict=True):
            part[at : at + CHUNK] = found
    return out


def _choose(
    name: str, measured: Sequence[Floats], y: Int64, subject: Strings, task: Task, value: Value
) -> Baseline:
    """Choose setting and limits; ``measured[i] (n, limits)`` is what setting i gives."""
    detector = BASELINES[name]
    positive = np.asarray(y == task.positive)
    grid = detector.grid(task.seconds)
    floors = [_floor(part[positive, -1]) for part in measured]
    tables = np.array([_rates(m, positive, grid, f) for m, f in zip(measured, floors, strict=True)])
    front = _front(tables[:, 0].ravel(), tables[:, 1].ravel())

    def limited(place: int) -> tuple[int, Baseline]:
        setting, first, *others = map(int, np.unravel_index(place, (len(measured), *map(len, grid))))
        rates = tables[setting]
        same = rates[(slice(None), first, *others)].reshape(2, *[1] * len(grid))
        alike = (rates == same).all(axis=0)
        firsts = np.flatnonzero(alike[(slice(None), *others)])
        chosen = [grid[0][firsts[len(firsts) // 2]], *(g[i] for g, i in zip(grid[1:], others, strict=True))]
        limits = dict(zip(detector.limits, [*map(float, chosen), floors[setting]], strict=True))
        return setting, Baseline(
            name, detector.settings[setting], limits, task.classes, targets.binary(task).positive
        )

    def worth(place: int) -> float:
        setting, baseline = limited(place)
        logits = baseline._logits(measured[setting])
        return value(Predictions(logits, y, subject, task.positive))

    # First some of the front, then all of it around the best of those.
    stride = max(1, len(front) // JUDGED)
    coarse = np.arange(0, len(front), stride)
    best = coarse[int(np.argmax([worth(front[i]) for i in coarse]))]
    near = np.arange(max(0, best - stride + 1), min(len(front), best + stride))
    best = near[int(np.argmax([worth(front[i]) for i in near]))]
    return limited(front[best])[1]


def _floor(sizes: Floats) -> float:
    """Half of what all but 1% of the positive windows have: far less is no signal, let alone a rhythm."""
    low = float(np.quantile(sizes, 0.01)) / 2 if len(sizes) else 0.0
    # Three digits are enough, and a flat signal is never positive.
    return float(f"{max(low, 1e-9):.3g}")


def _rates(
    measured: Floats, positive: npt.NDArray[np.bool_], grid: tuple[Floats, ...], floor: float
) -> Floats:
    """Sensitivity and specificity at every limit of the grid, ``(2, limits, ...)``."""
    shape = tuple(len(g) + 1 for g in grid)
    # How many limits of its grid a quantity reaches.
    reached = [np.searchsorted(g, measured[:, i], side="right") for i, g in enumerate(grid)]
    place = np.ravel_multi_index(tuple(reached), shape)
    shares = []
    for mask in (positive, ~positive):
        some = mask & (measured[:, -1] >= floor)
        table = np.bincount(place[some], minlength=math.prod(shape)).reshape(shape)
        for axis in range(len(shape)):
            table = np.flip(np.cumsum(np.flip(table, axis), axis=axis), axis)
        shares.append(table[tuple(slice(1, None) for _ in shape)] / max(1, mask.sum()))
    return np.stack([shares[0], 1 - shares[1]])


def _front(sensitivity: Floats, specificity: Floats) -> Int64:
    """Places that no other beats in both, from the most sensitive on; the first of equal ones."""
    order = np.lexsort((-specificity, -sensitivity))
    best = np.maximum.accumulate(np.concatenate(([-1.0], specificity[order][:-1])))
    return np.asarray(order[specificity[order] > best], np.int64)
