"""Kinds of targets: what a task decides, and all that follows from it.

Add a kind by writing a class with the members of `atml.tasks.targets.base.Target` and putting it into
`TARGETS` under the name that ``Task.kind`` has.
"""

from __future__ import annotations

from collections.abc import Callable

from atml.tasks.targets.base import SubjectTable, Target, Value, shifted
from atml.tasks.targets.binary import BinaryTarget
from atml.tasks.targets.multiclass import MulticlassTarget
from atml.tasks.targets.multilabel import MultilabelTarget
from atml.tasks.task import BINARY, MULTICLASS, MULTILABEL, Task

TARGETS: dict[str, Callable[[Task], Target]] = {
    BINARY: BinaryTarget,
    MULTICLASS: MulticlassTarget,
    MULTILABEL: MultilabelTarget,
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
    return MULTICLASS if task.positive is None else BINARY


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
    "binary",
    "of",
    "problem",
    "shifted",
    "shown_as",
]
