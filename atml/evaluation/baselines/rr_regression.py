"""The baseline "rr_regression": any number of classes by a logistic regression on the RR intervals.

A window is reduced to the six figures of `FEATURES`. They are standardised and go through a multinomial
logistic regression with a quadratic penalty, every class weighing the same however rare. For a binary task
the threshold is then chosen for the objective. What is stored is a few dozen numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from atml.arrays import Float32, Floats, Int64, Strings
from atml.ecg.beats import beats
from atml.errors import ExportError
from atml.evaluation.baselines.base import expect_keys, in_chunks, labels
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

INTERVALS = 4
"""A window with fewer RR intervals tells nothing: its figures are taken as those of the average window."""

CANDIDATES = 50
"""Candidates for the threshold of a binary task."""

FEATURES: dict[str, tuple[str, Callable[[Floats, Floats], float]]] = {
    "rate": ("heart rate", lambda rr, rel: 60 / float(np.median(rr))),
    "rmssd": (
        "beat-to-beat change",
        lambda rr, rel: float(np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()),
    ),
    "steady": ("steady intervals", lambda rr, rel: float(np.mean(np.abs(np.diff(rel)) < 0.05))),
    "early": ("earliness of the earliest tenth", lambda rr, rel: 1 - float(np.percentile(rel, 10))),
    "late": ("long intervals", lambda rr, rel: float(np.mean(rel > 1.15))),
    "extra": (
        "early beats with a pause",
        lambda rr, rel: float(np.mean((rel[:-1] < 0.85) & (rel[1:] > 1))),
    ),
}
"""Words and formula of each figure of RR intervals: ``rr (k,)`` in s, ``rel`` over their median.

``rate`` is in beats a minute; ``rmssd`` the root mean square of successive differences over the mean interval
(Task Force of the ESC and NASPE 1996); ``steady`` the share of changes below 5% of the median; ``early`` how
much of the median the 10th percentile lacks; ``late`` the share of intervals above 115% of the median;
``extra`` the share of intervals below 85% of the median whose successor is above it: ectopic beats.
"""


@dataclass(frozen=True)
class RRRegression:
    """The method; see `atml.evaluation.baselines.base.Method`."""

    name: str = "rr_regression"
    version: int = 1

    def problem(self, task: Task) -> str:
        """Nothing stands against any task of classes."""
        return ""

    def measure(self, x: Float32, sampling_rate: float) -> Floats:
        """Figures of lead 0 of ``x (n, leads, samples)``: ``(n, figures)``, NaN with too few beats."""
        out = np.full((len(x), len(FEATURES)), np.nan)
        at = 0
        for chunk in in_chunks(x):
            for marks in beats(chunk, sampling_rate):
                rr = np.diff(np.flatnonzero(marks)) / sampling_rate
                if len(rr) >= INTERVALS:
                    rel = rr / np.median(rr)
                    out[at] = [formula(rr, rel) for _, formula in FEATURES.values()]
                at += 1
        return out

    def fit(
        self, measured: Floats, y: Int64, subject: Strings, task: Task, value: Value
    ) -> RRRegressionBaseline:
        """Fit to ``measured (n, figures)`` and ``y (n,)``.

        The threshold of a binary task is the one that ``value`` asks for on the same rows. Of several classes
        none is favoured: offsets chosen so were worse on other people than none.
        """
        target = targets.of(task)
        known = measured[~np.isnan(measured[:, 0])]
        means = known.mean(axis=0) if len(known) else np.zeros(len(FEATURES))
        scales = known.std(axis=0) if len(known) else np.ones(len(FEATURES))
        means, scales = rounded(means), rounded(np.where(scales > 0, scales, 1.0))
        weights = rounded(regression(standardised(measured, means, scales), y, len(task.classes)))
        plain = RRRegressionBaseline(
            numbers(means), numbers(scales), tuple(map(numbers, weights)), task.classes, task.positive
        )
        if task.positive is None:
            return plain
        found = target.predictions(plain.figures_logits(measured), y, subject)
        weights[:, -1] -= target.choose(found, value, floor=0.0, count=CANDIDATES)
        return dataclasses.replace(plain, coefficients=tuple(map(numbers, rounded(weights))))

    def from_dict(self, fields: dict[str, Any]) -> RRRegressionBaseline:
        """Rebuild from `RRRegressionBaseline.to_dict`; raises ExportError for whatever it did not write."""
        known = ("name", "version", "figures", "means", "scales", "coefficients", "classes", "positive")
        expect_keys(fields, known)
        classes, positive, count = fields["classes"], fields["positive"], len(FEATURES)
        rows = fields["coefficients"]
        if not (
            isinstance(classes, list)
            and (positive is None or (isinstance(positive, int) and 0 <= positive < len(classes)))
            and fields["figures"] == list(FEATURES)
            and is_regression(fields, count, len(classes))
        ):
            raise ExportError(
                f"baseline {self.name!r} has not a finite number for each of {', '.join(FEATURES)} and each"
                f" of the classes {classes!r}; export the model again"
            )
        return RRRegressionBaseline(
            tuple(fields["means"]),
            tuple(fields["scales"]),
            tuple(map(tuple, rows)),
            tuple(map(str, classes)),
            positive,
        )


METHOD = RRRegression()


@dataclass(frozen=True)
class RRRegressionBaseline:
    """A fitted regression; see `atml.evaluation.baselines.base.Baseline`.

    ``means`` and ``scales`` standardise the figures of `FEATURES`; ``coefficients[c]`` are those of class
    ``c``, one a standardised figure, and its offset.
    """

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
        return "RR regression"

    @property
    def size_bytes(self) -> int:
        """Its constants as float32."""
        return 4 * (2 * len(FEATURES) + len(self.classes) * (len(FEATURES) + 1))

    def operations(self, samples: int) -> int:
        """About how many operations one window of ``samples`` costs: finding beats is nearly all of it."""
        return 20 * samples + 2 * len(FEATURES) * len(self.classes)

    def logits(self, x: Float32, sampling_rate: float) -> Float32:
        """Return ``(n, classes)`` for lead 0 of ``x (n, leads, samples)``."""
        return self.figures_logits(METHOD.measure(x, sampling_rate))

    def figures_logits(self, measured: Floats) -> Float32:
        """Return `logits` of ``measured (n, figures)``."""
        design = standardised(measured, np.array(self.means), np.array(self.scales))
        return np.asarray(design @ np.array(self.coefficients).T, np.float32)

    def decide(self, x: Float32, sampling_rate: float) -> Int64:
        """Return the class of each window of ``x (n, leads, samples)``, ``(n,)``."""
        return labels(self, x, sampling_rate)

    def describe(self) -> str:
        """Name the figures, and for each class the two that weigh most."""
        words = [words for words, _ in FEATURES.values()]
        most = heaviest(words, self.classes, self.coefficients)
        return (
            f"the likeliest of {', '.join(self.classes)} by a logistic regression on {', '.join(words)}; what"
            f" weighs most, for one standard deviation: {most}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "name": self.name,
            "version": METHOD.version,
            "figures": list(FEATURES),
            "means": list(self.means),
            "scales": list(self.scales),
            "coefficients": [list(row) for row in self.coefficients],
            "classes": list(self.classes),
            "positive": self.positive,
        }
