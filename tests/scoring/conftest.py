"""Decisions on made-up test sets."""

import numpy as np
import pytest

from atml.scoring.rules import Judged
from atml.tasks.task import Task


def make(y_true, y_pred, subject, rhythm=None, x=None, task=None, **fields):
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
    return make
