"""The input step "rr" finds the beats of `atml.ecg.beats`, and the exported graph finds the very same."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from atml.artifacts.backends.onnx import graph, operators
from atml.artifacts.export import check_parity, onnx_bytes
from atml.data.synthetic.generator import windows
from atml.data.synthetic.rhythms import RHYTHMS
from atml.ecg.beats import beats
from atml.ecg.resampling import resample
from atml.errors import ConfigError, ShapeError
from atml.models import build, cost
from atml.models.config import ModelConfig
from atml.models.rr_series import beats_of, rr_plan, rr_series
from atml.tasks.task import Task
from atml.training import loop
from atml.training.augmentation import prepared

RATES = (100, 250, 300)
CONFIG = ModelConfig(normalise="rr", channels=(6, 8), kernels=(7, 5), strides=(1, 2), pool="mean_max")


def task_at(rate: int, seconds: float = 10, leads: int = 1) -> Task:
    return Task(
        name="rhythm",
        kind="multiclass",
        classes=("N", "AF", "O"),
        sampling_rate=rate,
        window=round(seconds * rate),
        leads=leads,
    )


def synthetic(task: Task, each: int = 2, seed: int = 0) -> np.ndarray:
    """Windows of every rhythm that the generator knows."""
    random = np.random.default_rng(seed)
    return windows(random, task, dict.fromkeys(RHYTHMS, each))[0].astype(np.float32)


def noise(task: Task, n: int = 16, seed: int = 0) -> np.ndarray:
    shape = (n, task.leads, task.window)
    return np.random.default_rng(seed).normal(0.3, 1.7, shape).astype(np.float32)


def pulses(at: list[int] | np.ndarray, samples: int) -> np.ndarray:
    x = np.zeros((1, 1, samples), np.float32)
    x[..., at] = 1.0
    return x


def marks(x: np.ndarray, rate: int) -> np.ndarray:
    return beats_of(torch.from_numpy(x), rr_plan(rate, x.shape[-1])).numpy() > 0


def series(x: np.ndarray, rate: int) -> np.ndarray:
    return rr_series(torch.from_numpy(x), rate).numpy()


def plain(found: np.ndarray, rate: int) -> np.ndarray:
    """The series of RR intervals of one lead's beats ``(samples,)``, sample by sample."""
    out = np.zeros(len(found))
    at = np.flatnonzero(found)
    if len(at) < 2:
        return out
    intervals = np.clip(np.diff(at), round(0.25 * rate), round(2.5 * rate)) / rate
    for sample in range(len(found)):
        complete = int((at[1:] <= sample).sum())
        out[sample] = 3 * np.log(intervals[max(complete - 1, 0)] / 0.8)
    return out


def agree(x: np.ndarray, rate: int) -> None:
    mine, theirs = marks(x, rate), beats(x, rate)
    near = theirs.copy()
    near[..., 1:] |= theirs[..., :-1]
    near[..., :-1] |= theirs[..., 1:]
    assert theirs.sum() > 5 * len(x)
    assert abs(int(mine.sum()) - int(theirs.sum())) <= 0.005 * theirs.sum()
    assert (mine & near).sum() >= 0.99 * mine.sum()


@pytest.mark.parametrize("rate", RATES)
def test_synthetic_beats_are_those_of_the_detector(rate: int) -> None:
    agree(synthetic(task_at(rate)), rate)


@pytest.fixture(scope="module")
def recordings(real_data) -> np.ndarray:
    """Nine seconds, at 300 Hz, of each of the contest's first recordings."""
    files = sorted((real_data / "cinc2017").glob("A*.mat"))[:60]
    if not files:
        pytest.skip("no CinC 2017 recordings beside the checkout")
    scipy_io = pytest.importorskip("scipy.io")
    return np.stack([scipy_io.loadmat(file)["val"][0, :2700] / 1000 for file in files])[:, None]


@pytest.mark.parametrize("rate", RATES)
def test_real_beats_and_their_series(recordings, rate: int) -> None:
    x = resample(recordings, 300, rate).astype(np.float32)
    agree(x, rate)
    found = series(x, rate)
    for lead, beat in zip(found[::6, 0], marks(x[::6], rate)[:, 0], strict=True):
        np.testing.assert_allclose(lead, plain(beat, rate), atol=2e-6)
    task = task_at(rate, 9)
    net = build(dataclasses.replace(CONFIG, decimation=rate // 10), task).eval()
    check_parity(onnx_bytes(net, task, {}), net, x, task)


@pytest.mark.parametrize("rate", RATES)
def test_the_series_is_the_plain_one(rate: int) -> None:
    x = synthetic(task_at(rate, leads=2), each=1)[::3]
    found, beat = series(x, rate), marks(x, rate)
    assert found.shape == x.shape and found.dtype == np.float32
    for row in range(len(x)):
        for lead in range(2):
            np.testing.assert_allclose(found[row, lead], plain(beat[row, lead], rate), atol=2e-6)
            assert (found[row, lead] == series(x[row : row + 1, lead : lead + 1], rate)[0, 0]).all()


def test_known_intervals_come_out() -> None:
    at = np.cumsum([60, 80, 60, 160, 100])
    found = series(pulses(at, 600), 100)[0, 0]
    # The last complete interval; before the end of the first, that one.
    middles = [30, 100, 180, 300, 410, 550]
    expected = 3 * np.log(np.array([80, 80, 80, 60, 160, 100]) / 80)
    np.testing.assert_allclose(found[middles], expected, atol=1e-6)


def test_long_pauses_are_cut() -> None:
    found = series(pulses([100, 900], 1000), 100)
    np.testing.assert_allclose(found, 3 * np.log(250 / 80), atol=1e-6)


@pytest.mark.parametrize("at", [[], [300]], ids=["flat", "one beat"])
def test_fewer_than_two_beats_are_all_zero(at: list[int]) -> None:
    assert marks(pulses(at, 900), 100).sum() == len(at)
    assert (series(pulses(at, 900), 100) == 0).all()


@pytest.mark.parametrize("gain", [1e-4, -1.0, 1e4])
def test_gain_and_sign_do_not_matter(gain: float) -> None:
    x = synthetic(task_at(100), each=1)
    changed = marks((x * np.float32(gain)).astype(np.float32), 100)
    assert (changed == marks(x, 100)).mean() > 0.9999


def test_odd_signals_stay_finite() -> None:
    square = np.sign(np.sin(np.arange(900) / 3)).astype(np.float32)
    clipped = np.clip(synthetic(task_at(100, 9), each=1)[0, 0], -0.1, 0.1)
    padded = np.where(np.arange(900) < 500, synthetic(task_at(100, 9), each=1)[1, 0], 0)
    x = np.stack([square, clipped, padded, np.full(900, 3e4), np.arange(900) * 1e3])[:, None]
    found = series(x.astype(np.float32), 100)
    assert np.isfinite(found).all() and np.abs(found).max() < 3.6
    assert (found[3] == 0).all()


@pytest.mark.parametrize("rate", [*RATES, 128, 360])
@pytest.mark.parametrize("leads", [1, 3])
def test_the_graph_finds_the_same_intervals(rate: int, leads: int) -> None:
    task = task_at(rate, 7.5, leads)
    model = graph(build(CONFIG, task).eval(), task)
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("intervals", onnx.TensorProto.FLOAT, ["n", leads, task.window])
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    flat = np.zeros((1, leads, task.window), np.float32)
    for x in (synthetic(task, each=1), noise(task), flat, flat + pulses([50], task.window)):
        found = session.run(["intervals"], {"ecg": x})[0]
        np.testing.assert_allclose(found, series(x, rate), atol=1e-6)


@pytest.mark.parametrize("decimation", range(1, 11))
def test_exports_agree_at_every_decimation(decimation: int) -> None:
    torch.manual_seed(decimation)
    task = task_at(100, 9.5)
    net = build(dataclasses.replace(CONFIG, decimation=decimation), task).eval()
    with torch.no_grad():
        net.head.weight.mul_(10)  # so that a beat at another sample shows
    x = np.concatenate([synthetic(task, each=1), noise(task)])
    assert check_parity(onnx_bytes(net, task, {}), net, x, task).worst < 1e-4


@pytest.mark.parametrize("rate", [*RATES, 128, 360, 500])
@pytest.mark.parametrize("leads", [1, 12])
def test_the_file_is_as_large_as_is_said(rate: int, leads: int) -> None:
    task = task_at(rate, 9.5, leads)
    net = build(CONFIG, task).eval()
    written = len(onnx_bytes(net, task, {"subjects": "S" * 1024}))
    assert written <= cost(CONFIG, task).size_bytes <= 1.1 * written + 2048


def test_its_cost_is_counted() -> None:
    task = task_at(100, 20, 2)
    without, with_it = (
        cost(dataclasses.replace(CONFIG, normalise=kind, decimation=10), task) for kind in ("none", "rr")
    )
    plan = rr_plan(100, 2000)
    assert with_it.macs - without.macs == 2 * plan.operations
    assert 25 * 2000 < plan.operations < 50 * 2000
    assert with_it.peak_bytes == 4 * 2 * plan.peak > 4 * 2 * 3 * 2000
    assert with_it.parameters == without.parameters
    more = operators(dataclasses.replace(CONFIG, decimation=10), task)
    assert {"TopK", "CumSum", "GatherElements", "MaxPool", "Log"} <= more


@pytest.mark.parametrize("reach", [1, 6, 25, 32, 62, 75, 90, 125, 250])
def test_two_pools_see_what_one_would(reach: int) -> None:
    plan = dataclasses.replace(rr_plan(100, 1000), reach=reach)
    first, second, apart = plan.pools
    assert first + (second - 1) * apart == 2 * reach + 1
    assert apart <= first
    assert first + second < 4 * np.sqrt(2 * reach + 1) + 2


@pytest.mark.parametrize(
    ("rate", "window", "error", "words"),
    [
        (20, 500, ConfigError, "finds no beats at 20 Hz; it needs 25 Hz or more"),
        (100, 26, ShapeError, "more than 26 samples at 100 Hz; the task's have 26"),
    ],
)
def test_what_can_not_be_is_said(rate: int, window: int, error: type[Exception], words: str) -> None:
    task = dataclasses.replace(task_at(rate), window=window)
    small = dataclasses.replace(CONFIG, kernels=(1, 1), strides=(1, 1))
    for call in (cost, build):
        with pytest.raises(error, match=words):
            call(small, task)


def test_training_sees_it_and_learns_regular_from_irregular() -> None:
    random = np.random.default_rng(0)
    task = Task(name="af", classes=("regular", "irregular"), positive=1, sampling_rate=100, window=1000)
    y = np.arange(120) % 2
    x = np.zeros((120, 1, 1000), np.float32)
    for row, label in zip(x, y, strict=True):
        rr = random.uniform(50, 110, 30) if label else np.full(30, random.uniform(55, 105))
        at = np.cumsum(rr).astype(int)
        row[0, at[at < 1000]] = 1
    x += random.normal(0, 0.02, x.shape).astype(np.float32)
    config = dataclasses.replace(
        CONFIG,
        decimation=10,
        steps=60,
        batch=32,
        learning_rate=1e-2,
        noise=0.1,
        shift=0.5,
        scale=0.1,
        wander=0.1,
    )
    subject = np.array([f"S{i}" for i in range(120)])
    run = loop.fit(config, task, x[:80], y[:80], subject[:80], seed=0)
    logits = loop.predict(run.model, x[80:])
    assert (logits.argmax(1) == y[80:]).mean() > 0.9
    seen = prepared(config, x, task)
    assert np.array_equal(seen, run.model.inputs(torch.from_numpy(x)).numpy())
    assert np.array_equal(seen, loop._prepared(run.model, x, "cpu").numpy())
