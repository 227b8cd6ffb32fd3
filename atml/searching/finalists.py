"""The finalists: the best trials, repeated on fresh seeds and judged by the mean.

A trial's own value helped to choose it, so it is too good on average. The values of its repeats are not: a
finalist is judged by them alone, so a lucky seed does not win.
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
from atml.searching.plan import Plan
from atml.searching.progress import View
from atml.searching.ranking import ranked, size_of
from atml.searching.search_options import Options
from atml.training.records import Measurement, Role, TrialRecord


@dataclass(frozen=True)
class Finalist:
    """A trial with the runs that it is judged by, its repeats if there are any, and the result of them."""

    record: TrialRecord
    sources: tuple[TrialRecord, ...]
    runs: tuple[Run, ...]
    result: CrossValidationResult

    @property
    def value(self) -> float:
        """The value that it is ranked by."""
        return self.result.value


class Finalists:
    """The finalists of a search, or the trials called ``numbers``."""

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
        self._judged: dict[tuple[int, tuple[int, ...]], Finalist] = {}
        self._baseline: BaselineResult | None = None
        if plan.definition.baseline:
            # Raises for a wrong name before hours of search, not after.
            baselines.method(plan.definition.baseline, plan.definition.task)

    def records(self) -> list[TrialRecord]:
        """Return all trials of the study."""
        return self.plan.store.trials(self.plan.name)

    def chosen(self) -> list[TrialRecord]:
        """Return the trials to judge, best first."""
        found = ranked(self.records(), self.plan.budget)
        if self._numbers is not None:
            return [t for t in found if t.number in self._numbers]
        return found[: self.options.finalists]

    def repeated(self) -> bool:
        """Whether every finalist has a repeat with a result."""
        done = {t.of for t in self.repeats()}
        return all(t.number in done for t in self.chosen())

    def repeats(self) -> list[TrialRecord]:
        """Return all repeats with a result."""
        return [t for t in self.records() if t.role == Role.FINALIST and t.finished]

    def remember(self, judged: list[Finalist]) -> None:
        """Keep the values of finalists with repeats in the study, for later rankings."""
        values = {str(j.record.number): j.value for j in judged if j.record not in j.sources}
        with self.plan.store.errors():
            if values and self.study.user_attrs.get("judged") != values:
                self.study.set_user_attr("judged", values)

    def judged(self) -> list[Finalist]:
        """Judge the finalists whose repeats have run, best first; the smaller model wins a tie."""
        every, done = [], self.repeats()
        for record in self.chosen():
            repeats = [t for t in done if t.of == record.number]
            if any(not t.feasible for t in repeats):
                continue
            if not repeats and self._numbers is None and self.options.repeats:
                continue
            every.append(self._judge(record, tuple(repeats) or (record,)))
        return sorted(every, key=lambda j: (-round(j.value, 4), size_of(j.record)))

    def _judge(self, record: TrialRecord, sources: tuple[TrialRecord, ...]) -> Finalist:
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
            self._judged[key] = Finalist(record, sources, runs, result)
        return self._judged[key]

    def _value(self, predictions: Predictions) -> float:
        """Apply the objective, and beat: thousands of calls take minutes."""
        self.plan.store.slots.beat()
        return self.plan.definition.value(predictions)

    def _measurement(self, record: TrialRecord) -> Measurement:
        """Read the measurement of a finished trial back."""
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

        The fitted baseline is kept in the study, so that a resumed search does not fit it again.
        """
        if self._baseline is None and self.plan.definition.baseline:
            self._baseline = baseline_result(
                self.plan.definition.target,
                self._kept_baseline() or self._fitted_baseline(),
                self._value,
                self.plan.dataset.rhythm,
            )
        return self._baseline

    def _fitted_baseline(self) -> OutOfFold:
        """Fit the baseline for each fold and on all subjects, and keep it in the study."""
        definition, data, folds = self.plan.definition, self.plan.dataset, self.plan.folds
        found = out_of_fold(definition.baseline, data, folds, definition.task, self._value)
        fitted = [one.to_dict() for one in (found.baseline, *found.folds)]
        with self.plan.store.errors():
            self.study.set_user_attr("baseline", {"of": self._depends_on(), "fitted": fitted})
        return found

    def _kept_baseline(self) -> OutOfFold | None:
        """Return the decisions of the baseline kept in the study; None without one for this objective."""
        with self.plan.store.errors():
            kept = self.study.user_attrs.get("baseline")
        try:
            if kept is None or kept["of"] != self._depends_on():
                return None
            whole, *each = (baselines.from_dict(fields) for fields in kept["fitted"])
            return decided(whole, each, self.plan.dataset, self.plan.folds)
        except (ExportError, KeyError, TypeError, ValueError):
            return None  # kept by another version: it is fitted again

    def _depends_on(self) -> list[Any]:
        """Return what a fitted baseline depends on, besides the data and the folds of the study."""
        definition = self.plan.definition
        version = baselines.method(definition.baseline, definition.task).version
        return [definition.baseline, version, definition.objective_hash, definition.objective_name]

    def qualifies(self, judged: Finalist) -> bool:
        """Whether the lowest of the four metrics reaches the objective's threshold."""
        return judged.result.lowest >= self.plan.definition.qualifies

    def exported(self) -> dict[int, str]:
        """Return the existing exports of this study in the folder of ``options.out``, by trial."""
        out = self.options.out.resolve()
        return {
            number: str(folder)
            for number, folder in self.plan.store.exports(self.plan.name)
            if folder.is_relative_to(out) and (folder / "model.onnx").is_file()
        }
