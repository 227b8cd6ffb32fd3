from __future__ import annotations

import numpy as np
import pytest
import torch

from atml import models
from atml.artifacts.backends.onnx import graph
from atml.artifacts.model import ExportedModel
from atml.models.config import ModelConfig
from atml.report import saliency
from atml.tasks.task import Task

TASK = Task(name="tiny", classes=("other", "AF"), positive=1, sampling_rate=100, window=200)
CONFIG = ModelConfig(normalise="none", channels=(2,), kernels=(3,), strides=(1,), norm="none", pool="max")


def exported(config: ModelConfig = CONFIG) -> ExportedModel:
    """A file whose margin is the highest sample of lead 0, above 0."""
    net = models.build(config, TASK).eval()
    with torch.no_grad():
        if config is CONFIG:
            for values in net.parameters():
                values.zero_()
            net.convs[0].conv.weight[0, 0, 1] = 1.0
            net.head.weight[1, 0] = 1.0
    return ExportedModel(
        path=None, folder=None, model=graph(net, TASK).SerializeToString(), sha256="", task=TASK,
        config=config, study="", trial=0, offsets=(0.0, 0.0), data_name="", data_fingerprint="",
        synthetic=True, subjects=None,
    )  # type: ignore[arg-type]  # fmt: skip


def test_only_the_wave_that_decides_is_salient() -> None:
    x = np.full((1, 200), 0.1, np.float32)
    x[0, 120] = 3.0
    margin, found = saliency.saliency(exported(), x, 1)
    assert margin == pytest.approx(3.0)
    assert found.shape == (200,)
    # Every part that holds the spike is worth 3 - 0.1, every other nothing.
    assert found[120] == pytest.approx(2.9, abs=1e-5)
    assert np.all(found[:100] == 0) and np.all(found[140:] == 0)


def test_twice_the_same_and_for_recurrent_nets() -> None:
    config = ModelConfig(channels=(4,), kernels=(5,), strides=(2,), cell="lstm", units=3, decimation=2)
    torch.manual_seed(0)
    made = exported(config)
    x = np.random.default_rng(0).normal(size=(1, 200)).astype(np.float32)
    first, second = saliency.saliency(made, x, 1), saliency.saliency(made, x, 1)
    assert first[0] == second[0] and np.array_equal(first[1], second[1])
    assert np.isfinite(first[1]).all() and np.abs(first[1]).max() > 0
    assert first[0] == pytest.approx(saliency.margins(made, x[None], 1)[0])


def test_a_bridge_is_straight_and_touches_nothing_else() -> None:
    x = np.arange(20, dtype=np.float32)[None] ** 2
    out = saliency.bridged(x, 5, 4, 1)
    assert np.allclose(out[0, 5:9], 16 + (81 - 16) * np.arange(1, 5) / 5)
    rest = np.r_[0:5, 9:20]
    assert np.array_equal(out[0, rest], x[0, rest])
    assert np.all(saliency.bridged(x, 0, 4, 1)[0, :4] == 16)
    assert np.all(saliency.bridged(x, 16, 4, 1)[0, 16:] == 225)


def test_parts_hold_every_sample() -> None:
    starts = saliency.parts(203, 40, 10)
    covered = np.zeros(203, bool)
    for start in starts:
        covered[start : start + 40] = True
    assert covered.all() and starts[-1] == 163
    assert saliency.parts(30, 40, 10).tolist() == [0]
