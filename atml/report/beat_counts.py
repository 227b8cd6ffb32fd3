"""Beats counted by patient: true and called class, sensitivity and positive predictivity (numpy, pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats, Int64, Strings
from atml.data.cases import ECTOPIC
from atml.metrics import Interval
from atml.metrics.intervals import resampled

FIGURES = {"Se": "sensitivity", "+P": "positive predictivity"}
"""Short names as EC57 has them."""


@dataclass(frozen=True)
class Patient:
    """Beats of one patient, means over trainings; ``beats`` has all classes.

    By class: how many there are, how many of these are found, and how many others are called so.
    """

    name: str
    beats: float
    wrong: float
    there: tuple[float, ...]
    found: tuple[float, ...]
    false: tuple[float, ...]

    def rate(self, figure: str, index: int) -> float | None:
        """Return a figure of a class, a share; None where it is not defined."""
        rest = self.there[index] - self.found[index] if figure == "Se" else self.false[index]
        whole = self.found[index] + rest
        return self.found[index] / whole if whole else None


def patients(names: Strings, cells: Int64, runs: int) -> list[Patient]:
    """Count by patient, the one with most wrong beats first.

    Args:
        names: Of the patients, ``(n,)``.
        cells: ``(n, classes, classes)``, true by called class, summed over the trainings.
        runs: Trainings.

    Example:
        >>> one = patients(np.array(["106"]), np.array([[[8, 2], [1, 3]]]), 1)[0]
        >>> one.wrong, one.rate("Se", 1), one.rate("+P", 1)
        (3.0, 0.75, 0.6)
    """
    found = []
    for name, table in zip(names.tolist(), cells / runs, strict=True):
        right = np.diag(table)
        found.append(
            Patient(
                name=str(name),
                beats=float(table.sum()),
                wrong=float(table.sum() - right.sum()),
                there=tuple(table.sum(axis=1).tolist()),
                found=tuple(right.tolist()),
                false=tuple((table.sum(axis=0) - right).tolist()),
            )
        )
    return sorted(found, key=lambda one: (-one.wrong, one.name))


def gross(cells: Int64) -> list[dict[str, Interval | None]]:
    """Return sensitivity and positive predictivity of each class over all beats, by the keys of `FIGURES`.

    ``cells`` are as in `patients`. The 95% intervals come from resampling patients; None where a figure is
    not defined.
    """
    return _intervals(cells, _gross(cells.shape[-1]))


def average(cells: Int64) -> list[dict[str, Interval | None]]:
    """Return the same as unweighted means over the patients for whom a figure is defined.

    Example:
        >>> cells = np.array([[[8, 2], [1, 3]], [[9, 1], [0, 0]]])
        >>> [round(one[1]["+P"].value, 2) for one in (gross(cells), average(cells))]
        [0.5, 0.3]
    """
    right = np.diagonal(cells, axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        rates = np.concatenate([right / cells.sum(axis=2), right / cells.sum(axis=1)], axis=1)
    there = np.isfinite(rates)
    return _intervals(np.concatenate([np.where(there, rates, 0.0), there], axis=1), _mean(cells.shape[-1]))


def ectopic(classes: tuple[str, ...]) -> list[int]:
    """Return the indices of the classes that a table by patient has: VEB, then SVEB, or all but the first.

    Example:
        >>> ectopic(("N", "S", "V")), ectopic(("beat", "paced"))
        ([2, 1], [1])
    """
    known = [classes.index(name) for name in ECTOPIC if name in classes]
    return known or list(range(1, len(classes)))


def _intervals(
    table: Int64 | Floats, figures: Callable[[Floats], dict[str, Floats]]
) -> list[dict[str, Interval | None]]:
    flat = table.reshape(len(table), -1)
    found = resampled(flat, figures)
    own = figures(flat.sum(axis=0, keepdims=True).astype(np.float64))
    known = {key: None if np.isnan(own[key][0]) else interval for key, interval in found.items()}
    return [{key: known[f"{key} {i}"] for key in FIGURES} for i in range(len(known) // len(FIGURES))]


def _gross(classes: int) -> Callable[[Floats], dict[str, Floats]]:
    def figures(sums: Floats) -> dict[str, Floats]:
        table = sums.reshape(-1, classes, classes)
        made = {}
        for i in range(classes):
            with np.errstate(invalid="ignore", divide="ignore"):
                made[f"Se {i}"] = table[:, i, i] / table[:, i, :].sum(axis=1)
                made[f"+P {i}"] = table[:, i, i] / table[:, :, i].sum(axis=1)
        return made

    return figures


def _mean(classes: int) -> Callable[[Floats], dict[str, Floats]]:
    def figures(sums: Floats) -> dict[str, Floats]:
        half = 2 * classes
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums[:, :half] / sums[:, half:]
        return {
            f"{key} {i}": means[:, at * classes + i] for at, key in enumerate(FIGURES) for i in range(classes)
        }

    return figures
