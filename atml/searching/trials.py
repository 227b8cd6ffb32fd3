"""The trials of a search: claim a slot, ask for parameters, check the cost, train, compare, record.

A trial ends in one of three ways. An infrastructure failure (a killed, hung or crashed worker) is FAIL, and
the same parameters are tried again, `RETRIES` times at most. A config that can't work (over budget,
diverging, crashing every worker) is PRUNED with a constraint above 0, because samplers learn from that and
ignore FAIL. A result is COMPLETE, or PRUNED by comparison with other trials.

Several processes may search one study. The trials of a process that was silent for too long are requeued; if
it is alive after all, it drops them as soon as it finds that another process holds them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from atml.artifacts.backends.onnx import operators
from atml.data.cases import alike
from atml.device.costing import costed
from atml.errors import ConfigError, ExportError, TaskFileError
from atml.regions.sequential_test import DRAWN_FROM_Q
from atml.searching import pruning
from atml.searching.collapse import BELOW_FLOOR
from atml.searching.plan import Plan, trial_seed
from atml.searching.progress import Progress, Running, View
from atml.searching.region_learning import RegionLearner, below_floor
from atml.searching.samplers.region_sampler import MARKS
from atml.searching.search_options import Options
from atml.searching.search_state import SearchState
from atml.searching.trial_log import TrialLog
from atml.searching.trial_outcome import RunningTrial, frozen, result
from atml.searching.workers.dispatch import JobSource
from atml.searching.workers.jobs import Job, Report, ReportKind, TrialJob
from atml.storage import CRASHED, FAILURE
from atml.storage.trial_records import DIVERGED, source_of, value_of
from atml.training.records import POINTS_KEPT, Measurement, ParameterSource, ReportPoint, Role, points_to

RETRIES = 2
"""Times that a job is tried again after its worker was lost."""

FOLLOW_S = 2.0
"""Seconds between two readings of the study while this process runs no trial of its own."""


GIVEN = "given"
"""User attribute of a trial whose parameters were queued: their place after DEFAULT, from 1."""


class Trials(JobSource):
    """Source of search trials: exactly as many with a result in the whole study as its goal has.

    With ``serve`` this process has joined a search; its trials stop when that search stops.
    """

    def __init__(
        self,
        plan: Plan,
        study: optuna.Study,
        view: View,
        options: Options,
        workers: int,
        end: float | None,
        learner: RegionLearner | None = None,
        *,
        serve: bool = False,
    ) -> None:
        self._plan = plan
        self._learner = learner
        self._study = study
        self._view = view
        self._open: dict[int, RunningTrial] = {}
        self._peers = pruning.Peers()
        self._more = False
        self._due = 0.0
        self.log: TrialLog | None = None
        self.recorded = 0
        """Trials of which this process recorded the result."""
        self.state = SearchState(
            plan, view, options, workers=workers, end=end, regions=learner is not None, serve=serve
        )
        self.state.refresh()
        self._done_before = self.state.done

    # --- begin

    def next(self) -> Job | None:
        """Begin a trial; return None also where its config can't be trained."""
        self._more = False
        if self.exhausted() or self.stop_now() or time.monotonic() < self._due:
            return None
        # Read anew: the search that this process joined waits until its workers run no more trials.
        if self.state.called_off():
            return None
        slot = self._plan.store.slots.claim(self._plan.name, self.state.goal.trials)
        if slot is None:
            self._due = time.monotonic() + FOLLOW_S
            self.state.refresh()
            return None
        job = self._ask(slot)
        self._more = job is None
        return job

    def waits(self) -> bool:
        """Whether to wait for other processes: their trials may be requeued, or reach the goal."""
        if self.stop_now():
            return False
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + FOLLOW_S
            self.state.refresh()
        if self.state.stagnant:
            return bool(self._plan.store.others_at_work(self._plan.name, Role.SEARCH))
        return not self.state.complete

    def more(self) -> bool:
        """Whether the last trial ended at once, so that another one may begin."""
        return self._more

    def _ask(self, slot: int) -> Job | None:
        plan = self._plan
        with plan.store.errors():
            trials = self._study.get_trials(deepcopy=False)
            self._queue(slot, trials)
            trial = self._study.ask()
        seen = frozen(trial)
        begun = RunningTrial(
            trial=trial,
            slot=slot,
            seed=trial_seed(plan.seed, trial.number),
            reports=dict(seen.intermediate_values),
            points=pruning.points(seen),
            origin=source_of(seen) or ParameterSource.SAMPLED,
        )
        self._open[trial.number] = begun
        with self._dropped_if_taken(begun):
            if plan.store.slots.assign(plan.name, slot, trial.number):
                return self._job(begun)
            self._requeue(begun)  # this process counted as dead meanwhile, and another one fills the slot
        return None

    def _queue(self, slot: int, trials: list[optuna.trial.FrozenTrial]) -> None:
        """Queue what is tried first, in a slot: DEFAULT, what an earlier study gave, the portfolio."""
        given = self._plan.queued
        if slot >= len(given):
            return
        source, params = given[slot]
        # A slot of a trial that failed is claimed again; its parameters are queued already.
        if not any(source_of(t) == source and t.user_attrs.get(GIVEN, 0) == slot for t in trials):
            attrs = {"origin": source, **({GIVEN: slot} if slot else {})}
            self._study.enqueue_trial(dict(params), user_attrs=attrs)

    def _job(self, begun: RunningTrial) -> Job | None:
        """Make the trial's config and its job; None where the config can't be trained."""
        plan, trial = self._plan, begun.trial
        try:
            with plan.store.together(begun.key):
                config = plan.definition.suggest(trial)
        except TaskFileError as error:
            if isinstance(error.__cause__, UpdateFinishedTrialError):
                raise error.__cause__ from None
            self._requeue(begun)
            # Suggesting writes to the study, and an error of the database is not the file's fault.
            if isinstance(error.__cause__, optuna.exceptions.StorageInternalError):
                with plan.store.errors():
                    raise error.__cause__ from None
            raise
        with plan.store.errors():
            trial.set_user_attr("config", config.to_dict())
            trial.set_user_attr("seed", begun.seed)
        begun.what = config.describe()
        self._warn(begun)
        try:
            cost = costed(config, plan.definition.task, plan.budget)
        except (ConfigError, ExportError) as error:
            self._cannot_work(begun, "shape", 1.0, str(error))
            return None
        with plan.store.errors():
            trial.set_user_attr("cost", dataclasses.asdict(cost))
        used = frozenset() if plan.budget.operators is None else operators(config, plan.definition.task)
        for name, excess in plan.budget.excess(cost, used).items():
            self._constrain(begun, name, excess)
        if broken := plan.budget.broken(cost, used):
            self._cannot_work(begun, None, 0.0, broken)
            return None
        return TrialJob(number=trial.number, config=config, seed=begun.seed, board=cost.board)

    def _warn(self, begun: RunningTrial) -> None:
        """Print a line for a queued trial in a rejected region: no sampler chose its parameters."""
        if self._learner is None or begun.origin in (ParameterSource.SAMPLED, *DRAWN_FROM_Q):
            return
        for box in self._learner.bounds_now.hits(begun.trial.params):
            self._view.say(
                f"trial {begun.trial.number} was queued, so it runs although it lies in the rejected region"
                f" {box.id}: {box.words()}"
            )

    # --- while it runs

    def go_on(self, job: Job, report: Report) -> bool:
        """Store what was reported; return whether it holds up against other trials at the same report point.

        A network that has learned nothing ends whatever the others do. Reference draws and audits are not
        compared before they have given their evidence about regions, see `RegionLearner.exempt`; the floor,
        fixed before the search, ends them as well.
        """
        begun = self._open.get(job.number)
        if begun is None:
            return False
        point, step = report.point, pruning.step(report.fold, report.fraction)
        others: list[optuna.trial.FrozenTrial] | None = None
        with self._dropped_if_taken(begun):
            self._keep(begun, step, point)
            # Two of three reports are compared with nothing: there the study need not be read.
            if pruning.SCHEDULE.share(step) is not None:
                with self._plan.store.errors():
                    others = self._study.get_trials(deepcopy=False)
                if not self._plan.store.is_mine(others[job.number]):
                    self._drop(begun)
                    return False
            if self._learner is not None and begun.origin in DRAWN_FROM_Q:
                begun.below_floor = below_floor(
                    self._plan.definition, report.fold, report.fraction, report.value
                )
                if begun.below_floor is not None:
                    return False
            if pruning.learned_nothing(point):
                begun.nothing_learned = pruning.nothing_in_words(point)
                return False
            if self._learner is not None and self._learner.exempt(begun.origin, step):
                return True
            return others is None or self._peers.allow(point, others, job.number)
        return False

    def _keep(self, begun: RunningTrial, step: int, point: ReportPoint) -> None:
        """Keep AUC and spread with the trial, before the value: what has a value is complete."""
        attrs = {}
        if not (math.isnan(point.auc) and math.isnan(point.spread)):
            begun.points[step] = (point.auc, point.spread)
            attrs[POINTS_KEPT] = points_to(begun.points)
        # A requeued trial may have reported another value on another machine.
        value = None if begun.reports.get(step) == point.value else point.value
        self._plan.store.report(begun.key, step, value, attrs)
        begun.reports[step] = point.value

    def ended(self, job: Job, report: Report, device: str = "cpu") -> None:
        """Record how the trial ended; ``device`` is where it was trained."""
        begun = self._open.get(job.number)
        if begun is None:
            return
        with self._dropped_if_taken(begun):
            if not self._plan.store.holds(begun.key):
                self._drop(begun)
            elif report.measurement is not None:
                self._measured(begun, report.measurement, device)
            elif report.kind == ReportKind.REFUSED:
                self._cannot_work(begun, "refused", 1.0, report.text)
            else:
                self._try_again(begun, report.reason)

    @contextlib.contextmanager
    def _dropped_if_taken(self, begun: RunningTrial) -> Iterator[None]:
        """Drop a trial that another process has ended meanwhile."""
        try:
            yield
        except UpdateFinishedTrialError:
            self._drop(begun)

    def _drop(self, begun: RunningTrial) -> None:
        """Forget a trial that another process holds, and free its slot if this one still has it."""
        self._open.pop(begun.trial.number, None)
        self._plan.store.free_slot(self._plan.name, begun.slot, begun.trial.number)
        self._view.say(
            f"trial {begun.trial.number} was taken over by another process, since this one was silent"
            " for too long: what was trained here is dropped"
        )
        self.state.refresh()

    def _measured(self, begun: RunningTrial, measured: Measurement, device: str) -> None:
        plan, number = self._plan, begun.trial.number
        wall = time.monotonic() - begun.since
        with plan.store.errors():
            begun.trial.set_user_attr(
                "result", result(plan.definition.target, measured, wall, device, plan.code)
            )
        if measured.diverged:
            self._cannot_work(begun, DIVERGED, 1.0, "training diverged")
            return
        if nothing := alike(self._plan.definition.task) if measured.collapsed else begun.nothing_learned:
            self._cannot_work(begun, "constant", 1.0, nothing)
            return
        if measured.finished:
            assert measured.predictions is not None
            found = measured.predictions
            plan.store.save_predictions(plan.name, number, measured.rows, found.logits, found.changed)
            self._end(begun, TrialState.COMPLETE, measured.value)
        elif begun.below_floor is not None:
            self._cannot_work(begun, BELOW_FLOOR, begun.below_floor, "below the floor after one fold")
        else:
            self._end(begun, TrialState.PRUNED)

    def _try_again(self, begun: RunningTrial, why: str) -> None:
        retry = int(begun.trial.user_attrs.get("retry", 0))
        with self._plan.store.errors():
            begun.trial.set_user_attr(FAILURE, why)
        if retry >= RETRIES:
            self._cannot_work(begun, CRASHED, 1.0, why)
            return
        self._view.say(f"trial {begun.trial.number}: {why}; a new trial has the same parameters")
        with self._plan.store.errors():
            # The successor is queued first: after a crash in between, `Store.recover` finds both and fails
            # the trial that still runs.
            marks = {**frozen(begun.trial).user_attrs.get(MARKS, {}), "again": begun.trial.number}
            attrs = {"origin": begun.origin, "retry": retry + 1, MARKS: marks}
            self._study.enqueue_trial(begun.trial.params, user_attrs=attrs)
        self._end(begun, TrialState.FAIL)

    def requeue(self, job: Job) -> None:
        """Let a stopped trial wait for the next start, and free its slot."""
        if job.number in self._open:
            self._requeue(self._open[job.number])

    def _requeue(self, begun: RunningTrial) -> None:
        del self._open[begun.trial.number]
        self._plan.store.requeue(begun.key, holder=self._plan.store.token)
        self._plan.store.slots.release(self._plan.name, begun.slot)

    # --- endings

    def _constrain(self, begun: RunningTrial, name: str, value: float) -> None:
        with self._plan.store.errors():
            if name not in frozen(begun.trial).constraints:
                begun.trial.set_constraint(name, value)

    def _cannot_work(self, begun: RunningTrial, constraint: str | None, value: float, why: str) -> None:
        if constraint is not None:
            self._constrain(begun, constraint, value)
        begun.what = f"{begun.what}: {why}" if begun.what else why
        self._end(begun, TrialState.PRUNED, shown="refused")

    def _end(
        self, begun: RunningTrial, state: TrialState, value: float | None = None, *, shown: str | None = None
    ) -> None:
        number = begun.trial.number
        with self._plan.store.errors():
            try:
                ended = self._study.tell(number, value, state)
            except ValueError as error:
                if self._plan.store.holds(begun.key):
                    raise
                raise UpdateFinishedTrialError(f"trial {number} was requeued") from error
        del self._open[number]
        self._due = 0.0
        if state == TrialState.FAIL:
            self._plan.store.slots.release(self._plan.name, begun.slot)
        self.recorded += state != TrialState.FAIL
        self.state.refresh()
        if self._learner is not None:
            self._learner.refresh()
        if self.log is not None:
            self.log.ended(ended)
        count = f"{self.state.done}/{self.state.goal.trials}"
        seconds, how = time.monotonic() - begun.since, shown or state.name.lower()
        self._view.ended(number, how, value_of(ended), begun.what, seconds, count)

    # --- progress

    def exhausted(self) -> bool:
        """Whether no further trial begins: enough have ended or run, or nothing improves."""
        return self.state.stagnant or self.state.done + len(self._open) >= self.state.goal.trials

    def stop_now(self) -> bool:
        """Whether the time for trials is over, here or in the search that this process has joined."""
        return self.state.stop_now()

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count the trials with a result; the rate is that of this run."""
        state, learner = self.state, self._learner
        here = state.done - self._done_before
        rate = here / elapsed if here else 0.0
        return Progress(
            phase="search",
            done=state.done,
            total=state.goal.trials,
            best=state.best.value if state.best else None,
            best_trial=state.best.number if state.best else None,
            running=running,
            elapsed=elapsed,
            per_minute=60 * rate,
            left=state.left((state.goal.trials - state.done) / rate if rate else None),
            regions=learner.headline() if learner is not None else "",
            newest=learner.newest if learner is not None else "",
        )
