"""How long models take for one window on this machine, side by side in one process.

Models take turns, and every other round in the opposite order: what else the machine does falls on all alike.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32
from atml.artifacts.model import Session

WARM_UP = 10
"""Rounds that are not counted."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one window: the median of ``runs``, and the quarter points around it."""

    median: float
    low: float
    high: float
    runs: int


def latencies(models: Sequence[bytes], x: Float32, runs: int = 200) -> list[Latency]:
    """Time ONNX models on windows of ``x (n, leads, samples)``, one by one, on one CPU thread of onnxruntime.

    Raises ExportError for a model that can't be run on them.
    """
    ready = [Session(model) for model in models]
    feeds = [np.ascontiguousarray(x[i : i + 1], np.float32) for i in range(min(len(x), 64))]
    taken: list[list[float]] = [[] for _ in models]
    for turn in range(WARM_UP + runs):
        window = feeds[turn % len(feeds)]
        order = range(len(ready)) if turn % 2 else reversed(range(len(ready)))
        for i in order:
            began = time.perf_counter_ns()
            ready[i](window)
            taken[i].append((time.perf_counter_ns() - began) / 1e6)
    found = []
    for times in taken:
        low, median, high = (float(v) for v in np.quantile(times[WARM_UP:], (0.25, 0.5, 0.75)))
        found.append(Latency(median, low, high, runs))
    return found
