"""A task of three classes, exports of it, and recordings of several windows each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atml.artifacts.export import export
from atml.artifacts.model import ExportedModel
from atml.artifacts.record import DataFacts, ExportRecord, Final, Machine, Run
from atml.data.dataset import Dataset
from atml.evaluation.cross_validation_result import cross_validation_result
from atml.metrics import macro_f1
from atml.models import cost
from atml.tasks import targets
from atml.tasks.task import Task
from atml.training.records import Measurement
from tests.artifacts import conftest as make

CLASSES = ("N", "AF", "O")
TASK = Task(name="rhythm", kind="multiclass", classes=CLASSES, sampling_rate=50, window=100)
OBJECTIVE = """
from atml import Predictions, Task
from atml.metrics import macro_f1

TASK = Task(name="rhythm", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=50, window=100)
QUALIFIES = 0.5
MAX_SIZE_KIB = 64
RULE = "cinc2017"

def label(rhythm):
    return {"N": 0, "AF": 1, "O": 2}.get(rhythm)

def value(predictions: Predictions) -> float:
    return macro_f1(predictions)
"""


def label(rhythm: str) -> int | None:
    """Class of a rhythm."""
    return CLASSES.index(rhythm) if rhythm in CLASSES else None


def dataset(records: int = 12, each: int = 5, seed: int = 0, prefix: str = "R") -> Dataset:
    """Recordings of one class each, whose class shows as the speed of a wave; a subject has one recording."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(records) % 3, each)
    time = np.arange(TASK.window) / TASK.sampling_rate
    waves = np.sin(2 * np.pi * (1 + 2 * y[:, None]) * time + rng.uniform(0, 6, (len(y), 1)))
    return Dataset(
        x=(waves + rng.normal(0, 0.3, waves.shape)).astype(np.float32)[:, None],
        y=y.astype(np.int64),
        rhythm=np.array(CLASSES)[y],
        subject=np.repeat([f"{prefix}{i:02d}" for i in range(records)], each),
        sampling_rate=TASK.sampling_rate,
        fingerprint=f"{seed:02d}" * 32,
        name="recordings",
    )


def save(file: Path, data: Dataset) -> Path:
    """Write a data set as a test split."""
    split = np.full(len(data), "test")
    np.savez(file, x=data.x, y=data.y, subject=data.subject, rhythm=data.rhythm, split=split)
    return file


def _run(data: Dataset, folds: Any, seed: int) -> Run:
    rng = np.random.default_rng(seed)
    rows = np.concatenate([fold.held_out for fold in folds])
    y = data.y[rows]
    logits = (2 * np.eye(3)[y] + rng.normal(0, 1.0, (len(y), 3))).astype(np.float32)
    predictions = targets.of(TASK).predictions(logits, y, data.subject[rows])
    curve = ((0.5, 0.7, 0.5), (1.0, 0.5, 0.7))
    measurement = Measurement(
        value=macro_f1(predictions),
        fold_values=(0.7,) * len(folds),
        train_values=(0.9,) * len(folds),
        curves=(curve,) * len(folds),
        seconds=1.0,
        steps=100,
        finished=True,
        rows=rows,
        predictions=predictions,
    )
    return Run(seed=seed, measurement=measurement)


def exported(root: Path, seed: int = 0) -> ExportedModel:
    """Export a net of three classes, with made-up predictions out of fold."""
    data = dataset()
    folds = make.make_folds(data)
    runs = tuple(_run(data, folds, 30 + 2 * seed + i) for i in range(2))
    record = ExportRecord(
        config=make.CONFIG,
        task=TASK,
        study="three",
        trial=seed,
        search_seed=5,
        trials=20,
        cost=cost(make.CONFIG, TASK),
        runs=runs,
        folds=len(folds),
        result=cross_validation_result(
            targets.of(TASK),
            [run.measurement.predictions for run in runs],
            [run.measurement.rows for run in runs],
            folds,
            macro_f1,
            rhythm=data.rhythm,
        ),
        final=Final(seed=99, steps=100, seconds=1.0, windows=len(data), train_value=0.9),
        data=DataFacts.of(data, TASK),
        machine=Machine.here(),
        baseline=None,
    )
    return export(make.make_net(task=TASK, seed=seed), record, data.x, root=root)
