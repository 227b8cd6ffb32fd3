"""ICCAD TinyML contest 2022: ventricular arrhythmia in electrograms, on an STM32 L432KC at 80 MHz.

Source: the contest's page, its evaluation code and its leaderboard.

- F = F-beta (beta 2) of PPV and sensitivity pooled over all windows. (The contest's own validation script
  prints sensitivity under the name PPV and specificity under NPV.)
- Ln = 1 - (L - 1) / 199 and Mn = 1 - (M - 5) / 251, with L the mean inference latency in ms and M the size
  in KiB of code, read-only and initialised data. Neither is capped at 1. Ln is floored at 0; so is Mn here,
  which the contest never needed: the device holds 256 KiB.
- Total = 100 F + 20 Ln + 20 Mn: 140 for a perfect model of 1 ms and 5 KiB.
- How the board decides between equal outputs is not published. Here the larger output decides, and a tie
  counts as positive.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from atml import metrics
from atml.arrays import Int64
from atml.scoring.rules import contest_figures
from atml.scoring.rules.base import Figure, Judged, Score
from atml.tasks.task import Task

NAME = "iccad2022"
WEIGHTS = {"F": 100.0, "latency": 20.0, "size": 20.0}
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


def points(f: float, latency_ms: float, size_kib: float) -> dict[str, float]:
    """What F, latency (ms) and size (KiB) each add to the total.

    Raises InputError for a latency or size that is not above 0.
    """
    contest_figures.check(latency_ms, size_kib)
    return {
        "F": WEIGHTS["F"] * f,
        "latency": WEIGHTS["latency"] * max(0.0, 1 - (latency_ms - 1) / 199),
        "size": WEIGHTS["size"] * max(0.0, 1 - (size_kib - 5) / 251),
    }


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score labels 0 or 1, 1 = ventricular arrhythmia; ``options`` is empty.

    The total needs both a measured latency and a measured size. Raises InputError without windows and for
    a latency or size that is not above 0.
    """
    contest_figures.check(judged.latency_ms, judged.size_kib)
    table = contest_figures.counted(judged)
    f = table.pooled().f_beta(contest_figures.BETA)
    found = metrics.bootstrap(table, beta=contest_figures.BETA)
    own = (Figure("F", "F, F-beta over all windows", f, found["pooled F"]),)
    total = contest_figures.total(judged, sum(WEIGHTS.values()), lambda ms, kib: points(f, ms, kib))
    return contest_figures.scored(NAME, judged, table, own, found, total)
