"""A small data set, a tiny search space, and the command line run for real."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from atml import task_files
from atml.data.synthetic import generator
from atml.searching.plan import prepare
from atml.searching.search_options import Options
from atml.storage import Store
from tests.forked import Forked, load
from tests.searching.studies import ONE, Process, Start
from tests.terminal import run

SPACE = """
from atml import ModelConfig

DEFAULT = {"width": 8, "learning_rate": 0.005}

def suggest(trial):
    width = trial.suggest_int("width", 4, 12, step=4)
    return ModelConfig(
        decimation=5, channels=(width, width), kernels=(7, 7), strides=(2, 2), pool="mean_max",
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True), steps=STEPS, batch=32,
    )
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training and 4 test subjects of synthetic ECG in an npz: easy to tell apart, quick to learn."""
    definition = task_files.find("afib")
    parts = []
    for split, subjects in (("train", 12), ("test", 4)):
        x, y, subject, rhythm = generator.draw(definition.task, split, label=definition.label, seed=1)
        names = list(dict.fromkeys(subject.tolist()))[:subjects]
        rows = np.flatnonzero(np.isin(subject, names))[::2]
        # The slope of each segment's wander gives the class away, so that a tiny net learns it in no time.
        ramp = np.linspace(-1, 1, x.shape[-1], dtype=np.float32) ** 2
        x = x[rows] + 2 * ramp * (2 * y[rows, None, None] - 1)
        parts.append((x.astype(np.float32), y[rows], subject[rows], rhythm[rows], np.full(len(rows), split)))
    path = tmp_path_factory.mktemp("small") / "small.npz"
    names = ("x", "y", "subject", "rhythm", "split")
    np.savez(
        path, **{name: np.concatenate(p) for name, p in zip(names, zip(*parts, strict=True), strict=True)}
    )
    return path


@pytest.fixture
def space(tmp_path: Path) -> Callable[..., Path]:
    """Write a search space of tiny nets, ``steps`` long; ``change`` replaces text in it."""

    def write(steps: int = 40, *change: str) -> Path:
        path = tmp_path / "space.py"
        text = SPACE.replace("STEPS", str(steps))
        path.write_text(text.replace(*change) if change else text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def atml(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in an empty folder, in this process."""
    return functools.partial(run, tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """Have the libraries loaded once for all that is forked here."""
    load()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command line in an empty folder, in a process group of its own, until the test ends.

    It is forked, and with ``fresh`` an interpreter of its own.
    """
    made: list[Process] = []

    def started(*arguments: object, cwd: Path = tmp_path, fresh: bool = False) -> Process:
        made.append(_fresh(cwd, *arguments) if fresh else Forked(arguments, cwd))
        return made[-1]

    yield started
    for process in made:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _fresh(cwd: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


@pytest.fixture
def store(url: str, small: Path, space: Callable[..., Path]) -> Iterator[Store]:
    """A study with a goal of 3 trials and none yet."""
    options = Options(study="s", storage=url, data=(small,), space=space(), trials=3, **ONE)
    prepare(options, lambda line: None).store.close()
    made = Store(url)
    yield made
    made.close()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "atml", *map(str, arguments)]


def wait_for(process: Process, word: str) -> str:
    """Read a started process's lines up to one that holds ``word``."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return line
    raise AssertionError(f"no {word!r} in:\n{''.join(lines)}")
