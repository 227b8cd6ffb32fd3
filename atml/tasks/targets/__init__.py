"""Kinds of targets: what a task decides, and all that follows from it.

Add a kind by writing a class with the members of `atml.tasks.targets.base.Target` and putting it into
`TARGETS` under the name that ``Task.kind`` has.
"""

from __future__ import annotations

from collections.abc import Callable

from atml.tasks.targets.base import SubjectTable, Target, Value, shifted
from atml.tasks.targets.binary import BinaryTarget
from atml.tasks.targets.multiclass import MulticlassTarget
from atml.tasks.task import BINARY, MULTICLASS, Task

TARGETS: dict[str, Callable[[Task], Target]] = {BINARY: BinaryTarget, MULTICLASS: MulticlassTarget}
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
    after = task.after_beat
    if after is not None and not 0 < after < task.seconds:
        return f"TASK.after_beat is {after!r}; give seconds above 0 and below the window's {task.seconds:g}"
    return of(task).check()


def shown_as(task: Task) -> str:
    """Return the kind that comes with atml by which a task is written up.

    A kind of a user's own is shown as "binary" where it has a positive class, else as "multiclass".
    """
    if task.kind in (BINARY, MULTICLASS):
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
    "SubjectTable",
    "Target",
    "Value",
    "binary",
    "of",
    "problem",
    "shifted",
    "shown_as",
]
