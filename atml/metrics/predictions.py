"""Outputs of a model on labelled windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Bools, Float32, Int64, Strings


@dataclass(frozen=True)
class Predictions:
    """Outputs on labelled windows: ``logits (n, classes)``, ``y (n,)``, ``subject (n,)``.

    ``positive`` is the positive class of a binary task; None for a multiclass task, where `margin`, `decided`
    and `truth` raise ValueError.

    Example:
        >>> logits = np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]], np.float32)
        >>> found = Predictions(logits, np.array([1, 2]), np.array(["S1", "S2"]), positive=None)
        >>> found.labels().tolist()
        [1, 0]
    """

    logits: Float32
    y: Int64
    subject: Strings
    positive: int | None = 1

    def margin(self) -> Float32:
        """Positive logit minus the best other logit, ``(n,)``; the decision is ``margin >= 0``."""
        positive = self._positive()
        others = np.delete(self.logits, positive, axis=1).max(axis=1)
        return np.asarray(self.logits[:, positive] - others, dtype=np.float32)

    def decided(self, threshold: float = 0.0) -> Bools:
        """Which windows are called positive, ``(n,)``; a tie counts as positive."""
        return np.asarray(self.margin() >= threshold)

    def truth(self) -> Bools:
        """Which windows are positive, ``(n,)``."""
        return np.asarray(self.y == self._positive())

    def labels(self) -> Int64:
        """Class of each window, ``(n,)``: the largest logit.

        Of equal ones the positive class of a binary task, or the first class of a multiclass task.
        """
        largest = self.logits.argmax(axis=1)
        if self.positive is None:
            return np.asarray(largest, np.int64)
        return np.where(self.decided(), self.positive, largest).astype(np.int64)

    def by_subject(self) -> Predictions:
        """Return one row a subject, in the order of their names.

        Its logits are the logarithms of the mean softmax of the subject's windows, its label is the most
        frequent one: for data of which each recording is a subject and has one label.
        """
        names, code = np.unique(self.subject, return_inverse=True)
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True)) if len(code) else self.logits
        shares = shifted / shifted.sum(axis=1, keepdims=True)
        classes = self.logits.shape[1]
        sums = np.zeros((len(names), classes))
        np.add.at(sums, code, shares)
        votes = np.zeros((len(names), classes), np.int64)
        np.add.at(votes, (code, self.y), 1)
        mean = sums / np.maximum(votes.sum(axis=1, keepdims=True), 1)
        logits = np.log(np.maximum(mean, 1e-12)).astype(np.float32)
        return Predictions(logits, votes.argmax(axis=1).astype(np.int64), names, self.positive)

    def _positive(self) -> int:
        if self.positive is None:
            raise ValueError("a multiclass task has no positive class: use labels() and y")
        return self.positive
