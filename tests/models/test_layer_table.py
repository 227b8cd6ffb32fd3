import dataclasses
import random

import pytest

from atml.errors import ShapeError
from atml.models import cost
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent.layer_table import layers
from atml.models.families.conv_recurrent.shapes import ACTIVATIONS, CELLS, NORMS, POOLS, shapes
from atml.tasks.task import Task

TASK = Task(name="tiny", classes=("no", "yes", "both"), positive=1, sampling_rate=50, window=250, leads=2)


def any_config(seed):
    rng = random.Random(seed)
    depth = rng.randint(0, 4)
    return ModelConfig(
        decimation=rng.choice([1, 2]),
        channels=tuple(rng.randint(1, 20) for _ in range(depth)),
        kernels=tuple(rng.randint(1, 9) for _ in range(depth)),
        strides=tuple(rng.randint(1, 3) for _ in range(depth)),
        separable=rng.random() < 0.5,
        norm=rng.choice(NORMS),
        activation=rng.choice(ACTIVATIONS),
        cell=rng.choice(CELLS if depth else CELLS[1:]),
        units=rng.randint(1, 20),
        layers=rng.randint(1, 3),
        bidirectional=rng.random() < 0.5,
        pool=rng.choice(POOLS),
    )


@pytest.mark.parametrize("seed", range(60))
def test_layers_add_up_to_the_cost(seed):
    config = any_config(seed)
    try:
        whole = cost(config, TASK)
    except ShapeError:
        config = dataclasses.replace(config, strides=(1,) * len(config.strides))
        whole = cost(config, TASK)
    listed = layers(config, TASK)
    assert sum(layer.parameters for layer in listed) == whole.parameters
    assert sum(layer.fixed for layer in listed) == whole.fixed
    assert sum(layer.macs for layer in listed) == whole.macs
    assert listed[0].shape == (2, 250) and listed[-1].shape == (3,)
    assert listed[-2].shape == (shapes(config, TASK).features,)


def test_names_tell_what_a_layer_does():
    config = ModelConfig(
        channels=(8, 16), kernels=(7, 5), strides=(2, 1), separable=True, cell="lstm", bidirectional=True
    )
    assert [(layer.name, layer.shape) for layer in layers(config, TASK)] == [
        ("input", (2, 250)),
        ("normalise: zscore", (2, 250)),
        ("conv 7 / 2, batch norm, relu", (8, 125)),
        ("separable conv 5, batch norm, relu", (16, 125)),
        ("LSTM 16, both directions", (125, 32)),
        ("pool: mean", (32,)),
        ("linear", (3,)),
    ]
