"""Networks of every layer, cell, pool, norm, activation and input step, as programs; shared by tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml.artifacts.backends import onnx_w8
from atml.artifacts.backends.onnx import graph
from atml.device import c
from atml.device.program import W8, Program
from atml.device.quantised import Quantised
from atml.device.reading import read
from atml.device.toolchains.building import Image, build
from atml.errors import ToolchainError
from atml.models.config import ModelConfig
from atml.tasks.task import MULTICLASS, Task
from tests.lively import lively

TASK = Task(name="tiny", classes=("no", "yes"), positive=1, sampling_rate=50, window=125)
LEADS = dataclasses.replace(TASK, leads=2)
BEATS = dataclasses.replace(LEADS, after_beat=0.8)
CLASSES = dataclasses.replace(TASK, classes=("a", "b", "c", "d"), positive=None, kind=MULTICLASS)
SMALL = ModelConfig(channels=(4, 6), kernels=(5, 4), strides=(2, 1), units=3)


def _small(**fields: Any) -> ModelConfig:
    return dataclasses.replace(SMALL, **fields)


def _cell(**fields: Any) -> ModelConfig:
    return ModelConfig(**{"channels": (), "kernels": (), "strides": (), "units": 5, **fields})


# Each of every kind with each pool: cells, directions and layers go round, and so do norms and activations.
CASES: dict[str, tuple[ModelConfig, Task]] = {
    "mean, batch norm, relu": (SMALL, TASK),
    "max, layer norm, leaky relu": (_small(pool="max", norm="layer", activation="leaky_relu"), TASK),
    "mean and max, no norm, elu, separable": (
        _small(pool="mean_max", norm="none", activation="elu", separable=True),
        LEADS,
    ),
    "last, silu, layer norm, separable": (
        _small(pool="last", norm="layer", activation="silu", separable=True),
        TASK,
    ),
    "attention, hardswish": (_small(pool="attention", activation="hardswish"), CLASSES),
    "tanh, stride above kernel": (
        _small(channels=(3, 5), kernels=(3, 2), strides=(4, 3), activation="tanh"),
        TASK,
    ),
    "lstm, mean": (_small(cell="lstm"), TASK),
    "lstm x2, max, centred": (_small(cell="lstm", layers=2, pool="max", normalise="centre"), LEADS),
    "bilstm, mean and max": (_small(cell="lstm", bidirectional=True, pool="mean_max"), TASK),
    "bilstm x2, last": (_small(cell="lstm", bidirectional=True, layers=2, pool="last"), TASK),
    "lstm of patches, attention": (_cell(cell="lstm", patch=4, pool="attention"), LEADS),
    "gru, last, largest magnitude": (_small(cell="gru", pool="last", normalise="maxabs"), TASK),
    "gru x2, attention, classes": (_small(cell="gru", layers=2, pool="attention"), CLASSES),
    "bigru, max": (_small(cell="gru", bidirectional=True, pool="max"), TASK),
    "bigru x2 of patches, mean": (
        _cell(cell="gru", bidirectional=True, layers=2, patch=5, decimation=2),
        TASK,
    ),
    "gru of patches, mean and max": (_cell(cell="gru", patch=7, pool="mean_max"), LEADS),
    "rr, decimated": (_small(normalise="rr", decimation=2), LEADS),
    "as it is, upright, decimated": (_small(normalise="none", upright=True, decimation=3), LEADS),
    "beat, decimated": (_small(normalise="beat", decimation=2), BEATS),
    "beat, lstm, classes": (
        _small(normalise="beat", cell="lstm", pool="last"),
        dataclasses.replace(CLASSES, after_beat=0.7),
    ),
    "beat, gru of patches": (_cell(normalise="beat", cell="gru", patch=6, pool="attention"), BEATS),
    "z-score, upright": (_small(upright=True), TASK),
    "each lead, as it is, gru": (_small(normalise="none", each_lead=True, cell="gru", decimation=2), LEADS),
    "each lead, beat, lstm, classes": (
        _small(normalise="beat", each_lead=True, cell="lstm", pool="attention"),
        dataclasses.replace(CLASSES, after_beat=0.7, leads=3),
    ),
    "each lead, rr, layer norm": (_small(normalise="rr", each_lead=True, norm="layer", pool="max"), LEADS),
}


def model(name: str, format: str = "f32") -> tuple[bytes, Program]:
    """The ONNX file of a case in a format, and its program."""
    config, task = CASES[name]
    file = graph(lively(config, task), task).SerializeToString()
    if format == W8:
        file = onnx_w8.quantised(file)
    return file, read(file, config, task)


def ecg(task: Task, count: int, seed: int = 0) -> np.ndarray:
    """Noise with an offset; every hundredth window has a sample that is none."""
    x = np.random.default_rng(seed).normal(0.3, 1.7, (count, task.leads, task.window)).astype(np.float32)
    x[50::100, -1, 7] = np.nan
    return x


def compiled(program: Program | Quantised, where: Path, target: str = "host", **more: Any) -> Image:
    """Its C, built for a target; skipped, and said why, where nothing here compiles for it."""
    for name, text in c.write(program, sampling_rate=50, hop=25).items():
        (where / name).write_text(text, encoding="utf-8")
    try:
        return build(where, target, **more)
    except ToolchainError as error:
        pytest.skip(str(error))
