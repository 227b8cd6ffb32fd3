"""What out-of-fold predictions say: of a network, of the baseline beside it, and of each rhythm."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64, Strings
from atml.data.dataset import Fold
from atml.evaluation.baseline import Baseline, OutOfFold
from atml.evaluation.threshold import Value, choose_carried, choose_threshold, cross_fitted, shifted
from atml.metrics import FOUR, Counts, Interval, SubjectRow, bootstrap, prediction_counts
from atml.metrics.predictions import Predictions

Floats = npt.NDArray[np.float64]

RATES = ("sensitivity", "specificity", "balanced accuracy")
"""Rates over all segments that tell misses from false alarms; the last is the mean of the two."""

DRAWS = 2000
"""Sets of subjects that an interval is taken from."""


@dataclass(frozen=True)
class RhythmRow:
    """How often the segments of one rhythm are decided right.

    ``right`` is sensitivity where the rhythm is ``positive``, else specificity; over repeats it is the mean.
    """

    rhythm: str
    positive: bool
    segments: int
    subjects: int
    right: float


@dataclass(frozen=True, kw_only=True)
class CrossValidationResult:
    """What the out-of-fold predictions of one or more runs say; one entry a run in each tuple.

    ``naive`` is the objective's value at threshold 0, ``tuned`` at ``threshold``, which was chosen on the
    very same predictions, ``cross_fitted`` at thresholds chosen without the fold they are used on, by the
    same rule.
    ``four``, ``intervals``, ``rates`` (by the names in `RATES`) and ``rhythms`` are means over the runs at
    the cross-fitted thresholds; ``counts`` are sums.
    """

    threshold: float
    naive: tuple[float, ...]
    tuned: tuple[float, ...]
    cross_fitted: tuple[float, ...]
    four: dict[str, float]
    intervals: dict[str, Interval]
    counts: Counts
    rates: dict[str, Interval] = field(default_factory=dict)
    rhythms: tuple[RhythmRow, ...] = ()
    decided: tuple[Predictions, ...] = field(default=(), repr=False)
    """Each run's predictions, shifted by the cross-fitted thresholds: what they call is decided at 0."""

    @property
    def value(self) -> float:
        """The estimate to believe: the mean of ``cross_fitted``."""
        return float(np.mean(self.cross_fitted))

    @property
    def lowest(self) -> float:
        """The lowest of the four metrics, which a model qualifies by."""
        return min(self.four.values())

    @property
    def name(self) -> str:
        """``xx-yy``: highest and lowest of the four metrics, in whole percent; 100 only for exactly 1."""
        return f"{whole_percent(max(self.four.values()))}-{whole_percent(self.lowest)}"

    def rows(self) -> tuple[SubjectRow, ...]:
        """One row a subject, worst first; counts are summed over the runs."""
        return self.counts.rows()

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as JSON types, as an export's metrics.json has them."""
        return {
            "value": self.value,
            **self.four,
            "intervals": {key: dataclasses.asdict(interval) for key, interval in self.intervals.items()},
            "rates": {key: dataclasses.asdict(interval) for key, interval in self.rates.items()},
            "rhythms": [dataclasses.asdict(row) for row in self.rhythms],
            "threshold": self.threshold,
            "naive": list(self.naive),
            "tuned": list(self.tuned),
            "cross_fitted": list(self.cross_fitted),
            "subjects": [dataclasses.asdict(row) for row in self.rows()],
        }


def whole_percent(value: float) -> int:
    """Round down to whole percent, so that 0.996 is 99 and only exactly 1 is 100."""
    # 0.29 * 100 is 28.999999999999996: what prints as a whole percent is one.
    return min(int(value * 100 + 1e-9), 100 if value >= 1.0 else 99)


HEADROOM = 0.02
"""A threshold that only just qualifies where it is chosen does not elsewhere, half of the time."""


def weigh(
    runs: Sequence[Predictions],
    rows: Sequence[Int64],
    folds: Sequence[Fold],
    value: Value,
    *,
    qualifies: float = 0.0,
    rhythm: Strings | None = None,
) -> CrossValidationResult:
    """Judge out-of-fold predictions and choose the threshold, over all runs at once.

    ``rows[i]`` are the row numbers of the data set that ``runs[i]`` belong to. All runs must have predicted
    the same rows, in any order. ``rhythm`` is the data set's, for the table by rhythm. Where a threshold lets
    the lowest of the four metrics reach ``qualifies`` with some headroom, the best of those is chosen. It is
    0 where tuning does not carry over from fold to fold. That is decided for each fold on the others, as the
    threshold is, so that the cross-fitted figures are never the better of two. With two folds the others
    are one, which can't say: the threshold is tuned.
    """
    if not runs or any(len(row) == 0 for row in rows):
        raise ValueError("no out-of-fold predictions to weigh")
    fold_of_row = np.full(1 + max(int(fold.held_out.max()) for fold in folds), -1)
    for number, fold in enumerate(folds):
        fold_of_row[fold.held_out] = number
    together = Predictions(
        np.concatenate([run.logits for run in runs]),
        np.concatenate([run.y for run in runs]),
        np.concatenate([run.subject for run in runs]),
        runs[0].positive,
    )
    floor = qualifies + HEADROOM if qualifies > 0 else 0.0
    fold_of = fold_of_row[np.concatenate(rows)]
    careful = len(np.unique(fold_of)) > 2
    if careful:
        threshold = choose_carried(together, fold_of, value, floor=floor)
    else:
        threshold = choose_threshold(together, value, floor=floor)
    honest = cross_fitted(together, fold_of, value, floor=floor, careful=careful).predictions
    ends = np.cumsum([len(run.y) for run in runs])
    parts = [
        Predictions(honest.logits[a:b], honest.y[a:b], honest.subject[a:b], honest.positive)
        for a, b in zip((0, *ends[:-1]), ends, strict=True)
    ]
    naive = tuple(value(run) for run in runs)
    tables = [prediction_counts(part) for part in parts]
    total = Counts(
        tables[0].names,
        tp=np.sum([t.tp for t in tables], axis=0),
        fp=np.sum([t.fp for t in tables], axis=0),
        fn=np.sum([t.fn for t in tables], axis=0),
        tn=np.sum([t.tn for t in tables], axis=0),
    )
    return CrossValidationResult(
        threshold=threshold,
        naive=naive,
        tuned=tuple(value(shifted(run, threshold)) for run in runs),
        cross_fitted=tuple(value(part) for part in parts),
        four=_four(tables),
        intervals=bootstrap(*tables),
        counts=total,
        # All runs are of the same rows: rates of the sum are means of the rates.
        rates=rates(total),
        rhythms=() if rhythm is None else by_rhythm(parts, rows, rhythm),
        decided=tuple(parts),
    )


def _four(tables: Sequence[Counts]) -> dict[str, float]:
    """Mean over runs of each of the four metrics."""
    fours = [table.pooled().four() for table in tables]
    return {key: float(np.mean([four[key] for four in fours])) for key in FOUR}


@dataclass(frozen=True, kw_only=True)
class BaselineResult:
    """What a detector without a network reaches on the same held-out rows.

    Figures have the names that they have in `CrossValidationResult`.

    ``baseline`` is fitted on all training rows. Its limits were chosen without the rows they are judged on,
    so no threshold is tuned here.
    """

    baseline: Baseline
    value: float
    four: dict[str, float]
    intervals: dict[str, Interval]
    counts: Counts
    rates: dict[str, Interval]
    rhythms: tuple[RhythmRow, ...]


def rival(found: OutOfFold, value: Value, rhythm: Strings) -> BaselineResult:
    """Judge a baseline's out-of-fold predictions; ``rhythm`` is the data set's."""
    table = prediction_counts(found.predictions)
    return BaselineResult(
        baseline=found.baseline,
        value=value(found.predictions),
        four=_four([table]),
        intervals=bootstrap(table),
        counts=table,
        rates=rates(table),
        rhythms=by_rhythm([found.predictions], [found.rows], rhythm),
    )


def rates(table: Counts) -> dict[str, Interval]:
    """Rates by the names in `RATES`, with 95% percentile intervals from resampling subjects.

    A draw of subjects that lacks a class tells nothing about its rate and is left out.
    """
    values = np.stack(_rates(table))
    return {name: _interval(row) for name, row in zip(RATES, values, strict=True)}


def gain(network: Counts, baseline: Counts) -> Interval:
    """Balanced accuracy of the network less that of the baseline, each drawn on the same subjects."""
    if network.names.tolist() != baseline.names.tolist():
        raise ValueError("a network and a baseline on different subjects can't be compared")
    return _interval(_rates(network)[2] - _rates(baseline)[2])


def _rates(table: Counts) -> list[Floats]:
    """Return each rate of `RATES` for the subjects as they are and for `DRAWS` sets of them."""
    count = len(table.names)
    pick = np.random.default_rng(0).integers(0, count, (DRAWS, count))
    pick = np.vstack((np.arange(count), pick))
    tp, fp, fn, tn = (cell[pick].sum(axis=1) for cell in (table.tp, table.fp, table.fn, table.tn))
    sensitivity, specificity = (
        np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
        for part, whole in ((tp, tp + fn), (tn, tn + fp))
    )
    return [sensitivity, specificity, (sensitivity + specificity) / 2]


def _interval(values: Floats) -> Interval:
    """Value of the first and the 95% interval of the others; 0 in 0 to 1 where nothing can be told."""
    told = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(told) == 0:
        return Interval(0.0, 0.0, 1.0)
    low, high = np.quantile(told, (0.025, 0.975))
    return Interval(float(values[0]), float(low), float(high))


def by_rhythm(runs: Sequence[Predictions], rows: Sequence[Int64], rhythm: Strings) -> tuple[RhythmRow, ...]:
    """One row a rhythm, the positive ones first, the most frequent first.

    ``rows[i]`` are the rows of the data set that ``runs[i]`` belong to, ``rhythm`` is of the whole data set.
    """
    name = np.concatenate([rhythm[row] for row in rows])
    truth = np.concatenate([run.truth() for run in runs])
    right = np.concatenate([run.truth() == run.decided() for run in runs])
    subject = np.concatenate([run.subject for run in runs])
    found = []
    for one in np.unique(name):
        for positive in (True, False):
            which = (name == one) & (truth == positive)
            if which.any():
                segments, people = int(which.sum()) // len(runs), len(np.unique(subject[which]))
                found.append(RhythmRow(str(one), positive, segments, people, float(right[which].mean())))
    return tuple(sorted(found, key=lambda row: (not row.positive, -row.segments, row.rhythm)))
