"""What holds for every family of networks, over all in `FAMILIES` and the one that docs/extending.md adds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from atml.artifacts.backends import BACKENDS
from atml.artifacts.export import check_parity, fold_decision
from atml.errors import ConfigError, ShapeError
from atml.models import build, cost, families
from atml.models.config import ModelConfig
from atml.models.families import FAMILIES
from atml.tasks.task import Task
from atml.training.loop import fit, predict

DOCS = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
TASKS = (
    Task(name="b", classes=("other", "AF"), positive=1, sampling_rate=50, window=125),
    Task(name="m", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=50, window=125, leads=2),
)


def documented() -> dict[str, object]:
    """Run the family of the documentation, and leave no trace of it."""
    (block,) = re.findall(
        r"^```python\n(# search_spaces/perceptron\.py\n.*?)^```", DOCS.read_text("utf-8"), re.M | re.S
    )
    names: dict[str, object] = {"__name__": "perceptron"}
    exec(compile(block, "perceptron.py", "exec"), names)
    del FAMILIES["perceptron"]
    return names


PERCEPTRON = documented()["Perceptron"]
CONFIGS = {
    "conv_recurrent": ModelConfig(
        channels=(4, 6), kernels=(7, 5), strides=(2, 2), cell="gru", units=3, steps=60
    ),
    "perceptron": ModelConfig(family="perceptron", decimation=3, units=6, steps=60),
}


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(PERCEPTRON)
    monkeypatch.setitem(FAMILIES, "perceptron", PERCEPTRON())


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return CONFIGS[request.param]


@pytest.fixture(params=TASKS, ids=lambda task: task.kind)
def task(request: pytest.FixtureRequest) -> Task:
    found: Task = request.param
    return found


def windows(task: Task, n: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Waves whose frequency is the class."""
    random, y = np.random.default_rng(0), np.arange(n) % len(task.classes)
    t = np.arange(task.window) / task.sampling_rate
    waves = np.sin(2 * np.pi * (1.0 + 2 * y[:, None]) * t + random.uniform(0, 0.5, (n, 1)))
    x = np.repeat(waves[:, None], task.leads, axis=1) + random.normal(0, 0.1, (n, task.leads, task.window))
    return x.astype(np.float32), y.astype(np.int64)


def test_every_family_is_tried_here() -> None:
    assert set(CONFIGS) == set(FAMILIES)
    assert all(name == family.name for name, family in FAMILIES.items())


def test_it_costs_what_it_is(config: ModelConfig, task: Task) -> None:
    net, counted = build(config, task), cost(config, task)
    assert counted.parameters == sum(p.numel() for p in net.parameters())
    assert counted.fixed == sum(b.numel() for b in net.buffers())
    layers = families.of(config).layers(config, task)
    for field in ("parameters", "fixed", "macs"):
        assert sum(getattr(layer, field) for layer in layers) == getattr(counted, field), field
    assert layers[-1].shape == (len(task.classes),)
    written = len(BACKENDS["onnx"].write(net.eval(), task, {}))
    assert written <= counted.size_bytes <= 1.1 * written + 4096


def test_one_seed_gives_one_network(config: ModelConfig, task: Task) -> None:
    def weights() -> list[torch.Tensor]:
        torch.manual_seed(3)
        return list(build(config, task).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(), weights(), strict=True))


def test_it_learns_and_its_file_decides_alike(config: ModelConfig, task: Task) -> None:
    x, y = windows(task)
    subject = np.array([f"S{i // 6}" for i in range(len(y))])
    fitted = fit(replace(config, learning_rate=0.01), task, x, y, subject, seed=0)
    logits = predict(fitted.model, x)
    assert (logits.argmax(axis=1) == y).mean() > 0.8
    assert predict(fitted.model, x[:0]).shape == (0, len(task.classes))
    offsets = np.linspace(0.2, -0.1, len(task.classes))
    folded = fold_decision(fitted.model, offsets.tolist())
    model = BACKENDS["onnx"].write(folded, task, {})
    check_parity(model, folded, x, task)
    np.testing.assert_allclose(BACKENDS["onnx"].run(model, x), logits - offsets, atol=1e-4)
    onnx.shape_inference.infer_shapes(
        onnx.load_from_string(model), check_type=True, strict_mode=True, data_prop=True
    )


def test_a_config_travels_and_says_what_it_is(config: ModelConfig) -> None:
    kept = config.to_dict()
    assert ModelConfig.from_dict(kept) == config
    assert ("family" in kept) == (config.family != "conv_recurrent")
    assert config.describe().endswith(", lr 0.002, 60 x 128")
    assert not config.describe().startswith(",")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"normalise": "median"}, ConfigError, "'median'"),
        ({"units": 0}, ConfigError, "units"),
        ({"decimation": 126}, ShapeError, "decimation=126"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_built(
    config: ModelConfig, change: dict[str, object], error: type[Exception], words: str
) -> None:
    wrong, task = replace(config, **change), TASKS[0]
    for ask in (families.of(wrong).check, families.of(wrong).layers, cost, build):
        with pytest.raises(error, match=words):
            ask(wrong, task)


def test_an_unknown_family_is_an_error_that_names_the_way_out_but_is_listed() -> None:
    config = ModelConfig(family="kan")
    for ask in (cost, build):
        with pytest.raises(
            ConfigError, match=r"unknown family 'kan'; known: conv_recurrent, perceptron; .*FAMILIES"
        ):
            ask(config, TASKS[0])
    assert config.describe() == "kan, lr 0.002, 1000 x 128"
