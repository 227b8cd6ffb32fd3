"""What a trial is judged by where its objective stands in TUNED of its file.

Where the balance of classes is searched (sampling, thinning, weights), a network that saw classes more evenly
than they come calls rare ones too often, and what it is worth as trained says how it was balanced and not how
well it tells classes apart. The decision of a finalist is tuned on the other folds, so a trial is judged at a
tuned decision too.
"""

from __future__ import annotations

from collections.abc import Callable

from atml.metrics import Predictions
from atml.task_files.definition import TaskDefinition
from atml.tasks.targets import shifted

NOTE = (
    "trials are judged at the decision that suits their own predictions best, finalists at one that the"
    " judged people had no say in"
)

CANDIDATES = 24
"""Candidates for each offset; what ships is chosen among `atml.tasks.targets.base.CANDIDATES`."""


def at_best(definition: TaskDefinition) -> Callable[[Predictions], float]:
    """Return what a trial of a task is judged by.

    The objective; where it is `TaskDefinition.tuned`, at the offsets that make it largest on the very
    predictions that are judged. That is too good by what so few numbers can fit, for every trial alike.
    """
    if not definition.tuned:
        return definition.value

    def value(predictions: Predictions) -> float:
        offsets = definition.target.choose(predictions, definition.value, floor=0.0, count=CANDIDATES)
        return definition.value(shifted(predictions, offsets))

    return value
