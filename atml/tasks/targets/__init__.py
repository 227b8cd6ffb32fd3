"""Kinds of targets: what a task decides, and all that follows from it.

Add a kind by writing a class with the members of `atml.tasks.targets.base.Target` and putting it into
`TARGETS` under the name that ``Task.kind`` has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from atml.arrays import Bools, Float32, Int64
from atml.metrics import Predictions, label_sets
from atml.tasks.targets.base import SubjectTable, Target, Value, shifted
from atml.tasks.targets.binary import BinaryTarget
from atml.tasks.targets.multiclass import MulticlassTarget
from atml.tasks.targets.multilabel import MultilabelTarget
from atml.tasks.targets.waveform import WaveformTarget
from atml.tasks.task import BINARY, MULTICLASS, MULTILABEL, WAVEFORM, Task

TARGETS: dict[str, Callable[[Task], Target]] = {
    BINARY: BinaryTarget,
    MULTICLASS: MulticlassTarget,
    MULTILABEL: MultilabelTarget,
    WAVEFORM: WaveformTarget,
}
"""Kinds by name."""


def of(task: Task) -> Target:
    """Return the target of a task.

    Raises:
        ValueError: an unknown kind; `problem` says it in words for a user.

    Example:
        >>> task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> of(task).kind
        'binary'
    """
    if task.kind not in TARGETS:
        raise ValueError(f"task {task.name!r} is of unknown kind {task.kind!r}: {', '.join(TARGETS)}")
    return TARGETS[task.kind](task)


def problem(task: Task) -> str:
    """Say what is wrong with a task, and the way out; "" where it is sound."""
    if task.kind not in TARGETS:
        return f"TASK.kind is {task.kind!r}; known kinds: {', '.join(TARGETS)}"
    if wrong := _shape_problem(task):
        return wrong
    after = task.after_beat
    if after is not None and not 0 < after < task.seconds:
        return f"TASK.after_beat is {after!r}; give seconds above 0 and below the window's {task.seconds:g}"
    return of(task).check()


def _shape_problem(task: Task) -> str:
    """Say what is wrong with the size of what is decided on; "" where it is sound."""
    if task.picture is None:
        if task.sampling_rate < 1 or task.window < 1:
            return "TASK has no sampling_rate and window; give Hz and samples, or picture=(rows, columns)"
        return ""
    if len(task.picture) != 2 or min(task.picture) < 16:
        return f"TASK.picture is {task.picture!r}; give rows and columns in pixels, 16 at least"
    if task.sampling_rate or task.window or task.after_beat is not None:
        return "TASK has a picture and a signal's sampling_rate, window or after_beat; leave those out"
    return ""


def shown_as(task: Task) -> str:
    """Return the kind that comes with atml by which a task is written up.

    A kind of a user's own is shown as "binary" where it has a positive class, else as "multiclass".
    """
    if task.kind in (BINARY, MULTICLASS, MULTILABEL):
        return task.kind
    if task.kind == WAVEFORM:
        return MULTILABEL  # leads are read or not
    return MULTICLASS if task.positive is None else BINARY


def per_class(task: Task, y: Int64) -> list[int]:
    """Count what is of each class, or has each label: ``y (n,)`` to one number a class.

    Example:
        >>> pages = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(32, 40))
        >>> per_class(pages, np.array([0, 1, 3]))
        [2, 1]
    """
    return [int(count) for count in having(task, y).sum(axis=0)]


def having(task: Task, y: Int64) -> Bools:
    """Tell what is of each class, or has each label: ``y (n,)`` to ``(n, classes)``."""
    if task.sets:
        return label_sets.truth(y, len(task.classes))
    return np.asarray(np.asarray(y)[:, None] == np.arange(len(task.classes)))


def names_of(task: Task, label: int) -> str:
    """Name a class, or the labels of a set: "AF + PVC", "none" without any.

    Example:
        >>> pages = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(32, 40))
        >>> names_of(pages, 3), names_of(pages, 0)
        ('AF + PVC', 'none')
    """
    if not task.sets:
        return task.classes[label]
    there = label_sets.truth(np.array([label]), len(task.classes))[0]
    if task.kind == WAVEFORM and there.all():
        return "all leads"
    return " + ".join(np.array(task.classes)[there].tolist()) or "none"


def toy(task: Task, n: int, *, people: int = 2, wrong: bool = False) -> Predictions:
    """Return ``n`` made predictions for so many subjects, all right or all wrong, to try an objective with.

    Every class is there; of several labels each has pages with it and without.
    """
    which = np.arange(n) % len(task.classes)
    y = np.int64(1) << which if task.sets else which
    subject = np.array([f"S{one}" for one in np.arange(n) * people // max(1, n)])
    return of(task).predictions(answers(task, y, wrong=wrong), y, subject)


def answers(task: Task, y: Int64, *, wrong: bool = False) -> Float32:
    """Return logits ``(n, classes)`` of a model that decides every row of ``y (n,)`` right, or wrong.

    Example:
        >>> pages = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(32, 40))
        >>> answers(pages, np.array([1])).tolist(), answers(pages, np.array([1]), wrong=True).tolist()
        ([[0.5, -0.5]], [[-0.5, 0.5]])
    """
    true = having(task, y).astype(np.float32)
    found: Float32 = (1 - true if wrong else true) - np.float32(0.5)
    return found


def binary(task: Task) -> BinaryTarget:
    """Return the binary target of a task, for what only makes sense with a positive class.

    Raises:
        ValueError: the task is of another kind.
    """
    target = of(task)
    if not isinstance(target, BinaryTarget):
        raise ValueError(f"task {task.name!r} is {target.kind}, and this is for binary tasks")
    return target


__all__ = [
    "TARGETS",
    "BinaryTarget",
    "MulticlassTarget",
    "MultilabelTarget",
    "SubjectTable",
    "Target",
    "Value",
    "WaveformTarget",
    "answers",
    "binary",
    "having",
    "names_of",
    "of",
    "per_class",
    "problem",
    "shifted",
    "shown_as",
    "toy",
]
