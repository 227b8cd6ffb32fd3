"""Outputs of a model on labelled windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64, Strings


@dataclass(frozen=True)
class Predictions:
    """Outputs on labelled segments: ``logits (n, classes)``, ``y (n,)``, ``subject (n,)``."""

    logits: Float32
    y: Int64
    subject: Strings
    positive: int = 1

    def margin(self) -> Float32:
        """Positive logit minus the best other logit, ``(n,)``; the decision is ``margin >= 0``."""
        others = np.delete(self.logits, self.positive, axis=1).max(axis=1)
        return np.asarray(self.logits[:, self.positive] - others, dtype=np.float32)

    def decided(self, threshold: float = 0.0) -> npt.NDArray[np.bool_]:
        """Which segments are called positive, ``(n,)``; a tie counts as positive."""
        return np.asarray(self.margin() >= threshold)

    def truth(self) -> npt.NDArray[np.bool_]:
        """Which segments are positive, ``(n,)``."""
        return np.asarray(self.y == self.positive)
