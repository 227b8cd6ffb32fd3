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
from atml.tasks import targets
from atml.tasks.task import Task
from atml.training.loop import fit, predict

DOCS = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
SIGNALS = (
    Task(name="b", classes=("other", "AF"), positive=1, sampling_rate=50, window=125),
    Task(name="m", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=50, window=125, leads=2),
)
PICTURES = (
    Task(name="p", kind="multilabel", classes=("AF", "PVC", "RBBB"), picture=(40, 64), leads=3),
    Task(name="q", kind="multiclass", classes=("N", "AF", "O"), picture=(40, 64), leads=3),
)
PUBLISHED = {"page_densenet121", "page_efficientnetv2_s", "page_resnet50", "page_vit_b16"}
"""Families of one size, too large to be trained here: see test_published_pages.py."""


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
    **{
        f"page_{name}": ModelConfig(
            family=f"page_{name}",
            channels=(8, 12),
            kernels=(5, 3),
            strides=(2, 2),
            normalise="ink",
            views="columns",
            size=40,
            vote="concat",
            pool="mean_max",
            steps=60,
            batch=24,
        )
        for name in ("plain", "residual", "dense", "fused_mbconv")
    },
    "page_vit": ModelConfig(
        family="page_vit",
        channels=(32, 32),
        kernels=(8, 8),
        strides=(1, 1),
        normalise="ink",
        size=64,
        steps=80,
        batch=24,
    ),
}
CASES = [(name, task) for name in CONFIGS for task in (PICTURES if name.startswith("page_") else SIGNALS)]


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(PERCEPTRON)
    monkeypatch.setitem(FAMILIES, "perceptron", PERCEPTRON())


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1].kind}")
def case(request: pytest.FixtureRequest) -> tuple[str, Task]:
    found: tuple[str, Task] = request.param
    return found


@pytest.fixture
def config(case: tuple[str, Task]) -> ModelConfig:
    return CONFIGS[case[0]]


@pytest.fixture
def task(case: tuple[str, Task]) -> Task:
    return case[1]


def windows(task: Task, n: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Waves whose frequency is the class, or pages whose bars are the labels."""
    if task.picture is not None:
        return pages(task, n)
    random, y = np.random.default_rng(0), np.arange(n) % len(task.classes)
    t = np.arange(task.window) / task.sampling_rate
    waves = np.sin(2 * np.pi * (1.0 + 2 * y[:, None]) * t + random.uniform(0, 0.5, (n, 1)))
    x = np.repeat(waves[:, None], task.leads, axis=1) + random.normal(0, 0.1, (n, task.leads, task.window))
    return x.astype(np.float32), y.astype(np.int64)


def pages(task: Task, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Pages with a bar of another height for each label, in another place; of one label alone its own."""
    assert task.picture is not None
    several = task.kind == "multilabel"
    random, (rows, columns) = np.random.default_rng(0), task.picture
    y = np.arange(n) % (8 if several else 3)
    x = 230 + random.normal(0, 4, (n, 3, rows, columns))
    for row, one in zip(x, y, strict=True):
        for label in range(3):
            if (one >> label) & 1 if several else one == label:
                row[:, 8 : 14 + 10 * label, 6 + 20 * label : 12 + 20 * label] = 40
    return np.clip(x, 0, 255).astype(np.float32), y.astype(np.int64)


def test_every_family_is_tried_here() -> None:
    # What reads signals gives maps and no logits: tests/paper has it.
    assert set(CONFIGS) | PUBLISHED | {"page_unet"} == set(FAMILIES)
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
    rate = 0.003 if config.family == "page_vit" else 0.01  # attention begins worse at a high one
    fitted = fit(replace(config, learning_rate=rate), task, x, y, subject, seed=0)
    logits = predict(fitted.model, x)
    assert (targets.of(task).labels(logits) == y).mean() > 0.8
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
    assert config.describe().endswith(f", lr 0.002, {config.steps} x {config.batch}")
    assert not config.describe().startswith(",")


CANNOT_BE: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"normalise": "median"}, ConfigError, "'median'"),
    ({"units": 0}, ConfigError, "units"),
    ({"decimation": 126}, ShapeError, "decimation=126"),
]
CANNOT_BE_OF_PAGES: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"normalise": "rr"}, ConfigError, "'rr'"),
    ({"views": "corners"}, ConfigError, "'corners'"),
    ({"vote": "loudest"}, ConfigError, "'loudest'"),
    ({"size": 4}, ConfigError, "size=4"),
    ({"pool": "last"}, ConfigError, "'last'"),
    ({"norm": "layer"}, ConfigError, "'layer'"),
    ({"dropout": 1.0}, ConfigError, "dropout"),
    ({"views": "whole", "vote": "max"}, ConfigError, "vote='max' is over three views"),
    ({"views": "whole", "vote": "mean", "own_views": True}, ConfigError, "own_views=True needs"),
    ({"channels": (6, 10)}, ConfigError, "multiple"),
    ({"kernels": (5, 2), "strides": (30, 30)}, Exception, "kernels|patches"),
]


@pytest.mark.parametrize("number", range(len(CANNOT_BE_OF_PAGES)))
def test_what_cannot_be_is_said_before_anything_is_built(
    config: ModelConfig, task: Task, number: int
) -> None:
    cases = CANNOT_BE if task.picture is None else CANNOT_BE_OF_PAGES
    if number >= len(cases):
        return
    change, error, words = cases[number]
    if words == "multiple" and config.family not in ("page_dense", "page_vit"):
        return
    wrong = replace(config, **change)
    if config.family == "page_vit" and "strides" in change:
        wrong = replace(wrong, kernels=(70, 70))
    for ask in (families.of(wrong).check, families.of(wrong).layers, cost, build):
        with pytest.raises(error, match=words):
            ask(wrong, task)


def test_signals_and_pictures_are_told_apart(config: ModelConfig) -> None:
    if config.family == "perceptron":  # what the documentation shows does not ask
        return
    other = SIGNALS[0] if config.family.startswith("page_") else PICTURES[0]
    with pytest.raises(ConfigError, match=f"{config.family}.*is about (signals|pictures); use"):
        build(config, other)


def test_an_unknown_family_is_an_error_that_names_the_way_out_but_is_listed() -> None:
    config = ModelConfig(family="kan")
    for ask in (cost, build):
        with pytest.raises(
            ConfigError, match=r"unknown family 'kan'; known: conv_recurrent, page_.*, perceptron; .*FAMILIES"
        ):
            ask(config, SIGNALS[0])
    assert config.describe() == "kan, lr 0.002, 1000 x 128"
