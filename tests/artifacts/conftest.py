"""A small model with everything a search would know about it, made in milliseconds."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from atml.artifacts.record import DataFacts, ExportRecord, Final, Machine, Run
from atml.data.dataset import Dataset, Fold
from atml.evaluation.baselines.out_of_fold import out_of_fold
from atml.evaluation.cross_validation_result import baseline_result, cross_validation_result
from atml.evaluation.decision import shifted
from atml.metrics import mean_subject_f_beta
from atml.metrics.predictions import Predictions
from atml.models import cost
from atml.models.config import ModelConfig
from atml.tasks import targets
from atml.tasks.task import Task
from atml.training.records import Measurement
from tests.lively import lively

# Two torch threads crawl as soon as anything else runs beside the tests.
torch.set_num_threads(1)

TASK = Task(name="tiny", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
CONFIG = ModelConfig(channels=(4, 4), kernels=(5, 3), strides=(2, 2), cell="gru", units=3, steps=200)


def make_dataset(subjects=8, each=20, seed=0, **fields):
    """Segments whose class shows as a faster wave, so that even random weights see something."""
    rng = np.random.default_rng(seed)
    n = subjects * each
    y = rng.integers(0, 2, n)
    time = np.arange(TASK.window) / TASK.sampling_rate
    waves = np.sin(2 * np.pi * (1 + 2 * y[:, None]) * time + rng.uniform(0, 6, (n, 1)))
    x = (waves + rng.normal(0, 0.3, waves.shape)).astype(np.float32)[:, None]
    facts = {
        "rhythm": np.where(y == 1, "AFIB", "N"),
        "subject": np.repeat([f"S{i}" for i in range(subjects)], each),
        "sampling_rate": TASK.sampling_rate,
        "fingerprint": f"{seed:02d}" * 32,
        "name": "waves",
    }
    return Dataset(x=x, y=y.astype(np.int64), **(facts | fields))


def make_folds(dataset, count=4):
    number = np.unique(dataset.subject, return_inverse=True)[1] % count
    return tuple(Fold(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in range(count))


def make_run(dataset, folds, seed, skill=2.0):
    """Out-of-fold predictions of a model with some skill and its threshold in the wrong place."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([fold.held_out for fold in folds])
    y = dataset.y[rows]
    margin = skill * (2 * y - 1) + rng.normal(0, 1.2, len(y)) + 3.0
    logits = np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)
    predictions = Predictions(logits, y, dataset.subject[rows])
    values, at = [], 0
    for fold in folds:
        part = slice(at, at + len(fold.held_out))
        values.append(mean_subject_f_beta(Predictions(logits[part], y[part], predictions.subject[part])))
        at += len(fold.held_out)
    curve = tuple((f, 1 - f / 2, v * f) for f, v in zip((0.25, 0.5, 0.75, 1.0), values, strict=True))
    return Run(
        seed=seed,
        measurement=Measurement(
            value=mean_subject_f_beta(predictions),
            fold_values=tuple(values),
            train_values=(0.97,) * len(folds),
            curves=(curve,) * len(folds),
            seconds=3.5,
            steps=200 * len(folds),
            finished=True,
            rows=rows,
            predictions=predictions,
        ),
    )


def make_rival(dataset, folds):
    """The baseline of the same folds."""
    found = out_of_fold("peak_count", dataset, folds, TASK, mean_subject_f_beta)
    return baseline_result(targets.of(TASK), found, mean_subject_f_beta, dataset.rhythm)


def make_net(config=CONFIG, task=TASK, seed=0):
    return lively(config, task, seed)


def make_finding(dataset=None, seeds=(11, 12), **fields):
    dataset = dataset or make_dataset()
    folds = make_folds(dataset)
    runs = tuple(make_run(dataset, folds, seed) for seed in seeds)
    known = {
        "config": CONFIG,
        "task": TASK,
        "study": "waves",
        "trial": 7,
        "search_seed": 5,
        "trials": 40,
    } | fields
    return ExportRecord(
        cost=cost(known["config"], known["task"]),
        runs=runs,
        folds=len(folds),
        result=cross_validation_result(
            targets.of(known["task"]),
            [run.measurement.predictions for run in runs],
            [run.measurement.rows for run in runs],
            folds,
            mean_subject_f_beta,
            rhythm=dataset.rhythm,
        ),
        final=Final(seed=99, steps=200, seconds=2.0, windows=len(dataset), train_value=0.98),
        data=DataFacts.of(dataset, TASK),
        machine=Machine.here(),
        baseline=make_rival(dataset, folds),
        **known,
    )


@pytest.fixture(scope="session")
def make():
    """The makers above, and the task and config they use."""
    return SimpleNamespace(
        dataset=make_dataset,
        folds=make_folds,
        run=make_run,
        net=make_net,
        rival=make_rival,
        record=make_finding,
        task=TASK,
        config=CONFIG,
        replace=dataclasses.replace,
        shifted=shifted,
    )
