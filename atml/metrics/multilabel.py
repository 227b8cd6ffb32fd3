"""Counts, rates and intervals where any number of labels are true at once, pooled and by subject.

Each label is a yes-or-no question of its own; macro figures are unweighted means over the labels. A label
that neither occurs nor is called has F1 0 in pooled figures, as in scikit-learn with ``zero_division=0``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Floats, Int64, Strings
from atml.metrics.binary import FOUR
from atml.metrics.counting import ratio, subject_codes
from atml.metrics.intervals import Interval, resampled
from atml.metrics.predictions import Predictions


def _parts(cells: npt.ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """Return true and false positives, false and true negatives of ``cells (..., labels, 2, 2)``."""
    table = np.asarray(cells, np.float64)
    return table[..., 1, 1], table[..., 0, 1], table[..., 1, 0], table[..., 0, 0]


def f1_by_label(cells: npt.ArrayLike) -> Floats:
    """F1 of each label from counts ``(..., labels, 2, 2)``, true by called: ``2 TP / (2 TP + FP + FN)``."""
    tp, fp, fn, _ = _parts(cells)
    return ratio(2 * tp, 2 * tp + fp + fn)


def label_recall(cells: npt.ArrayLike) -> Floats:
    """Share of those with each label that are called so, ``(..., labels)``; 0 where it does not occur."""
    tp, _, fn, _ = _parts(cells)
    return ratio(tp, tp + fn)


def label_specificity(cells: npt.ArrayLike) -> Floats:
    """Share of those without each label that are not called so, ``(..., labels)``; 0 where all have it."""
    _, fp, _, tn = _parts(cells)
    return ratio(tn, tn + fp)


def label_precision(cells: npt.ArrayLike) -> Floats:
    """Share of the calls of each label that are right, ``(..., labels)``; 0 where it is never called."""
    tp, fp, _, _ = _parts(cells)
    return ratio(tp, tp + fp)


def binary_accuracy(cells: npt.ArrayLike) -> Floats:
    """Share of all yes-or-no decisions that are right, all labels together, ``(...)``.

    Where labels are rare it is high without anything recognised: read it beside `always_no`.
    """
    tp, fp, fn, tn = (part.sum(axis=-1) for part in _parts(cells))
    return ratio(tp + tn, tp + fp + fn + tn)


def always_no(cells: npt.ArrayLike) -> Floats:
    """Return the `binary_accuracy` of calling no label at all, ``(...)``.

    Example:
        >>> float(always_no(np.array([[[9, 0], [1, 0]]])))  # one label, true in one of ten
        0.9
    """
    tp, fp, fn, tn = (part.sum(axis=-1) for part in _parts(cells))
    return ratio(tn + fp, tp + fp + fn + tn)


def macro_label_four(cells: npt.ArrayLike) -> dict[str, Floats]:
    """Macro F1, binary accuracy, macro precision and macro recall by the names in `atml.metrics.FOUR`."""
    values = (
        f1_by_label(cells).mean(axis=-1),
        binary_accuracy(cells),
        label_precision(cells).mean(axis=-1),
        label_recall(cells).mean(axis=-1),
    )
    return dict(zip(FOUR, values, strict=True))


@dataclass(frozen=True)
class LabelSubjectRow:
    """One subject of a table: its pages, how many are decided right in every label, and F1 over its labels.

    ``accuracy`` is the share of its yes-or-no decisions that are right. ``true``, ``called`` and ``hits``
    count, label by label, the pages that have it, those called so, and those where both hold.
    """

    subject: str
    n: int
    right: int
    accuracy: float
    f1: float
    true: tuple[int, ...]
    called: tuple[int, ...]
    hits: tuple[int, ...]


@dataclass(frozen=True)
class LabelCounts:
    """Counts of every subject and label: ``cells (subjects, labels, 2, 2)``, true by called.

    ``right (subjects,)`` counts what is decided right in every label.

    Example:
        >>> true = np.array([[True, False], [True, True]])
        >>> called = np.array([[True, False], [False, True]])
        >>> table = label_counts(true, called, np.array(["S1", "S1"]))
        >>> table.pooled()[0].tolist(), table.right.tolist()
        ([[0, 0], [1, 1]], [1])
    """

    names: Strings
    cells: Int64
    right: Int64

    def pooled(self) -> Int64:
        """Sum over the subjects, ``(labels, 2, 2)``."""
        return np.asarray(self.cells.sum(axis=0))

    def f1(self) -> Floats:
        """F1 of each subject over all its labels together, ``(subjects,)``; 1 without any, true or called."""
        tp, fp, fn, _ = (part.sum(axis=1) for part in _parts(self.cells))
        return ratio(2 * tp, 2 * tp + fp + fn, 1.0)

    def rows(self) -> tuple[LabelSubjectRow, ...]:
        """One row a subject, the lowest F1 first; of equals first the one with most wrong decisions."""
        f1, accuracy = self.f1(), binary_accuracy(self.cells)
        pages = self.cells[:, 0].sum(axis=(1, 2)) if self.cells.shape[1] else np.zeros(len(f1), np.int64)
        wrong = self.cells[:, :, 0, 1].sum(axis=1) + self.cells[:, :, 1, 0].sum(axis=1)
        return tuple(
            LabelSubjectRow(
                str(self.names[i]),
                int(pages[i]),
                int(self.right[i]),
                float(accuracy[i]),
                float(f1[i]),
                tuple(map(int, self.cells[i, :, 1].sum(axis=1))),
                tuple(map(int, self.cells[i, :, :, 1].sum(axis=1))),
                tuple(map(int, self.cells[i, :, 1, 1])),
            )
            for i in np.lexsort((self.names, -wrong, f1))
        )


def label_counts(true: Bools, called: Bools, subject: Strings) -> LabelCounts:
    """Count by subject; ``true`` and ``called`` are ``(n, labels)``, ``subject`` is ``(n,)``."""
    names, code = subject_codes(subject)
    labels = true.shape[1]
    kind = 2 * np.asarray(true, np.int64) + np.asarray(called, np.int64)
    flat = (code[:, None] * labels + np.arange(labels)) * 4 + kind
    cells = np.bincount(flat.ravel(), minlength=len(names) * labels * 4)
    right = np.bincount(code, weights=(true == called).all(axis=1), minlength=len(names))
    return LabelCounts(names, cells.reshape(len(names), labels, 2, 2), right.astype(np.int64))


def prediction_label_counts(predictions: Predictions) -> LabelCounts:
    """Count the decisions of `Predictions.called` by subject."""
    return label_counts(predictions.truths(), predictions.called(), predictions.subject)


def label_rates(cells: npt.ArrayLike, labels: Sequence[str]) -> dict[str, Floats]:
    """Rates that tell errors of each kind apart, of counts ``(..., labels, 2, 2)``; the last is their mean.

    "sensitivity NAME" and "specificity NAME" of each label, NaN where nothing has it, or all; "balanced
    accuracy" is the mean over the labels of the mean of the two.
    """
    table = np.asarray(cells, np.float64)
    there = table.sum(axis=-1)
    recall = np.where(there[..., 1] > 0, label_recall(table), np.nan)
    specificity = np.where(there[..., 0] > 0, label_specificity(table), np.nan)
    found = {}
    for i, name in enumerate(labels):
        found[f"sensitivity {name}"] = recall[..., i]
        found[f"specificity {name}"] = specificity[..., i]
    return found | {"balanced accuracy": ((recall + specificity) / 2).mean(axis=-1)}


def has_all(cells: npt.ArrayLike) -> Bools:
    """Which draws of subjects have every label that all subjects together have, ``(draws,)``.

    Of the others a mean over labels says nothing. ``cells (draws, labels, 2, 2)``; the first are all.

    Example:
        >>> has_all([[[[1, 0], [0, 1]]], [[[2, 0], [0, 0]]]]).tolist()
        [True, False]
    """
    true = np.asarray(cells, np.float64)[..., 1, :].sum(axis=-1)
    return np.asarray(((true > 0) | (true[0] == 0)).all(axis=1))


def label_intervals(tables: Sequence[LabelCounts], labels: Sequence[str]) -> dict[str, Interval]:
    """Figures with 95% percentile intervals from resampling subjects.

    Keys: the names in `atml.metrics.FOUR`, ``"F"`` (mean over subjects of F1 over all labels), ``"always
    no"`` (binary accuracy of calling nothing), ``"F1 NAME"``, ``"sensitivity NAME"`` and ``"specificity
    NAME"`` of each label. Several tables are repeats on the same subjects: each draw takes the same subjects
    from all, and the mean over the tables counts. A draw without a label has nothing to say of it, nor of a
    mean over labels, and is left out.
    """
    n, k = len(tables[0].names), len(labels)
    if n == 0:
        return {key: Interval(0.0, 0.0, 1.0) for key in (*FOUR, "F", "always no")}
    # The mean over subjects is a sum over a sum, as all other figures are: two more columns.
    columns = [np.column_stack([table.cells.reshape(n, k * 4), table.f1(), np.ones(n)]) for table in tables]

    def figures(sums: Floats) -> dict[str, Floats]:
        table = sums[:, : k * 4].reshape(-1, k, 2, 2)
        true, there = table[:, :, 1].sum(axis=2), has_all(table)
        four = macro_label_four(table)
        found = {key: np.where(there | (key == "accuracy"), value, np.nan) for key, value in four.items()}
        found["F"] = ratio(sums[:, -2], sums[:, -1])
        found["always no"] = always_no(table)
        f1, rates = f1_by_label(table), label_rates(table, labels)
        for i, name in enumerate(labels):
            found[f"F1 {name}"] = np.where(true[:, i] > 0, f1[:, i], np.nan)
            found |= {key: rates[key] for key in (f"sensitivity {name}", f"specificity {name}")}
        return found

    def means(sums: Floats) -> dict[str, Floats]:
        each = [figures(part) for part in np.split(sums, len(tables), axis=1)]
        return {key: np.mean([found[key] for found in each], axis=0) for key in each[0]}

    return resampled(np.concatenate(columns, axis=1), means)


def macro_label_f1(predictions: Predictions) -> float:
    """Mean over the labels of F1, over all that was decided on; 0 without anything.

    Example:
        >>> logits = np.array([[2.0, -1.0], [-1.0, 3.0]], np.float32)
        >>> macro_label_f1(Predictions(logits, np.array([1, 2]), np.array(["a", "b"]), None, multilabel=True))
        1.0
    """
    return float(label_f1(predictions).mean())


def label_f1(predictions: Predictions) -> Floats:
    """F1 of each label over all that was decided on, ``(labels,)``; 0 of one neither there nor called.

    Example:
        >>> logits = np.array([[2.0, -1.0], [-1.0, -3.0]], np.float32)
        >>> y, subject = np.array([1, 2]), np.array(["a", "b"])
        >>> label_f1(Predictions(logits, y, subject, None, multilabel=True)).tolist()
        [1.0, 0.0]
    """
    return f1_by_label(prediction_label_counts(predictions).pooled())
