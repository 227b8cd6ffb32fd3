"""Counts, rates and intervals of yes-or-no decisions, pooled and per subject (numpy, pure).

F-beta is ``(1 + b^2) P R / (b^2 P + R)`` with P = PPV and R = sensitivity. Where a pooled rate has an empty
denominator it is 0. Per subject the conventions of the IESD 2024 contest hold, see `Counts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats, Int64, Strings
from atml.metrics.counting import ratio, subject_codes
from atml.metrics.intervals import Interval
from atml.metrics.predictions import Predictions

DECIMALS = 5
"""Per-subject values are rounded to this before they are averaged or compared (IESD 2024)."""


FOUR = ("F1", "accuracy", "precision", "recall")
"""The metrics that name an export folder and that a model qualifies by."""


def f_beta(precision: npt.ArrayLike, recall: npt.ArrayLike, beta: float = 2.0) -> Floats:
    """F-beta of precision and recall, elementwise; 0 where both are 0."""
    p, r = np.asarray(precision, np.float64), np.asarray(recall, np.float64)
    return ratio((1 + beta**2) * p * r, beta**2 * p + r)


@dataclass(frozen=True)
class Confusion:
    """Counts pooled over windows: true and false positives, false and true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """Number of windows."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN): the share of positives that are called (recall)."""
        return float(ratio(self.tp, self.tp + self.fn))

    @property
    def specificity(self) -> float:
        """TN / (TN + FP): the share of negatives that are not called."""
        return float(ratio(self.tn, self.tn + self.fp))

    @property
    def ppv(self) -> float:
        """TP / (TP + FP): the share of calls that are right (precision)."""
        return float(ratio(self.tp, self.tp + self.fp))

    @property
    def npv(self) -> float:
        """TN / (TN + FN): the share of non-calls that are right."""
        return float(ratio(self.tn, self.tn + self.fn))

    @property
    def accuracy(self) -> float:
        """Share of all windows that are decided right."""
        return float(ratio(self.tp + self.tn, self.n))

    def f_beta(self, beta: float = 2.0) -> float:
        """F-beta of PPV and sensitivity."""
        return float(f_beta(self.ppv, self.sensitivity, beta))

    def four(self) -> dict[str, float]:
        """F1, accuracy, precision and recall, by the names in `FOUR`."""
        return dict(zip(FOUR, (self.f_beta(1.0), self.accuracy, self.ppv, self.sensitivity), strict=True))


@dataclass(frozen=True)
class SubjectRow:
    """One subject of a table; the rates follow the conventions of `Counts`."""

    subject: str
    n: int
    positives: int
    tp: int
    fp: int
    fn: int
    tn: int
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    f_beta: float


@dataclass(frozen=True)
class Counts:
    """Counts of every subject, as arrays ``(subjects,)`` in the order of ``names``.

    Conventions of the IESD 2024 evaluation code: a subject without positives has PPV = sensitivity =
    1, hence F = 1 whatever its false positives; positives of which none is called: PPV = 0; a subject
    without negatives has specificity = NPV = 1; each value is rounded to 5 decimals.
    """

    names: Strings
    tp: Int64
    fp: Int64
    fn: Int64
    tn: Int64

    def sensitivity(self) -> Floats:
        """TP / (TP + FN), 1 without positives; ``(subjects,)``."""
        return np.round(ratio(self.tp, self.tp + self.fn, 1.0), DECIMALS)

    def ppv(self) -> Floats:
        """TP / (TP + FP), 1 without positives; ``(subjects,)``."""
        return np.round(self._ppv(), DECIMALS)

    def specificity(self) -> Floats:
        """TN / (TN + FP), 1 without negatives; ``(subjects,)``."""
        return np.round(ratio(self.tn, self.tn + self.fp, 1.0), DECIMALS)

    def npv(self) -> Floats:
        """TN / (TN + FN), 1 without negatives; ``(subjects,)``."""
        npv: Floats = np.where(self.tn + self.fp > 0, ratio(self.tn, self.tn + self.fn), 1.0)
        return np.round(npv, DECIMALS)

    def f_beta(self, beta: float = 2.0, decimals: int | None = DECIMALS) -> Floats:
        """F-beta of unrounded PPV and sensitivity, ``(subjects,)``; as it is where ``decimals`` is None."""
        recall = ratio(self.tp, self.tp + self.fn, 1.0)
        values = f_beta(self._ppv(), recall, beta)
        return values if decimals is None else np.round(values, decimals)

    def _ppv(self) -> Floats:
        return np.where(self.tp + self.fn > 0, ratio(self.tp, self.tp + self.fp), 1.0)

    def pooled(self) -> Confusion:
        """Sum over the subjects."""
        return Confusion(int(self.tp.sum()), int(self.fp.sum()), int(self.fn.sum()), int(self.tn.sum()))

    def rows(self, beta: float = 2.0, decimals: int | None = DECIMALS) -> tuple[SubjectRow, ...]:
        """One row a subject, first the one with the lowest rate, be it sensitivity or specificity.

        F-beta decides among equals, then the name. By F-beta alone a subject without positives would be
        among the best, whatever its false alarms.
        """
        f = self.f_beta(beta, decimals)
        rates = (self.sensitivity(), self.specificity(), self.ppv(), self.npv(), f)
        order = np.lexsort((self.names, f, np.minimum(rates[0], rates[1])))
        return tuple(
            SubjectRow(
                str(self.names[i]),
                int(self.tp[i] + self.fp[i] + self.fn[i] + self.tn[i]),
                int(self.tp[i] + self.fn[i]),
                int(self.tp[i]),
                int(self.fp[i]),
                int(self.fn[i]),
                int(self.tn[i]),
                *(float(rate[i]) for rate in rates),
            )
            for i in order
        )


def confusion(truth: npt.ArrayLike, decided: npt.ArrayLike) -> Confusion:
    """Count decisions over all windows; both ``(n,)``, true where positive.

    Example:
        >>> confusion([True, True, False], [True, False, False])
        Confusion(tp=1, fp=0, fn=1, tn=1)
    """
    cells = np.bincount(_cells(truth, decided), minlength=4)
    return Confusion(tp=int(cells[3]), fp=int(cells[1]), fn=int(cells[2]), tn=int(cells[0]))


def counts(truth: npt.ArrayLike, decided: npt.ArrayLike, subject: Strings) -> Counts:
    """Count per subject; all ``(n,)``."""
    names, code = subject_codes(subject)
    table = np.bincount(code * 4 + _cells(truth, decided), minlength=4 * len(names)).reshape(-1, 4)
    return Counts(names, tp=table[:, 3], fp=table[:, 1], fn=table[:, 2], tn=table[:, 0])


def _cells(truth: npt.ArrayLike, decided: npt.ArrayLike) -> Int64:
    """0 true negative, 1 false positive, 2 false negative, 3 true positive."""
    return 2 * np.asarray(truth, np.bool_).astype(np.int64) + np.asarray(decided, np.bool_)


def prediction_counts(predictions: Predictions, threshold: float = 0.0) -> Counts:
    """Count per subject at a threshold on the margin; a tie counts as positive."""
    return counts(predictions.truth(), predictions.decided(threshold), predictions.subject)


def mean_subject_f_beta(
    predictions: Predictions, beta: float = 2.0, *, without_positives: str = "one"
) -> float:
    """Mean over subjects of F-beta at threshold 0; 0 without windows.

    A subject without positives counts by the conventions of `Counts` as "one", whatever its false alarms:
    the contest's rule. With ``without_positives="specificity"`` it counts with its specificity, so that a
    model that always alarms gains nothing from healthy subjects. Raises ValueError for any other word, and
    for predictions of a multiclass task.

    Source: the figure F of the IESD 2024 contest.

    Example:
        >>> logits = np.array([[0, 1], [1, 0]], np.float32)
        >>> mean_subject_f_beta(Predictions(logits, np.array([1, 1]), np.array(["S1", "S2"])))
        0.5
    """
    table = prediction_counts(predictions)
    values = table.f_beta(beta)
    if without_positives == "specificity":
        values = np.where(table.tp + table.fn > 0, values, table.specificity())
    elif without_positives != "one":
        raise ValueError(f"without_positives is {without_positives!r}, not 'one' or 'specificity'")
    return float(values.mean()) if len(values) else 0.0


def four_metrics(predictions: Predictions, threshold: float = 0.0) -> dict[str, float]:
    """F1, accuracy, precision and recall of the positive class, pooled over windows.

    A window is called positive where its margin reaches ``threshold``. Raises ValueError for predictions of
    a multiclass task.

    Example:
        >>> logits = np.array([[0, 1], [1, 0]], np.float32)
        >>> found = four_metrics(Predictions(logits, np.array([1, 1]), np.array(["S1", "S2"])))
        >>> found["precision"], found["recall"]
        (1.0, 0.5)
    """
    return confusion(predictions.truth(), predictions.decided(threshold)).four()


def bootstrap(
    *tables: Counts,
    beta: float = 2.0,
    good: float = 0.9,
    decimals: int | None = DECIMALS,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals from resampling *subjects*, the unit that is independent of the others.

    Keys: ``"F"`` (mean F-beta over subjects), ``"G"`` (share of subjects with F-beta above ``good``), and
    pooled over windows ``"pooled F"`` (F-beta), the metrics in `FOUR` and ``"specificity"``. ``decimals``
    is what `Counts.f_beta` takes. Several tables are repeats on the same subjects: each draw takes the same
    subjects from all, and the mean over the tables counts. Few subjects make the intervals too narrow.
    """
    names = tables[0].names
    if any(table.names.tolist() != names.tolist() for table in tables):
        raise ValueError("repeats on different subjects can't be drawn together")
    if len(names) == 0:
        return {key: Interval(0.0, 0.0, 1.0) for key in ("F", "G", "pooled F", *FOUR, "specificity")}
    pick = np.random.default_rng(seed).integers(0, len(names), (draws, len(names)))
    pick = np.vstack((np.arange(len(names)), pick))  # row 0 is the sample itself
    repeats = [_resampled(table, pick, beta, good, decimals) for table in tables]
    found = {}
    for key in repeats[0]:
        values = np.mean([repeat[key] for repeat in repeats], axis=0)
        low, high = np.quantile(values[1:], ((1 - level) / 2, (1 + level) / 2))
        found[key] = Interval(float(values[0]), float(low), float(high))
    return found


def _resampled(
    table: Counts, pick: Int64, beta: float, good: float, decimals: int | None
) -> dict[str, Floats]:
    """Each figure for every row of subject numbers in ``pick (draws, subjects)``."""
    subject_f = table.f_beta(beta, decimals)
    tp, fp, fn, tn = (cell[pick].sum(axis=1) for cell in (table.tp, table.fp, table.fn, table.tn))
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    return {
        "F": subject_f[pick].mean(axis=1),
        "G": (subject_f > good)[pick].mean(axis=1),
        "pooled F": f_beta(precision, recall, beta),
        "F1": f_beta(precision, recall, 1.0),
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        "precision": precision,
        "recall": recall,
        "specificity": ratio(tn, tn + fp),
    }
