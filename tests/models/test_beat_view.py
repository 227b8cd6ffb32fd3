"""The input step "beat": what it shows, what it does not see, and its three mirrors."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from atml import ModelConfig, Task
from atml.artifacts.backends.onnx import graph
from atml.errors import ConfigError, ShapeError
from atml.models import build, cost
from atml.models.beat_view import ALIKE_GAIN, LARGEST, beat_plan, beat_view
from atml.training.augmentation import Augment

TASK = Task(
    name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=438, after_beat=1.2
)
PLAN = beat_plan(TASK)
CONFIG = ModelConfig(
    normalise="beat", channels=(4, 6), kernels=(5, 5), strides=(2, 2), decimation=3, pool="last"
)


def beats(*at: tuple[float, float, float], task: Task = TASK) -> torch.Tensor:
    """Waves of (time from the beat in s, height in mV, width in s), one window."""
    t = (np.arange(task.window) - beat_plan(task).beat) / task.sampling_rate
    x = sum(height * np.exp(-(((t - when) / width) ** 2) / 2) for when, height, width in at)
    return torch.tensor(x, dtype=torch.float32)[None, None]


def place(seconds: float) -> int:
    return PLAN.beat + round(seconds * 125)


def test_a_beat_of_the_same_shape_is_alike_and_a_wide_one_is_not() -> None:
    x = beats((-1.6, 1, 0.02), (-0.8, 0.5, 0.02), (0, 1, 0.02), (0.8, 1.2, 0.06))
    alike, size, _ = beat_view(x, PLAN)[0]
    assert alike[place(-1.6)] == pytest.approx(ALIKE_GAIN, abs=1e-3)
    assert alike[place(-0.8)] == pytest.approx(ALIKE_GAIN, abs=1e-3)
    assert alike[place(0.8)] < 0.6 * ALIKE_GAIN
    assert size[place(-1.6)] == pytest.approx(1, abs=1e-3)
    assert size[place(-0.8)] == pytest.approx(0.5, abs=1e-3)


def test_gain_and_offset_change_nothing_and_the_other_way_round_only_the_shape() -> None:
    noise = torch.randn(1, 1, 438, generator=torch.Generator().manual_seed(0)) * 0.05
    x = beats((-0.8, 1, 0.02), (0, 1, 0.03), (0.7, -1, 0.05)) + noise
    rows = beat_view(x, PLAN)
    torch.testing.assert_close(beat_view(x * 3.7 + 5, PLAN), rows, atol=2e-3, rtol=1e-3)
    turned = beat_view(-x, PLAN)
    torch.testing.assert_close(turned[:, :2], rows[:, :2])
    torch.testing.assert_close(turned[:, 2], -rows[:, 2])


def test_the_beat_itself_is_hidden_and_its_shape_stands_alone() -> None:
    rows = beat_view(beats((-0.8, 1, 0.02), (0, 1, 0.02)), PLAN)[0]
    near = slice(PLAN.beat - PLAN.hidden, PLAN.beat + PLAN.hidden + 1)
    assert (rows[:2, near] == 0).all()
    shape = rows[2, PLAN.beat - PLAN.before : PLAN.beat + PLAN.after + 1]
    assert shape.mean().item() == pytest.approx(0, abs=1e-5)
    assert (shape * shape).mean().item() == pytest.approx(1, abs=1e-4)
    assert rows[2].count_nonzero() == shape.count_nonzero()
    assert (rows[1] <= LARGEST).all()


def test_a_flat_line_is_zeros() -> None:
    assert (beat_view(torch.full((2, 1, 438), 1.5), PLAN) == 0).all()


@pytest.mark.parametrize("leads", [1, 2])
def test_the_exported_graph_computes_the_same_and_is_no_larger_than_its_cost_says(leads: int) -> None:
    task = dataclasses.replace(TASK, leads=leads)
    net = build(CONFIG, task).eval()
    x = np.random.default_rng(0).normal(size=(6, leads, 438)).astype(np.float32).cumsum(-1) * 0.05
    x[1] = 0.7
    file = graph(net, task).SerializeToString()
    found = onnxruntime.InferenceSession(file).run(None, {"ecg": x})[0]
    np.testing.assert_allclose(found, net(torch.from_numpy(x)).detach().numpy(), atol=1e-5)
    assert len(file) <= cost(CONFIG, task).size_bytes
    each = [beat_view(torch.from_numpy(x[:, [lead]]), PLAN) for lead in range(leads)]
    torch.testing.assert_close(beat_view(torch.from_numpy(x), PLAN), torch.cat(each, 1))


def test_of_a_window_turned_upside_down_only_the_shape_turns() -> None:
    config = dataclasses.replace(CONFIG, polarity=1.0)
    rows = beat_view(beats((-0.8, 1, 0.02), (0, 1, 0.02)), PLAN)
    turned = Augment(config, rate=125, decimation=1, seed=0)(rows, rows.std(-1, keepdim=True))
    assert torch.equal(turned[:, :2], rows[:, :2]) and torch.equal(turned[:, 2], -rows[:, 2])


def test_windows_that_have_no_beat_or_no_room_for_it_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"normalise='beat' is for windows round beats; those of task 'b'"):
        build(CONFIG, dataclasses.replace(TASK, after_beat=None))
    with pytest.raises(
        ShapeError, match=r"needs 25 samples before a beat and 38 after it; .* have 312 and 25"
    ):
        cost(CONFIG, dataclasses.replace(TASK, after_beat=0.2, window=338))
    with pytest.raises(ConfigError, match=r"upright=True has no meaning for a beat compared"):
        build(dataclasses.replace(CONFIG, upright=True), TASK)
