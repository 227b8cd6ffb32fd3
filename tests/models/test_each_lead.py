"""Networks that see each lead by itself and decide on all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import atml
from atml.artifacts.backends import BACKENDS, onnx_w8
from atml.artifacts.export import check_parity, fold_decision, infer, onnx_bytes
from atml.artifacts.model import load
from atml.data.beat_windows import gather
from atml.device import interpreter, reading
from atml.errors import ConfigError
from atml.models import build, cost, families
from atml.models.config import ModelConfig
from atml.report import attention
from atml.report import layers as drawn
from atml.tasks.task import Task
from atml.training.loop import fit, predict
from tests.annotating import made
from tests.annotating.made import properties

TASK = Task(
    name="b",
    kind="multiclass",
    classes=("N", "S", "V"),
    sampling_rate=50,
    window=180,
    after_beat=1.2,
    leads=2,
)
CONFIG = ModelConfig(
    channels=(4, 6), kernels=(7, 5), strides=(2, 2), cell="gru", units=3, pool="last", each_lead=True
)
CONFIGS = {
    "beat": replace(CONFIG, normalise="beat", decimation=2),
    "z-score, attention": replace(CONFIG, pool="attention", cell="lstm", bidirectional=True),
    "upright, no cell": replace(CONFIG, cell="none", pool="mean_max", upright=True, norm="layer"),
    "data": replace(CONFIG, norm="none", init="data", decimation=3),
    "patches": replace(CONFIG, channels=(), kernels=(), strides=(), patch=7, pool="mean"),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request: pytest.FixtureRequest) -> ModelConfig:
    found: ModelConfig = request.param
    return found


def ecg(n: int, task: Task = TASK) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, *task.shape)).astype(np.float32)


def trained(config: ModelConfig, task: Task = TASK) -> torch.nn.Module:
    x = ecg(60, task)
    y, subject = np.arange(60) % 3, np.repeat([f"S{i}" for i in range(6)], 10)
    return fit(replace(config, steps=4, batch=8), task, x, y, subject, seed=0).model


def test_of_each_class_the_largest_logit_of_a_lead_counts(config: ModelConfig) -> None:
    net, one = trained(config), build(replace(config, each_lead=False), replace(TASK, leads=1))
    one.load_state_dict(net.state_dict())
    x = ecg(9)
    each = np.stack([predict(one, x[:, lead : lead + 1]) for lead in range(2)])
    np.testing.assert_allclose(predict(net, x), each.max(axis=0), atol=1e-5)
    assert (each[0] > each[1]).any() and (each[1] > each[0]).any()
    np.testing.assert_allclose(predict(net, x[:, ::-1].copy()), predict(net, x), atol=1e-5)


def test_the_file_decides_alike_and_the_decision_is_in_it(config: ModelConfig) -> None:
    net, x = trained(config), ecg(40)
    folded = fold_decision(net, [0.4, -0.2, 0.1])
    model = BACKENDS["onnx"].write(folded, TASK, {})
    check_parity(model, folded, x, TASK)
    np.testing.assert_allclose(infer(model, x), predict(net, x) - [0.4, -0.2, 0.1], atol=1e-4)
    assert infer(model, x[:1]).shape == (1, 3)
    gap = x.copy()
    gap[3, 1, 5] = np.nan
    found = infer(model, gap)
    assert np.isnan(found[3]).all() and np.isfinite(np.delete(found, 3, axis=0)).all()
    small = infer(onnx_w8.quantised(model), x)
    assert np.abs(small - infer(model, x)).max() < 0.2


def test_it_has_the_weights_of_one_lead_and_the_work_of_two(config: ModelConfig) -> None:
    counted = cost(config, TASK)
    one = cost(replace(config, each_lead=False), replace(TASK, leads=1))
    assert (counted.parameters, counted.fixed) == (one.parameters, one.fixed)
    assert counted.macs == 2 * one.macs
    assert one.peak_bytes <= counted.peak_bytes <= 2 * one.peak_bytes
    listed = families.of(config).layers(config, TASK)
    for field in ("parameters", "fixed", "macs"):
        assert sum(getattr(layer, field) for layer in listed) == getattr(counted, field), field
    assert listed[-1].name == "the largest of 2 leads"
    written = len(BACKENDS["onnx"].write(build(config, TASK).eval(), TASK, {}))
    assert written <= counted.size_bytes <= 1.1 * written + 4096
    boxes = drawn.layers(config, TASK)
    assert "each lead" in [box.title for box in boxes] and boxes[-1].title == "vote"
    assert boxes[1].leaves == f"{6 if config.normalise == 'beat' else 2} × 180"


def test_training_sees_one_lead_of_a_window_drawn_at_random() -> None:
    net = build(replace(CONFIG, norm="none"), TASK)
    one = build(replace(CONFIG, norm="none", each_lead=False), replace(TASK, leads=1))
    one.load_state_dict(net.state_dict())
    x = torch.from_numpy(ecg(40))
    with torch.no_grad():
        seen = net.train().decide(net.inputs(x))
        each = torch.stack([one.decide(one.inputs(x[:, lead : lead + 1])) for lead in range(2)])
    like = torch.isclose(each, seen, atol=1e-5).all(dim=2)
    assert like.any(dim=0).all()
    assert 5 < like[0].sum() < 35
    again = [predict(trained(CONFIGS["beat"]), ecg(3)) for _ in range(2)]  # the same seed
    np.testing.assert_array_equal(*again)


def test_attention_is_the_mean_of_that_of_the_leads(tmp_path: Path) -> None:
    config = CONFIGS["z-score, attention"]
    net, one = trained(config), build(replace(config, each_lead=False), replace(TASK, leads=1))
    one.load_state_dict(net.state_dict())

    def weighs(model: torch.nn.Module, config: ModelConfig, task: Task) -> attention.Attention:
        file = tmp_path / f"{task.leads}.onnx"
        file.write_bytes(onnx_bytes(model.eval(), task, properties(task, config)))
        return attention.Attention(load(file))

    both = weighs(net, config, TASK)
    single = weighs(one, replace(config, each_lead=False), replace(TASK, leads=1))
    x = ecg(1)[0]
    np.testing.assert_allclose(both(x), (single(x[:1]) + single(x[1:])) / 2, atol=1e-5)


def test_a_recording_is_annotated_as_its_windows_are_decided(tmp_path: Path) -> None:
    config, task = replace(CONFIGS["z-score, attention"], decimation=2), made.TASK
    file = tmp_path / "model.onnx"
    file.write_bytes(onnx_bytes(trained(config, task).eval(), task, properties(task, config)))
    x = made.ecg("NNNVNNSNNNVVNNNN", task.sampling_rate)
    np.save(tmp_path / "one.npy", x)
    found = atml.annotate(file, tmp_path / "one.npy", sampling_rate=task.sampling_rate).found.beats
    windows = gather(x, found.sample, task)
    assert len(found.sample) > 10
    assert found.label.tolist() == infer(file.read_bytes(), windows).argmax(axis=1).tolist()


def test_one_lead_alone_is_refused() -> None:
    for ask in (cost, build):
        with pytest.raises(ConfigError, match="each_lead=True is for tasks of several leads"):
            ask(CONFIG, replace(TASK, leads=1))


def test_a_board_computes_the_same(config: ModelConfig) -> None:
    model, x = BACKENDS["onnx"].write(trained(config), TASK, {}), ecg(30)
    program = reading.read(model, config, TASK)
    assert (program.passes, program.leads, program.input.leads) == (2, 2, 1)
    assert program.macs <= cost(config, TASK).macs  # where the input step is counted as well
    np.testing.assert_allclose(interpreter.run(program, x), infer(model, x), atol=1e-4)


def test_a_config_without_it_is_kept_as_before() -> None:
    assert "each_lead" not in ModelConfig().to_dict()
    assert ModelConfig.from_dict(CONFIG.to_dict()) == CONFIG
