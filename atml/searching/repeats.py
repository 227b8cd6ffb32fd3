"""Repeats of the finalists on fresh seeds: trials of the study that do not count towards its total."""

from __future__ import annotations

import time
from collections import Counter

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from atml.searching.finalists import Finalists
from atml.searching.plan import trial_seed
from atml.searching.progress import Progress, Running, phase
from atml.searching.trial_outcome import result
from atml.searching.trials import RETRIES
from atml.searching.workers.dispatch import JobSource
from atml.searching.workers.jobs import Job, Report, TrialJob
from atml.storage import FAILURE
from atml.storage.optuna_internals import trial_id
from atml.training.records import Role, TrialRecord


class Repeats(JobSource):
    """Source of the finalists' repeats, which all run over every fold."""

    def __init__(self, finals: Finalists) -> None:
        self._finals, self._plan = finals, finals.plan
        self._open: dict[int, tuple[optuna.Trial, float]] = {}
        self._total = len(finals.chosen()) * finals.options.repeats
        self._waiting = self.todo()
        self._lost: Counter[tuple[int, int]] = Counter()
        self.taken_over = False
        """Whether another process, which had not heard of this one for too long, took them over."""

    def todo(self) -> list[tuple[TrialRecord, int]]:
        """Return ``(trial, seed)`` of each repeat without a result."""
        done = {(t.of, t.seed) for t in self._finals.repeats()}
        wanted = [
            (record, trial_seed(self._plan.seed, record.number, f"repeat {repeat}"))
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
        trial = self._plan.store.begin_repeat(self._finals.study, record, seed)
        self._open[trial.number] = (trial, time.monotonic())
        return TrialJob(number=trial.number, config=record.config, seed=seed)

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Record the repeat in the study; drop it where another process has ended it."""
        trial, since = self._open.pop(job.number)
        try:
            self._record(job, report, device, trial, since)
        except UpdateFinishedTrialError:
            self.taken_over = True
            self._waiting.clear()
            self._finals.view.say(
                "the finalists were taken over by another process, which had not heard of this one for too"
                f" long: a repeat of trial {trial.user_attrs['of']} is dropped"
            )

    def _record(self, job: Job, report: Report, device: str, trial: optuna.Trial, since: float) -> None:
        plan, measured = self._plan, report.measurement
        of = int(trial.user_attrs["of"])
        seconds = time.monotonic() - since
        with plan.store.errors():
            if measured is None:
                trial.set_user_attr(FAILURE, report.reason)
                self._finals.study.tell(job.number, state=TrialState.FAIL)
                self._again(of, job.seed, report.reason)
                return
            trial.set_user_attr(
                "result", result(plan.definition.target, measured, seconds, device, plan.code)
            )
            if not measured.finished or measured.collapsed or measured.predictions is None:
                trial.set_constraint("constant" if measured.collapsed else "diverged", 1.0)
                self._finals.study.tell(job.number, state=TrialState.PRUNED)
                self._finals.view.say(
                    f"trial {of} does not train on a fresh seed, so it is no finalist any more"
                )
                return
            plan.store.save_predictions(plan.name, job.number, measured.rows, measured.predictions.logits)
            self._finals.study.tell(job.number, measured.value)
        count = f"{self._total - len(self._waiting) - len(self._open)}/{self._total}"
        self._finals.view.ended(job.number, "repeat", measured.value, f"of trial {of}", seconds, count)

    def _again(self, of: int, seed: int, why: str) -> None:
        """Queue a lost repeat again, since finalists are compared on the same number of seeds."""
        self._lost[of, seed] += 1
        self._finals.view.say(f"a repeat of trial {of} was lost: {why}")
        if self._lost[of, seed] <= RETRIES:
            self._waiting += [pair for pair in self.todo() if (pair[0].number, pair[1]) == (of, seed)]

    def requeue(self, job: Job) -> None:
        """Mark the repeat failed; the next start begins it again."""
        trial, _ = self._open.pop(job.number)
        self._plan.store.requeue(trial_id(trial), Role.FINALIST)

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count the repeats."""
        left = len(self._waiting) + len(running)
        return phase("finalists", self._total - left, self._total, running, elapsed)
