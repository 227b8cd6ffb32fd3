"""A contest's total as an objective: what out-of-fold decisions, latency and size would be awarded."""

from __future__ import annotations

from typing import Any

import numpy as np

from atml import metrics
from atml.arrays import Floats, Int64
from atml.errors import InputError
from atml.metrics import Counts
from atml.metrics.predictions import Predictions
from atml.scoring.rules import contest_figures, iccad2022, iccad2023, iesd2024

CONTESTS: dict[str, Any] = {one.NAME: one for one in (iccad2022, iccad2023, iesd2024)}
"""Rules that award points for latency and size besides accuracy, by name."""


def contest_points(predictions: Predictions, rule: str, *, qualified: bool = True) -> float:
    """Return the total in points that a contest would award, higher is better.

    Accuracy is that of the predictions; latency and size are those that ``predictions.board`` has, and the
    least that earns full marks where it has none: a detector without a network takes next to nothing. A model
    that is not ``qualified`` gets no points for being fast or small: no speed makes up for wrong decisions.
    What ``predictions.qualified`` says goes before that, so that some of the subjects can be resampled.

    Raises:
        InputError: another rule than "iesd2024", "iccad2022" and "iccad2023", or predictions of a task
            without a positive class.

    Example:
        >>> import numpy as np
        >>> right = Predictions(
        ...     np.eye(2, dtype=np.float32), np.array([0, 1]), np.array(["a", "b"]), board=(5.45, 145.0)
        ... )
        >>> contest_points(right, "iesd2024"), contest_points(right, "iesd2024", qualified=False)
        (76.0, 40.0)
    """
    if predictions.positive is None:
        raise InputError(f"rule {rule} judges tasks with a positive class; this one has none")
    contest = contest_named(rule)
    found = accuracy(rule, metrics.counts(predictions.truth(), predictions.decided(), predictions.subject))
    parts = contest.points(*(each.item() for each in found.values()), *(predictions.board or contest.FULL))
    if predictions.qualified is not None:
        qualified = predictions.qualified
    return float(sum(parts.values() if qualified else (parts[key] for key in found)))


def contest_named(rule: str) -> Any:
    """Return the module of a contest's rule; raises InputError for a name that awards no points."""
    if rule not in CONTESTS:
        raise InputError(
            f"rule {rule!r} awards nothing for latency and size; rules that do: {', '.join(CONTESTS)}"
        )
    return CONTESTS[rule]


def accuracy(rule: str, table: Counts, sets: Int64 | None = None) -> dict[str, Floats]:
    """Return what a contest calls F and, where it has it, G, as its ``points`` take them.

    ``sets (draws, subjects)`` are numbers of subjects, those of one set in a row; None for all subjects as
    they are. Each figure is ``(draws,)``. Raises InputError for a rule that awards no points.

    Example:
        >>> one = np.array([8]), np.array([2]), np.array([2]), np.array([8])
        >>> accuracy("iccad2022", Counts(np.array(["a"]), *one))["F"].tolist()
        [0.8]
    """
    contest = contest_named(rule)
    rows = np.arange(len(table.names))[None] if sets is None else sets
    if contest is iccad2022:
        tp, fp, fn = (cell[rows].sum(axis=1) for cell in (table.tp, table.fp, table.fn))
        pooled = metrics.f_beta(metrics.ratio(tp, tp + fp), metrics.ratio(tp, tp + fn), contest_figures.BETA)
        return {"F": np.asarray(pooled, np.float64)}
    each = table.f_beta(contest_figures.BETA, None if contest is iccad2023 else metrics.DECIMALS)
    return {"F": each[rows].mean(axis=1), "G": (each > contest.GOOD)[rows].mean(axis=1)}
