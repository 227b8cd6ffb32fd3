"""Two models on the same subjects: differences, their interval, a test for them (numpy, pure).

Subjects are what is independent; windows of one subject are nearly the same. So every figure here is first
computed for each subject, and subjects are what is resampled and what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Bools, Floats, Int64, Strings
from atml.metrics import DECIMALS, Counts, Interval

LEVEL = 0.05
"""A difference is one where the chance of as large a one between equals is below this."""

EXACT = 16
"""Subjects that differ, up to which every combination of signs is tried; above, random ones."""

DRAWS = 2000
FLIPS = 50_000

MEASURES = ("accuracy", "F-beta", "sensitivity", "specificity")
"""Figures of one subject by name; the first needs no convention and fits any number of classes."""


def of_subjects(table: Counts, beta: float = 2.0, decimals: int | None = DECIMALS) -> dict[str, Floats]:
    """Return each of `MEASURES` for every subject, ``(subjects,)``, NaN where it has no such windows.

    F-beta is `atml.metrics.Counts.f_beta`: a subject without positives has 1.
    """
    tp, fp, fn, tn = (np.asarray(cell, np.float64) for cell in (table.tp, table.fp, table.fn, table.tn))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "F-beta": table.f_beta(beta, decimals),
            "sensitivity": tp / (tp + fn),
            "specificity": tn / (tn + fp),
        }


def accuracy(right: Bools, code: Int64, names: Strings) -> Floats:
    """Share of each subject's windows that are decided right, ``(subjects,)``, for any number of classes.

    ``right (n,)`` and ``code (n,)``, the place of each window's subject in ``names (subjects,)``.
    """
    share: Floats = np.bincount(code, right, len(names)) / np.bincount(code, minlength=len(names))
    return share


@dataclass(frozen=True)
class Difference:
    """What one model has over another, subject by subject.

    ``value`` is the mean difference with its 95% percentile interval from resampling subjects; ``better``,
    ``worse`` and ``same`` count subjects. ``p`` is two-sided, of a sign-flip test of the mean; NaN where
    nothing was tested. ``holm`` is ``p`` after Holm's correction for all pairs of one comparison, and
    ``least`` the smallest that it could have come to, whatever the outcome.
    """

    value: Interval
    better: int
    worse: int
    same: int
    p: float = float("nan")
    holm: float = float("nan")
    least: float = float("nan")

    @property
    def subjects(self) -> int:
        """How many subjects have the figure."""
        return self.better + self.worse + self.same

    @property
    def tells(self) -> bool:
        """Whether the test tells the two apart."""
        return bool(self.holm < LEVEL)

    @property
    def too_few(self) -> bool:
        """Whether no outcome could have told them apart."""
        return bool(self.least >= LEVEL)


def difference(first: Floats, second: Floats, *, seed: int = 0) -> Difference:
    """Compare two models' figures of the same subjects, ``(subjects,)`` each; NaN in either leaves one out.

    Raises ValueError where no subject has both.
    """
    gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    gap = gap[np.isfinite(gap)]
    if len(gap) == 0:
        raise ValueError("no subject has this figure for both models")
    gap = np.where(np.abs(gap) < 1e-12, 0.0, gap)
    pick = np.random.default_rng(seed).integers(0, len(gap), (DRAWS, len(gap)))
    low, high = np.quantile(gap[pick].mean(axis=1), (0.025, 0.975))
    better, worse = int((gap > 0).sum()), int((gap < 0).sum())
    interval = Interval(float(gap.mean()), float(low), float(high))
    return Difference(interval, better, worse, len(gap) - better - worse)


def sign_flip(first: Floats, second: Floats, *, seed: int = 0) -> tuple[float, float]:
    """Test that two models are equals: the chance of as large a mean difference, and the least one there is.

    Were they equals, each subject's difference would as soon have the other sign. Two-sided; exact for up to
    `EXACT` subjects that differ, else from `FLIPS` random flips, counting the sample itself (Phipson and
    Smyth 2010). Subjects without a difference say nothing: with none that differ both are 1.
    """
    gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    gap = gap[np.isfinite(gap)]
    gap = gap[np.abs(gap) >= 1e-12]
    if len(gap) == 0:
        return 1.0, 1.0
    seen = abs(gap.sum()) * (1 - 1e-9)
    least = 2.0 ** (1 - len(gap))
    if len(gap) <= EXACT:
        sums = np.zeros(1)
        for one in gap:
            sums = np.concatenate((sums + one, sums - one))
        return float((np.abs(sums) >= seen).mean()), least
    random = np.random.default_rng(seed)
    as_large = 0
    for at in range(0, FLIPS, 5000):
        signs = random.integers(0, 2, (min(5000, FLIPS - at), len(gap))) * 2 - 1
        as_large += int((np.abs(signs @ gap) >= seen).sum())
    return (1 + as_large) / (1 + FLIPS), max(least, 1 / (1 + FLIPS))


def holm(chances: Sequence[float]) -> list[float]:
    """Correct p-values of one family of tests for their number (Holm 1979), in the order given."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    found, highest = [0.0] * len(chances), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[i]))
        found[i] = highest
    return found
