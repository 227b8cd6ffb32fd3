"""Gross figures of single beats, as rule ec57 has them, of two models on the same people."""

from __future__ import annotations

import numpy as np

from atml.arrays import Floats, Int64
from atml.errors import InputError
from atml.metrics import Interval
from atml.metrics.counting import ratio, subject_codes
from atml.metrics.intervals import subject_draws
from atml.promotion.drawn import student, wider
from atml.scoring.recording import Pending
from atml.scoring.rules import ec57
from atml.scoring.rules.beat_by_beat import compared
from atml.scoring.rules.ec57.figures import parts

_MADE_OF = {
    "VEB F1": ("V Se", "V +P"),
    "SVEB F1": ("S Se", "S +P"),
    "VEB Se": ("V Se",),
    "VEB +P": ("V +P",),
    "SVEB Se": ("S Se",),
    "SVEB +P": ("S +P",),
    "QRS Se": ("Q Se",),
    "QRS +P": ("Q +P",),
}

FIGURES = {
    "VEB F1": "mean of VEB sensitivity and positive predictivity (harmonic)",
    "SVEB F1": "mean of SVEB sensitivity and positive predictivity (harmonic)",
    "VEB Se": "VEB sensitivity",
    "VEB +P": "VEB positive predictivity",
    "SVEB Se": "SVEB sensitivity",
    "SVEB +P": "SVEB positive predictivity",
    "QRS Se": "QRS sensitivity",
    "QRS +P": "QRS positive predictivity",
}
"""Figures by name, in words."""


def counts(pending: Pending) -> Int64:
    """Return the matrices of counts of each person, ``(people, 7, 7)``, sorted by name.

    Raises InputError where the model was not judged beat by beat.
    """
    records, options = pending.judged.beats, pending.report.score.options
    if not records or pending.report.score.rule != "ec57":
        raise InputError(
            f"figures of beats are those of rule ec57, not of {pending.report.score.rule}: leave --rule out"
        )
    found = compared(records, ec57.Settings(learning=options["learning"], window=options["window"]))
    people, code = subject_codes(np.asarray([one.subject for one in records], np.str_))
    summed = np.zeros((len(people), *found[0].counts.shape), np.int64)
    np.add.at(summed, code, np.array([one.counts for one in found]))
    return summed


def gross(name: str, sums: Int64 | Floats) -> Floats:
    """Return a figure of summed counts ``(..., 7, 7)``, from 0 to 1, NaN where it has none.

    Example:
        >>> sums = np.zeros((7, 7), np.int64)
        >>> sums[2, 2], sums[2, 0], sums[0, 2] = 8, 2, 8  # 8 of 10 found, 8 of 16 right
        >>> float(gross("VEB Se", sums)), float(gross("VEB +P", sums)), round(float(gross("VEB F1", sums)), 3)
        (0.8, 0.5, 0.615)
    """
    made = [parts(sums)[key] for key in _MADE_OF[name]]
    right, of = made[0]
    if len(made) == 1:
        return ratio(right, of, np.nan)
    both: Floats = np.where(of > 0, 2 * right / np.maximum(of + made[1][1], 1.0), np.nan)
    return both


def difference(name: str, first: Int64, second: Int64) -> tuple[float, float, Interval]:
    """Return a figure of two models and the interval of its difference, the same people drawn for both.

    ``first`` and ``second`` are `counts` of the same people in the same order.
    """
    count = len(first)
    drawn = subject_draws(count)
    often = (drawn[:, :, None] == np.arange(count)).sum(axis=1).astype(np.float64)
    mine, theirs = (gross(name, np.tensordot(often, one, axes=1)) for one in (first, second))
    value = float(mine[0] - theirs[0])
    gaps = (mine - theirs)[1:]
    gaps = gaps[np.isfinite(gaps)]
    if count < 2 or len(gaps) < 2:
        return float(mine[0]), float(theirs[0]), Interval(value, -np.inf, np.inf)
    low, high = (float(end) for end in np.quantile(gaps, (0.025, 0.975)))
    error = float(gaps.std(ddof=1) * np.sqrt(count / (count - 1)))
    return float(mine[0]), float(theirs[0]), wider(Interval(value, low, high), student(value, error, count))
