"""From the logits of a network to labels, their names and scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64, Strings
from atml.data.label_names import JOINT, NONE
from atml.metrics.label_sets import truth
from atml.tasks import targets
from atml.tasks.task import MULTILABEL, Task


def decided(logits: Float32, task: Task) -> Int64:
    """Return the class index of each row, or its labels as bits, by the decision of the task's target."""
    return targets.of(task).labels(logits)


def named(labels: Int64, task: Task) -> Strings:
    """Name classes ``(n,)``, and sets of labels as "AF+RBBB" or "none".

    Example:
        >>> task = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(192, 256), leads=3)
        >>> named(np.array([3, 0]), task).tolist()
        ['AF+PVC', 'none']
    """
    classes = np.asarray(task.classes)
    if task.kind != MULTILABEL:
        return np.asarray(classes[labels], np.str_)
    return np.array([JOINT.join(classes[row]) or NONE for row in truth(labels, len(classes))], np.str_)


def scored(logits: Float32, task: Task) -> npt.NDArray[np.float64]:
    """Turn logits ``(n, classes)`` into scores between 0 and 1: of one class, or of each label by itself.

    Example:
        >>> task = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(192, 256), leads=3)
        >>> scored(np.zeros((1, 2), np.float32), task).tolist()
        [[0.5, 0.5]]
    """
    from scipy.special import expit, softmax

    wide = logits.astype(np.float64)
    return np.asarray(expit(wide) if task.kind == MULTILABEL else softmax(wide, axis=1))
