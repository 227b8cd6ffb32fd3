"""Repeats of the finalists on fresh seeds: trials of the study that do not count towards its total."""

from __future__ import annotations

import time
from collections import Counter

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from atml.formatting import clock, plural
from atml.searching.finalist_time import final_seconds, judging, seconds_of
from atml.searching.finalists import Finalists
from atml.searching.progress import Progress, Running, phase
from atml.searching.rounds import Repeat, todo
from atml.searching.trial_outcome import result
from atml.searching.trials import RETRIES
from atml.searching.workers.dispatch import JobSource
from atml.searching.workers.jobs import Job, Report, TrialJob
from atml.storage import FAILURE
from atml.storage.optuna_internals import trial_id
from atml.training.records import Role


class Repeats(JobSource):
    """Source of the finalists' repeats, which all run over every fold, round by round.

    ``end`` is a time of `time.monotonic`: none is begun that can't end before it with the first export after
    it, and those that run then are requeued.
    """

    def __init__(self, finals: Finalists, end: float | None = None) -> None:
        self._finals, self._plan, self._end = finals, finals.plan, end
        self._open: dict[int, tuple[optuna.Trial, float, Repeat]] = {}
        self._lost: Counter[tuple[int, int, int]] = Counter()
        self._done = 0
        self._late = False
        self._found = todo(finals)
        self._waiting = list(self._found.repeats)
        self._first_export = self._export_seconds()
        self.taken_over = False
        """Whether another process, which had not heard of this one for too long, took them over."""

    def waiting(self) -> int:
        """Return how many repeats of this round were not begun yet."""
        return len(self._waiting)

    def next(self) -> Job | None:
        """Begin the next repeat; None where the round is still running, nothing is left or no time is."""
        over = not self._waiting and not self._open and (self._done or self._given_up())
        if over and not self.taken_over and not self._late:
            self._again_todo()
        if not self._waiting or self._late:
            return None
        if not self._fits(self._waiting[0]):
            # Those behind it would be compared with what this one did not get.
            self._late = True
            return None
        one = self._waiting.pop(0)
        config = one.record.lengthened(one.length)
        trial = self._plan.store.begin_repeat(self._finals.study, one.record, one.seed, one.length)
        self._open[trial.number] = (trial, time.monotonic(), one)
        board = None if one.record.cost is None else one.record.cost.board
        # Changes of a recording, and formats of a device, are known of signals.
        signal = self._plan.definition.task.picture is None
        return TrialJob(
            number=trial.number, config=config, seed=one.seed, agreement=signal, quantised=signal, board=board
        )

    def _again_todo(self) -> None:
        """Read which repeats come next, now that a round is over, without those that were lost too often."""
        self._found = todo(self._finals, self._given_up())
        self._waiting = list(self._found.repeats)
        self._first_export = self._export_seconds()

    def _given_up(self) -> list[tuple[int, int, int]]:
        return [key for key, times in self._lost.items() if times > RETRIES]

    def _export_seconds(self) -> float:
        """Return what judging and the first export will take, at the longest training that may ship."""
        chosen, plan = self._finals.chosen(), self._plan
        lengths = [t.length for t in self._finals.records() if t.of is not None and t.feasible and t.finished]
        length = max(lengths, default=1)
        exported = max((final_seconds(t, len(plan.folds), length) for t in chosen), default=0.0)
        return exported + judging(len(plan.dataset), len(self._open) + 1)

    def _fits(self, one: Repeat) -> bool:
        if self._end is None:
            return True
        takes = seconds_of(one.record, self._finals.records(), one.length)
        final = final_seconds(one.record, len(self._plan.folds), one.length)
        judged = judging(len(self._plan.dataset), 1)
        return time.monotonic() + takes + judged + max(final, self._first_export) <= self._end

    def stop_now(self) -> bool:
        """Whether only the time for the first export is left."""
        late = self._end is not None and time.monotonic() > self._end - self._first_export
        self._late = self._late or late
        return late

    @property
    def late(self) -> bool:
        """Whether repeats were left out for lack of time."""
        return self._late

    def left_out(self) -> str:
        """Return in one line which repeats were left out, and what does them later; "" for none."""
        rest = (tuple(self._waiting) or todo(self._finals, self._given_up()).repeats) if self._late else ()
        if rest:
            return f"{_words(rest)} left out for lack of time: run the same command again to make up for it"
        if self._found.unaffordable:
            done = any(one.length == 1 for one in self._found.unaffordable)
            options = self._finals.options
            way = f"--repeats {options.most_repeats}" if done else f"--longer {options.times_longer}"
            return (
                f"{_words(self._found.unaffordable)} left out, since a third of the trials' time is too short"
                f" for them: {way} runs them anyway"
            )
        return ""

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Record the repeat in the study; drop it where another process has ended it."""
        trial, since, one = self._open.pop(job.number)
        try:
            self._record(job, report, device, trial, since, one)
        except UpdateFinishedTrialError:
            self.taken_over = True
            self._waiting.clear()
            self._finals.view.say(
                "this process was silent for too long and another one took over the finalists:"
                f" a repeat of trial {trial.user_attrs['of']} is dropped"
            )

    def _record(
        self, job: Job, report: Report, device: str, trial: optuna.Trial, since: float, one: Repeat
    ) -> None:
        plan, measured, of = self._plan, report.measurement, one.record.number
        seconds = time.monotonic() - since
        with plan.store.errors():
            if measured is None:
                trial.set_user_attr(FAILURE, report.reason)
                self._finals.study.tell(job.number, state=TrialState.FAIL)
                self._again(one, report.reason)
                return
            trial.set_user_attr(
                "result", result(plan.definition.target, measured, seconds, device, plan.code)
            )
            self._done += 1
            if not measured.finished or measured.collapsed or measured.predictions is None:
                trial.set_constraint("constant" if measured.collapsed else "diverged", 1.0)
                self._finals.study.tell(job.number, state=TrialState.PRUNED)
                self._finals.view.say(
                    f"trial {of} failed on a fresh seed and is no longer a finalist"
                    if one.length == 1
                    else f"trial {of} failed when trained {one.length} times as long; its own length ships"
                )
                return
            found = measured.predictions
            plan.store.save_predictions(
                plan.name, job.number, measured.rows, found.logits, found.changed, found.quantised
            )
            self._finals.study.tell(job.number, measured.value)
        total = self._done + len(self._waiting) + len(self._open)
        what = f"of trial {of}" if one.length == 1 else f"of trial {of}, {one.length} times as long"
        self._finals.view.ended(job.number, "repeat", measured.value, what, seconds, f"{self._done}/{total}")

    def _again(self, one: Repeat, why: str) -> None:
        """Queue a lost repeat again, since finalists are compared on the same number of seeds."""
        self._lost[one.key] += 1
        self._finals.view.say(f"a repeat of trial {one.record.number} was lost: {why}")
        if self._lost[one.key] <= RETRIES:
            self._waiting.append(one)
        else:
            self._finals.view.say(
                f"trial {one.record.number} is judged without that repeat, which was lost"
                f" {self._lost[one.key]} times; run the same command again to retry it"
            )

    def requeue(self, job: Job) -> None:
        """Mark the repeat failed; the next start begins it again."""
        trial, _, one = self._open.pop(job.number)
        self._waiting.insert(0, one)
        self._plan.store.requeue(trial_id(trial), Role.FINALIST)

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count the repeats of the rounds so far."""
        total = self._done + len(self._waiting) + len(running)
        return phase("finalists", self._done, total, running, elapsed)


def _words(some: tuple[Repeat, ...]) -> str:
    """Write repeats in words: how many, of which trials, and how long."""
    each = list(dict.fromkeys(one.record.number for one in some))
    of = f"trial{'' if len(each) == 1 else 's'} {', '.join(map(str, each))}"
    lengths = {one.length for one in some} - {1}
    long = f", {max(lengths)} times as long" if lengths and len({one.length for one in some}) == 1 else ""
    seconds = clock(sum(seconds_of(one.record, length=one.length) for one in some))
    return f"{plural(len(some), 'repeat')} of {of}{long} (about {seconds})"
