"""Figures of a model as files have them, read back: where they are from, intervals, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from atml.arrays import Int64
from atml.formatting import between
from atml.metrics import Interval

Figures = Mapping[str, Any]
"""What a metrics.json or the file of an evaluation holds, or the same from stored predictions."""


@dataclass(frozen=True)
class Source:
    """Where figures are from: ``kind`` is "card", or why the study's predictions stand in for one."""

    figures: Figures
    trial: int
    runs: int
    kind: str = "card"

    @property
    def words(self) -> str:
        """Say it for a caption."""
        how = "" if self.runs == 1 else f", mean of {self.runs} trainings on fresh seeds"
        what = "as in its model card" if self.kind == "card" else self.kind
        return f"of trial {self.trial} out of fold{how}, {what}"


def interval_of(fields: Figures | None) -> Interval | None:
    """Read an interval back from JSON; None where one of its numbers is missing."""
    if not fields or any(fields.get(key) is None for key in ("value", "low", "high")):
        return None
    return Interval(fields["value"], fields["low"], fields["high"])


def baseline_title(baseline: Figures) -> str:
    """Name a baseline in words; earlier versions kept only the name that it has in code.

    Example:
        >>> baseline_title({"name": "peak_count"}), baseline_title({"name": "peak_count", "title": "peaks"})
        ('peak count', 'peaks')
    """
    return str(baseline.get("title") or baseline["name"].replace("_", " "))


def beside(number: float, interval: Interval) -> int:
    """Return -1 where a number is below an interval, 1 above it and 0 within, all as they are printed.

    Example:
        >>> beside(0.9854, Interval(0.96, 0.943, 0.9851))  # "0.985 lies within 0.943 to 0.985"
        0
    """
    at, low, high = (round(one, 3) for one in (number, interval.low, interval.high))
    return (at > high) - (at < low)


def gain_in_accuracy(figures: Figures, more: Interval) -> str:
    """Say the balanced accuracy of a network and of its baseline, and their difference ``more``."""
    own, theirs = (interval_of(of["rates"].get("balanced accuracy")) for of in (figures, figures["baseline"]))
    both = f" ({own.value:.3f} and {theirs.value:.3f})" if own is not None and theirs is not None else ""
    return (
        f"The network's balanced accuracy less that of the baseline{both} is {more.value:+.3f}, 95% interval"
        f" {more.low:+.3f} to {more.high:+.3f}"
    )


def averaged(cells: Int64, runs: int) -> Int64:
    """Divide counts ``(..., rows, columns)`` by ``runs`` so that every row keeps its sum.

    Example:
        >>> averaged(np.array([[3, 5], [1, 1]]), 2).tolist()
        [[2, 2], [1, 0]]
    """
    found = np.ascontiguousarray(cells // runs)
    width = cells.shape[-1]
    for row, counts in zip(found.reshape(-1, width), cells.reshape(-1, width), strict=True):
        short = round(counts.sum() / runs) - int(row.sum())
        row[np.argsort(-(counts % runs), kind="stable")[:short]] += 1
    return np.asarray(found)


def worst_first(figures: Figures) -> Figures:
    """Return figures whose subjects begin with the lowest rate: version 0.1 listed them by F-beta."""
    rows = figures.get("subjects") or []
    if not rows or "sensitivity" not in rows[0]:
        return figures

    def lowest(row: Figures) -> tuple[float, float, str]:
        return min(row["sensitivity"], row["specificity"]), row["f_beta"], str(row["subject"])

    return {**figures, "subjects": sorted(rows, key=lowest)}


def spread_of_subjects(figures: Figures, key: str, name: str) -> str:
    """Say how far subjects differ in one figure; its mean is ``intervals["F"]``."""
    rows = figures["subjects"]
    low, middle, high = np.quantile([row[key] for row in rows], (0.25, 0.5, 0.75))
    mean = interval_of(figures["intervals"]["F"])
    assert mean is not None
    worst = min(rows, key=lambda row: (row[key], str(row["subject"])))
    return (
        f"Their {name} has a median of {middle:.3f}, half lie from {low:.3f} to {high:.3f}, and the worst,"
        f" {worst['subject']}, has {worst[key]:.3f}; the mean is {mean.value:.3f}, 95% interval"
        f" {between(mean)}."
    )


def worth_of(decision: str, figures: Figures, name: str) -> str:
    """Say what choosing a decision is worth: as trained, where it was chosen, and on other folds.

    ``decision`` is "" for the plain one, ``name`` is what was chosen: "threshold", "offsets".
    """
    naive, tuned = float(np.mean(figures["naive"])), float(np.mean(figures["tuned"]))
    value = f"{float(figures['value']):.3f}, the value to rely on"
    if not decision and figures.get("decision"):
        others = float(np.mean(figures["cross_fitted"]))
        return (
            f"as trained, where the objective is {value}; with the {name} chosen for each fold on the others"
            f" it would be {others:.3f}, no gain beyond its noise"
        )
    if not decision:  # of an earlier version, which judged cross-fitted decisions whatever it shipped
        return (
            f"as trained: nothing else did better from fold to fold. There the objective is {naive:.3f}; with"
            f" the {name} chosen for each fold on the others it is {value}"
        )
    return (
        f"{decision}. As trained, at 0, the objective is {naive:.3f}; as chosen, judged where that was done,"
        f" {tuned:.3f}; and with the {name} chosen for each fold on the others {value}"
    )
