"""What a baseline is: a way to decide without a network, fitted to the same windows as the networks.

`Method` is what can be fitted and what `atml.evaluation.baselines.BASELINES` holds; `Baseline` is what a fit
gives: a few numbers and a rule that can be said in a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Floats, Int64, Strings
from atml.errors import ExportError
from atml.metrics.predictions import Predictions
from atml.tasks.targets import Value
from atml.tasks.task import Task

CHUNK = 1024
"""Windows that are measured at a time, to keep memory small."""


class Baseline(Protocol):
    """A fitted baseline. Two that decide alike are equal."""

    @property
    def name(self) -> str:
        """Its method's name in `atml.evaluation.baselines.BASELINES`."""

    @property
    def title(self) -> str:
        """Two or three words for it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the task's classes."""

    @property
    def positive(self) -> int | None:
        """Positive class of the task, if it has one."""

    @property
    def size_bytes(self) -> int:
        """Its constants as float32; the code that uses them is another few KiB on a small processor."""

    def operations(self, samples: int) -> int:
        """About how many operations one window of ``samples`` costs, as a stream of them would be treated."""

    def logits(self, x: Float32, sampling_rate: float) -> Float32:
        """Return ``(n, classes)`` for ``x (n, leads, samples)``; `Predictions.labels` decides by it."""

    def decide(self, x: Float32, sampling_rate: float) -> Int64:
        """Return the class of each window of ``x (n, leads, samples)``, ``(n,)``."""

    def describe(self) -> str:
        """Say the rule in words."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, with "name" and "version" among the keys."""


class Method(Protocol):
    """A kind of baseline. Fits are deterministic, and take seconds for 20,000 windows."""

    @property
    def name(self) -> str:
        """Its name in `atml.evaluation.baselines.BASELINES`."""

    @property
    def version(self) -> int:
        """Raised whenever the same data give another baseline, or `Baseline.to_dict` other keys."""

    def problem(self, task: Task) -> str:
        """Say why it can't be fitted to a task, and the way out; "" where it can."""

    def measure(self, x: Float32, sampling_rate: float) -> Floats:
        """Measure all that a fit needs of ``x (n, leads, samples)``: ``(n, ...)``, each window by itself."""

    def fit(self, measured: Floats, y: Int64, subject: Strings, task: Task, value: Value) -> Baseline:
        """Fit to rows of what `measure` gave, so that ``value(Predictions)``, the objective, is large."""

    def from_dict(self, fields: dict[str, Any]) -> Baseline:
        """Rebuild from `Baseline.to_dict`; raises ExportError for whatever it did not write."""


def labels(baseline: Baseline, x: Float32, sampling_rate: float) -> Int64:
    """Return the class of each window of ``x (n, leads, samples)`` by a baseline's logits, ``(n,)``."""
    nobody = np.full(len(x), "")
    of = Predictions(baseline.logits(x, sampling_rate), np.zeros(len(x), np.int64), nobody, baseline.positive)
    return of.labels()


def in_chunks(x: Float32) -> Iterator[npt.NDArray[np.float64]]:
    """Cut lead 0 of ``x (n, leads, samples)`` into ``(`CHUNK` or fewer, samples)``, float64, one by one."""
    return (np.asarray(x[at : at + CHUNK, 0], np.float64) for at in range(0, len(x), CHUNK))


def expect_keys(fields: dict[str, Any], known: Sequence[str]) -> None:
    """Raise ExportError where stored fields have other keys than these."""
    if set(fields) != set(known):
        raise ExportError(
            f"a baseline has {', '.join(known)}, not {', '.join(map(str, fields))}; export the model again"
        )


def number(value: Any) -> bool:
    """Whether a stored value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
