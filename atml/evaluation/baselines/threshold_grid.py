"""Baselines of one positive class: a window is positive if each of a few quantities reaches its limit.

The limits are chosen on training rows to make the task's objective large, by trying all on a small grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Floats, Int64, Strings
from atml.errors import ExportError
from atml.evaluation.baselines.base import expect_keys, in_chunks, labels, number
from atml.metrics.predictions import Predictions
from atml.tasks import targets
from atml.tasks.targets import Value
from atml.tasks.task import Task

VERSION = 1
"""Raised whenever the same data give another baseline."""

JUDGED = 64
"""About as many limits are judged by the objective at a time: it may be slow."""

Wave = npt.NDArray[np.floating]
Setting = Mapping[str, float]


@dataclass(frozen=True)
class ThresholdMethod:
    """One kind of baseline whose limits are fitted; see `atml.evaluation.baselines.base.Method`.

    ``settings`` are the ways to measure that are tried, ``limits`` the names of what is measured, the last
    one the size of the signal. ``quantities(x, sampling_rate, settings)`` takes lead 0 of some windows, ``x
    (n, samples)``, and yields ``(n, limits)`` for each setting. ``grid(seconds)`` gives the limits that are
    tried for all but the size, for windows of so many seconds. ``scales`` is what a limit must be missed by
    to count alike. ``operations`` is about how many a sample costs. ``words(setting, limits)`` says the rule.
    """

    name: str
    title: str
    settings: tuple[Setting, ...]
    limits: tuple[str, ...]
    scales: tuple[float, ...]
    operations: int
    quantities: Callable[[Floats, float, Sequence[Setting]], Iterator[Floats]]
    grid: Callable[[float], tuple[Floats, ...]]
    words: Callable[[Setting, Setting], str]
    version: int = VERSION

    def problem(self, task: Task) -> str:
        """Say that a task without a positive class has nothing to set limits for."""
        if isinstance(targets.of(task), targets.BinaryTarget):
            return ""
        return f'it calls one positive class, the task is {task.kind}; BASELINE = "rr_regression" calls each'

    def measure(self, x: Float32, sampling_rate: float) -> Floats:
        """Measure ``x (n, leads, samples)`` in every setting, ``(n, settings, limits)``."""
        return self.measured(x, sampling_rate, self.settings)

    def measured(self, x: Float32, sampling_rate: float, settings: Sequence[Setting]) -> Floats:
        """Measure lead 0 of ``x (n, leads, samples)`` in some settings, ``(n, settings, limits)``."""
        out = np.empty((len(x), len(settings), len(self.limits)))
        at = 0
        for chunk in in_chunks(x):
            for i, found in enumerate(self.quantities(chunk, sampling_rate, settings)):
                out[at : at + len(chunk), i] = found
            at += len(chunk)
        return out

    def fit(
        self, measured: Floats, y: Int64, subject: Strings, task: Task, value: Value
    ) -> ThresholdBaseline:
        """Choose setting and limits; ``measured (n, settings, limits)``.

        All settings and limits of the grid are tried. Those that no other beats in both sensitivity and
        specificity are judged by ``value``; the first of the best is taken, in the middle of the counts that
        decide alike.
        """
        target = targets.binary(task)
        positive = np.asarray(y == target.positive)
        each = [measured[:, i] for i in range(len(self.settings))]
        grid = self.grid(task.seconds)
        floors = [_floor(part[positive, -1]) for part in each]
        tables = np.array([_rates(m, positive, grid, f) for m, f in zip(each, floors, strict=True)])
        front = _front(tables[:, 0].ravel(), tables[:, 1].ravel())

        def limited(place: int) -> tuple[int, ThresholdBaseline]:
            setting, first, *others = map(int, np.unravel_index(place, (len(each), *map(len, grid))))
            rates = tables[setting]
            same = rates[(slice(None), first, *others)].reshape(2, *[1] * len(grid))
            alike = (rates == same).all(axis=0)
            firsts = np.flatnonzero(alike[(slice(None), *others)])
            chosen = [
                grid[0][firsts[len(firsts) // 2]],
                *(g[i] for g, i in zip(grid[1:], others, strict=True)),
            ]
            limits = dict(zip(self.limits, [*map(float, chosen), floors[setting]], strict=True))
            return setting, ThresholdBaseline(
                self, self.settings[setting], limits, task.classes, target.positive
            )

        def worth(place: int) -> float:
            setting, baseline = limited(place)
            return value(Predictions(baseline.margins(each[setting]), y, subject, target.positive))

        # First some of the front, then all of it around the best of those.
        stride = max(1, len(front) // JUDGED)
        coarse = np.arange(0, len(front), stride)
        best = coarse[int(np.argmax([worth(front[i]) for i in coarse]))]
        near = np.arange(max(0, best - stride + 1), min(len(front), best + stride))
        best = near[int(np.argmax([worth(front[i]) for i in near]))]
        return limited(front[best])[1]

    def from_dict(self, fields: dict[str, Any]) -> ThresholdBaseline:
        """Rebuild from `ThresholdBaseline.to_dict`; raises ExportError for whatever it did not write."""
        expect_keys(fields, ("name", "version", "setting", "limits", "classes", "positive"))
        for part, keys in (("setting", tuple(self.settings[0])), ("limits", self.limits)):
            values = fields[part]
            sound = (
                isinstance(values, dict) and set(values) == set(keys) and all(map(number, values.values()))
            )
            if not sound:
                raise ExportError(
                    f"the {part} of baseline {self.name!r} are {values!r}, not a number each for"
                    f" {', '.join(keys)}; export the model again"
                )
        classes, positive = fields["classes"], fields["positive"]
        if not (isinstance(classes, list) and isinstance(positive, int) and 0 <= positive < len(classes)):
            raise ExportError(
                f"baseline {self.name!r} has class {positive!r} of {classes!r}; export the model again"
            )
        return ThresholdBaseline(
            self, fields["setting"], fields["limits"], tuple(map(str, classes)), positive
        )


@dataclass(frozen=True)
class ThresholdBaseline:
    """Fitted limits; see `atml.evaluation.baselines.base.Baseline`.

    ``setting`` is how it measures, ``limits`` what a positive window reaches.
    """

    method: ThresholdMethod = field(repr=False)
    setting: Setting
    limits: Setting
    classes: tuple[str, ...]
    positive: int

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.method.name

    @property
    def title(self) -> str:
        """Two or three words for it."""
        return self.method.title

    @property
    def size_bytes(self) -> int:
        """Its constants as float32."""
        return 4 * (len(self.setting) + len(self.limits))

    def operations(self, samples: int) -> int:
        """About how many operations one window of ``samples`` costs."""
        return self.method.operations * samples

    def logits(self, x: Float32, sampling_rate: float) -> Float32:
        """Return ``(n, classes)`` for ``x (n, leads, samples)``: the margin for the positive class, else 0.

        The margin is that of the limit that is reached worst. Lead 0 alone is looked at.
        """
        return self.margins(self.method.measured(x, sampling_rate, [self.setting])[:, 0])

    def margins(self, measured: Floats) -> Float32:
        """Return `logits` of ``measured (n, limits)``."""
        limits = np.array([self.limits[name] for name in self.method.limits])
        # The size of a signal has no unit that all data share: it counts by its own limit.
        scales = np.array([*self.method.scales[:-1], limits[-1]])
        out = np.zeros((len(measured), len(self.classes)), np.float32)
        out[:, self.positive] = ((measured - limits) / scales).min(axis=1)
        return out

    def decide(self, x: Float32, sampling_rate: float) -> Int64:
        """Return the class of each window of ``x (n, leads, samples)``, ``(n,)``."""
        return labels(self, x, sampling_rate)

    def describe(self) -> str:
        """Say the rule in words."""
        return f"{self.classes[self.positive]} if {self.method.words(self.setting, self.limits)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "name": self.name,
            "version": self.method.version,
            "setting": dict(self.setting),
            "limits": dict(self.limits),
            "classes": list(self.classes),
            "positive": self.positive,
        }


def every(**choices: tuple[float, ...]) -> tuple[Setting, ...]:
    """Return every combination of choices: ``every(a=(1, 2), b=(3,))`` has two settings."""
    return tuple(dict(zip(choices, values, strict=True)) for values in product(*choices.values()))


def size(magnitude: Wave) -> Floats:
    """Height that 2% of the samples exceed, ``(n,)``: the largest alone may be an artefact."""
    place = max(0, int(0.98 * magnitude.shape[1]) - 1)
    return np.asarray(np.partition(magnitude, place, axis=1)[:, place], np.float64)


def _floor(sizes: Floats) -> float:
    """Half of what all but 1% of the positive windows have: far less is no signal, let alone a rhythm."""
    low = float(np.quantile(sizes, 0.01)) / 2 if len(sizes) else 0.0
    # Three digits are enough, and a flat signal is never positive.
    return float(f"{max(low, 1e-9):.3g}")


def _rates(measured: Floats, positive: Bools, grid: tuple[Floats, ...], floor: float) -> Floats:
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
