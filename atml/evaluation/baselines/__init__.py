"""Baselines without a network: what a network has to beat to be worth its size.

An objectives file names one as ``BASELINE``. Add another by writing a class with the members of
`atml.evaluation.baselines.base.Method` and putting an instance into `BASELINES` under its name.
"""

from __future__ import annotations

from typing import Any

from atml.errors import ExportError, TaskFileError
from atml.evaluation.baselines import beat_regression, peak_count, rr_irregularity, rr_regression
from atml.evaluation.baselines.base import Baseline, Method
from atml.evaluation.baselines.beat_regression import BeatRegression
from atml.tasks.task import Task

BASELINES: dict[str, Method] = {
    one.name: one
    for one in (peak_count.METHOD, rr_irregularity.METHOD, rr_regression.METHOD, beat_regression.METHOD)
}
"""Methods by the name that a task's objectives file gives as ``BASELINE``."""


def method(name: str, task: Task) -> Method:
    """Return the method of a name.

    Raises:
        TaskFileError: a name that is not there, or a method that can't be fitted to ``task``.

    Example:
        >>> classes = ("N", "AF", "O")
        >>> task = Task(name="rhythm", kind="multiclass", classes=classes, sampling_rate=100, window=900)
        >>> method("rr_regression", task).name
        'rr_regression'
    """
    if name not in BASELINES:
        raise TaskFileError(
            f"no baseline {name!r}; BASELINE in an objectives file is one of {', '.join(BASELINES)}"
        )
    problem = BASELINES[name].problem(task)
    if problem:
        raise TaskFileError(f"baseline {name!r} is not for task {task.name!r}: {problem}")
    found = BASELINES[name]
    return found.of(task) if isinstance(found, BeatRegression) else found


def from_dict(fields: Any) -> Baseline:
    """Rebuild a fitted baseline from its `Baseline.to_dict`.

    Raises:
        ExportError: whatever that did not write.
    """
    if not isinstance(fields, dict) or not {"name", "version"} <= set(fields):
        have = ", ".join(map(str, fields)) if isinstance(fields, dict) else repr(fields)
        raise ExportError(f"a baseline has name, version and numbers, not {have}; export the model again")
    name, version = fields["name"], fields["version"]
    if not isinstance(name, str) or name not in BASELINES or version != BASELINES[name].version:
        known = ", ".join(f"{one.name} of version {one.version}" for one in BASELINES.values())
        raise ExportError(
            f"baseline {name!r} of version {version!r} is none of this version's: {known}; export the model"
            " again"
        )
    return BASELINES[name].from_dict(fields)


__all__ = ["BASELINES", "Baseline", "Method", "from_dict", "method"]
