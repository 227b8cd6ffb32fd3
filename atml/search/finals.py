"""The finalists: the best few again on fresh seeds, judged by the mean, then exported.

A trial's own value helped to pick it, so it looks better than it is. Its repeats did not: a finalist is
judged by them alone, and a lucky seed does not win.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from atml import export, nn
from atml.finding import DataFacts, Evidence, Final, Finding, Machine, Run, weigh
from atml.search.crew import describe
from atml.search.study import Options, Plan, trial_seed
from atml.search.trials import result
from atml.threshold import shifted
from atml.types import Measurement, Predictions, TrialRecord
from atml.view import Progress, Running, View, clock
from atml.workers import FinalJob, Job, Report, TrialJob


@dataclass(frozen=True)
class Judged:
    """A finalist, the runs it is judged by, and what they say."""

    record: TrialRecord
    runs: tuple[Run, ...]
    evidence: Evidence

    @property
    def value(self) -> float:
        """The value it is ranked by."""
        return self.evidence.value


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

    def records(self) -> list[TrialRecord]:
        """All trials of the study."""
        return self.plan.store.trials(self.plan.name)

    def chosen(self) -> list[TrialRecord]:
        """The trials in question, best first."""
        found = ranked(self.records())
        if self._numbers is not None:
            return [t for t in found if t.number in self._numbers]
        return found[: self.options.finalists]

    def pending(self) -> bool:
        """Whether there is anything left to train."""
        return bool(Repeats(self).todo()) or bool(Exports(self).waiting())

    def repeats(self) -> Repeats:
        """Return the source of the repeats that are missing."""
        return Repeats(self)

    def exports(self) -> Exports:
        """Return the source of the final trainings that are missing."""
        return Exports(self)

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
        return sorted(every, key=lambda j: (-round(j.value, 4), _size(j.record)))

    def _judge(self, record: TrialRecord, sources: tuple[TrialRecord, ...]) -> Judged:
        key = (record.number, tuple(t.number for t in sources))
        if key not in self._judged:
            runs = tuple(Run(seed=t.seed, measurement=self._measurement(t)) for t in sources)
            predictions = [r.measurement.predictions for r in runs if r.measurement.predictions is not None]
            rows = [r.measurement.rows for r in runs]
            evidence = weigh(predictions, rows, self.plan.folds, self.plan.room.value)
            self._judged[key] = Judged(record, runs, evidence)
        return self._judged[key]

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
            predictions=Predictions(logits, data.y[rows], data.subject[rows], self.plan.room.task.positive),
        )

    def qualifies(self, judged: Judged) -> bool:
        """Whether the lowest of the four metrics reaches the objective's threshold."""
        return judged.evidence.lowest >= self.plan.room.qualifies

    def exported(self) -> dict[int, str]:
        """Folders of this study's exports that are still there, by trial."""
        return {
            number: str(folder)
            for number, folder in self.plan.store.exports(self.plan.name)
            if (folder / "model.onnx").is_file()
        }

    def summary(self, seconds: float) -> dict[str, Any]:
        """Say what came out, as JSON types; ``lines`` are for a person."""
        records = [t for t in self.records() if t.role == "search"]
        finished = [t for t in records if t.finished]
        judged, folders = self.judged(), self.exported()
        rows = [
            {
                "trial": j.record.number,
                "value": round(j.value, 6),
                "runs": [round(v, 6) for v in j.evidence.cross_fitted],
                "in_search": j.record.value,
                "metrics": j.evidence.four,
                "threshold": j.evidence.threshold,
                "size_kib": round(_size(j.record) / 1024, 1),
                "qualifies": self.qualifies(j),
                "folder": folders.get(j.record.number),
            }
            for j in judged
        ]
        return {
            "study": self.plan.name,
            "synthetic": self.plan.dataset.synthetic,
            "trials": len(finished),
            "complete": sum(t.state == "complete" for t in finished),
            "finalists": rows,
            "winner": rows[0] if rows else None,
            "seconds": round(seconds, 1),
            "lines": _lines(self, finished, rows, seconds),
        }


class Repeats:
    """Source of the finalists' repeats."""

    def __init__(self, finals: Finals) -> None:
        self._finals = finals
        self._open: dict[int, tuple[optuna.Trial, float]] = {}
        self._total = finals.options.finalists * finals.options.repeats
        self._waiting = self.todo()

    def todo(self) -> list[tuple[TrialRecord, int]]:
        """List ``(trial, seed)`` of the repeats that the study does not hold yet."""
        done = {
            (t.of, t.seed) for t in self._finals.records() if t.role == "finalist" and t.finished
        }
        wanted = [
            (record, trial_seed(self._finals.plan.seed, record.number, f"repeat {repeat}"))
            for repeat in range(self._finals.options.repeats)
            for record in self._finals.chosen()
        ]
        return [(record, seed) for record, seed in wanted if (record.number, seed) not in done]

    def next(self) -> Job | None:
        """Begin the next repeat."""
        if not self._waiting:
            return None
        record, seed = self._waiting.pop(0)
        assert record.config is not None
        trial = self._finals.plan.store.begin_repeat(self._finals.study, record, seed)
        self._open[trial.number] = (trial, time.monotonic())
        return TrialJob(number=trial.number, config=record.config, seed=seed)

    def go_on(self, job: Job, report: Report) -> bool:
        """Never stop a repeat: all are compared whole."""
        return True

    def ended(self, job: Job, report: Report) -> None:
        """Keep the repeat in the study, marked as such."""
        trial, since = self._open.pop(job.number)
        plan, measured = self._finals.plan, report.measurement
        of = int(trial.user_attrs["of"])
        seconds = time.monotonic() - since
        with plan.store.errors():
            if measured is None:
                self._finals.study.tell(job.number, state=TrialState.FAIL)
                self._finals.view.say(f"a repeat of trial {of} was lost: {report.text.strip().splitlines()[-1]}")
                return
            trial.set_user_attr("result", result(measured, seconds))
            if measured.diverged or measured.predictions is None:
                trial.set_constraint("diverged", 1.0)
                self._finals.study.tell(job.number, state=TrialState.PRUNED)
                self._finals.view.say(f"trial {of} diverged on a fresh seed and is out")
                return
            plan.store.save_predictions(plan.name, job.number, measured.rows, measured.predictions.logits)
            self._finals.study.tell(job.number, measured.value)
        self._finals.view.ended(job.number, "repeat", measured.value, f"of trial {of}", seconds)

    def put_back(self, job: Job) -> None:
        """Mark the repeat failed; the next start begins it anew."""
        trial, _ = self._open.pop(job.number)
        self._finals.plan.store.put_back(trial._trial_id, "finalist")

    def stop_now(self) -> bool:
        """Repeats are never cut short by the clock: time was kept for them."""
        return False

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count the repeats."""
        left = len(self._waiting) + len(running)
        return _phase("finalists", self._total - left, self._total, running, elapsed)


class Exports:
    """Source of the final trainings; each ends in an export folder."""

    def __init__(self, finals: Finals) -> None:
        self._finals = finals
        there = finals.exported()
        self._waiting = [j for j in finals.judged() if finals.qualifies(j) and j.record.number not in there]
        self._total = len(self._waiting)
        self._open: dict[int, Judged] = {}

    def waiting(self) -> int:
        """Count the exports that are missing."""
        return len(self._waiting)

    def next(self) -> Job | None:
        """Train the next finalist on all subjects."""
        if not self._waiting:
            return None
        judged = self._waiting.pop(0)
        assert judged.record.config is not None
        number = judged.record.number
        self._open[number] = judged
        seed = trial_seed(self._finals.plan.seed, number, "final")
        return FinalJob(number=number, config=judged.record.config, seed=seed)

    def go_on(self, job: Job, report: Report) -> bool:
        """Never stop."""
        return True

    def ended(self, job: Job, report: Report) -> None:
        """Write the export folder."""
        judged = self._open.pop(job.number)
        finals, trained = self._finals, report.trained
        if trained is None:
            why = report.text.strip().splitlines()[-1]
            finals.view.say(f"trial {job.number} could not be exported: {why}")
            return
        plan = finals.plan
        model = nn.build(job.config, plan.room.task)
        nn.load_weights(model, trained.weights)
        threshold = judged.evidence.threshold
        assert judged.record.cost is not None
        finding = Finding(
            config=job.config,
            task=plan.room.task,
            cost=judged.record.cost,
            study=plan.name,
            trial=job.number,
            runs=judged.runs,
            folds=len(plan.folds),
            evidence=judged.evidence,
            final=Final(
                seed=job.seed,
                steps=trained.steps,
                seconds=trained.seconds,
                segments=len(plan.dataset),
                train_value=plan.room.value(shifted(trained.predictions, threshold)),
            ),
            data=DataFacts.of(plan.dataset, plan.room.task),
            machine=Machine.here(trained.device),
            search_seed=plan.seed,
            trials=sum(t.finished and t.role == "search" for t in finals.records()),
            qualifies=plan.room.qualifies,
        )
        written = export.export(
            model, finding, plan.dataset.x, root=finals.options.out, max_kib=plan.max_size_kib
        )
        assert written.folder is not None
        plan.store.save_export(plan.name, job.number, written.folder.resolve(), written.sha256)
        finals.view.say(f"exported {written.folder}")

    def put_back(self, job: Job) -> None:
        """Forget it; the next start trains it anew."""
        del self._open[job.number]

    def stop_now(self) -> bool:
        """Never: time was kept for it."""
        return False

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count the exports."""
        left = len(self._waiting) + len(running)
        return _phase("export", self._total - left, self._total, running, elapsed)


def ranked(records: list[TrialRecord]) -> list[TrialRecord]:
    """Sort the search trials that ran to their end and keep every budget, best first; smaller wins a tie."""
    kept = [t for t in records if t.role == "search" and t.state == "complete" and t.feasible]
    return sorted(kept, key=lambda t: (-(t.value or 0.0), _size(t), t.number))


def _size(record: TrialRecord) -> int:
    return record.cost.size_bytes if record.cost else 0


def _phase(name: str, done: int, total: int, running: tuple[Running, ...], elapsed: float) -> Progress:
    rate = done / elapsed if elapsed else 0.0
    left = (total - done) / rate if rate else None
    return Progress(name, done, total, None, None, running, elapsed, 60 * rate, left)


def _lines(
    finals: Finals, finished: list[TrialRecord], rows: list[dict[str, Any]], seconds: float
) -> list[str]:
    """Write the summary for a person."""
    plan = finals.plan
    data = "synthetic data" if plan.dataset.synthetic else plan.dataset.name
    complete = sum(t.state == "complete" for t in finished)
    took = f" in {clock(seconds)}" if seconds else ""
    lines = [f"{len(finished)} trials on {data}{took}: {complete} ran over every fold, the rest were cut short"]
    if not rows:
        return [*lines, "no trial ran over every fold within the size budget yet: ask for more --trials"]
    for place, row in enumerate(rows, 1):
        config = next(t.config for t in finished if t.number == row["trial"])
        four = ", ".join(f"{name} {value:.3f}" for name, value in row["metrics"].items())
        lines.append(
            f"{place}. trial {row['trial']}: {row['value']:.4f} out of fold on {len(row['runs'])} fresh seeds "
            f"({four}), {row['size_kib']:.1f} KiB, {describe(config)}"
        )
        if row["folder"]:
            lines.append(f"   {row['folder']}")
        elif not row["qualifies"]:
            lowest = min(row["metrics"].values())
            lines.append(f"   not exported: its lowest metric is {lowest:.3f}, {plan.room.qualifies:g} qualifies")
    best = next((row["folder"] for row in rows if row["folder"]), None)
    if best:
        where = "" if plan.dataset.synthetic else " --data TEST_DIR"
        lines.append(f"next: atml score {best}{where} --rule {plan.room.rule}")
    return lines
