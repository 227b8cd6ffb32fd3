"""Studies of any task that a search seems to have made: real parts throughout, but nothing is trained.

Predictions are drawn at random around the truth, the weights of an exported network are those it begins with.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from atml import models, task_files
from atml.data.synthetic import ectopy
from atml.device.costing import costed
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.searching.exporting import Exports
from atml.searching.finalists import Finalists
from atml.searching.plan import Plan, prepare
from atml.searching.progress import View
from atml.searching.repeats import Repeats
from atml.searching.search_options import Options
from atml.searching.workers.jobs import FinalJob, Report, Trained, TrialJob
from atml.training.records import Measurement, TrialRecord
from tests import beats

SUBJECTS, EACH = 12, 15
FOLDS = 3


def data(path: Path, task: str, seed: int = 0) -> Path:
    """Write an npz of `SUBJECTS` with `EACH` windows of noise, of every class of a task."""
    random, wanted = np.random.default_rng(seed), task_files.find(task).task
    count = SUBJECTS * EACH
    np.savez(
        path,
        x=random.normal(size=(count, wanted.window)).astype(np.float32),
        y=np.arange(count) % len(wanted.classes),
        subject=np.array([f"S{i // EACH:02}" for i in range(count)]),
    )
    return path


def recordings(folder: Path, task: str, people: int = 6, seconds: int = 90, split: str = "train") -> Path:
    """Write a folder of short synthetic recordings with annotated beats, for a task about single beats."""
    wanted, made = task_files.find(task).task, []
    for one in itertools.islice(ectopy.recordings(wanted, split), people):
        assert one.marks is not None
        there = [at for at, sample in enumerate(one.marks.sample) if sample < seconds * wanted.sampling_rate]
        marks = replace(
            one.marks, sample=one.marks.sample[there], symbol=[one.marks.symbol[at] for at in there]
        )
        made.append(replace(one, x=one.x[:, : seconds * wanted.sampling_rate], marks=marks))
    return beats.write(folder, made)


def plan(where: Path, task: str, **options: Any) -> Plan:
    """Begin a study "s" of a task in ``where``."""
    if task_files.find(task).task.around_beats:
        source = recordings(where / "recordings", task)
    else:
        source = data(where / "data.npz", task)
    url = f"sqlite:///{where / 'studies.db'}"
    wanted = Options(task=task, data=(source,), folds=FOLDS, storage=url, study="s", **options)
    return prepare(wanted, lambda line: None)


def finals(made: Plan, view: View | None = None, **options: Any) -> Finalists:
    """Return the finalists of a study, two on two fresh seeds; exports go beside the database."""
    out = Path(made.store.name).parent / "exports"
    wanted = {"finalists": 3, "repeats": 2, "longer": 1, "out": out, **options}
    return Finalists(made, made.store.study("s"), view or View(), Options(**wanted))


def measured(made: Plan, noise: float, seed: int, cost: Cost | None = None) -> Measurement:
    """Measure a model whose logits are the truth with some ``noise``: 1 is good, 3 is bad."""
    dataset, random = made.dataset, np.random.default_rng(seed)
    rows = np.concatenate([fold.held_out for fold in made.folds])
    y = dataset.y[rows]
    clean = 3 * np.eye(len(made.definition.task.classes))[y]
    logits = (clean + random.normal(0, noise, clean.shape)).astype(np.float16).astype(np.float32)
    found = made.definition.target.predictions(logits, y, dataset.subject[rows])
    found = replace(found, board=None if cost is None else cost.board)
    value = made.definition.value(found)
    return Measurement(
        value=value,
        fold_values=(value,) * FOLDS,
        train_values=(value,) * FOLDS,
        curves=(((1.0, 0.1, value),),) * FOLDS,
        seconds=10.0,
        steps=40,
        finished=True,
        rows=rows,
        predictions=found,
    )


def add(
    made: Plan, noise: float, channels: tuple[int, ...] = (4,), origin: str = "sampled", **more: Any
) -> TrialRecord:
    """Write a trial that ran over every fold; ``more`` are fields of its config."""
    study = made.store.study("s")
    trial, one = study.ask(), (1,) * len(channels)
    config = ModelConfig(
        decimation=5,
        channels=channels,
        kernels=tuple(7 * n for n in one),
        strides=tuple(2 * n for n in one),
        **more,
    )
    cost = costed(config, made.definition.task, made.budget)
    found = measured(made, noise, trial.number, cost)
    assert found.predictions is not None
    result = {"value": found.value, "fold_values": found.fold_values, "train_values": found.train_values}
    result |= {"curves": found.curves, "training_s": 10.0, "wall_s": 10.0, "steps": 40, "finished": True}
    result |= {"metrics": made.definition.target.four(found.predictions)}
    fields = {"config": config.to_dict(), "cost": asdict(cost)}
    for key, value in {**fields, "origin": origin, "seed": trial.number, "result": result}.items():
        trial.set_user_attr(key, value)
    made.store.save_predictions("s", trial.number, found.rows, found.predictions.logits)
    study.tell(trial, found.value)
    return made.store.trials("s")[trial.number]


def repeat(found: Finalists, noise: dict[int, float]) -> None:
    """Do the repeats of the finalists; ``noise`` is that of each on fresh seeds, 0.9 of it trained longer."""
    source, made = Repeats(found), found.plan
    while isinstance(job := source.next(), TrialJob):
        record = made.store.trials("s")[job.number]
        assert record.of is not None
        cost = made.store.trials("s")[record.of].cost
        left = measured(made, noise[record.of] * (0.9 if record.length > 1 else 1), 1000 + job.number, cost)
        source.ended(job, Report(0, "measured", job, measurement=left), "cpu")


def export(found: Finalists, **options: Any) -> None:
    """Write the exports of the finalists."""
    source, made = Exports(found, **options), found.plan
    dataset = made.dataset
    while isinstance(job := source.next(), FinalJob):
        model = models.build(job.config, made.definition.task)
        weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        rows = np.arange(len(dataset))
        logits = 3 * np.eye(len(made.definition.task.classes), dtype=np.float32)[dataset.y]
        seen = made.definition.target.predictions(logits, dataset.y[rows], dataset.subject[rows])
        trained = Trained(weights=weights, steps=40, seconds=1.0, predictions=seen, device="cpu")
        source.ended(job, Report(0, "trained", job, trained=trained), "cpu")
    source.close()
