"""One trial: a config trained and judged over folds of subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from atml.arrays import Float32, Int64
from atml.data.dataset import Dataset, Fold, Rows
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks import targets
from atml.tasks.targets import Target
from atml.tasks.task import Task
from atml.training.loop import Fitted, fit, predict
from atml.training.records import Measurement, ReportPoint

TRAIN_SAMPLE = 1500
"""Training rows that the training value is taken over."""


def run(
    config: ModelConfig,
    task: Task,
    dataset: Dataset,
    folds: Sequence[Fold],
    value: Callable[[Predictions], float],
    *,
    seed: int,
    device: str = "cpu",
    on_progress: Callable[[ReportPoint], bool] | None = None,
) -> Measurement:
    """Train on every fold in order and measure on the subjects it holds out.

    ``on_progress`` is called with a `ReportPoint` at fixed fractions of each fold's training. Before its end
    the point's value is the objective on that fold's held-out rows alone; at 1.0 it is the objective over all
    subjects predicted so far, out of fold. False stops: what is finished by then is measured.

    A model that decides every held-out window of a fold the same ends the trial too: ``collapsed``.
    Only rows of ``folds`` are touched. Training that diverges gives a measurement with ``diverged`` and
    a value of 0.0.

    Raises:
        ConfigError: a config that can't be built or trained.
    """
    state = _State(targets.of(task), task, dataset, value)
    finished, diverged, collapsed = True, False, False
    for number, fold in enumerate(folds):
        fitted = _fold(state, config, fold, number, seed + number, device, on_progress)
        state.seconds += fitted.seconds
        state.steps += fitted.steps
        state.curves.append(fitted.curve)
        diverged = fitted.diverged
        if diverged or (fitted.stopped and not _ended(fitted)):
            finished = False
            break
        state.fold_values.append(fitted.curve[-1][2])
        state.train_values.append(state.on_training_rows(fitted.model, fold, seed, device))
        collapsed = state.collapsed()
        if (fitted.stopped or collapsed) and number < len(folds) - 1:
            finished = False
            break
    if diverged:
        overall = 0.0
    elif state.rows:
        overall = value(state.predictions())
    else:
        overall = state.curves[0][-1][2]
    return Measurement(
        value=overall,
        fold_values=tuple(state.fold_values),
        train_values=tuple(state.train_values),
        curves=tuple(state.curves),
        seconds=state.seconds,
        steps=state.steps,
        finished=finished,
        diverged=diverged,
        collapsed=collapsed,
        rows=np.concatenate(state.rows) if state.rows else np.empty(0, np.int64),
        predictions=state.predictions() if state.rows else None,
    )


@dataclass
class _State:
    """What the folds so far have left."""

    target: Target
    task: Task
    dataset: Dataset
    value: Callable[[Predictions], float]
    rows: list[Int64] = field(default_factory=list)
    logits: list[Float32] = field(default_factory=list)
    fold_values: list[float] = field(default_factory=list)
    train_values: list[float] = field(default_factory=list)
    curves: list[tuple[tuple[float, float, float], ...]] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0

    def predicted(self, logits: Float32, rows: Int64) -> Predictions:
        return self.target.predictions(logits, self.dataset.y[rows], self.dataset.subject[rows])

    def predictions(self) -> Predictions:
        """All out-of-fold predictions so far."""
        return self.predicted(np.concatenate(self.logits), np.concatenate(self.rows))

    def collapsed(self) -> bool:
        """Whether the last fold's model decides all its held-out rows the same: it has learned nothing."""
        return self.target.collapsed(self.predicted(self.logits[-1], self.rows[-1]))

    def on_training_rows(self, model: Network, fold: Fold, seed: int, device: str) -> float:
        """The objective on a fixed sample of the rows that were trained on."""
        rows = fold.train
        if len(rows) > TRAIN_SAMPLE:
            rows = np.sort(np.random.default_rng(seed).choice(rows, TRAIN_SAMPLE, replace=False))
        return self.value(self.predicted(predict(model, Rows(self.dataset.x, rows), device=device), rows))


def _fold(
    state: _State,
    config: ModelConfig,
    fold: Fold,
    number: int,
    seed: int,
    device: str,
    on_progress: Callable[[ReportPoint], bool] | None,
) -> Fitted:
    """Train one fold; predictions of a training that reached its end are added to the state."""
    data = state.dataset
    held_out = Rows(data.x, fold.held_out)
    latest: list[Float32] = []

    def evaluate(model: Network) -> float:
        logits = predict(model, held_out, device=device)
        if not np.isfinite(logits).all():
            return float("nan")
        latest[:] = [logits]
        return state.value(state.predicted(logits, fold.held_out))

    def report(fraction: float, worth: float) -> bool:
        if fraction >= 1.0:
            state.rows.append(fold.held_out)
            state.logits.append(latest[0])
            worth = state.value(state.predictions())
        if on_progress is None:
            return True
        found = state.predicted(latest[0], fold.held_out)
        auc, spread = state.target.auc(found), state.target.spread(found)
        return on_progress(ReportPoint(number, fraction, worth, auc=auc, spread=spread))

    return fit(
        config,
        state.task,
        Rows(data.x, fold.train),
        data.y[fold.train],
        data.subject[fold.train],
        seed=seed,
        device=device,
        evaluate=evaluate,
        on_progress=report,
    )


def _ended(fitted: Fitted) -> bool:
    return bool(fitted.curve) and fitted.curve[-1][0] >= 1.0
