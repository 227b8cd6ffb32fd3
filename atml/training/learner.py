"""What trains and predicts, for kinds of task that the usual loop (`atml.training.loop`) is not for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from atml.arrays import Int64
from atml.data.dataset import Dataset
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.training.loop import Fitted


class Learner(Protocol):
    """One way to train networks on rows of a data set, and to predict others."""

    def fit(
        self,
        config: ModelConfig,
        task: Task,
        dataset: Dataset,
        rows: Int64,
        *,
        seed: int,
        device: str = "cpu",
        evaluate: Callable[[Network], float] | None = None,
        on_progress: Callable[[float, float], bool] | None = None,
    ) -> Fitted:
        """Train a fresh network on some rows, as `atml.training.loop.fit` does."""

    def predictions(
        self, model: Network, task: Task, dataset: Dataset, rows: Int64, *, device: str = "cpu"
    ) -> Predictions:
        """Return what a network makes of some rows, in their order."""
