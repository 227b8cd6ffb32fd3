"""ICCAD TinyML contest 2023: ventricular arrhythmia in electrograms, on an STM32 F303K8.

Source: the contest's page, its evaluation code and its leaderboard.

- Per subject F-beta (beta 2) by the conventions of `atml.metrics.Counts`, but not rounded.
- F = unweighted mean over subjects, G = share of subjects with F-beta above 0.95, strictly.
- Ln = 1 - (L - 1) / 199 and Mn = 1 - (M - 5) / 59, with L the mean inference latency in ms and M the size
  in KiB. Neither is capped at 1. Both are floored at 0 here, which the contest never needed of Mn: the
  device holds 64 KiB.
- Total = 70 F + 30 G + 20 Ln + 20 Mn: 140 for a perfect model of 1 ms and 5 KiB.
- How the board decides between equal outputs is not published. Here the larger output decides, and a tie
  counts as positive.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from atml.arrays import Int64
from atml.scoring.rules import contest_figures
from atml.scoring.rules.base import Judged, Score
from atml.tasks.task import Task

NAME = "iccad2023"
GOOD = 0.95
WEIGHTS = {"F": 70.0, "G": 30.0, "latency": 20.0, "size": 20.0}
FULL = (1.0, 5.0)
"""Latency in ms and size in KiB that earn all that their weights have."""
OPTIONS: Mapping[str, float] = {}
AWARDS = True


def fits(task: Task) -> None:
    """Raise ExportError for a model of another shape than two classes, ventricular arrhythmia being 1."""
    contest_figures.fits_two(task, NAME)


def decide(outputs: npt.ArrayLike) -> Int64:
    """Class of each row of ``outputs (n, 2)``: 0 if the first is larger, else 1; ``(n,)``."""
    return contest_figures.decide_two(outputs, NAME)


def points(f: float, g: float, latency_ms: float, size_kib: float) -> dict[str, float]:
    """What F, G, latency (ms) and size (KiB) each add to the total.

    Raises InputError for a latency or size that is not above 0.
    """
    contest_figures.check(latency_ms, size_kib)
    return {
        "F": WEIGHTS["F"] * f,
        "G": WEIGHTS["G"] * g,
        "latency": WEIGHTS["latency"] * max(0.0, 1 - (latency_ms - 1) / 199),
        "size": WEIGHTS["size"] * max(0.0, 1 - (size_kib - 5) / 59),
    }


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score labels 0 or 1, 1 = ventricular arrhythmia; ``options`` is empty.

    The total needs both a measured latency and a measured size. Raises InputError without windows and for
    a latency or size that is not above 0.
    """
    return contest_figures.of_subjects(
        NAME, judged, points, best=sum(WEIGHTS.values()), good=GOOD, decimals=None
    )
