"""A multinomial logistic regression on a few figures, and how its numbers are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.arrays import Floats, Int64
from atml.evaluation.baselines.base import number

PENALTY = 1.0
"""Half of this times the sum of the squared coefficients is added to the loss, a sum over windows."""

DIGITS = 6
"""Significant digits of what is stored, so that two machines store the same."""


def standardised(measured: Floats, means: Floats, scales: Floats) -> Floats:
    """Standardise ``measured (n, figures)``, the average where unknown, and add a column of ones."""
    return np.column_stack([np.nan_to_num((measured - means) / scales), np.ones(len(measured))])


def regression(design: Floats, y: Int64, classes: int) -> Floats:
    """Coefficients ``(classes, columns)`` of a multinomial logistic regression.

    The last column is not penalised. Minimises the cross entropy of the softmax, summed over windows that
    weigh inversely to the frequency of their class, plus the penalty (Hastie, Tibshirani and Friedman 2009,
    section 4.4), by L-BFGS from zeros.
    """
    from scipy.optimize import minimize  # slow to import, and only this baseline needs it

    counts = np.bincount(y, minlength=classes)
    weight = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))[y]
    truth = np.eye(classes)[y]

    def loss(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(classes, -1)
        logits = design @ table.T
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1))
        penalised = np.column_stack([table[:, :-1], np.zeros(classes)])
        value = weight @ (total - logits[np.arange(len(y)), y]) + PENALTY / 2 * (penalised**2).sum()
        slope = (weight[:, None] * (np.exp(logits - total[:, None]) - truth)).T @ design
        return float(value), (slope + PENALTY * penalised).ravel()

    found = minimize(
        loss, np.zeros(classes * design.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500}
    )
    return np.asarray(found.x, np.float64).reshape(classes, -1)


def rounded(values: Floats) -> Floats:
    """Round to `DIGITS` significant digits."""
    return np.array([float(f"{value:.{DIGITS}g}") for value in values.ravel()]).reshape(values.shape)


def numbers(values: Floats) -> tuple[float, ...]:
    """Return an array as a tuple of floats."""
    return tuple(map(float, values))


def is_row(values: Any, count: int) -> bool:
    """Whether a stored value is a list of so many finite numbers."""
    return isinstance(values, list) and len(values) == count and all(map(number, values))


def is_regression(fields: Mapping[str, Any], figures: int, classes: int) -> bool:
    """Whether stored fields hold finite means, scales and coefficients of so many figures and classes."""
    rows = fields["coefficients"]
    return (
        is_row(fields["means"], figures)
        and is_row(fields["scales"], figures)
        and all(fields["scales"])
        and isinstance(rows, list)
        and len(rows) == classes
        and all(is_row(row, figures + 1) for row in rows)
    )


def heaviest(names: Sequence[str], classes: Sequence[str], coefficients: Sequence[Sequence[float]]) -> str:
    """Name for each class the two figures that weigh most, with their coefficients."""
    parts = []
    for name, row in zip(classes, coefficients, strict=True):
        first, second = np.argsort(-np.abs(row[:-1]), kind="stable")[:2]
        parts.append(f"{name} {names[first]} {row[first]:+.2f}, {names[second]} {row[second]:+.2f}")
    return "; ".join(parts)
