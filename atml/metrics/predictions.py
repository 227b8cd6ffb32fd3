"""Outputs of a model on labelled windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from atml.arrays import Bools, Float32, Int64, Strings
from atml.metrics import label_sets

QUANTISED = ("w8", "w8a8")
"""Formats of fewer bits than float32, in the order that databases keep what networks in them make of windows:
weights in 8 bits, and weights and activations in 8 bits."""


@dataclass(frozen=True)
class Predictions:
    """Outputs on labelled windows: ``logits (n, classes)``, ``y (n,)``, ``subject (n,)``.

    ``positive`` is the positive class of a binary task; None for a multiclass task, where `margin`, `decided`
    and `truth` raise ValueError. Of a ``multilabel`` task there is one logit a label, and ``y`` holds sets of
    labels as bits (`atml.metrics.label_sets`); `called` and `truths` then are what to ask.

    ``changed`` are the outputs on the same windows after changes that should change no decision
    (`atml.ecg.changes`), ``(n, classes)`` by name; empty where none were made, None where nobody asked.
    ``quantised`` are those of the same network in formats of fewer bits, by the format's name. ``board`` is
    what the network takes on the board that a search is for: milliseconds a window and KiB of flash.
    ``qualified`` is whether it reaches the gate, where that is known of all subjects and these are some.

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
    changed: Mapping[str, Float32] | None = field(default=None, repr=False)
    quantised: Mapping[str, Float32] = field(default_factory=dict, repr=False)
    board: tuple[float, float] | None = None
    qualified: bool | None = None
    multilabel: bool = False

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

    def called(self) -> Bools:
        """Which labels of a multilabel task are called, ``(n, labels)``: those with a logit of 0 or more."""
        return np.asarray(self._sets() >= 0)

    def truths(self) -> Bools:
        """Which labels of a multilabel task are true, ``(n, labels)``."""
        return label_sets.truth(self.y, self._sets().shape[1])

    def labels(self) -> Int64:
        """Class of each window, ``(n,)``: the largest logit.

        Of equal ones the positive class of a binary task, or the first class of a multiclass task. Of a
        multilabel task all labels that are `called`, as bits.
        """
        if self.multilabel:
            return label_sets.bits(self.called())
        largest = self.logits.argmax(axis=1)
        if self.positive is None:
            return np.asarray(largest, np.int64)
        return np.where(self.decided(), self.positive, largest).astype(np.int64)

    def agreement(self) -> dict[str, float]:
        """Share of the windows that are decided as before after each change, by its name; 1 without windows.

        Raises ValueError where nobody asked for changed windows: an objective that needs them stands in
        ``AGREEMENT`` of its file.

        Example:
            >>> logits = np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
            >>> y, subject = np.array([0, 1, 1, 0]), np.array(["S1"] * 4)
            >>> turned = {"polarity": logits[[0, 1, 1, 0]], "gain": logits * 1.5}
            >>> Predictions(logits, y, subject, changed=turned).agreement()
            {'polarity': 0.75, 'gain': 1.0}
        """
        called = self._called(self.logits)
        return {
            name: float((self._called(logits) == called).mean()) if len(called) else 1.0
            for name, logits in self._changed().items()
        }

    def at_worst(self) -> Predictions:
        """Return predictions in which a window is right only where it is right after every change too.

        A window that a change makes wrong has the outputs after that change, the first one of several; every
        other window keeps its own. Raises ValueError as `agreement` does.

        Example:
            >>> logits = np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
            >>> y, subject = np.array([0, 1, 1, 0]), np.array(["S1"] * 4)
            >>> turned = {"polarity": logits[[0, 0, 1, 0]]}
            >>> Predictions(logits, y, subject, changed=turned).at_worst().labels().tolist()
            [0, 0, 1, 1]
        """
        truth = self.y if self.positive is None else self.truth()
        logits = self.logits.copy()
        right = np.asarray(self._called(logits) == truth)
        for after in self._changed().values():
            turned = right & (self._called(after) != truth)
            logits[turned] = after[turned]
            right &= ~turned
        return replace(self, logits=logits, changed={})

    def take(self, rows: Int64 | Bools | slice) -> Predictions:
        """Return the predictions of some rows, in this order."""
        return replace(
            self,
            logits=self.logits[rows],
            y=self.y[rows],
            subject=self.subject[rows],
            changed=self._each(lambda logits: logits[rows]),
            quantised={name: logits[rows] for name, logits in self.quantised.items()},
        )

    def lowered(self, offsets: Float32) -> Predictions:
        """Take ``offsets``, ``(classes,)`` or ``(n, classes)``, off all logits."""
        return replace(
            self,
            logits=self.logits - offsets,
            changed=self._each(lambda logits: logits - offsets),
            quantised={name: logits - offsets for name, logits in self.quantised.items()},
        )

    def in_format(self, name: str) -> Predictions:
        """Return the predictions of the network in one of the formats of ``quantised``, and of no other."""
        return replace(self, logits=self.quantised[name], changed=None, quantised={})

    @staticmethod
    def joined(parts: Sequence[Predictions]) -> Predictions:
        """Put predictions one after the other; changed and quantised ones where all parts have the same.

        Raises ValueError without any.
        """
        if not parts:
            raise ValueError("no predictions to put one after the other")
        kinds = [None if part.changed is None else tuple(part.changed) for part in parts]
        first = parts[0].changed
        changed = None
        if first is not None and all(kind == kinds[0] for kind in kinds):
            changed = {
                name: np.concatenate([part.changed[name] for part in parts if part.changed is not None])
                for name in first
            }
        formats = [name for name in parts[0].quantised if all(name in part.quantised for part in parts)]
        return Predictions(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.y for part in parts]),
            np.concatenate([part.subject for part in parts]),
            parts[0].positive,
            changed,
            {name: np.concatenate([part.quantised[name] for part in parts]) for name in formats},
            parts[0].board,
            multilabel=parts[0].multilabel,
        )

    def by_subject(self) -> Predictions:
        """Return one row a subject, in the order of their names.

        Its logits are the logarithms of the mean softmax of the subject's windows, its label is the most
        frequent one: for data of which each recording is a subject and has one label.

        Raises:
            ValueError: Of a multilabel task, whose labels no softmax goes over.
        """
        if self.multilabel:
            raise ValueError("labels of a multilabel task are not put together by subject")
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

    def _changed(self) -> Mapping[str, Float32]:
        if self.changed is None:
            raise ValueError(
                "changed windows were not predicted: name the objective in AGREEMENT of its file, as in"
                ' AGREEMENT = ("robust",)'
            )
        return self.changed

    def _called(self, logits: Float32) -> Int64 | Bools:
        """What windows with these logits are decided as; of a binary task positive or not."""
        found = replace(self, logits=logits, changed=None)
        return found.labels() if self.positive is None else found.decided()

    def _each(self, change: Callable[[Float32], Float32]) -> dict[str, Float32] | None:
        return None if self.changed is None else {name: change(one) for name, one in self.changed.items()}

    def _sets(self) -> Float32:
        if not self.multilabel:
            raise ValueError("these predictions have one label a window: use labels() and y")
        return self.logits

    def _positive(self) -> int:
        if self.positive is None:
            raise ValueError("a multiclass task has no positive class: use labels() and y")
        return self.positive
