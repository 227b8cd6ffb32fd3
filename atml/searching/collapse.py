"""Whether a trial has learned nothing by a fixed point of its first fold: the evidence about regions.

A trial collapsed where its outputs hardly differ at half of fold 1, where its training diverged, or where it
stayed below the floor of its objective after fold 1 and was ended for that. All three are fixed before a
search, and the first is known after a tenth of a trial of five folds: from there on a reference draw is
compared with others as any trial is. One that a comparison ends before it fell below the floor counts as one
that learned, which can only keep a region open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from atml.searching import pruning
from atml.training.records import ReportPoint

EVIDENCE = pruning.step(0, 0.5)
"""Report point at which a draw has given its evidence: half of fold 1."""

BELOW_FLOOR = "hopeless"
"""Constraint of a trial that the floor of its objective ended."""


def collapsed(
    constraints: Mapping[str, float],
    steps: Mapping[int, float],
    points: Mapping[int, tuple[float, float]],
    floor: float | None,
) -> bool | None:
    """Return whether a trial that has ended had collapsed; None where it ended before that shows.

    ``steps`` are its reported values and ``points`` its ``(AUC, spread)`` by report point, ``floor`` is
    `TaskDefinition.floor`. A trial without a spread (one of version 0.1, a table recorded by it) collapsed
    where a fold's model decides every window the same, or where its value is below the floor and has
    not moved between its first two reports.

    >>> collapsed({}, {0: 0.4, 1: 0.6}, {1: (0.55, 0.03)}, floor=0.6)
    True
    >>> collapsed({}, {0: 0.3756, 1: 0.3756}, {}, floor=0.6), collapsed({}, {0: 0.4, 1: 0.6}, {}, floor=0.6)
    (True, False)
    >>> collapsed({"size_kib": 3.0}, {}, {}, floor=0.6) is None
    True
    """
    if any(constraints.get(name, 0.0) > 0 for name in ("diverged", BELOW_FLOOR)):
        return True
    auc, spread = points.get(EVIDENCE, (math.nan, math.nan))
    if math.isfinite(spread):
        return pruning.learned_nothing(ReportPoint(0, 0.5, math.nan, auc=auc, spread=spread))
    if constraints.get("constant", 0.0) > 0:
        return True
    if EVIDENCE not in steps:
        return None
    return floor is not None and steps[EVIDENCE] < floor and steps.get(0) == steps[EVIDENCE]
