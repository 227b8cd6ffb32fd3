"""A contest's total as an objective: what out-of-fold decisions, latency and size would be awarded."""

from __future__ import annotations

from atml import metrics
from atml.errors import InputError
from atml.metrics.predictions import Predictions
from atml.scoring.rules import contest_figures, iccad2022, iccad2023, iesd2024


def contest_points(predictions: Predictions, rule: str, *, qualified: bool = True) -> float:
    """Return the total in points that a contest would award, higher is better.

    Accuracy is that of the predictions; latency and size are those that ``predictions.board`` has, and the
    least that earns full marks where it has none: a detector without a network takes next to nothing. A model
    that is not ``qualified`` gets no points for being fast or small: no speed makes up for wrong decisions.
    What ``predictions.qualified`` says goes before that, so that some of the subjects can be resampled.

    Raises:
        InputError: another rule than "iesd2024", "iccad2022" and "iccad2023", or predictions of a task
            without a positive class.

    Example:
        >>> import numpy as np
        >>> right = Predictions(
        ...     np.eye(2, dtype=np.float32), np.array([0, 1]), np.array(["a", "b"]), board=(5.45, 145.0)
        ... )
        >>> contest_points(right, "iesd2024"), contest_points(right, "iesd2024", qualified=False)
        (76.0, 40.0)
    """
    if predictions.positive is None:
        raise InputError(f"rule {rule} judges tasks with a positive class; this one has none")
    table = metrics.counts(predictions.truth(), predictions.decided(), predictions.subject)
    beta = contest_figures.BETA
    if rule == iccad2022.NAME:
        parts = iccad2022.points(table.pooled().f_beta(beta), *(predictions.board or iccad2022.FULL))
    elif rule == iccad2023.NAME:
        each = table.f_beta(beta, None)
        f, g = float(each.mean()), float((each > iccad2023.GOOD).mean())
        parts = iccad2023.points(f, g, *(predictions.board or iccad2023.FULL))
    elif rule == iesd2024.NAME:
        each = table.f_beta(beta)
        f, g = float(each.mean()), float((each > iesd2024.GOOD).mean())
        parts = iesd2024.points(f, g, *(predictions.board or iesd2024.FULL))
    else:
        raise InputError(f"rule {rule!r} awards no points; iesd2024, iccad2022 and iccad2023 do")
    if predictions.qualified is not None:
        qualified = predictions.qualified
    counted = parts if qualified else {key: parts[key] for key in parts if key in ("F", "G")}
    return float(sum(counted.values()))
