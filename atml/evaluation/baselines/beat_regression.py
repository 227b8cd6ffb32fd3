"""The baseline "beat_regression": which class a beat is of, by its RR intervals and its likeness to others.

The beats of a window are found, and its own beat is compared with them by the figures of `FEATURES`: when it
comes, and how far shape, size and width are those of the others. The figures go through the logistic
regression of `atml.evaluation.baselines.logistic`, every class weighing the same however rare.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d

from atml.arrays import Bools, Float32, Floats, Int64, Strings
from atml.ecg.beats import STEP_S, beats
from atml.errors import ExportError
from atml.evaluation.baselines.base import expect_keys, in_chunks, labels, number
from atml.evaluation.baselines.logistic import (
    heaviest,
    is_regression,
    numbers,
    regression,
    rounded,
    standardised,
)
from atml.tasks import targets
from atml.tasks.targets import Value
from atml.tasks.task import Task

SAME_S = 0.15
"""What is found within this of a window's beat is that beat, in s; the window of ANSI/AAMI EC57."""

TEMPLATE_S = 0.1
"""Half the stretch of slopes that two beats are compared over, in s."""

MOVED_S = 0.032
"""How far a beat is moved, in s, to where it is most like another."""

WIDE_S = 0.16
"""Half the stretch that a beat's width is measured in, in s."""

QRS_S = 0.06
"""Width that the energy of slopes is averaged over, in s."""

CANDIDATES = 50
"""Candidates for the offset of a class."""

LIMIT = 2.0
"""Logarithms of ratios are cut to this."""

FEATURES = {
    "early": "RR interval before it over the mean of those before that",
    "change": "over the one before that",
    "pause": "RR interval after it over that before it",
    "alike": "likeness to the beat most like it",
    "typical": "mean likeness to the others",
    "last": "likeness to the one before it",
    "next": "likeness to the one after it",
    "size": "slopes over those of the others",
    "height": "height over that of the others",
    "width": "width over that of the others",
}
"""Words of each figure. Ratios are logarithms; likeness is the cosine between the slopes of two beats."""


@dataclass(frozen=True)
class BeatRegression:
    """The method; see `atml.evaluation.baselines.base.Method`.

    ``after_beat`` is how many seconds of a window come after its beat, 0 for a task not known yet.
    """

    after_beat: float = 0.0
    name: str = "beat_regression"
    version: int = 1

    def of(self, task: Task) -> BeatRegression:
        """Return the method for windows of a task, which tells where their beat is."""
        return replace(self, after_beat=task.after_beat or 0.0)

    def problem(self, task: Task) -> str:
        """Say why it can't be fitted to a task, "" where it can."""
        if task.around_beats:
            return ""
        return "its windows are not cut round single beats; use rr_regression"

    def measure(self, x: Float32, sampling_rate: float) -> Floats:
        """Figures of lead 0 of ``x (n, leads, samples)``: ``(n, figures)``."""
        own = x.shape[2] - 1 - round(self.after_beat * sampling_rate)
        parts = [_figures(chunk, own, sampling_rate) for chunk in in_chunks(x)]
        return np.concatenate([np.empty((0, len(FEATURES))), *parts])

    def fit(
        self, measured: Floats, y: Int64, subject: Strings, task: Task, value: Value
    ) -> BeatRegressionBaseline:
        """Fit to ``measured (n, figures)`` and ``y (n,)``, then choose offsets that make ``value`` large."""
        means, scales = rounded(measured.mean(axis=0)), measured.std(axis=0)
        scales = rounded(np.where(scales > 0, scales, 1.0))
        design = standardised(measured, means, scales)
        weights = regression(design, y, len(task.classes))
        target = targets.of(task)
        found = target.predictions(np.asarray(design @ weights.T, np.float32), y, subject)
        weights[:, -1] -= target.choose(found, value, floor=0.0, count=CANDIDATES)
        weights = rounded(weights)
        return BeatRegressionBaseline(
            task.after_beat or 0.0,
            numbers(means),
            numbers(scales),
            tuple(map(numbers, weights)),
            task.classes,
            task.positive,
        )

    def from_dict(self, fields: dict[str, Any]) -> BeatRegressionBaseline:
        """Rebuild from `BeatRegressionBaseline.to_dict`; raises ExportError for whatever it did not write."""
        known = ("figures", "after_beat", "means", "scales", "coefficients", "classes", "positive")
        expect_keys(fields, ("name", "version", *known))
        classes, positive, count = fields["classes"], fields["positive"], len(FEATURES)
        rows = fields["coefficients"]
        if not (
            isinstance(classes, list)
            and (positive is None or (isinstance(positive, int) and 0 <= positive < len(classes)))
            and fields["figures"] == list(FEATURES)
            and number(fields["after_beat"])
            and is_regression(fields, count, len(classes))
        ):
            raise ExportError(
                f"baseline {self.name!r} has not a finite number for each of {', '.join(FEATURES)} and each"
                f" of the classes {classes!r}; export the model again"
            )
        return BeatRegressionBaseline(
            fields["after_beat"],
            tuple(fields["means"]),
            tuple(fields["scales"]),
            tuple(map(tuple, rows)),
            tuple(map(str, classes)),
            positive,
        )


METHOD = BeatRegression()


@dataclass(frozen=True)
class BeatRegressionBaseline:
    """A fitted regression; see `atml.evaluation.baselines.base.Baseline`.

    ``means`` and ``scales`` standardise the figures of `FEATURES`; ``coefficients[c]`` are those of class
    ``c``, one a standardised figure, and its offset.
    """

    after_beat: float
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    classes: tuple[str, ...]
    positive: int | None = None

    @property
    def name(self) -> str:
        """Name of the method."""
        return METHOD.name

    @property
    def title(self) -> str:
        """Two or three words for it."""
        return "RR and template"

    @property
    def size_bytes(self) -> int:
        """Its constants as float32."""
        return 4 * (1 + 2 * len(FEATURES) + len(self.classes) * (len(FEATURES) + 1))

    def operations(self, samples: int) -> int:
        """About how many operations one window of ``samples`` costs: finding beats is nearly all of it."""
        return 20 * samples + 2 * len(FEATURES) * len(self.classes)

    def logits(self, x: Float32, sampling_rate: float) -> Float32:
        """Return ``(n, classes)`` for lead 0 of ``x (n, leads, samples)``."""
        measured = replace(METHOD, after_beat=self.after_beat).measure(x, sampling_rate)
        design = standardised(measured, np.array(self.means), np.array(self.scales))
        # Added up figure by figure, so that a window's logits do not depend on those beside it.
        total = np.zeros((len(x), len(self.classes)))
        for figure, row in zip(design.T, np.array(self.coefficients).T, strict=True):
            total += figure[:, None] * row
        return np.asarray(total, np.float32)

    def decide(self, x: Float32, sampling_rate: float) -> Int64:
        """Return the class of each window of ``x (n, leads, samples)``, ``(n,)``."""
        return labels(self, x, sampling_rate)

    def describe(self) -> str:
        """Name the figures, and for each class the two that weigh most."""
        most = heaviest(list(FEATURES), self.classes, self.coefficients)
        words = "; ".join(f"{name}: {words}" for name, words in FEATURES.items())
        return (
            f"the likeliest of {', '.join(self.classes)} by a logistic regression on figures of the beat"
            f" ({words}); what weighs most, for one standard deviation: {most}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "name": self.name,
            "version": METHOD.version,
            "figures": list(FEATURES),
            "after_beat": self.after_beat,
            "means": list(self.means),
            "scales": list(self.scales),
            "coefficients": [list(row) for row in self.coefficients],
            "classes": list(self.classes),
            "positive": self.positive,
        }


def _figures(x: Floats, own: int, rate: float) -> Floats:
    """Figures of windows ``x (n, samples)`` whose beat is sample ``own``, ``(n, figures)``."""
    n, samples = x.shape
    marks = beats(x, rate)
    same = round(SAME_S * rate)
    marks[:, max(0, own - same) : own + same + 1] = False
    row, at = np.nonzero(marks)
    step = max(1, round(STEP_S * rate))
    slope = np.zeros_like(x)
    slope[:, step:-step] = x[:, 2 * step :] - x[:, : -2 * step]
    energy = np.sqrt(np.maximum(uniform_filter1d(slope**2, max(1, round(QRS_S * rate)), mode="nearest"), 0))
    alike = _likeness(slope, row, at, own, rate)
    size, width, height = _extent(energy, x, row, at, rate)
    own_size, own_width, own_height = _extent(energy, x, np.arange(n), np.full(n, own), rate)
    count = np.bincount(row, minlength=n)
    most = np.zeros(n)
    np.maximum.at(most, row, alike)

    def others(values: Floats, alone: Floats) -> Floats:
        """Mean over the other beats of a window, ``alone`` where it has none."""
        total = np.bincount(row, values, minlength=n)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), alone))

    before, mean, last, after = _intervals(marks, own, samples)
    return np.column_stack(
        [
            _ratio(before, mean),
            _ratio(before, last),
            _ratio(after, before),
            most,
            others(alike, np.zeros(n)),
            _of_neighbour(row, alike, at < own, n, last=True),
            _of_neighbour(row, alike, at > own, n, last=False),
            _ratio(own_size, others(size, own_size)),
            _ratio(own_height, others(height, own_height)),
            _ratio(own_width, others(width, own_width)),
        ]
    )


def _intervals(marks: Bools, own: int, samples: int) -> tuple[Floats, Floats, Floats, Floats]:
    """RR before the beat, the mean of those before that, the last of them, and RR after it; in samples.

    Where a window holds too few beats, an interval lasts to its end, or is like the one that is known.
    """
    place = np.arange(samples)
    earlier, later = marks[:, :own], marks[:, own + 1 :]
    last = np.where(earlier, place[:own], -1).max(axis=1)
    first = np.where(earlier, place[:own], samples).min(axis=1)
    second = np.where(earlier & (place[:own] < last[:, None]), place[:own], -1).max(axis=1)
    before = np.where(last >= 0, own - last, own + 1).astype(np.float64)
    several = second >= 0
    mean = np.where(several, (last - first) / np.maximum(earlier.sum(axis=1) - 1, 1), before)
    one = np.where(several, last - second, before).astype(np.float64)
    after = np.where(later.any(axis=1), later.argmax(axis=1) + 1, samples - own).astype(np.float64)
    return before, mean, one, after


def _likeness(slope: Floats, row: Int64, at: Int64, own: int, rate: float) -> Floats:
    """Cosine between the slopes of each other beat and those of its window's own, at the best place."""
    reach, moved = round(TEMPLATE_S * rate), round(MOVED_S * rate)
    edge = reach + moved
    padded = np.pad(slope, ((0, 0), (edge, edge)))
    template = padded[:, own + moved : own + moved + 2 * reach + 1]
    length = np.sqrt((template**2).sum(axis=1))
    near = padded[row[:, None], at[:, None] + np.arange(2 * edge + 1)]
    best = np.full(len(row), -1.0)
    for shift in range(2 * moved + 1):
        part = near[:, shift : shift + 2 * reach + 1]
        lengths = np.sqrt((part**2).sum(axis=1)) * length[row]
        best = np.maximum(best, (part * template[row]).sum(axis=1) / np.maximum(lengths, 1e-12))
    return best


def _of_neighbour(row: Int64, values: Floats, which: Bools, n: int, *, last: bool) -> Floats:
    """Return the value of the last or the first beat of ``which`` in each window, 0 where it has none."""
    found = np.zeros(n)
    order = np.flatnonzero(which)  # in order of time: what is written last stays
    order = order if last else order[::-1]
    found[row[order]] = values[order]
    return found


def _extent(energy: Floats, x: Floats, row: Int64, at: Int64, rate: float) -> tuple[Floats, Floats, Floats]:
    """Largest energy about each beat, how many samples have half of it or more, and its height."""
    reach = round(WIDE_S * rate)
    padded = np.pad(energy, ((0, 0), (reach, reach)))
    near = padded[row[:, None], at[:, None] + np.arange(2 * reach + 1)]
    largest = near.max(axis=1, initial=0.0)
    signal = np.pad(x, ((0, 0), (reach, reach)), mode="edge")
    signal = signal[row[:, None], at[:, None] + np.arange(2 * reach + 1)]
    height = np.ptp(signal, axis=1) if len(row) else np.zeros(0)
    return largest, (near >= largest[:, None] / 2).sum(axis=1).astype(np.float64), height


def _ratio(one: Floats, other: Floats) -> Floats:
    """Logarithm of a ratio, cut to `LIMIT` both ways; 0 where both are 0."""
    found = np.log((one + 1e-9) / (other + 1e-9))
    return np.asarray(np.clip(found, -LIMIT, LIMIT), np.float64)
