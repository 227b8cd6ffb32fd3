"""Counts, rates and intervals of decisions among several classes, pooled and by subject (numpy, pure).

Macro figures are unweighted means over the classes. A class that neither occurs nor is called has F1 0 in
pooled figures, as in scikit-learn with ``zero_division=0``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats, Int64, Strings
from atml.metrics.binary import FOUR
from atml.metrics.counting import ratio, subject_codes
from atml.metrics.intervals import Interval, resampled
from atml.metrics.multilabel import macro_label_f1
from atml.metrics.predictions import Predictions


def class_recall(cells: npt.ArrayLike) -> Floats:
    """Recall of each class from counts ``(..., classes, classes)``, true by called; 0 where it has none."""
    table = np.asarray(cells, np.float64)
    return ratio(np.diagonal(table, axis1=-2, axis2=-1), table.sum(axis=-1))


def class_precision(cells: npt.ArrayLike) -> Floats:
    """Precision of each class from counts ``(..., classes, classes)``; 0 where it is never called."""
    table = np.asarray(cells, np.float64)
    return ratio(np.diagonal(table, axis1=-2, axis2=-1), table.sum(axis=-2))


def class_specificity(cells: npt.ArrayLike) -> Floats:
    """Share of the windows of all other classes that are not called the class, ``(..., classes)``."""
    table = np.asarray(cells, np.float64)
    others = table.sum(axis=(-2, -1))[..., None] - table.sum(axis=-1)
    false = table.sum(axis=-2) - np.diagonal(table, axis1=-2, axis2=-1)
    return ratio(others - false, others)


def class_f1(cells: npt.ArrayLike) -> Floats:
    """F1 of each class, ``2 N_cc / (reference_c + called_c)``, 0 where both are 0; ``(..., classes)``."""
    table = np.asarray(cells, np.float64)
    return ratio(2 * np.diagonal(table, axis1=-2, axis2=-1), table.sum(axis=-1) + table.sum(axis=-2))


def macro_four(cells: npt.ArrayLike) -> dict[str, Floats]:
    """Macro F1, accuracy, macro precision and macro recall by the names in `atml.metrics.FOUR`; ``(...)``."""
    table = np.asarray(cells, np.float64)
    right = np.trace(table, axis1=-2, axis2=-1)
    values = (
        class_f1(table).mean(axis=-1),
        ratio(right, table.sum(axis=(-2, -1))),
        class_precision(table).mean(axis=-1),
        class_recall(table).mean(axis=-1),
    )
    return dict(zip(FOUR, values, strict=True))


@dataclass(frozen=True)
class ClassSubjectRow:
    """One subject of a table: windows, how many are decided right, and the share of that.

    ``true`` and ``called`` count its windows by class.
    """

    subject: str
    n: int
    right: int
    accuracy: float
    true: tuple[int, ...]
    called: tuple[int, ...]


@dataclass(frozen=True)
class ClassCounts:
    """Confusion matrices of every subject: ``cells (subjects, classes, classes)``, true by called.

    Example:
        >>> y, called = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])
        >>> table = class_counts(y, called, np.array(["S1", "S1", "S2", "S2"]), 3)
        >>> table.pooled().tolist()
        [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    """

    names: Strings
    cells: Int64

    def pooled(self) -> Int64:
        """Sum over the subjects, ``(classes, classes)``."""
        return np.asarray(self.cells.sum(axis=0))

    def accuracy(self) -> Floats:
        """Share of each subject's windows that are decided right, ``(subjects,)``."""
        return ratio(np.trace(self.cells, axis1=1, axis2=2), self.cells.sum(axis=(1, 2)))

    def rows(self) -> tuple[ClassSubjectRow, ...]:
        """One row a subject, the least accurate first; of equals first the one with most windows wrong."""
        accuracy, right = self.accuracy(), np.trace(self.cells, axis1=1, axis2=2)
        wrong = self.cells.sum(axis=(1, 2)) - right
        return tuple(
            ClassSubjectRow(
                str(self.names[i]),
                int(self.cells[i].sum()),
                int(right[i]),
                float(accuracy[i]),
                tuple(map(int, self.cells[i].sum(axis=1))),
                tuple(map(int, self.cells[i].sum(axis=0))),
            )
            for i in np.lexsort((self.names, -wrong, accuracy))
        )

    def of_class(self, index: int) -> ClassCounts:
        """Return the two-by-two tables of one class against the rest, the class second."""
        table, k = self.cells, self.cells.shape[1]
        rest = [i for i in range(k) if i != index]
        cells = np.empty((len(table), 2, 2), np.int64)
        cells[:, 1, 1] = table[:, index, index]
        cells[:, 1, 0] = table[:, index, rest].sum(axis=1)
        cells[:, 0, 1] = table[:, rest, index].sum(axis=1)
        cells[:, 0, 0] = table[:, rest][:, :, rest].sum(axis=(1, 2))
        return ClassCounts(self.names, cells)


def class_counts(y: Int64, called: Int64, subject: Strings, classes: int) -> ClassCounts:
    """Count by subject; ``y``, ``called`` and ``subject`` are ``(n,)``."""
    names, code = subject_codes(subject)
    flat = (code * classes + np.asarray(y, np.int64)) * classes + np.asarray(called, np.int64)
    cells = np.bincount(flat, minlength=len(names) * classes**2)
    return ClassCounts(names, cells.reshape(len(names), classes, classes))


def prediction_class_counts(predictions: Predictions) -> ClassCounts:
    """Count the decisions of `Predictions.labels` by subject."""
    classes = predictions.logits.shape[1]
    return class_counts(predictions.y, predictions.labels(), predictions.subject, classes)


def confusion_matrix(predictions: Predictions) -> Int64:
    """Counts ``(classes, classes)`` over all windows, true by called."""
    return prediction_class_counts(predictions).pooled()


def macro_f1(predictions: Predictions) -> float:
    """Mean over the classes of F1, over all windows; 0 without windows.

    Source: the score of the PhysioNet/CinC Challenge 2017 is this mean over Normal, AF and Other. Of a
    multilabel task each label is a question of its own, and the mean is over these.

    Example:
        >>> logits = np.eye(3, dtype=np.float32)
        >>> macro_f1(Predictions(logits, np.array([0, 1, 2]), np.array(["a", "b", "c"]), None))
        1.0
    """
    if predictions.multilabel:
        return macro_label_f1(predictions)
    return float(class_f1(confusion_matrix(predictions)).mean())


def mean_subject_accuracy(predictions: Predictions) -> float:
    """Mean over subjects of the share of windows that are decided right; 0 without windows.

    Example:
        >>> logits, subject = np.eye(3, dtype=np.float32), np.array(["a", "a", "b"])
        >>> mean_subject_accuracy(Predictions(logits, np.array([0, 2, 2]), subject, None))
        0.75
    """
    values = prediction_class_counts(predictions).accuracy()
    return float(values.mean()) if len(values) else 0.0


def class_intervals(tables: Sequence[ClassCounts], classes: Sequence[str]) -> dict[str, Interval]:
    """Figures with 95% percentile intervals from resampling subjects.

    Keys: the names in `FOUR` (macro means), ``"F"`` (mean over subjects of accuracy), and ``"F1 NAME"``,
    ``"sensitivity NAME"`` and ``"specificity NAME"`` of each class. Several tables are repeats on the same
    subjects: each draw takes the same subjects from all, and the mean over the tables counts. A draw without
    a class has nothing to say of it and is left out.
    """
    n, k = len(tables[0].names), len(classes)
    if n == 0:
        return {key: Interval(0.0, 0.0, 1.0) for key in (*FOUR, "F")}
    # The mean over subjects is a sum over a sum, as all other figures are: two more columns.
    columns = [
        np.column_stack([table.cells.reshape(n, k * k), table.accuracy(), np.ones(n)]) for table in tables
    ]

    def figures(sums: Floats) -> dict[str, Floats]:
        table = sums[:, : k * k].reshape(-1, k, k)
        # A mean over classes says nothing of a draw that lacks one of them.
        there = (table.sum(axis=2) > 0) | (table[0].sum(axis=1) == 0)
        found = {key: np.where(there.all(axis=1), value, np.nan) for key, value in macro_four(table).items()}
        found["F"] = ratio(sums[:, -2], sums[:, -1])
        f1, recall, specificity = class_f1(table), class_recall(table), class_specificity(table)
        for i, name in enumerate(classes):
            occurs = table[:, i].sum(axis=1)
            rest = table.sum(axis=(1, 2)) > occurs
            found[f"F1 {name}"] = np.where(occurs > 0, f1[:, i], np.nan)
            found[f"sensitivity {name}"] = np.where(occurs > 0, recall[:, i], np.nan)
            found[f"specificity {name}"] = np.where(rest, specificity[:, i], np.nan)
        return found

    def means(sums: Floats) -> dict[str, Floats]:
        each = [figures(part) for part in np.split(sums, len(tables), axis=1)]
        return {key: np.mean([found[key] for found in each], axis=0) for key in each[0]}

    return resampled(np.concatenate(columns, axis=1), means)
