"""The subjects on whom a model does worst."""

from __future__ import annotations

import math

import numpy as np

from atml.arrays import Floats
from atml.metrics.counting import ratio
from atml.metrics.multiclass import class_counts
from atml.metrics.multilabel import prediction_label_counts
from atml.metrics.predictions import Predictions

WORST = 0.2
"""Share of the subjects that count as the worst."""


def subject_recall(predictions: Predictions) -> Floats:
    """Mean over the classes that a subject has of the share of its windows decided right, ``(subjects,)``.

    Subjects are in the order of their names. Of a binary task all classes but the positive one are one. Of a
    multilabel task it is F1 over all labels of the subject.

    Example:
        >>> logits = np.eye(2, dtype=np.float32)[[0, 0, 0, 0]]  # nothing is called positive
        >>> y, subject = np.array([0, 0, 0, 1]), np.array(["a"] * 4)
        >>> subject_recall(Predictions(logits, y, subject)).tolist()
        [0.5]
    """
    if predictions.multilabel:
        return prediction_label_counts(predictions).f1()
    binary = predictions.positive is not None
    truth = np.asarray(predictions.truth() if binary else predictions.y, np.int64)
    called = np.asarray(predictions.decided() if binary else predictions.labels(), np.int64)
    classes = 2 if binary else predictions.logits.shape[1]
    cells = class_counts(truth, called, predictions.subject, classes).cells
    windows = cells.sum(axis=2)
    recall = ratio(np.diagonal(cells, axis1=1, axis2=2), windows)
    return np.asarray(recall.sum(axis=1) / np.maximum((windows > 0).sum(axis=1), 1), np.float64)


def worst_subjects(predictions: Predictions, share: float = WORST) -> float:
    """Mean of `subject_recall` over the worst ``share`` of the subjects, rounded up; 0 without windows.

    The mean over all subjects can rise while some are given up; this can't. Windows decided right are counted
    class by class: who has the rhythm in one window of twenty is not 95% right where it is never called.

    Source: the mean of the worst share is known as expected shortfall or conditional value at risk
    (Rockafellar and Uryasev 2000).

    Example:
        >>> logits = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
        >>> y, subject = np.array([0, 0, 1, 0]), np.array(["a", "b", "c", "d"])
        >>> worst_subjects(Predictions(logits, y, subject), 0.5)
        0.5
    """
    values = np.sort(subject_recall(predictions))
    return float(values[: math.ceil(share * len(values))].mean()) if len(values) else 0.0
