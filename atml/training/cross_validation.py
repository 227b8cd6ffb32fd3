"""One trial: a config trained and judged over folds of subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from atml.arrays import Float32, Int64
from atml.data.dataset import Dataset, Fold, Rows
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks import targets
from atml.tasks.targets import Target
from atml.tasks.task import Task
from atml.training.agreement import changed_logits
from atml.training.learner import Learner
from atml.training.loop import Fitted, fit, predict
from atml.training.records import Measurement, ReportPoint

Quantise = Callable[[Network, Rows, Rows], Mapping[str, Float32]]
"""From a network, rows it was trained on and rows it was not: the logits of the latter, by format."""

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
    agreement: bool = False,
    judged: bool = False,
    quantise: Quantise | None = None,
    learner: Learner | None = None,
) -> Measurement:
    """Train on every fold in order and measure on the subjects it holds out.

    ``on_progress`` is called with a `ReportPoint` at fixed fractions of each fold's training. Before its end
    the point's value is the objective on that fold's held-out rows alone; at 1.0 it is the objective over all
    subjects predicted so far, out of fold. False stops: what is finished by then is measured.

    With ``agreement`` each fold's held-out rows are predicted after every change of `atml.ecg.changes` too,
    at the end of its training: `Predictions.changed` of the measurement. With ``judged``, where ``value``
    asks for them, wherever it is computed. With ``quantise`` they are predicted by each fold's network in
    other formats too: `Predictions.quantised`. A ``learner`` trains and predicts in place of
    `atml.training.loop`.

    A model that decides every held-out window of a fold the same ends the trial too: ``collapsed``.
    Only rows of ``folds`` are touched. Training that diverges gives a measurement with ``diverged`` and
    a value of 0.0.

    Raises:
        ConfigError: a config that can't be built or trained.
    """
    state = _State(
        targets.of(task), task, dataset, value, device, agreement or judged, judged, quantise, learner
    )
    finished, diverged, collapsed = True, False, False
    for number, fold in enumerate(folds):
        fitted = _fold(state, config, fold, number, seed + number, on_progress)
        state.seconds += fitted.seconds
        state.steps += fitted.steps
        state.curves.append(fitted.curve)
        diverged = fitted.diverged
        if diverged or (fitted.stopped and not _ended(fitted)):
            finished = False
            break
        state.measure_agreement(fitted.model)
        state.measure_formats(fitted.model, fold)
        state.fold_values.append(fitted.curve[-1][2])
        state.train_values.append(state.on_training_rows(fitted.model, fold, seed))
        collapsed = state.collapsed()
        if (fitted.stopped or collapsed) and number < len(folds) - 1:
            finished = False
            break
    if diverged:
        overall = 0.0
    elif state.found:
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
        predictions=state.predictions() if state.found else None,
    )


@dataclass
class _State:
    """What the folds so far have left."""

    target: Target
    task: Task
    dataset: Dataset
    value: Callable[[Predictions], float]
    device: str
    agreement: bool
    judged: bool
    quantise: Quantise | None = None
    learner: Learner | None = None
    rows: list[Int64] = field(default_factory=list)
    found: list[Predictions] = field(default_factory=list)
    fold_values: list[float] = field(default_factory=list)
    train_values: list[float] = field(default_factory=list)
    curves: list[tuple[tuple[float, float, float], ...]] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0

    def predicted(self, model: Network, rows: Int64, *, changed: bool) -> Predictions:
        """What the model makes of some rows, and of the same after each change."""
        if self.learner is not None:
            return self.learner.predictions(model, self.task, self.dataset, rows, device=self.device)
        some = Rows(self.dataset.x, rows)
        found = self.target.predictions(
            predict(model, some, device=self.device), self.dataset.y[rows], self.dataset.subject[rows]
        )
        if not changed:
            return found
        return replace(found, changed=changed_logits(model, some, self.task, device=self.device))

    def measure_agreement(self, model: Network) -> None:
        """Add what the last fold's model makes of its held-out rows after each change, where asked for."""
        if self.agreement and self.found[-1].changed is None:
            self.found[-1] = self.predicted(model, self.rows[-1], changed=True)

    def measure_formats(self, model: Network, fold: Fold) -> None:
        """Add what the last fold's model makes of its held-out rows in other formats, where asked for."""
        if self.quantise is not None:
            x = self.dataset.x
            found = self.quantise(model, Rows(x, fold.train), Rows(x, self.rows[-1]))
            self.found[-1] = replace(self.found[-1], quantised=found)

    def predictions(self) -> Predictions:
        """All out-of-fold predictions so far."""
        return Predictions.joined(self.found)

    def collapsed(self) -> bool:
        """Whether the last fold's model decides all its held-out rows the same: it has learned nothing."""
        return self.target.collapsed(self.found[-1])

    def on_training_rows(self, model: Network, fold: Fold, seed: int) -> float:
        """The objective on a fixed sample of the rows that were trained on."""
        rows = fold.train
        if len(rows) > TRAIN_SAMPLE:
            rows = np.sort(np.random.default_rng(seed).choice(rows, TRAIN_SAMPLE, replace=False))
        return self.value(self.predicted(model, rows, changed=self.judged))


def _fold(
    state: _State,
    config: ModelConfig,
    fold: Fold,
    number: int,
    seed: int,
    on_progress: Callable[[ReportPoint], bool] | None,
) -> Fitted:
    """Train one fold; predictions of a training that reached its end are added to the state."""
    data = state.dataset
    latest: list[Predictions] = []

    def evaluate(model: Network) -> float:
        found = state.predicted(model, fold.held_out, changed=state.judged)
        every = (found.logits, *(found.changed or {}).values())
        if not all(np.isfinite(logits).all() for logits in every):
            return float("nan")
        latest[:] = [found]
        return state.value(found)

    def report(fraction: float, worth: float) -> bool:
        found = latest[0]
        if fraction >= 1.0:
            state.rows.append(fold.held_out)
            state.found.append(found)
            worth = state.value(state.predictions())
        if on_progress is None:
            return True
        auc, spread = state.target.auc(found), state.target.spread(found)
        return on_progress(ReportPoint(number, fraction, worth, auc=auc, spread=spread))

    if state.learner is not None:
        return state.learner.fit(
            config,
            state.task,
            data,
            fold.train,
            seed=seed,
            device=state.device,
            evaluate=evaluate,
            on_progress=report,
        )
    x, y, subject = data.training(fold.train)
    return fit(
        config,
        state.task,
        x,
        y,
        subject,
        seed=seed,
        device=state.device,
        evaluate=evaluate,
        on_progress=report,
    )


def _ended(fitted: Fitted) -> bool:
    return bool(fitted.curve) and fitted.curve[-1][0] >= 1.0
