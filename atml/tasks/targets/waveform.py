"""Waveform targets: the leads of a page are read back, and each is a label that is found or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats
from atml.metrics import Predictions
from atml.metrics.waveform import READ_DB, decibels
from atml.tasks.targets.base import Value
from atml.tasks.targets.multilabel import MultilabelTarget
from atml.tasks.task import WAVEFORM


@dataclass(frozen=True)
class WaveformTarget(MultilabelTarget):
    """The leads of ``task``, read from a picture; see `atml.tasks.targets.base.Target`.

    ``y`` holds the set of leads that are drawn. In place of a logit a lead has the decibels of its signal
    over its error, less `READ_DB`: where that is 0 or more the lead was read, so that figures of sets of
    labels are of leads read and not read. Nothing is decided: offsets are 0.
    """

    kind: str = WAVEFORM

    def collapsed(self, predictions: Predictions) -> bool:
        """Whether no lead of any page is nearer to the truth than a flat line, which has 0 dB."""
        return not bool((decibels(predictions) > 0).any())

    def auc(self, predictions: Predictions) -> float:
        """NaN: nothing is ranked."""
        return math.nan

    def spread(self, predictions: Predictions) -> float:
        """Return the standard deviation over pages and their leads in dB; 0 where nothing is read."""
        found = decibels(predictions)
        found = found[np.isfinite(found)]
        return float(np.maximum(found, 0.0).std()) if len(found) else 0.0

    def loss_weights(self, positive_weight: float) -> Floats:
        """1 for each lead."""
        return np.ones(len(self.task.classes))

    def choose(
        self, predictions: Predictions, value: Value, *, floor: float, count: int
    ) -> tuple[float, ...]:
        """Return 0 for each lead: there is no decision to move."""
        return (0.0,) * len(self.task.classes)

    def describe_decision(self, offsets: Sequence[float]) -> str:
        """Say from when a lead counts as read."""
        return f"a lead is read from {READ_DB:g} dB"
