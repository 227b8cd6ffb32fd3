"""The finalists: the best few again on fresh seeds, judged by the mean, then exported.

A trial's own value helped to pick it, so it looks better than it is. Its repeats did not: a finalist is
judged by them alone, and a lucky seed does not win.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna

from atml.artifacts.record import Run
from atml.errors import ExportError
from atml.evaluation import baselines
from atml.evaluation.baselines.out_of_fold import OutOfFold, decided, out_of_fold
from atml.evaluation.cross_validation_result import (
    BaselineResult,
    CrossValidationResult,
    baseline_result,
    cross_validation_result,
)
from atml.metrics.predictions import Predictions
from atml.searching.options import Options
from atml.searching.progress import View
from atml.searching.ranking import ranked, size_of
from atml.searching.study import Plan
from atml.training.records import Measurement, TrialRecord


@dataclass(frozen=True)
class Judged:
    """A finalist, the runs it is judged by, and what they say."""

    record: TrialRecord
    sources: tuple[TrialRecord, ...]
    runs: tuple[Run, ...]
    result: CrossValidationResult

    @property
    def value(self) -> float:
        """The value it is ranked by."""
        return self.result.value


class Finals:
    """The last part of a search; ``numbers`` names the trials to export instead of the best ones."""

    def __init__(
        self,
        plan: Plan,
        study: optuna.Study,
        view: View,
        options: Options,
        numbers: list[int] | None = None,
    ) -> None:
        self.plan = plan
        self.study = study
        self.view = view
        self.options = options
        self._numbers = numbers
        self._judged: dict[tuple[int, tuple[int, ...]], Judged] = {}
        self._baseline: BaselineResult | None = None
        if plan.definition.baseline:
            # A wrong name is told before hours of search, not after.
            baselines.method(plan.definition.baseline, plan.definition.task)

    def records(self) -> list[TrialRecord]:
        """All trials of the study."""
        return self.plan.store.trials(self.plan.name)

    def chosen(self) -> list[TrialRecord]:
        """The trials in question, best first."""
        found = ranked(self.records(), self.plan.budget)
        if self._numbers is not None:
            return [t for t in found if t.number in self._numbers]
        return found[: self.options.finalists]

    def repeated(self) -> bool:
        """Whether every finalist has a repeat that came to an end."""
        done = {t.of for t in self.records() if t.role == "finalist" and t.finished}
        return all(t.number in done for t in self.chosen())

    def remember(self, judged: list[Judged]) -> None:
        """Keep the finalists' values in the study, for whoever ranks its trials later."""
        values = {str(j.record.number): j.value for j in judged if j.record not in j.sources}
        with self.plan.store.errors():
            if values and self.study.user_attrs.get("judged") != values:
                self.study.set_user_attr("judged", values)

    def judged(self) -> list[Judged]:
        """Judge the finalists that have all they need, best first; smaller wins a tie."""
        records = self.records()
        every = []
        for record in self.chosen():
            repeats = [t for t in records if t.role == "finalist" and t.of == record.number and t.finished]
            if any(not t.feasible for t in repeats):
                continue
            if not repeats and self._numbers is None and self.options.repeats:
                continue
            every.append(self._judge(record, tuple(repeats) or (record,)))
        return sorted(every, key=lambda j: (-round(j.value, 4), size_of(j.record)))

    def _judge(self, record: TrialRecord, sources: tuple[TrialRecord, ...]) -> Judged:
        key = (record.number, tuple(t.number for t in sources))
        if key not in self._judged:
            runs = tuple(Run(seed=t.seed, measurement=self._measurement(t)) for t in sources)
            predictions = [r.measurement.predictions for r in runs if r.measurement.predictions is not None]
            rows = [r.measurement.rows for r in runs]
            definition = self.plan.definition
            result = cross_validation_result(
                definition.target,
                predictions,
                rows,
                self.plan.folds,
                self._value,
                qualifies=definition.qualifies,
                rhythm=self.plan.dataset.rhythm,
            )
            self._judged[key] = Judged(record, sources, runs, result)
        return self._judged[key]

    def _value(self, predictions: Predictions) -> float:
        """Judge by the objective, and say that this process lives: thousands of calls take minutes."""
        self.plan.store.slots.beat()
        return self.plan.definition.value(predictions)

    def _measurement(self, record: TrialRecord) -> Measurement:
        """Read back what a finished trial measured."""
        saved = self.plan.store.predictions(self.plan.name, record.number)
        assert saved is not None, f"trial {record.number} is complete without predictions"
        rows, logits = saved
        data, kept = self.plan.dataset, record.result
        return Measurement(
            value=kept["value"],
            fold_values=tuple(kept["fold_values"]),
            train_values=tuple(kept["train_values"]),
            curves=tuple(tuple((p[0], p[1], p[2]) for p in curve) for curve in kept["curves"]),
            seconds=kept["training_s"],
            steps=kept["steps"],
            finished=kept["finished"],
            rows=rows,
            predictions=self.plan.definition.target.predictions(logits, data.y[rows], data.subject[rows]),
        )

    def baseline(self) -> BaselineResult | None:
        """Judge the task's baseline by the study's folds; None where the task names none.

        What was fitted stays in the study: a search that goes on only decides again.
        """
        if self._baseline is None and self.plan.definition.baseline:
            self._baseline = baseline_result(
                self.plan.definition.target,
                self._kept() or self._fitted(),
                self._value,
                self.plan.dataset.rhythm,
            )
        return self._baseline

    def _fitted(self) -> OutOfFold:
        """Fit the baseline for each fold and for all, and keep it."""
        definition, data, folds = self.plan.definition, self.plan.dataset, self.plan.folds
        found = out_of_fold(definition.baseline, data, folds, definition.task, self._value)
        fitted = [one.to_dict() for one in (found.baseline, *found.folds)]
        with self.plan.store.errors():
            self.study.set_user_attr("baseline", {"of": self._of(), "fitted": fitted})
        return found

    def _kept(self) -> OutOfFold | None:
        """Decide with what an earlier search fitted, if it was for the same objective."""
        with self.plan.store.errors():
            kept = self.study.user_attrs.get("baseline")
        try:
            if kept is None or kept["of"] != self._of():
                return None
            whole, *each = (baselines.from_dict(fields) for fields in kept["fitted"])
            return decided(whole, each, self.plan.dataset, self.plan.folds)
        except (ExportError, KeyError, TypeError, ValueError):
            return None  # kept by another version: it is fitted again

    def _of(self) -> list[Any]:
        """Say what a fitted baseline depends on, besides the data and the folds of the study."""
        definition = self.plan.definition
        version = baselines.method(definition.baseline, definition.task).version
        return [definition.baseline, version, definition.objective_hash, definition.objective_name]

    def qualifies(self, judged: Judged) -> bool:
        """Whether the lowest of the four metrics reaches the objective's threshold."""
        return judged.result.lowest >= self.plan.definition.qualifies

    def exported(self) -> dict[int, str]:
        """Folders of this study's exports below the export folder that are still there, by trial."""
        out = self.options.out.resolve()
        return {
            number: str(folder)
            for number, folder in self.plan.store.exports(self.plan.name)
            if folder.is_relative_to(out) and (folder / "model.onnx").is_file()
        }
