"""The final training of a finalist, on all subjects, and its export."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from atml import models
from atml.artifacts import export
from atml.artifacts.record import DataFacts, ExportRecord, Final, Machine
from atml.device import ranges_file
from atml.errors import AtmlError, ExportError, ParityError, TaskFileError
from atml.metrics.predictions import Predictions
from atml.models.weights import load_weights
from atml.searching.finalist_time import final_seconds, grace
from atml.searching.finalists import Finalist, Finalists
from atml.searching.on_board import on_board
from atml.searching.picking import pick
from atml.searching.plan import trial_seed
from atml.searching.progress import Progress, Running, phase
from atml.searching.trials import RETRIES
from atml.searching.workers.dispatch import JobSource
from atml.searching.workers.jobs import FinalJob, Job, Report, ReportKind
from atml.task_files.definition import TaskDefinition
from atml.tasks import targets
from atml.tasks.targets import shifted
from atml.tasks.task import WAVEFORM
from atml.training.records import Role


def always_wrong(definition: TaskDefinition, predictions: Predictions) -> float | None:
    """Return the value of a model whose every decision is wrong; None where the objective raises for it.

    None also where nothing is decided.
    """
    if definition.task.kind == WAVEFORM:
        return None
    logits = targets.answers(definition.task, predictions.y, wrong=True)
    try:
        return definition.value(replace(predictions, logits=logits, changed={}))
    except TaskFileError:
        return None


def _is_of(folder: Path | None, judged: Finalist) -> bool:
    """Whether an export is as long trained and decides as the finalist ships, and its card is of its runs."""
    if folder is None:
        return False
    try:
        written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config, offsets = written["config"], written["offsets"]
        runs = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["runs"]
        seeds = {run["seed"] for run in runs}
    except (OSError, ValueError, KeyError, TypeError):
        return True  # a file that was edited or removed: the model is there
    long = config.get("steps", judged.config.steps) == judged.config.steps
    same = list(offsets) == list(judged.result.offsets)
    return bool(long) and same and seeds == {run.seed for run in judged.runs}


def record_of(
    finals: Finalists, judged: Finalist, final: Final, machine: Machine, worst: float | None
) -> ExportRecord:
    """Return all that an export says of a finalist; ``worst`` is the value of one that is always wrong."""
    plan = finals.plan
    assert judged.record.cost is not None
    data = DataFacts.of(plan.dataset, plan.definition.task, plan.origin)
    return ExportRecord(
        config=judged.config,
        task=plan.definition.task,
        cost=judged.record.cost,
        study=plan.name,
        trial=judged.record.number,
        runs=judged.runs,
        length=judged.length,
        folds=len(plan.folds),
        fold_by=plan.fold_by,
        result=judged.result,
        final=final,
        data=data,
        machine=machine,
        search_seed=plan.seed,
        trials=sum(t.finished and t.role == Role.SEARCH for t in finals.records()),
        value_name=plan.definition.value_name,
        worst_value=worst,
        objective_hash=plan.definition.objective_hash,
        labels_hash=plan.definition.labels_hash,
        unqualified=plan.definition.gate.missing(judged.result.figures),
        lacks_in_format={
            one.format: plan.definition.gate.missing(one.figures) for one in judged.result.formats
        },
        baseline=finals.baseline(),
        label_doubts=finals.label_doubts(judged),
        parameters_from=plan.start.of(judged.record) if plan.start else "",
        board=on_board(plan, judged.config, judged.result, data),
    )


class Exports(JobSource):
    """Source of the final trainings; each ends in an export folder."""

    def __init__(self, finals: Finalists, end: float | None = None) -> None:
        self._finals, self._plan, self._end = finals, finals.plan, end
        self._pick = pick(finals)
        there = finals.exported()
        worth = finals.worth(self._pick.finalists)
        # An export that was judged anew gets a new card, also where that says that it no longer qualifies.
        worth += [j for j in self._pick.finalists if j.record.number in there and j not in worth]
        self._first = worth[0].record.number if worth else None
        self._waiting = [j for j in worth if not _is_of(there.get(j.record.number), j)]
        self._total = len(self._waiting)
        self._open: dict[int, Finalist] = {}
        self._lost: Counter[int] = Counter()
        self._error: AtmlError | None = None

    def waiting(self) -> int:
        """Return how many exports are missing."""
        return len(self._waiting)

    def next(self) -> Job | None:
        """Train the next finalist on all subjects; the first one always, others where there is time."""
        if not self._waiting or not (self._waiting[0].record.number == self._first or self._in_time()):
            return None
        judged = self._waiting.pop(0)
        number = judged.record.number
        self._open[number] = judged
        seed = trial_seed(self._plan.seed, number, "final")
        return FinalJob(number=number, config=judged.config, seed=seed)

    def _in_time(self) -> bool:
        """Whether the next export can end before the time given does."""
        takes = final_seconds(self._waiting[0].record, len(self._plan.folds), self._waiting[0].length)
        return self._end is None or time.monotonic() + takes <= self._end

    def stop_now(self) -> bool:
        """Whether the time is over and only exports after the first one run, or its grace is over too."""
        if self._end is None or not self._open:
            return False
        over, timeout = time.monotonic() - self._end, self._finals.options.timeout
        return over > (0.0 if self._first not in self._open or timeout is None else grace(timeout))

    def left_out(self) -> str:
        """Return in one line which exports were left out; "" for none."""
        if self._end is None or not self._waiting or self._error is not None:
            return ""
        numbers = ", ".join(str(j.record.number) for j in self._waiting)
        of = f"export of trial {numbers}" if len(self._waiting) == 1 else f"exports of trials {numbers}"
        return f"{of} left out for lack of time: run the same command again to make up for it"

    def close(self) -> None:
        """Raise the error of a failed export where no finalist was exported."""
        if self._error is not None and not self._finals.exported():
            raise self._error

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Write the export folder."""
        judged = self._open.pop(job.number)
        finals, plan, trained = self._finals, self._plan, report.trained
        if trained is None:
            finals.view.say(f"the final training of trial {job.number} has no result: {report.reason}")
            self._lost[job.number] += 1
            if report.kind != ReportKind.REFUSED and self._lost[job.number] <= RETRIES:
                self._waiting.append(judged)
            return
        assert judged.record.cost is not None
        predictions = replace(trained.predictions, board=judged.record.cost.board)
        model = models.build(job.config, plan.definition.task)
        load_weights(model, trained.weights)
        final = Final(
            seed=job.seed,
            steps=trained.steps,
            seconds=trained.seconds,
            windows=len(plan.dataset),
            train_value=plan.definition.value(shifted(predictions, judged.result.offsets)),
        )
        worst, first = always_wrong(plan.definition, predictions), self._pick.finalists[0]
        record = record_of(finals, judged, final, Machine.here(trained.device), worst)
        if judged.record == first.record:
            record = replace(record, values_by_length=self._pick.values)

        def ranges(file: bytes) -> dict[str, bytes]:
            return ranges_file.contents(file, job.config, record.task, plan.dataset.x)

        try:
            written = export.export(
                model,
                record,
                plan.dataset.x,
                root=finals.options.out,
                max_kib=plan.budget.size_kib,
                beside=None if record.task.kind == WAVEFORM else ranges,
            )
        except (ParityError, ExportError) as error:
            # A folder that can't be written concerns every export, other errors only this one.
            if isinstance(error.__cause__, OSError):
                raise
            finals.view.say(f"trial {job.number} was not exported: {error}")
            self._error = error
            return
        assert written.folder is not None
        plan.store.save_export(plan.name, job.number, written.folder.resolve(), written.sha256)
        finals.view.say(f"exported {written.folder}")

    def requeue(self, job: Job) -> None:
        """Forget the job; the next start begins it again."""
        self._waiting.insert(0, self._open.pop(job.number))

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count the exports."""
        left = len(self._waiting) + len(running)
        return phase("export", self._total - left, self._total, running, elapsed)
