"""A real study for reports: a tiny search on synthetic ECG, its winner exported and scored, just once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from atml import task_files
from atml.data.synthetic import generator
from atml.report.material import Material
from atml.storage import Store
from tests.report import made, made_pages
from tests.terminal import run

THREE_TASK = """
from atml import Predictions, Task
from atml.metrics import macro_f1

TASK = Task(name="rhythm", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=250, window=1250)
QUALIFIES = 0.05
MAX_SIZE_KIB = 256.0
RULE = ""
BASELINE = ""

def label(rhythm: str) -> int | None:
    '''The class of a rhythm name.'''
    return {"SR": 0, "AFIB": 1, "B": 2, "T": 2}.get(rhythm)

def value(predictions: Predictions) -> float:
    '''Macro F1 over N, AF and O.'''
    return macro_f1(predictions)
"""

SPACE = """
from atml import ModelConfig

DEFAULT = {"width": 8}

def suggest(trial):
    width = trial.suggest_int("width", 4, 8, step=4)
    return ModelConfig(
        decimation=5, channels=(width, width), kernels=(7, 7), strides=(2, 2), pool="mean_max",
        learning_rate=0.005, steps=40, batch=64, label_smoothing=0.05, positive_weight=1.2,
        scale=0.1, noise=0.1, wander=0.2, shift=0.1, mixup=0.2,
    )
"""


@dataclass(frozen=True)
class Searched:
    """A study on disk: where its database is, its name, its data, and the folder of its export."""

    url: str
    study: str
    data: Path
    export: Path

    def store(self) -> Store:
        return Store(self.url, create=False)


def draw(path: Path, subjects: tuple[int, int] = (9, 4)) -> None:
    """Write synthetic ECG in which the slope of the wander gives the class away: a tiny net learns it."""
    definition = task_files.find("afib")
    parts = []
    for split, count in zip(("train", "test"), subjects, strict=True):
        x, y, subject, rhythm = generator.draw(definition.task, split, label=definition.label, seed=1)
        names = list(dict.fromkeys(subject.tolist()))[:count]
        rows = np.flatnonzero(np.isin(subject, names))[::3]
        ramp = np.linspace(-1, 1, x.shape[-1], dtype=np.float32) ** 2
        # One segment in 15 points the other way, so that some decisions are wrong.
        way = np.where(np.arange(len(rows)) % 15 == 7, -1, 1)[:, None, None]
        x = x[rows] + 2.0 * way * ramp * (2 * y[rows, None, None] - 1)
        parts.append((x.astype(np.float32), y[rows], subject[rows], rhythm[rows], np.full(len(rows), split)))
    names = ("x", "y", "subject", "rhythm", "split")
    np.savez(
        path, **{name: np.concatenate(p) for name, p in zip(names, zip(*parts, strict=True), strict=True)}
    )


def draw_three(path: Path, subjects: int = 9, each: int = 24) -> None:
    """Write windows of three classes: a slope downwards, none, and one upwards, with every 12th astray."""
    random = np.random.default_rng(5)
    rows = subjects * each
    y = random.integers(0, 3, rows)
    drawn = np.where(np.arange(rows) % 12 == 7, random.integers(0, 3, rows), y)
    x = random.normal(size=(rows, 1250)) * 0.4 + np.linspace(-1, 1, 1250) ** 2 * 2.0 * (drawn[:, None] - 1)
    # Class O has two rhythms.
    rhythm = np.where(y == 2, np.where(np.arange(rows) % 2, "B", "T"), np.array(["SR", "AFIB", ""])[y])
    subject = np.repeat([f"P{i}" for i in range(subjects)], each)
    np.savez(
        path,
        x=x[:, None].astype(np.float32),
        y=y,
        subject=subject,
        rhythm=rhythm,
        split=np.full(rows, "train"),
    )


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Database of a made study and of one without trials; nothing may change it."""
    where = f"sqlite:///{tmp_path_factory.mktemp('made')}/studies.db"
    store = Store(where)
    made.study(store, "made", made.TRIALS)
    store.study("bare", made.spec())
    store.close()
    return where


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Search and export three classes for real; nothing may change it."""
    folder = tmp_path_factory.mktemp("three")
    data, url = folder / "three.npz", f"sqlite:///{folder}/studies.db"
    draw_three(data)
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    (folder / "judge.py").write_text(THREE_TASK, encoding="utf-8")
    told = ["--storage", url, "--workers", 1, "--trials", 3, "--folds", 3, "--finalists", 1]
    files = ["--space", folder / "space.py", "--objective", folder / "judge.py"]
    search = ["search", "--task", "rhythm", "--data", data, *files]
    done = run(folder, *search, *told, "--repeats", 2, "--study", "three", "--json")
    assert done.returncode == 0, done.stderr
    (export,) = (folder / "exports" / "three").iterdir()
    return Searched(url, "three", data, export)


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Search, export and score for real; nothing may change it."""
    folder = tmp_path_factory.mktemp("searched")
    data, url = folder / "small.npz", f"sqlite:///{folder}/studies.db"
    draw(data)
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    told = ["--storage", url, "--workers", 1, "--trials", 3, "--folds", 3, "--finalists", 1]
    search = ["search", "--task", "afib", "--data", data, "--space", folder / "space.py"]
    done = run(folder, *search, *told, "--repeats", 2, "--study", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    (export,) = (folder / "exports" / "tiny").iterdir()
    done = run(folder, "score", export, "--data", data, "--storage", url, "--json")
    assert done.returncode == 0, done.stderr
    return Searched(url, "tiny", data, export)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Search, export and score three labels of tiny pages for real; nothing may change it."""
    pytest.importorskip("PIL", reason="Pillow is not installed here; pip install 'atml[images]'")
    folder = tmp_path_factory.mktemp("pages")
    url, data = f"sqlite:///{folder}/studies.db", made_pages.folder(folder / "train")
    told = ["--storage", url, "--workers", 1, "--trials", 2, "--folds", 2, "--finalists", 1, "--repeats", 2]
    made_pages.task(folder)
    search = ["search", "--task", "three", "--data", data]
    done = run(folder, *search, *told, "--study", "pages", "--unqualified", "--json")
    assert done.returncode == 0, done.stderr
    store = Store(url, create=False)
    export = Material(store, "pages").winner.folder
    store.close()
    test = made_pages.folder(folder / "test", first=20, hearts=8)
    done = run(folder, "score", export, "--data", test, "--storage", url, "--json")
    assert done.returncode == 0, done.stderr
    return Searched(url, "pages", data, export)
