"""What out-of-fold predictions say: of a network, of the baseline beside it, and of each rhythm."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atml.arrays import Int64, Strings
from atml.data.dataset import Fold
from atml.evaluation.baselines import Baseline
from atml.evaluation.baselines.out_of_fold import OutOfFold
from atml.evaluation.decision import Wish, decide
from atml.evaluation.gate import Gate
from atml.metrics import FOUR, ClassCounts, Interval
from atml.metrics.predictions import QUANTISED, Predictions
from atml.tasks.targets import Target, Value, shifted

AS_TRAINED, TUNED = "decision as trained", "decision tuned, cross-fitted"
"""What stands beside every figure: which decision ships, and so is judged."""


@dataclass(frozen=True)
class RhythmRow:
    """How often the windows of one rhythm are decided right.

    ``right`` is the share of them; for a binary task sensitivity where the rhythm is ``positive``, else
    specificity. Over repeats it is the mean. ``label`` is the class that the windows have.
    """

    rhythm: str
    positive: bool
    windows: int
    subjects: int
    right: float
    label: int = -1


@dataclass(frozen=True, kw_only=True)
class FormatResult:
    """What the networks of the folds reach with fewer bits, at the same decision and on the same windows.

    ``value`` is None where the objective asks for windows after changes, which were not predicted in the
    format. ``agreement`` is the share of windows that are decided as in float32. Figures are means over the
    runs; ``table`` are counts by subject, summed.
    """

    format: str
    value: float | None
    four: dict[str, float]
    rates: dict[str, Interval]
    agreement: float
    table: Any

    @property
    def figures(self) -> dict[str, float]:
        """The four metrics and the rates by name, of which a gate asks for some."""
        return {**self.four, **{name: rate.value for name, rate in self.rates.items()}}

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as JSON types."""
        return {
            "value": self.value,
            **self.four,
            "rates": {key: dataclasses.asdict(interval) for key, interval in self.rates.items()},
            "agreement": self.agreement,
            "subjects": [dataclasses.asdict(row) for row in self.table.rows()],
        }


@dataclass(frozen=True, kw_only=True)
class CrossValidationResult:
    """What the out-of-fold predictions of one or more runs say; one entry a run in each tuple.

    ``naive`` is the objective's value at the decision as trained, offsets of 0; ``cross_fitted`` at offsets
    chosen without the fold they are used on; ``tuned`` at ``offsets``, those that ship, which where they are
    not 0 were chosen on the very same predictions. ``tuning`` is what cross-fitted offsets have over none,
    with its 98% interval; None where they have nothing. Of these two ``values`` are what is judged: those of
    the decision that ships. So are ``four``, ``intervals``, ``rates`` and ``rhythms``, means over the runs;
    ``table`` are counts by subject, summed, as the kind of target counts
    (`atml.tasks.targets.base.Target.table`).
    """

    target: Target
    offsets: tuple[float, ...]
    naive: tuple[float, ...]
    tuned: tuple[float, ...]
    cross_fitted: tuple[float, ...]
    four: dict[str, float]
    intervals: dict[str, Interval]
    table: Any
    tuning: Interval | None = None
    wish: Wish | None = None
    """What the decision was moved for; None where nobody asked."""
    rates: dict[str, Interval] = field(default_factory=dict)
    rhythms: tuple[RhythmRow, ...] = ()
    agreement: dict[str, float] = field(default_factory=dict)
    """Share of the windows decided as before after each change of `atml.ecg.changes`, mean over the runs, at
    the decision that ships; empty where the runs did not measure it."""
    formats: tuple[FormatResult, ...] = ()
    """What the same networks reach in formats of fewer bits; () where the runs did not measure it."""
    decided: tuple[Predictions, ...] = field(default=(), repr=False)
    """Each run's predictions, shifted by the offsets that it is judged at: what they call is decided at 0."""

    @property
    def threshold(self) -> float | None:
        """Threshold on the margin of the positive class; None for a task without one."""
        positive = self.target.task.positive
        return None if positive is None else self.offsets[positive]

    @property
    def value(self) -> float:
        """The estimate to believe: the mean of ``values``."""
        return float(np.mean(self.values))

    @property
    def is_tuned(self) -> bool:
        """Whether another decision ships than that of the training, and figures are cross-fitted."""
        return self.wish is not None or any(self.offsets)

    @property
    def values(self) -> tuple[float, ...]:
        """Value of each run at the decision that ships: as trained, or cross-fitted."""
        return self.cross_fitted if self.is_tuned else self.naive

    @property
    def decision(self) -> str:
        """Say which decision ships and is judged."""
        if self.wish is not None:
            return f"decision moved for {self.wish}, cross-fitted"
        return TUNED if self.is_tuned else AS_TRAINED

    @property
    def lowest(self) -> float:
        """The lowest of the four metrics."""
        return min(self.four.values())

    @property
    def figures(self) -> dict[str, float]:
        """The four metrics and the rates by name, of which a gate asks for some."""
        return {**self.four, **{name: rate.value for name, rate in self.rates.items()}}

    @property
    def name(self) -> str:
        """``xx-yy``: highest and lowest of the four metrics, in whole percent; 100 only for exactly 1."""
        return f"{whole_percent(max(self.four.values()))}-{whole_percent(self.lowest)}"

    def rows(self) -> tuple[Any, ...]:
        """One row a subject, worst first; counts are summed over the runs."""
        rows: tuple[Any, ...] = self.table.rows()
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as JSON types, as an export's metrics.json has them.

        ``matrix`` of several classes counts windows, true by called, summed over the runs.
        """
        return {
            "value": self.value,
            **self.four,
            "intervals": {key: dataclasses.asdict(interval) for key, interval in self.intervals.items()},
            "rates": {key: dataclasses.asdict(interval) for key, interval in self.rates.items()},
            "rhythms": [stored(row) for row in self.rhythms],
            "threshold": self.threshold,
            "offsets": list(self.offsets),
            "naive": list(self.naive),
            "tuned": list(self.tuned),
            "cross_fitted": list(self.cross_fitted),
            "decision": self.decision,
            "tuning": None if self.tuning is None else dataclasses.asdict(self.tuning),
            "agreement": dict(self.agreement),
            "formats": {one.format: one.to_dict() for one in self.formats},
            "subjects": [dataclasses.asdict(row) for row in self.rows()],
            **({"matrix": self.table.pooled().tolist()} if isinstance(self.table, ClassCounts) else {}),
        }


def stored(counted: Any) -> dict[str, Any]:
    """Return a dataclass as JSON types; its ``windows`` are under "segments", the key of version 0.1.

    Example:
        >>> stored(RhythmRow("AFIB", positive=True, windows=9, subjects=3, right=1.0, label=1))["segments"]
        9
    """
    fields = dataclasses.asdict(counted)
    return {"segments" if key == "windows" else key: value for key, value in fields.items()}


def whole_percent(value: float) -> int:
    """Round down to whole percent, so that 0.996 is 99 and only exactly 1 is 100."""
    # 0.29 * 100 is 28.999999999999996: what prints as a whole percent is one.
    return min(int(value * 100 + 1e-9), 100 if value >= 1.0 else 99)


def cross_validation_result(
    target: Target,
    runs: Sequence[Predictions],
    rows: Sequence[Int64],
    folds: Sequence[Fold],
    value: Value,
    *,
    gate: Gate | None = None,
    rhythm: Strings | None = None,
    agreement: bool = False,
    wish: Wish | None = None,
) -> CrossValidationResult:
    """Judge out-of-fold predictions and choose the decision, over all runs at once.

    ``rows[i]`` are the row numbers of the data set that ``runs[i]`` belong to. All runs must have predicted
    the same rows, in any order. ``rhythm`` is the data set's, for the table by rhythm. The decision is that
    of the training unless a tuned one pays beyond its noise: see `atml.evaluation.decision.decide`. With
    ``agreement`` the objective asks for `Predictions.agreement` or `at_worst`, so changed outputs are judged
    as well. With a ``wish`` the decision is moved until it is met, where the task has a positive class.

    Raises:
        ValueError: no runs, or one without predictions.
    """
    if not runs or any(len(row) == 0 for row in rows):
        raise ValueError("no out-of-fold predictions to judge")
    fold_of_row = np.full(1 + max(int(fold.held_out.max()) for fold in folds), -1)
    for number, fold in enumerate(folds):
        fold_of_row[fold.held_out] = number
    judged = runs if agreement else [dataclasses.replace(run, changed=None) for run in runs]
    found = decide(target, judged, [fold_of_row[row] for row in rows], value, gate=gate, wish=wish)
    tuned = [shifted(run, offsets) for run, offsets in zip(runs, found.cross_fitted, strict=True)]
    parts = tuned if found.is_tuned or wish is not None else list(runs)
    tables = [target.table(part) for part in parts]
    total = target.total(tables)
    return CrossValidationResult(
        target=target,
        offsets=found.offsets,
        naive=tuple(value(run) for run in runs),
        tuned=tuple(value(shifted(run, found.offsets)) for run in runs),
        cross_fitted=tuple(value(run) for run in tuned),
        tuning=found.gain,
        wish=wish,
        four=_mean_four(target, tables),
        intervals=target.intervals(tables),
        table=total,
        # All runs are of the same rows: rates of the sum are means of the rates.
        rates=target.rates(total),
        rhythms=() if rhythm is None else by_rhythm(parts, rows, rhythm),
        agreement=_mean_agreement(parts),
        formats=_formats(target, parts, None if agreement else value),
        decided=tuple(parts),
    )


def _mean_agreement(runs: Sequence[Predictions]) -> dict[str, float]:
    """Mean over the runs of the agreement under each change; empty where not all of them have it."""
    if any(run.changed is None for run in runs):
        return {}
    each = [run.agreement() for run in runs]
    return {kind: float(np.mean([one[kind] for one in each])) for kind in each[0]}


def _formats(target: Target, runs: Sequence[Predictions], value: Value | None) -> tuple[FormatResult, ...]:
    """Judge the formats that every run was predicted in."""
    found = []
    for name in QUANTISED:
        if not all(name in run.quantised for run in runs):
            continue
        parts = [run.in_format(name) for run in runs]
        tables = [target.table(part) for part in parts]
        total = target.total(tables)
        same = [target.labels(a.logits) == target.labels(b.logits) for a, b in zip(parts, runs, strict=True)]
        found.append(
            FormatResult(
                format=name,
                value=None if value is None else float(np.mean([value(part) for part in parts])),
                four=_mean_four(target, tables),
                rates=target.rates(total),
                agreement=float(np.mean([one.mean() for one in same])),
                table=total,
            )
        )
    return tuple(found)


def _mean_four(target: Target, tables: Sequence[Any]) -> dict[str, float]:
    """Mean over runs of each of the four metrics."""
    fours = [target.four_of(table) for table in tables]
    return {key: float(np.mean([four[key] for four in fours])) for key in FOUR}


@dataclass(frozen=True, kw_only=True)
class BaselineResult:
    """What a baseline without a network reaches on the same held-out rows.

    Figures have the names that they have in `CrossValidationResult`.

    ``baseline`` is fitted on all training rows. Those that are judged had no say in the fit that decides
    them, so no threshold is tuned here.
    """

    baseline: Baseline
    value: float
    four: dict[str, float]
    intervals: dict[str, Interval]
    table: Any
    rates: dict[str, Interval]
    rhythms: tuple[RhythmRow, ...]
    decided: OutOfFold | None = field(default=None, repr=False, compare=False)
    """Its out-of-fold predictions."""


def baseline_result(target: Target, found: OutOfFold, value: Value, rhythm: Strings) -> BaselineResult:
    """Judge a baseline's out-of-fold predictions; ``rhythm`` is the data set's."""
    table = target.table(found.predictions)
    return BaselineResult(
        baseline=found.baseline,
        value=value(found.predictions),
        four=target.four_of(table),
        intervals=target.intervals([table]),
        table=table,
        rates=target.rates(table),
        rhythms=by_rhythm([found.predictions], [found.rows], rhythm),
        decided=found,
    )


def by_rhythm(runs: Sequence[Predictions], rows: Sequence[Int64], rhythm: Strings) -> tuple[RhythmRow, ...]:
    """One row a rhythm and class, the positive ones first, the most frequent first.

    ``rows[i]`` are the rows of the data set that ``runs[i]`` belong to, ``rhythm`` is of the whole data set.
    Of a binary task all classes but the positive one are one.
    """
    positive = runs[0].positive
    name = np.concatenate([rhythm[row] for row in rows])
    if positive is None:
        truth = np.concatenate([run.y for run in runs])
        right = np.concatenate([run.y == run.labels() for run in runs])
    else:
        truth = np.concatenate([run.truth() for run in runs]).astype(np.int64)
        right = np.concatenate([run.truth() == run.decided() for run in runs])
    subject = np.concatenate([run.subject for run in runs])
    found = []
    for one in np.unique(name):
        for label in np.unique(truth[name == one]):
            which = (name == one) & (truth == label)
            windows, people = int(which.sum()) // len(runs), len(np.unique(subject[which]))
            found.append(
                RhythmRow(
                    str(one),
                    positive is not None and bool(label),
                    windows,
                    people,
                    float(right[which].mean()),
                    (positive if label else -1) if positive is not None else int(label),
                )
            )
    return tuple(sorted(found, key=lambda row: (not row.positive, -row.windows, row.rhythm)))
