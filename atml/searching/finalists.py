"""The finalists: the best trials, repeated on fresh seeds and judged by the mean.

A trial's own value helped to choose it, so it is too good on average. The values of its repeats are free of
the luck of its seed: a finalist is judged by them alone. They are of the same subjects in the same folds, so
how well it happens to suit these is still in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from atml.artifacts.record import Run
from atml.errors import ExportError
from atml.evaluation import baselines, gate
from atml.evaluation.baselines.out_of_fold import OutOfFold, decided, out_of_fold
from atml.evaluation.cross_validation_result import (
    BaselineResult,
    CrossValidationResult,
    baseline_result,
    cross_validation_result,
)
from atml.evaluation.decision import Wish
from atml.evaluation.label_doubts import LabelDoubts, doubted_by_both
from atml.metrics import Interval
from atml.metrics.predictions import Predictions
from atml.metrics.value_difference import LEVEL, SubjectValues, value_difference
from atml.models.config import ModelConfig
from atml.searching.plan import Plan, trial_seed
from atml.searching.progress import View
from atml.searching.ranking import PICK, default_of, in_order, ranked
from atml.searching.search_options import PREFER, Options
from atml.training.records import Measurement, Role, TrialRecord


@dataclass(frozen=True)
class Finalist:
    """A trial with the runs that it is judged by, its repeats if there are any, and the result of them.

    Its runs all have ``length`` times the optimiser steps of the trial.
    """

    record: TrialRecord
    sources: tuple[TrialRecord, ...]
    runs: tuple[Run, ...]
    result: CrossValidationResult
    length: int = 1

    @property
    def value(self) -> float:
        """The value that it is ranked by."""
        return self.result.value

    @property
    def fresh(self) -> bool:
        """Whether its runs are repeats on fresh seeds."""
        return self.record not in self.sources

    @property
    def config(self) -> ModelConfig:
        """The config of its runs."""
        return self.record.lengthened(self.length)


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
        self._compared: dict[tuple[int, ...], SubjectValues] = {}
        self._differences: dict[tuple[object, ...], Interval] = {}
        self.left_out = ""
        """What a search left out, and what does it later, in one line; "" where it left nothing out."""
        self._baseline: BaselineResult | None = None
        if plan.definition.baseline:
            # Raises for a wrong name before hours of search, not after.
            baselines.method(plan.definition.baseline, plan.definition.task)

    def records(self) -> list[TrialRecord]:
        """Return all trials of the study."""
        return self.plan.store.trials(self.plan.name)

    @property
    def named(self) -> bool:
        """Whether these are trials that a person named, not those that a search chose."""
        return self._numbers is not None

    @property
    def prefer(self) -> str:
        """Which of those that can't be told apart is taken: as asked, else as the study did before."""
        with self.plan.store.errors():
            before = (self.study.user_attrs.get(PICK) or {}).get("prefer")
        return self.options.prefer or before or PREFER[0]

    def chosen(self) -> list[TrialRecord]:
        """Return the trials to judge, best first, the default second.

        Those whose own predictions are clearly worse than the best one's are left out. Two are not: the
        default, for what a search gained is what it gained over the default, and the one that was taken
        before, which more trials with luckier values of their own don't make worse.
        """
        found = ranked(self.records(), self.plan.budget)
        if self._numbers is not None:
            return [t for t in found if t.number in self._numbers]
        best = found[: self.options.most_finalists]
        default = default_of(found) if best else None
        with self.plan.store.errors():
            taken = in_order(self.study.user_attrs, found)[:1]
        best += [t for t in found[len(best) :] if best and t.number in taken]
        kept = [
            t
            for t in best
            if t is best[0] or t is default or t.number in taken or not self._clearly_below(t, best[0])
        ]
        if default is not None and default is not best[0]:
            kept = [kept[0], default, *(t for t in kept[1:] if t is not default)]
        return kept

    def repeated(self) -> bool:
        """Whether every finalist has a repeat with a result."""
        done = {t.of for t in self.repeats()}
        return all(t.number in done for t in self.chosen())

    def repeats(self, length: int = 1) -> list[TrialRecord]:
        """Return all repeats with a result that have ``length`` times the optimiser steps of their trial."""
        every = self.records()
        return [t for t in every if t.role == Role.FINALIST and t.finished and t.length == length]

    def seeds(self, record: TrialRecord, rounds: int) -> list[int]:
        """Return the fresh seeds of the first so many repeats of a trial."""
        return [trial_seed(self.plan.seed, record.number, f"repeat {at}") for at in range(rounds)]

    def at(self, record: TrialRecord, length: int = 1, seeds: Sequence[int] | None = None) -> Finalist | None:
        """Judge a trial by its repeats of one length, or those with ``seeds`` alone.

        None without any, and where one of them did not train.
        """
        found = [t for t in self.repeats(length) if t.of == record.number]
        if seeds is not None:
            found = [t for t in found if t.seed in seeds]
        if not found or any(not t.feasible for t in found):
            return None
        return self._judge(record, tuple(found), length)

    def failed(self, record: TrialRecord) -> bool:
        """Whether a trial did not train on a fresh seed."""
        return any(t.of == record.number and not t.feasible for t in self.repeats())

    def itself(self, record: TrialRecord) -> Finalist:
        """Judge a trial by its own run."""
        return self._judge(record, (record,))

    def compare(self, first: Finalist, second: Finalist, of: int = 1) -> Interval:
        """By how much the first is better, with a 90% interval: see `atml.metrics.value_difference`.

        Where one has more fresh seeds than the other, as many as both have are compared, the first ones.
        Where the first is one ``of`` several that could be called better, all intervals together hold at 90%
        (Bonferroni): with four finalists as good as the second, one in six searches would call one better.
        """
        pair = (of, *(tuple(t.number for t in one.sources) for one in (first, second)))
        if pair not in self._differences:
            count = min(len(first.sources), len(second.sources))
            one, two = ([self._by_subject(f, at) for at in range(count)] for f in (first, second))
            self._differences[pair] = value_difference(one, two, level=1 - (1 - LEVEL) / of)
        return self._differences[pair]

    def over_baseline(self, judged: Finalist) -> Interval | None:
        """By how much a finalist is better than the baseline, with a 90% interval; None without a baseline.

        None also where the baseline was not measured on every subject.
        """
        baseline = self.baseline()
        if baseline is None or baseline.decided is None:
            return None
        theirs = SubjectValues(self._gated(baseline.decided.predictions), self._unchanged)
        mine = [self._by_subject(judged, at) for at in range(len(judged.sources))]
        if not np.array_equal(theirs.names, mine[0].names):
            return None
        return value_difference(mine, [theirs])

    def _by_subject(self, judged: Finalist, at: int) -> SubjectValues:
        # The decision of a run depends on the runs that it was chosen with.
        key = (at, *(t.number for t in judged.sources))
        if key not in self._compared:
            self._compared[key] = SubjectValues(self._gated(judged.result.decided[at]), self._value)
        return self._compared[key]

    def _gated(self, found: Predictions) -> Predictions:
        """Note in predictions whether they reach the gate, for an objective that awards points only then.

        Subjects are resampled for intervals; whether a model qualifies is asked once, of all of them.
        """
        definition = self.plan.definition
        if not definition.awarded:
            return found
        figures = {**definition.target.four(found), **gate.rates(definition.task, found)}
        return replace(found, qualified=definition.gate.reached(figures))

    def _clearly_below(self, record: TrialRecord, best: TrialRecord) -> bool:
        """Whether a trial's own untuned predictions are clearly worse than those of the best one."""
        pair = ((record.number,), (best.number,), ())
        if pair not in self._differences:
            mine, its = self._untuned(record), self._untuned(best)
            if mine is None or its is None:
                return False
            self._differences[pair] = value_difference([mine], [its])
        return self._differences[pair].high < 0

    def _untuned(self, record: TrialRecord) -> SubjectValues | None:
        key = (record.number,)
        if key not in self._compared:
            if self.plan.store.predictions(self.plan.name, record.number) is None:
                return None
            found = self._measurement(record).predictions
            assert found is not None
            self._compared[key] = SubjectValues(self._gated(found), self._value)
        return self._compared[key]

    def _judge(self, record: TrialRecord, sources: tuple[TrialRecord, ...], length: int = 1) -> Finalist:
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
                gate=definition.gate,
                rhythm=self.plan.dataset.rhythm,
                agreement=definition.agreement,
            )
            self._judged[key] = Finalist(record, sources, runs, result, length)
        return self._judged[key]

    def moved(self, judged: Finalist, wish: Wish) -> Finalist:
        """Judge a finalist at the decision that just reaches a ``wish``."""
        definition = self.plan.definition
        found = [(r.measurement.predictions, r.measurement.rows) for r in judged.runs]
        result = cross_validation_result(
            definition.target,
            [predictions for predictions, _ in found if predictions is not None],
            [rows for _, rows in found],
            self.plan.folds,
            self._value,
            rhythm=self.plan.dataset.rhythm,
            agreement=definition.agreement,
            wish=wish,
        )
        return replace(judged, result=result)

    def _value(self, predictions: Predictions) -> float:
        """Apply the objective, and beat: thousands of calls take minutes."""
        self.plan.store.slots.beat()
        return self.plan.definition.value(predictions)

    def _unchanged(self, predictions: Predictions) -> float:
        """Apply the objective to a baseline, which is not tried on changed windows."""
        return self._value(replace(predictions, changed={}))

    def _measurement(self, record: TrialRecord) -> Measurement:
        """Read the measurement of a finished trial back."""
        saved = self.plan.store.predictions(self.plan.name, record.number)
        assert saved is not None, f"trial {record.number} is complete without predictions"
        rows, logits = saved
        data, kept = self.plan.dataset, record.result
        found = self.plan.definition.target.predictions(logits, data.y[rows], data.subject[rows])
        changed = self.plan.store.changed_predictions(self.plan.name, record.number)
        quantised = self.plan.store.quantised_predictions(self.plan.name, record.number)
        return Measurement(
            value=kept["value"],
            fold_values=tuple(kept["fold_values"]),
            train_values=tuple(kept["train_values"]),
            curves=tuple(tuple((p[0], p[1], p[2]) for p in curve) for curve in kept["curves"]),
            seconds=kept["training_s"],
            steps=kept["steps"],
            finished=kept["finished"],
            rows=rows,
            predictions=replace(
                found,
                changed=changed,
                quantised=quantised,
                board=None if record.cost is None else record.cost.board,
            ),
        )

    def baseline(self) -> BaselineResult | None:
        """Judge the task's baseline by the study's folds; None where the task names none.

        The fitted baseline is kept in the study, so that a resumed search does not fit it again.
        """
        if self._baseline is None and self.plan.definition.baseline:
            self._baseline = baseline_result(
                self.plan.definition.target,
                self._kept_baseline() or self._fitted_baseline(),
                self._unchanged,
                self.plan.dataset.rhythm,
            )
        return self._baseline

    def label_doubts(self, judged: Finalist) -> LabelDoubts | None:
        """Find labels that a finalist and the baseline contradict; None where the task names no baseline."""
        baseline = self.baseline()
        if baseline is None or baseline.decided is None:
            return None
        return doubted_by_both(
            self.plan.definition.target,
            judged.result.decided,
            [run.measurement.rows for run in judged.runs],
            baseline.decided,
            self.plan.dataset.rhythm,
            self._value,
        )

    def _fitted_baseline(self) -> OutOfFold:
        """Fit the baseline for each fold and on all subjects, and keep it in the study."""
        definition, data, folds = self.plan.definition, self.plan.dataset, self.plan.folds
        found = out_of_fold(definition.baseline, data, folds, definition.task, self._unchanged)
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
        """Whether a finalist reaches the gate of the objective."""
        return self.plan.definition.gate.reached(judged.result.figures)

    def worth(self, judged: Sequence[Finalist]) -> list[Finalist]:
        """Return those that are exported: all that qualify.

        Where unqualified models are asked for, the first one is where none does, and all that were named.
        """
        if self.options.unqualified and self.named:
            return list(judged)
        found = [one for one in judged if self.qualifies(one)]
        return found or (list(judged[:1]) if self.options.unqualified else [])

    def exported(self) -> dict[int, Path]:
        """Return the existing exports of this study in the folder of ``options.out``, by trial."""
        out = self.options.out.resolve()
        return {
            number: folder
            for number, folder in self.plan.store.exports(self.plan.name)
            if folder.is_relative_to(out) and (folder / "model.onnx").is_file()
        }
