"""What holds for everything in `BASELINES`: a new one is tested by being listed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from atml.data.dataset import Dataset, Fold
from atml.errors import ExportError, TaskFileError
from atml.evaluation import baselines
from atml.evaluation.baselines import BASELINES, Method
from atml.evaluation.baselines.out_of_fold import decided, fit, out_of_fold
from atml.metrics import Predictions
from atml.tasks.task import Task

RATE, SAMPLES = 125, 1250
TASKS = {
    "binary": Task(name="b", classes=("other", "AF"), positive=1, sampling_rate=RATE, window=SAMPLES),
    "binary, positive first": Task(
        name="p", classes=("AF", "other"), positive=0, sampling_rate=RATE, window=SAMPLES
    ),
    "multiclass": Task(
        name="m", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=RATE, window=SAMPLES
    ),
    "round beats": Task(
        name="r",
        kind="multiclass",
        classes=("N", "S", "V"),
        sampling_rate=RATE,
        window=SAMPLES,
        after_beat=1.2,
    ),
}
EACH = [
    pytest.param(method, task, id=f"{method.name}, {kind}")
    for method in BASELINES.values()
    for kind, task in TASKS.items()
    if not method.problem(task)
]
each = pytest.mark.parametrize(("method", "task"), EACH)


def drawn(task: Task, rows: int = 96, seed: int = 0) -> Dataset:
    """Rhythms that differ in regularity and rate: even, uneven, and fast with long intervals."""
    random = np.random.default_rng(seed)
    y = np.arange(rows) % len(task.classes)
    t = np.arange(SAMPLES) / RATE
    x = random.normal(0, 0.02, (rows, SAMPLES))
    for row, label in zip(x, y, strict=True):
        if task.around_beats:
            row += beating(random, task.classes[label], t - t[-1] + task.samples_after_beat / RATE)
            continue
        at, kind = random.uniform(0.1, 0.5), task.classes[label]
        while at < t[-1]:
            row += np.exp(-(((t - at) / 0.02) ** 2) / 2)
            at += {
                "AF": 0.75 * (1 + random.uniform(-0.4, 0.4)),
                "O": 0.45 if random.random() < 0.8 else 1.0,
            }.get(kind, 0.8 * (1 + random.normal(0, 0.02)))
    return Dataset(
        x=x.astype(np.float32)[:, None],
        y=y.astype(np.int64),
        subject=np.array([f"S{i // 12}" for i in range(rows)]),
        rhythm=np.array([task.classes[label] for label in y]),
        sampling_rate=RATE,
        fingerprint="0" * 64,
        name="drawn",
    )


def beating(random: np.random.Generator, kind: str, t: np.ndarray) -> np.ndarray:
    """Even beats with one at time 0 that is normal, early, or early and wide; a pause follows the latter."""
    rr = random.uniform(0.75, 0.9)
    before = rr if kind == "N" else 0.65 * rr
    after = 1.3 * rr if kind == "V" else rr
    others = [*(-before - rr * np.arange(12)), *(after + rr * np.arange(3))]
    waves = [(at, 0.02) for at in others] + [(0.0, 0.05 if kind == "V" else 0.02)]
    return sum(np.exp(-(((t - at) / width) ** 2) / 2) for at, width in waves)


def folds(dataset: Dataset, count: int = 4) -> tuple[Fold, ...]:
    number = np.unique(dataset.subject, return_inverse=True)[1] % count
    return tuple(Fold(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in range(count))


def accuracy(predictions: Predictions) -> float:
    return float((predictions.labels() == predictions.y).mean())


def test_every_method_is_for_some_task_and_every_task_has_one() -> None:
    found = {(p.values[0].name, p.values[1].kind) for p in EACH}
    assert {name for name, _ in found} == set(BASELINES)
    assert {kind for _, kind in found} == {"binary", "multiclass"}
    assert all(name == method.name for name, method in BASELINES.items())


@each
def test_it_decides_better_than_chance_on_windows_it_has_not_seen(method: Method, task: Task) -> None:
    seen, unseen = drawn(task), drawn(task, seed=1)
    found = fit(method.name, seen.x, seen.y, seen.subject, task, accuracy)
    logits, called = found.logits(unseen.x, RATE), found.decide(unseen.x, RATE)
    assert logits.shape == (96, len(task.classes)) and logits.dtype == np.float32
    assert np.isfinite(logits).all() and called.dtype == np.int64
    assert (called == Predictions(logits, unseen.y, unseen.subject, task.positive).labels()).all()
    # Counting peaks is not made for what is drawn here.
    assert (called == unseen.y).mean() > (0.55 if method.name == "peak_count" else 0.9)


@each
def test_no_held_out_row_has_a_say_and_what_was_kept_decides_alike(method: Method, task: Task) -> None:
    dataset = drawn(task)
    dealt = folds(dataset)
    found = out_of_fold(method.name, dataset, dealt, task, accuracy)
    assert sorted(found.rows.tolist()) == list(range(96)) and found.predictions.positive == task.positive
    other = dataset.y.copy()
    other[dealt[0].held_out] = (other[dealt[0].held_out] + 1) % len(task.classes)
    again = out_of_fold(method.name, replace(dataset, y=other), dealt, task, accuracy)
    assert again.folds[0] == found.folds[0] and again.folds[1:] != found.folds[1:]
    kept = [json.loads(json.dumps(one.to_dict())) for one in (found.baseline, *found.folds)]
    whole, *each_fold = map(baselines.from_dict, kept)
    assert (whole, *each_fold) == (found.baseline, *found.folds)
    later = decided(whole, each_fold, dataset, dealt)
    assert (later.predictions.logits == found.predictions.logits).all()


@each
def test_only_the_first_lead_counts_and_each_window_stands_alone(method: Method, task: Task) -> None:
    dataset = drawn(task)
    found = fit(method.name, dataset.x, dataset.y, dataset.subject, task, accuracy)
    noise = np.random.default_rng(0).normal(size=dataset.x.shape).astype(np.float32)
    whole = found.logits(dataset.x, RATE)
    assert (found.logits(np.concatenate([dataset.x, noise], axis=1), RATE) == whole).all()
    assert (found.logits(dataset.x[40:41], RATE) == whole[40:41]).all()
    assert found.logits(dataset.x[:0], RATE).shape == (0, len(task.classes))


@each
def test_a_flat_line_is_decided_and_words_and_cost_are_there(method: Method, task: Task) -> None:
    dataset = drawn(task)
    found = fit(method.name, dataset.x, dataset.y, dataset.subject, task, accuracy)
    assert np.isfinite(found.logits(np.full((2, 1, SAMPLES), 3.0, np.float32), RATE)).all()
    assert found.name == method.name and found.title and found.classes == task.classes
    assert ("V" if task.around_beats else "AF") in found.describe() and "\n" not in found.describe()
    assert 0 < found.size_bytes < 1000 and found.operations(2000) > found.operations(1000) > 1000


@each
def test_damage_is_one_line_that_names_the_way_out(method: Method, task: Task) -> None:
    dataset = drawn(task, rows=24)
    kept = fit(method.name, dataset.x, dataset.y, dataset.subject, task, accuracy).to_dict()
    damaged = [
        {**kept, "more": 1},
        {**kept, "version": 99},
        {**kept, "classes": 7},
        {**kept, "positive": len(task.classes)},
        *({key: value for key, value in kept.items() if key != missing} for missing in kept),
    ]
    for fields in damaged:
        with pytest.raises(ExportError, match="export the model again") as caught:
            baselines.from_dict(fields)
        assert "\n" not in str(caught.value)


def test_a_method_of_one_class_is_refused_for_several() -> None:
    with pytest.raises(
        TaskFileError, match=r"'peak_count' is not for task 'm': it calls one positive class.*rr_regression"
    ):
        baselines.method("peak_count", TASKS["multiclass"])
