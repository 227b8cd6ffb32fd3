"""Training: the same bits after a kill, five losses, clipping, faults that are named."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from atml.errors import ConfigError, MissingExtraError
from atml.models.paper_config import SIGNAL_WEIGHT, PaperConfig
from atml.models.unet import UNet
from atml.paper.crops import NOBODY, drawn, owners
from atml.paper.learner import PaperLearner
from atml.paper.learning import fit, tensorboard
from atml.paper.losses import NAMES, losses, total
from atml.paper.page_data import PageDataset, open_pages
from atml.paper.page_truth import Pages
from atml.paper.weights_file import load, save
from atml.task_files import find

TINY = PaperConfig(base=2, depth=3, steps=6, batch=2, crop=(32, 64))
ROWS = np.arange(4)


def same(one: UNet, other: UNet) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class Killed(BaseException):
    """What ends a training as a kill would: nothing after it is run."""


@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_a_killed_training_goes_on_bit_for_bit(pages: Pages, tmp_path: Path, at: int) -> None:
    whole = fit(TINY, pages, ROWS, seed=3, evaluate=lambda _: 0.5)
    file = tmp_path / "state.pt"
    steps: list[int] = []

    class Kills:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            steps.append(step)
            if step > at:
                raise Killed

    with pytest.raises(Killed):
        fit(TINY, pages, ROWS, seed=3, evaluate=lambda _: 0.5, checkpoint=file, every=1, log=Kills())
    assert file.is_file()
    again = fit(TINY, pages, ROWS, seed=3, evaluate=lambda _: 0.5, checkpoint=file, every=1)
    assert again.resumed == at and again.steps == 6
    assert same(whole.model, again.model) and whole.curve == again.curve
    assert not file.exists()


def test_another_seed_or_a_broken_file_begins_anew(pages: Pages, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"

    def stop(_: float, __: float) -> bool:
        raise Killed

    with pytest.raises(Killed):
        fit(TINY, pages, ROWS, seed=3, checkpoint=file, every=1, on_progress=stop)
    kept = file.read_bytes()
    assert fit(TINY, pages, ROWS, seed=4, checkpoint=file, every=9).resumed == 0
    for broken in (kept[:100], kept[:-50], b"", b"garbage", b"PK" + kept[5:2000]):
        file.write_bytes(broken)
        with pytest.warns(UserWarning, match="is no whole state of a training; it begins anew"):
            assert fit(TINY, pages, ROWS, seed=3, checkpoint=file, every=9).resumed == 0
    torch.save([1, 2], file)
    with pytest.warns(UserWarning, match="begins anew"):
        assert fit(TINY, pages, ROWS, seed=3, checkpoint=file, every=9).resumed == 0


@pytest.mark.parametrize("every", [1, 9])
@pytest.mark.parametrize("place", ["value", "report", "removal"])
def test_killed_at_its_end_the_last_value_is_told_again(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, every: int
) -> None:
    whole = fit(TINY, pages, ROWS, seed=3, evaluate=lambda _: 0.5)
    file = tmp_path / "state.pt"

    def value(_: UNet) -> float:
        if place == "value" and (calls := calls_of.append(1) or len(calls_of)) == 4:
            raise Killed(calls)
        return 0.5

    def report(fraction: float, _: float) -> bool:
        if place == "report" and fraction == 1.0:
            raise Killed
        return True

    def removal(self: Path, missing_ok: bool = False) -> None:
        raise Killed

    calls_of: list[int] = []
    with monkeypatch.context() as patched, pytest.raises(Killed):
        if place == "removal":
            patched.setattr(Path, "unlink", removal)
        fit(TINY, pages, ROWS, seed=3, evaluate=value, on_progress=report, checkpoint=file, every=every)
    told: list[float] = []
    again = fit(
        TINY,
        pages,
        ROWS,
        seed=3,
        evaluate=lambda _: 0.5,
        on_progress=lambda fraction, _: told.append(fraction) or True,  # type: ignore[func-returns-value]
        checkpoint=file,
        every=every,
    )
    assert told[-1:] == [1.0] and again.resumed == 6
    assert again.curve == whole.curve and same(again.model, whole.model) and not file.exists()


def test_a_seed_repeats_and_another_does_not(pages: Pages) -> None:
    one, two, other = (fit(TINY, pages, ROWS, seed=seed).model for seed in (1, 1, 2))
    assert same(one, two) and not same(one, other)


def test_the_loss_falls(pages: Pages) -> None:
    config = PaperConfig(base=4, depth=3, steps=120, batch=2, crop=(64, 64), learning_rate=1e-2)
    crops = drawn(config, pages, ROWS, 99, 0)
    torch.manual_seed(0)
    found = [
        losses(model.train()(crops.page, crops.where), crops)["segmentation"].item()
        for model in (fit(config, pages, ROWS, seed=0).model, UNet(config))
    ]
    assert found[0] < 0.8 * found[1]


def test_the_hook_stops_and_nan_diverges(pages: Pages) -> None:
    stopped = fit(TINY, pages, ROWS, seed=0, evaluate=lambda _: 1.0, on_progress=lambda *_: False)
    assert stopped.stopped and stopped.steps == 2
    assert fit(TINY, pages, ROWS, seed=0, evaluate=lambda _: float("nan")).diverged


def test_losses_are_those_of_the_truth(pages: Pages) -> None:
    crops = drawn(replace(TINY, crop=(128, 256)), pages, ROWS, 0, 0)
    maps = torch.zeros(2, 10, 128, 256)
    maps[:, :3] = 12.0 * torch.nn.functional.one_hot(crops.kind, 3).permute(0, 3, 1, 2)
    maps[:, 3] = crops.baseline.nan_to_num()
    maps[:, 4:8] = crops.phase.nan_to_num()
    maps[:, 8] = crops.theta.nan_to_num()
    found = losses(maps, crops)
    assert tuple(found) == NAMES
    assert max(float(found[name]) for name in ("segmentation", "grid", "baseline", "theta")) < 0.01
    assert float(found["signal"]) < 0.25  # the mean of the ink is near the mean row, not at it
    assert all(float(losses(torch.zeros_like(maps), crops)[name]) > 0.01 for name in ("grid", "baseline"))


def test_the_signal_always_weighs_the_same() -> None:
    ones = {name: torch.tensor(1.0) for name in NAMES}
    config = replace(TINY, segmentation=0.0, grid=0.0, baseline=0.0, theta=0.0)
    assert float(total(ones, config)) == SIGNAL_WEIGHT == 2.0


def test_crops_depend_on_the_step_alone(pages: Pages) -> None:
    one, two = (drawn(TINY, pages, ROWS, 7, 11) for _ in range(2))
    assert torch.equal(one.page, two.page)
    assert not torch.equal(one.page, drawn(TINY, pages, ROWS, 7, 12).page)


def test_pixels_near_a_trace_count_for_it() -> None:
    who = np.zeros((20, 1), np.uint8)
    who[10], who[0] = 3, 255
    found = owners(who)[:, 0]
    assert found[6:15].tolist() == [2] * 9 and (found[:6] == NOBODY).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base": 0}, "base 0; give 1 or more"),
        ({"depth": 7}, "depth 7; give 1 to 6"),
        ({"reading": "guess"}, "reading 'guess'; it is one of soft_argmax, centroid"),
        ({"resampling": "sinc"}, "resampling 'sinc'"),
        ({"clip": 0.0}, "clip 0.0"),
        ({"crop": (30, 64)}, "give multiples of 4"),
        ({"crop": (1024, 64)}, "give smaller crops"),
        ({"begin": "nowhere.npz"}, "begin 'nowhere.npz' is no file of weights"),
    ],
)
def test_configs_that_cannot_be(pages: Pages, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        fit(replace(TINY, **change), pages, ROWS, seed=0)
    assert said in str(told.value)


def test_weights_to_begin_with(pages: Pages, tmp_path: Path) -> None:
    first = fit(TINY, pages, ROWS, seed=0).model
    save(first, tmp_path / "w.npz")
    begun = UNet(TINY)
    load(begun, tmp_path / "w.npz")
    assert torch.allclose(begun.head.weight, first.head.weight, atol=1e-3)
    with pytest.raises(ConfigError, match="is no file of weights of this network"):
        load(UNet(replace(TINY, base=4)), tmp_path / "w.npz")


def test_without_tensorboard_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atml\[tensorboard\]'"):
        tensorboard(tmp_path)


def test_a_learner_writes_its_losses(
    root: Path, pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard's writer is a large package of others: here it is one that keeps what it gets."""
    kept: dict[str, set[str]] = {}

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            self.names = kept.setdefault(Path(folder).name, set())

        def add_scalar(self, name: str, value: float, step: int) -> None:
            self.names.add(name)

        def __enter__(self) -> SummaryWriter:
            return self

        def __exit__(self, *_: object) -> None:
            self.names.add("closed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=SummaryWriter))
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache"))
    task = find("paper").task
    data = PageDataset(**{**vars(open_pages([root], task)), "pages": pages})
    learner = PaperLearner(tmp_path)
    for _ in range(2):
        learner.fit(replace(TINY, steps=2), task, data, np.array([0]), seed=5)
    assert set(kept) == {"seed-5-1", "seed-5-2"}
    assert {"loss/total", "loss/signal", "closed"} <= kept["seed-5-2"]


def test_of_a_killed_trial_finished_folds_are_not_trained_again(
    root: Path, pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "usual"))
    task = find("paper").task
    data = PageDataset(**{**vars(open_pages([root], task)), "pages": pages, "cache": tmp_path / "own"})
    config = replace(TINY, pixels=(512, 672))
    folds = [np.array([0]), np.array([1]), np.array([2])]

    def killed(fraction: float, _: float) -> bool:
        raise Killed

    first = PaperLearner()
    whole = [first.fit(config, task, data, rows, seed=at) for at, rows in enumerate(folds[:2])]
    with pytest.raises(Killed):
        first.fit(config, task, data, folds[2], seed=2, on_progress=killed)
    again = PaperLearner()
    told: list[float] = []
    for at, rows in enumerate(folds):
        found = again.fit(
            config,
            task,
            data,
            rows,
            seed=at,
            evaluate=lambda _: 0.5,
            on_progress=lambda fraction, _: told.append(fraction) or True,  # type: ignore[func-returns-value]
        )
        if at < 2:
            assert found.resumed == 6 and told == [1.0] * (at + 1)
            assert same(found.model, whole[at].model)
    states = tmp_path / "own" / "trainings"
    assert len(list(states.glob("*"))) == 3 and not (tmp_path / "usual" / "trainings").exists()
    again.ended()
    assert not list(states.glob("*"))
