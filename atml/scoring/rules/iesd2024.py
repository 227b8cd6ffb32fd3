"""IESD 2024: atrial fibrillation on a Loongson 2K0500 board.

Source: the contest's page, its evaluation code and its leaderboard.

- Per subject F-beta (beta 2) by the conventions of `atml.metrics.Counts`, rounded to 5 decimals.
- F = unweighted mean over subjects, G = share of subjects with F-beta above 0.9, strictly.
- Fn = (F - 0.5) / 0.5, Gn = (G - 0.5) / 0.5, Ln = 1 - (L - 0.5) / 49.5, Mn = 1 - (M - 50) / 950 with L the
  mean inference latency in ms and M the size of the whole executable in KiB. Each is floored at 0; whether
  the contest caps them at 1 was never observed, and they are not capped here.
- Total = 25 Fn + 15 Gn + 35 Ln + 5 Mn: 80 for all four at 1. (A live defence adds up to 20.)
- The board answers 0 if ``out[0] > out[1]`` and 1 otherwise: a tie counts as AF.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from atml.arrays import Int64
from atml.scoring.rules import contest_figures
from atml.scoring.rules.base import Judged, Score
from atml.tasks.task import Task

NAME = "iesd2024"
GOOD = 0.9
WEIGHTS = {"F": 25.0, "G": 15.0, "latency": 35.0, "size": 5.0}
FULL = (0.5, 50.0)
"""Latency in ms and size in KiB that earn all that their weights have."""
OPTIONS: Mapping[str, float] = {}
AWARDS = True


def fits(task: Task) -> None:
    """Raise ExportError for a model of another shape than two classes, AF being 1."""
    contest_figures.fits_two(task, NAME)


def decide(outputs: npt.ArrayLike) -> Int64:
    """The board's class of each row of ``outputs (n, 2)``: 0 if the first is larger, else 1; ``(n,)``."""
    return contest_figures.decide_two(outputs, NAME)


def points(f: float, g: float, latency_ms: float, size_kib: float) -> dict[str, float]:
    """What F, G, latency (ms) and size (KiB) each add to the total.

    Raises InputError for a latency or size that is not above 0.
    """
    contest_figures.check(latency_ms, size_kib)
    shares = {
        "F": (f - 0.5) / 0.5,
        "G": (g - 0.5) / 0.5,
        "latency": 1 - (latency_ms - 0.5) / 49.5,
        "size": 1 - (size_kib - 50) / 950,
    }
    return {key: WEIGHTS[key] * max(0.0, share) for key, share in shares.items()}


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score labels 0 or 1, 1 = AF; ``options`` is empty.

    The total needs both a measured latency and a measured size. Raises InputError without windows and for
    a latency or size that is not above 0.
    """
    return contest_figures.of_subjects(NAME, judged, points, best=sum(WEIGHTS.values()), good=GOOD)
