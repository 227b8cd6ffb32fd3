"""How sure Gross and Average are: 95% intervals from resampling people; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats
from atml.metrics.counting import ratio, subject_codes
from atml.metrics.intervals import Interval, drawn_interval, subject_draws
from atml.scoring.rules.ec57.comparison import Comparison
from atml.scoring.rules.ec57.figures import FIGURES, RR, parts


@dataclass(frozen=True)
class Intervals:
    """Intervals by name of the figure, in its unit; None where the figure is undefined, or of one person."""

    gross: dict[str, Interval | None]
    average: dict[str, Interval | None]


def intervals(found: Sequence[Comparison], subjects: Sequence[str], level: float = 0.95) -> Intervals:
    """Resample people, each with all their records, and take percentiles of the figures.

    Args:
        found: Comparisons of records.
        subjects: Whose each record is.
        level: Of the intervals.

    Example:
        >>> from atml.data.formats.annotations import Marks
        >>> from atml.scoring.rules.ec57.comparison import compare
        >>> at = np.arange(100, 2000, 200)
        >>> known = Marks(at, "N" * 10, np.zeros(10, np.int64), [""] * 10)
        >>> most = Marks(at[:8], "N" * 8, np.zeros(8, np.int64), [""] * 8)
        >>> two = [compare(known, one, 250, length=2500, learning=0) for one in (known, most)]
        >>> found = intervals(two, ["A", "B"]).gross["Q Se"]
        >>> round(found.value), round(found.low), round(found.high)
        (90, 80, 100)
    """
    people, code = subject_codes(np.asarray(subjects, np.str_))
    none: dict[str, Interval | None] = dict.fromkeys(FIGURES)
    if len(people) < 2:
        return Intervals(none, {**none, RR: None})
    drawn = subject_draws(len(people))
    # How often each record is in each set of people, (1 + draws, records).
    often = (drawn[:, :, None] == np.arange(len(people))).sum(axis=1)[:, code].astype(np.float64)
    counts = np.array([one.counts for one in found], np.float64)
    sums = np.tensordot(often, counts, axes=1)
    gross = {name: _interval(_percent(*pair), level) for name, pair in parts(sums).items()}
    average: dict[str, Interval | None] = {}
    for name, (right, of) in parts(counts).items():
        defined = (of > 0).astype(np.float64)
        average[name] = _interval(_percent(often @ ratio(right, of), often @ defined), level)
    errors = np.array([np.nan if one.rr_error is None else one.rr_error for one in found])
    known = np.isfinite(errors)
    mean = _percent(often @ np.where(known, errors, 0.0), often @ known.astype(np.float64)) / 100
    average[RR] = _interval(mean, level)
    return Intervals(gross, average)


def _percent(right: Floats, of: Floats) -> Floats:
    return ratio(100.0 * right, of, np.nan)


def _interval(values: Floats, level: float) -> Interval | None:
    return drawn_interval(values, level) if np.isfinite(values[0]) else None
