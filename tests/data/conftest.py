"""Small contest sets on disk, and the task that reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data.dataset import Dataset
from atml.tasks.task import Task

TASK = Task(name="af", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)


@pytest.fixture
def task() -> Task:
    return TASK


@pytest.fixture
def label() -> Callable[[str], int | None]:
    return {"AFIB": 1, "N": 0, "": 0, "T": 0}.get


@pytest.fixture
def opened(task: Task, label: Callable[[str], int | None], tmp_path: Path) -> Callable[..., Dataset]:
    """Open sets together, by a cache of the test's own."""

    def call(*paths: Path, **options: object) -> Dataset:
        return atml.data.open(paths, **{"task": task, "label": label, "cache": tmp_path / "cache", **options})

    return call


@pytest.fixture
def signal() -> Callable[..., np.ndarray]:
    """Return noise with seven decimals, the same for the same key."""

    def draw(*key: int, samples: int = 100) -> np.ndarray:
        return np.round(np.random.default_rng(key).normal(0, 1, samples), 7)

    return draw


@pytest.fixture
def put(signal: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write one segment file, of noise unless told otherwise."""

    def write(folder: Path, name: str, values: object = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if values is None:
            values = signal(*name.encode())
        text = values if isinstance(values, str) else "".join(f"{value:.7f}\n" for value in values)
        (folder / name).write_text(text)
        return folder / name

    return write


@pytest.fixture
def contest(tmp_path: Path, put: Callable[..., Path]) -> Path:
    """Write 3 train subjects of 8 segments and 2 test subjects of 4, in the two-folder layout."""
    root = tmp_path / "contest"
    for folder, people, count in (("train_data", ("S1", "S11", "S2"), 8), ("test_data", ("S3", "S4"), 4)):
        for subject in people:
            for number in range(count):
                rhythm = "AFIB" if number % 2 else "N"
                put(root / folder, f"{subject}-{rhythm}-{number}.txt")
    return root
