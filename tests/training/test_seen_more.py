"""Batches that are balanced by class leave the network's decision where the data's frequencies have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atml.models.config import ModelConfig
from atml.tasks.task import Task
from atml.training.batches import rows, seen_more
from atml.training.loop import fit, predict

TASK = Task(name="t", kind="multiclass", classes=("N", "S", "V"), sampling_rate=50, window=32)
CONFIG = ModelConfig(
    channels=(8,),
    kernels=(5,),
    strides=(2,),
    pool="mean_max",
    steps=150,
    batch=64,
    learning_rate=1e-2,
    normalise="none",
)


def data(n=1500, seed=0):
    """Windows of noise about a level that says little of the class: 90% N, 5% S, 5% V."""
    random = np.random.default_rng(seed)
    y = random.choice(3, n, p=(0.9, 0.05, 0.05))
    x = random.normal(0, 1, (n, 1, 32)) + np.array([0.0, 0.5, -0.5])[y][:, None, None]
    return x.astype(np.float32), y.astype(np.int64), np.array([f"S{i % 10}" for i in range(n)])


def test_how_much_more_often_is_counted_in_the_batches():
    _, y, subject = data()
    drawn = rows(ModelConfig(thinning=1.0, steps=50), subject, y, seed=0)
    more = seen_more(ModelConfig(thinning=1.0), y, drawn)
    share = np.bincount(y[drawn.numpy().ravel()]) / drawn.numel()
    assert more == pytest.approx(np.log(share / (np.bincount(y) / len(y))))
    assert more[0] < -0.5 < 1.0 < more[1]
    assert seen_more(ModelConfig(), y, drawn) is None
    assert seen_more(ModelConfig(sampling="subject"), y, drawn) is None


@pytest.mark.parametrize("balance", [{"thinning": 1.0}, {"sampling": "class"}])
def test_classes_are_called_about_as_often_as_they_come(balance):
    x, y, subject = data()
    found = fit(ModelConfig(**{**CONFIG.to_dict(), **balance}), TASK, x, y, subject, seed=0)
    shares = torch.from_numpy(predict(found.model, x)).softmax(1).mean(0).numpy()
    assert shares == pytest.approx(np.bincount(y) / len(y), abs=0.04), "the mean probability is the frequency"
