"""What a report shows of preparation and augmentation is what training does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from atml import models
from atml.models.config import ModelConfig
from atml.report.layers import layers
from atml.report.sections import preparation, training_parameters
from atml.tasks.task import Task
from atml.training.augmentation import KINDS, one_by_one, prepared

TASK = Task(name="tiny", classes=("other", "AF"), positive=1, sampling_rate=100, window=400)


def config(**fields: Any) -> ModelConfig:
    return ModelConfig(normalise="zscore", decimation=2, channels=(4,), kernels=(5,), strides=(2,), **fields)


def signal(n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(1.0, 3.0, (n, 1, 400)).astype(np.float32)


@pytest.mark.parametrize("kind", ["none", "centre", "zscore", "maxabs", "rr", "beat"])
def test_prepared_is_what_the_network_sees(kind: str) -> None:
    made = ModelConfig(normalise=kind, decimation=3, channels=(4,), kernels=(5,), strides=(2,))
    task = replace(TASK, after_beat=1.0)
    net = models.build(made, task)
    assert np.array_equal(prepared(made, signal(), task), net.inputs(torch.from_numpy(signal())).numpy())


def changed(kind: str, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = config(**{kind: strength})
    before = prepared(made, signal(), TASK)
    found = one_by_one(made, before, sampling_rate=100, seed=7)
    assert list(found) == [kind]
    return before, *found[kind]


def test_each_change_does_what_is_said_of_it() -> None:
    before, after, _ = changed("scale", 0.5)
    ratio = after / before
    assert np.allclose(ratio, ratio[:, :, :1], rtol=1e-4) and not np.allclose(ratio, 1)
    before, after, _ = changed("shift", 0.25)
    for one, other in zip(before[:, 0], after[:, 0], strict=True):
        assert any(np.array_equal(np.roll(one, by), other) for by in range(-50, 51))
    before, after, _ = changed("noise", 0.4)
    # White noise at the full rate is less by the square root of the decimation.
    assert (after - before).std() == pytest.approx(0.4 / np.sqrt(2) * before.std(), rel=0.15)
    before, after, _ = changed("wander", 0.4)
    added = (after - before)[:, 0]
    assert np.abs(np.fft.rfft(added))[:, 4:].sum() < np.abs(np.fft.rfft(added))[:, :4].sum()
    before, after, shares = changed("mixup", 0.5)
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(np.einsum("ij,jkl->ikl", shares, before), after, atol=1e-5)


def test_changes_are_shown_one_by_one_and_twice_the_same() -> None:
    every = config(**dict.fromkeys(KINDS, 0.2))
    before = prepared(every, signal(), TASK)
    first, second = (one_by_one(every, before, sampling_rate=100, seed=7) for _ in range(2))
    assert tuple(first) == KINDS
    assert all(np.array_equal(first[kind][0], second[kind][0]) for kind in KINDS)
    assert np.allclose(first["scale"][0] / before, (first["scale"][0] / before)[:, :, :1], rtol=1e-4)
    assert one_by_one(config(), before, sampling_rate=100, seed=7) == {}


def test_upright_and_patches_are_boxes_of_the_drawing() -> None:
    made = ModelConfig(channels=(), kernels=(), strides=(), cell="gru", units=4, patch=8, upright=True)
    boxes = {layer.title: layer for layer in layers(made, TASK)}
    assert list(boxes)[:4] == ["ECG", "normalise", "turn upright", "patches"]
    assert (boxes["patches"].detail, boxes["patches"].leaves) == ("8 samples each", "8 × 50")
    plain = [layer.title for layer in layers(config(), TASK)]
    assert "turn upright" not in plain and "patches" not in plain


def test_preparation_says_upright_and_patches() -> None:
    said = preparation.steps(ModelConfig(upright=True, patch=8))
    assert "third central moment is negative" in said and "reads 8 samples at once" in said
    plain = preparation.steps(config())
    assert "third central moment" not in plain and "at once" not in plain


@pytest.mark.parametrize(
    ("kind", "strength", "says"),
    [
        ("polarity", 1.0, "with probability 1; here 2 of 2 are"),
        ("stretch", 0.2, "logarithm of its speed 0.2;"),
        ("filter", 0.3, "second difference, 0.3 at most"),
    ],
)
def test_each_augmentation_is_described_by_its_own_rule(kind: str, strength: float, says: str) -> None:
    before, after, shares = changed(kind, strength)
    made = config(**{kind: strength})
    said = preparation.effect(kind, made, before, after, shares)
    assert says in said and said.startswith(kind.capitalize()) and said.endswith(".")


def test_the_training_is_described_with_its_first_weights_and_all_augmentations() -> None:
    every = config(**dict.fromkeys(KINDS, 0.2), init="data")
    said = training_parameters.training_words(3, every)
    assert "weights scaled to the training windows" in said
    assert "changes of speed of 0.20" in said and "filters of up to 0.20" in said
    assert "turning 20% of the windows upside down" in said
    assert "scaled to" not in training_parameters.training_words(3, config())
