"""Decisions on made-up test sets, and an export with a set that it was not trained on."""

import shutil

import numpy as np
import pytest

from atml.artifacts.export import export
from atml.scoring.rules import Judged
from atml.tasks.task import Task
from tests.artifacts.conftest import make  # noqa: F401
from tests.scoring.exported import write_contest


def decisions(y_true, y_pred, subject, rhythm=None, x=None, task=None, **fields):
    y_true = np.asarray(y_true, np.int64)
    task_fields = {"classes": ("no", "yes"), "positive": 1, "sampling_rate": 250, "window": 1250}
    if task is None:
        task = Task(name="made-up", **{key: fields.pop(key, value) for key, value in task_fields.items()})
    n = len(y_true)
    return Judged(
        task=task,
        y_true=y_true,
        y_pred=np.asarray(y_pred, np.int64),
        subject=np.asarray(subject, np.str_),
        rhythm=np.asarray(rhythm if rhythm is not None else ["N"] * n, np.str_),
        x=np.zeros((n, 1, task.window), np.float32) if x is None else np.asarray(x, np.float32),
        **fields,
    )


@pytest.fixture(scope="session")
def judged():
    """Build a Judged from labels, decisions and subjects."""
    return decisions


@pytest.fixture(scope="session")
def trained(make, tmp_path_factory):  # noqa: F811
    """An export trained on S0 to S7."""
    root = tmp_path_factory.mktemp("exports")
    return export(make.net(), make.record(), make.dataset().x, root=root)


@pytest.fixture
def exported(trained, tmp_path):
    """A copy of its folder that a test may write to."""
    return shutil.copytree(trained.folder, tmp_path / "exports" / trained.folder.name)


@pytest.fixture(scope="session")
def unseen(make, tmp_path_factory):  # noqa: F811
    """A test split of T0 to T5, 12 windows each."""
    dataset = make.dataset(subjects=6, each=12, seed=1)
    renamed = make.replace(dataset, subject=np.char.replace(dataset.subject, "S", "T"))
    return write_contest(tmp_path_factory.mktemp("data") / "waves", renamed)
