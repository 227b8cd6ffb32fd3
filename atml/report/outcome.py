"""What came of a study, in figures and row by row: the winner, its out-of-fold decisions, its file.

Figures are those of the export's metrics.json, which its card prints too. Where nothing was exported they
come from the stored predictions, by the same function that makes those of an export.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from atml.arrays import Floats, Int64, evenly
from atml.artifacts.model import ExportedModel, infer, load
from atml.data.dataset import DataSource
from atml.data.formats.detection import tells_millivolts
from atml.errors import ExportError, InputError
from atml.evaluation.cross_validation_result import CrossValidationResult, cross_validation_result
from atml.metrics import FOUR
from atml.metrics.predictions import Predictions
from atml.report import kind as report_kind
from atml.report.figures import Source, worst_first
from atml.report.study_contents import StudyContents
from atml.searching.leaderboard import AGREES
from atml.tasks import targets

WORK = 4e10
"""Multiply-accumulates that running on the training data may take, some 20 s; of more data a part is run."""

NEEDED = ("rates", "intervals", "subjects", "threshold", "naive", "tuned", *FOUR)
"""Without any of these a metrics.json is damaged, or of a version that did not know it yet."""


@dataclass(frozen=True)
class Decided:
    """Out-of-fold decisions one by one, of every run: ``rows (n,)`` of the data set, their ``truth (n,)``.

    ``called`` and ``margins`` are ``(runs, n)``; truth and calls are answers of the kind
    (`atml.report.kind.ReportKind`), of which a row may have several. Decisions are those that are judged
    (`atml.evaluation.cross_validation_result.CrossValidationResult.decided`).
    """

    rows: Int64
    truth: Int64
    called: Int64
    margins: Floats


class Outcome:
    """What came of a study; each part is None where ``why`` says what is missing."""

    def __init__(self, material: StudyContents) -> None:
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
    def cross_validation(self) -> CrossValidationResult | None:
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
            gate=plan.definition.gate,
            rhythm=plan.dataset.rhythm,
            agreement=plan.definition.agreement,
        )

    @cached_property
    def source(self) -> Source | None:
        """Return the winner's figures out of fold; None where there are none."""
        first, winner = self.material.first, self.material.winner
        if first is None:
            return None
        best, whole = first.record, winner is not None and all(key in winner.metrics for key in NEEDED)
        if winner is not None and whole:
            # A search that went on may have judged the winner by more runs since.
            of_it = abs(winner.metrics["value"] - first.value) <= AGREES or not first.seeds
            if of_it or self.cross_validation is None:
                return Source(
                    worst_first(winner.metrics), best.number, len(winner.metrics.get("runs", ())) or 1
                )
        if self.cross_validation is None:
            return None
        what = "is of fewer trainings than it was judged by" if whole else "is damaged or of an older version"
        kind = f"from the study's predictions, for its metrics.json {what}"
        if winner is None:
            why = "its export folder is gone" if self.material.winner_gone else "it was not exported"
            kind = f"from the study's predictions, for {why} and there is no card"
        return Source(self.cross_validation.to_dict(), best.number, len(self.material.out_of_fold), kind)

    # --- row by row

    @cached_property
    def decided(self) -> Decided | None:
        """Return what was decided out of fold, row by row; None without predictions."""
        found, plan = self.cross_validation, self.material.plan
        if found is None or plan is None:
            return None
        task = plan.definition.task
        kind = report_kind.of(task)
        order = [np.argsort(rows, kind="stable") for rows, _ in self.material.out_of_fold]
        rows = self.material.out_of_fold[0][0][order[0]]
        runs = [kind.decisions(task, run.take(at)) for run, at in zip(found.decided, order, strict=True)]
        at, truth, _, _ = runs[0]
        return Decided(
            rows[at],
            truth,
            np.stack([called for _, _, called, _ in runs]),
            np.stack([margin for *_, margin in runs]).astype(np.float64),
        )

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
        rows = evenly(len(data), most)
        try:
            logits = infer(found.model, data.x[rows])
        except InputError as error:
            return None, f"the exported file does not run on these data: {error}"
        target = targets.of(found.task)
        return (rows, target.predictions(logits, data.y[rows], data.subject[rows])), ""


def not_exported(material: StudyContents) -> str:
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
