"""What came of a study, in figures and row by row: the winner, its out-of-fold decisions, its other data.

Figures are those of the export's metrics.json, which its card prints too. Where nothing was exported they are
worked out from the stored predictions by the function that makes those of an export. Nothing is worked out in
a second way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64
from atml.artifacts.model import ExportedModel, infer, load
from atml.data.dataset import DataSource
from atml.data.formats.detection import tells_millivolts
from atml.errors import ExportError, InputError
from atml.evaluation.result import CrossValidationResult, cross_validation_result
from atml.metrics import FOUR, Confusion, Interval
from atml.metrics.predictions import Predictions
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.report.material import Material

Floats = npt.NDArray[np.float64]

WORK = 4e10
"""Multiply-accumulates that looking at the training data may take: some 20 s. Of more, a part is taken."""


NEEDED = ("rates", "intervals", "subjects", "threshold", "naive", "tuned", *FOUR)
"""Without any of these a metrics.json is damaged, or of a version that did not know it yet."""


@dataclass(frozen=True)
class Source:
    """Where figures are from: ``kind`` is "card", or why the study's predictions stand in for one."""

    figures: Mapping[str, Any]
    trial: int
    runs: int
    kind: str = "card"

    @property
    def words(self) -> str:
        """Say it for a caption."""
        how = "" if self.runs == 1 else f", mean of {self.runs} trainings on fresh seeds"
        what = "the card's figures" if self.kind == "card" else self.kind
        return f"trial {self.trial} out of fold{how}; {what}"


class Outcome:
    """What came of a study; each part is None where ``why`` says what is missing."""

    def __init__(self, material: Material) -> None:
        self.material = material

    @property
    def why(self) -> str:
        """Why there are no out-of-fold predictions, "" where there are some."""
        if self.material.best is None:
            return "no trial has run over every fold and kept the budget yet"
        if self.material.plan is None:
            return self.material.plan_gone
        return "" if self.material.out_of_fold else "the study keeps no predictions of its best trial"

    @cached_property
    def evidence(self) -> CrossValidationResult | None:
        """What the stored predictions of the winner say; None without them or without the data."""
        runs, plan = self.material.out_of_fold, self.material.plan
        if not runs or plan is None:
            return None
        return cross_validation_result(
            plan.definition.target,
            [predictions for _, predictions in runs],
            [rows for rows, _ in runs],
            plan.folds,
            plan.definition.value,
            qualifies=plan.definition.qualifies,
            rhythm=plan.dataset.rhythm,
        )

    @cached_property
    def source(self) -> Source | None:
        """Return the winner's figures out of fold; None where there are none."""
        best, winner = self.material.best, self.material.winner
        if best is None:
            return None
        if winner is not None and all(key in winner.metrics for key in NEEDED):
            return Source(winner.metrics, best.number, len(winner.metrics.get("runs", ())) or 1)
        if self.evidence is None:
            return None
        kind = "from the study's predictions, for its metrics.json is damaged or of an older version"
        if winner is None:
            why = "its export folder is gone" if self.material.winner_gone else "it was not exported"
            kind = f"from the study's predictions, for {why} and there is no card"
        return Source(self.evidence.to_dict(), best.number, len(self.material.out_of_fold), kind)

    # --- row by row

    @cached_property
    def margins(self) -> tuple[Int64, Floats]:
        """Return rows of the data set and, a run each, the margins that they were decided by at 0.

        ``rows (n,)`` and ``margins (runs, n)``: thresholds are cross-fitted. Nothing without predictions.
        """
        evidence = self.evidence
        if evidence is None:
            return np.empty(0, np.int64), np.empty((0, 0))
        order = [np.argsort(rows, kind="stable") for rows, _ in self.material.out_of_fold]
        rows = self.material.out_of_fold[0][0][order[0]]
        found = [run.margin()[at] for run, at in zip(evidence.decided, order, strict=True)]
        return rows, np.stack(found).astype(np.float64)

    # --- the exported file

    @cached_property
    def exported(self) -> tuple[ExportedModel | None, str]:
        """Return the winner's file, or why there is none."""
        winner = self.material.winner
        if winner is None:
            return None, not_exported(self.material)
        try:
            return load(winner.folder), ""
        except ExportError as error:
            return None, f"the exported file can't be used: {error}"

    @cached_property
    def on_training(self) -> tuple[tuple[Int64, Predictions] | None, str]:
        """Return rows and outputs of the exported file on what it was trained on, or why there are none."""
        best, data = self.material.best, self.material.dataset
        if data is None:
            return None, self.material.plan_gone
        found, why = self.exported
        if found is None:
            return None, why
        macs = best.cost.macs if best is not None and best.cost is not None else 1_000_000
        most = max(500, int(WORK / max(1, macs)))
        rows = np.unique(np.linspace(0, len(data) - 1, min(len(data), most)).round().astype(np.int64))
        try:
            logits = infer(found.model, data.x[rows])
        except InputError as error:
            return None, f"the exported file does not run on these data: {error}"
        return (rows, Predictions(logits, data.y[rows], data.subject[rows], found.task.positive)), ""


def not_exported(material: Material) -> str:
    """Say why the winner has no export, or none that is still there."""
    best = material.best
    if best is None:
        return "no trial has run over every fold and kept the budget yet, so nothing was exported"
    if material.winner_gone is not None:
        return f"the export folder is gone: {material.winner_gone}"
    others = ", ".join(export.folder.name for export in material.exports)
    return f"trial {best.number} was not exported" + (f" (exported were {others})" if others else "")


def unit_of(origin: DataSource) -> str:
    """Return "mV" where amplitudes are known to be that, "" where the data do not say.

    WFDB records give a gain and a unit, and synthetic ECG is made in mV; text files, arrays and structs hold
    bare numbers.
    """
    return "mV" if all(tells_millivolts(Path(path)) for path in origin.paths) else ""


def negative_of(task: Task) -> str:
    """Name all classes but the positive one."""
    return " or ".join(name for i, name in enumerate(task.classes) if i != task.positive)


def confusion_of(figures: Mapping[str, Any]) -> Confusion | None:
    """Sum up the counts of a file's subjects, or take those it gives; None where it has neither."""
    if isinstance(figures.get("confusion"), dict):
        return Confusion(**figures["confusion"])
    rows = figures.get("subjects")
    if not rows:
        return None
    return Confusion(*(sum(int(row[key]) for row in rows) for key in ("tp", "fp", "fn", "tn")))


def interval_of(fields: Mapping[str, Any] | None) -> Interval | None:
    """Read an interval back from JSON."""
    if not fields or any(fields.get(key) is None for key in ("value", "low", "high")):
        return None
    return Interval(fields["value"], fields["low"], fields["high"])
