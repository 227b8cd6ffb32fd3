"""The trials of a search: claim a slot, ask, check the price, train, compare, tell.

A trial ends in one of three ways. An infrastructure failure (a killed, hung or crashed worker) is FAIL and is
tried again, twice at most. A config that can't work (it fits no budget, it diverges, it takes every worker
down) is PRUNED with a constraint above 0, because samplers learn from that and ignore FAIL. A result is
COMPLETE, or PRUNED by comparison.

Others may be at work on the same study. Whoever was not heard of for too long is taken for dead, and its
trials are taken over; if it lives after all, it finds its trial in other hands here and drops it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from atml import models
from atml.artifacts.backends.onnx import operators
from atml.errors import ConfigError, TaskFileError
from atml.searching import pruning
from atml.searching.peers import Peers
from atml.searching.plan import Plan, trial_seed
from atml.searching.progress import Progress, Running, View
from atml.searching.region_learning import BELOW_FLOOR, DRAWN_FROM_Q, MARKS, RegionLearner, below_floor
from atml.searching.search_options import Goal, Options
from atml.searching.search_state import SearchState
from atml.searching.trial_outcome import RunningTrial, frozen, result
from atml.searching.workers.pool import Job, Report, TrialJob
from atml.storage import CRASHED, FAILURE
from atml.training.records import Measurement

RETRIES = 2
"""Times that a job is tried again after its worker was lost."""

FOLLOW_S = 2.0
"""Seconds between two looks at what others do, for one who has nothing in hand to tell of."""


class Trials:
    """Source of search trials, up to exactly as many with a result in the whole study as its goal says.

    Where they ``serve`` somebody else's search, they end with it.
    """

    def __init__(
        self,
        plan: Plan,
        study: optuna.Study,
        view: View,
        options: Options,
        workers: int,
        end: float | None,
        keeper: RegionLearner | None = None,
        *,
        serve: bool = False,
    ) -> None:
        self._plan = plan
        self._keeper = keeper
        self._study = study
        self._view = view
        self._open: dict[int, RunningTrial] = {}
        self._peers = Peers()
        self._more = False
        self._due = 0.0
        self.told = 0
        """Trials that this process brought to a result."""
        self._state = SearchState(
            plan, view, options, workers=workers, end=end, regions=keeper is not None, serve=serve
        )
        self._state.refresh()
        self._done_before = self._state.done

    # --- handing out

    def next(self) -> Job | None:
        """Ask for a trial; None too where its config turns out not to be worth training."""
        self._more = False
        if self.exhausted() or self.stop_now() or time.monotonic() < self._due:
            return None
        # After a search was over none of its workers takes a trial: that is waited for by then.
        if self._state.called_off():
            return None
        slot = self._plan.store.slots.claim(self._plan.name, self.goal.trials)
        if slot is None:
            self._due = time.monotonic() + FOLLOW_S
            self._state.refresh()
            return None
        job = self._ask(slot)
        self._more = job is None
        return job

    def waits(self) -> bool:
        """Whether trials that others have in hand may come back to this process, or decide how it goes on."""
        if self.stop_now():
            return False
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + FOLLOW_S
            self._state.refresh()
        if self.stagnant():
            return bool(self._plan.store.others_at_work(self._plan.name, "search"))
        return not self.complete()

    def more(self) -> bool:
        """Whether the last trial asked for ended at once, so that another one may be asked for."""
        return self._more

    def _ask(self, slot: int) -> Job | None:
        plan = self._plan
        with plan.store.errors():
            trials = self._study.get_trials(deepcopy=False)
            if slot == 0 and not any(t.user_attrs.get("origin") == "default" for t in trials):
                self._study.enqueue_trial(dict(plan.definition.default), user_attrs={"origin": "default"})
            trial = self._study.ask()
        seen = frozen(trial)
        origin = seen.user_attrs.get("origin", "sampled")
        seed = trial_seed(plan.seed, trial.number)
        begun = RunningTrial(trial, slot, seed, steps=dict(seen.intermediate_values), origin=origin)
        self._open[trial.number] = begun
        with self._in_hand(begun):
            if plan.store.slots.assign(plan.name, slot, trial.number):
                return self._priced(begun)
            self._requeue(begun)  # taken for dead in between: another process fills the slot
        return None

    def _priced(self, begun: RunningTrial) -> Job | None:
        """Make the trial's config, and its job where it is worth training."""
        plan, trial = self._plan, begun.trial
        try:
            config = plan.definition.suggest(trial)
        except TaskFileError as error:
            if isinstance(error.__cause__, UpdateFinishedTrialError):
                raise error.__cause__ from None
            self._requeue(begun)
            # Suggesting writes to the study: what the database raises there is not the file's fault.
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
            cost = models.cost(config, plan.definition.task)
        except ConfigError as error:
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
        return TrialJob(number=trial.number, config=config, seed=begun.seed)

    def _warn(self, begun: RunningTrial) -> None:
        """Tell of a trial with given parameters that lies in a rejected region: no sampler was asked."""
        if self._keeper is None or begun.origin in ("sampled", *DRAWN_FROM_Q):
            return
        for box in self._keeper.hits(begun.trial.params):
            self._view.say(
                f"trial {begun.trial.number} was queued, and runs, in region {box.id}: {box.words()}"
            )

    # --- while it runs

    def go_on(self, job: Job, report: Report) -> bool:
        """Store the value and compare it with other trials at the same fold and progress.

        A draw that may speak against a region is not compared: only the rule fixed before the search ends it.
        """
        begun = self._open.get(job.number)
        if begun is None:
            return False
        step = pruning.step(report.fold, report.fraction)
        with self._in_hand(begun):
            with self._plan.store.errors():
                if begun.steps.get(step) != report.value:
                    # Put back by a process on another machine, it may have got another value there.
                    begun.trial.storage.set_trial_intermediate_value(
                        begun.trial._trial_id, step, report.value
                    )
                    begun.steps[step] = report.value
                others = self._study.get_trials(deepcopy=False)
            if not self._plan.store.is_mine(others[job.number]):
                self._drop(begun)
                return False
            if self._keeper is not None and begun.origin in DRAWN_FROM_Q:
                begun.below_floor = below_floor(
                    self._plan.definition, report.fold, report.fraction, report.value
                )
                return begun.below_floor is None
            return pruning.holds_up(report.value, step, self._peers.at(step, others, job.number))
        return False

    def ended(self, job: Job, report: Report, device: str = "cpu") -> None:
        """Tell the study how the trial ended; ``device`` is where it was trained."""
        begun = self._open.get(job.number)
        if begun is None:
            return
        with self._in_hand(begun):
            if not self._plan.store.holds(begun.trial._trial_id):
                self._drop(begun)
            elif report.measurement is not None:
                self._measured(begun, report.measurement, device)
            elif report.kind == "refused":
                self._cannot_work(begun, "refused", 1.0, report.text)
            else:
                self._try_again(begun, report.text)

    @contextlib.contextmanager
    def _in_hand(self, begun: RunningTrial) -> Iterator[None]:
        """Drop a trial that another process has ended."""
        try:
            yield
        except UpdateFinishedTrialError:
            self._drop(begun)

    def _drop(self, begun: RunningTrial) -> None:
        """Let go of a trial that is in other hands, and of its slot, if that was left."""
        self._open.pop(begun.trial.number, None)
        self._plan.store.free_slot(self._plan.name, begun.slot, begun.trial.number)
        self._view.say(
            f"trial {begun.trial.number} was taken over by another process, which had not heard of this one"
            " for too long: what was trained of it here is dropped"
        )
        self._state.refresh()

    def _measured(self, begun: RunningTrial, measured: Measurement, device: str) -> None:
        plan, number = self._plan, begun.trial.number
        wall = time.monotonic() - begun.since
        with plan.store.errors():
            begun.trial.set_user_attr(
                "result", result(plan.definition.target, measured, wall, device, plan.code)
            )
        if measured.diverged:
            self._cannot_work(begun, "diverged", 1.0, "training diverged")
            return
        if measured.collapsed:
            self._cannot_work(begun, "constant", 1.0, "calls every segment the same")
            return
        if measured.finished:
            assert measured.predictions is not None
            plan.store.save_predictions(plan.name, number, measured.rows, measured.predictions.logits)
            self._end(begun, TrialState.COMPLETE, measured.value)
        elif begun.below_floor is not None:
            self._cannot_work(begun, BELOW_FLOOR, begun.below_floor, "below the floor after one fold")
        else:
            self._end(begun, TrialState.PRUNED)

    def _try_again(self, begun: RunningTrial, why: str) -> None:
        last = f"its worker {why.strip().splitlines()[-1]}"
        retry = int(begun.trial.user_attrs.get("retry", 0))
        with self._plan.store.errors():
            begun.trial.set_user_attr(FAILURE, last)
        if retry >= RETRIES:
            self._cannot_work(begun, CRASHED, 1.0, last)
            return
        self._view.say(f"trial {begun.trial.number}: {last}; the same parameters go to another one")
        with self._plan.store.errors():
            # Queued before it is failed: a crash in between leaves a running trial whose successor waits, and
            # `Store.recover` knows the one by the other.
            marks = {**frozen(begun.trial).user_attrs.get(MARKS, {}), "again": begun.trial.number}
            attrs = {"origin": begun.origin, "retry": retry + 1, MARKS: marks}
            self._study.enqueue_trial(begun.trial.params, user_attrs=attrs)
        self._end(begun, TrialState.FAIL)

    def requeue(self, job: Job) -> None:
        """Let a stopped trial wait for the next start; its slot is free again."""
        if job.number in self._open:
            self._requeue(self._open[job.number])

    def _requeue(self, begun: RunningTrial) -> None:
        del self._open[begun.trial.number]
        self._plan.store.requeue(begun.trial._trial_id, holder=self._plan.store.token)
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
                told = self._study.tell(number, value, state)
            except ValueError as error:
                if self._plan.store.holds(begun.trial._trial_id):
                    raise
                raise UpdateFinishedTrialError(f"trial {number} waits again") from error
        del self._open[number]
        self._due = 0.0
        if state == TrialState.FAIL:
            self._plan.store.slots.release(self._plan.name, begun.slot)
        self.told += state != TrialState.FAIL
        self._state.refresh()
        if self._keeper is not None:
            self._keeper.refresh()
        value = told.value if told.values else None
        count = f"{self._state.done}/{self.goal.trials}"
        seconds = time.monotonic() - begun.since
        self._view.ended(number, shown or state.name.lower(), value, begun.what, seconds, count)

    # --- where things stand

    def exhausted(self) -> bool:
        """Whether no further trial is to be begun: all are finished or in hand, or nothing improves."""
        return self.stagnant() or self._state.done + len(self._open) >= self.goal.trials

    def stagnant(self) -> bool:
        """Whether the last ``patience`` results brought no better value; 0 switches that off."""
        return self._state.stagnant

    @property
    def goal(self) -> Goal:
        """Where the study is to get to, as last read."""
        return self._state.goal

    def stop_now(self) -> bool:
        """Whether the time for trials is over, or that of the search which this process works for."""
        return self._state.stop_now()

    def complete(self) -> bool:
        """Whether the study has as many trials with a result as it is to have."""
        return self._state.done >= self.goal.trials

    def over(self) -> bool:
        """Whether the search that these serve has run out of time."""
        return self._state.over()

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count what is done, in all and in this run."""
        stands = self._state
        here = stands.done - self._done_before
        rate = here / elapsed if here else 0.0
        return Progress(
            phase="search",
            done=stands.done,
            total=self.goal.trials,
            best=stands.best.value if stands.best else None,
            best_trial=stands.best.number if stands.best else None,
            running=running,
            elapsed=elapsed,
            per_minute=60 * rate,
            left=stands.left((self.goal.trials - stands.done) / rate if rate else None),
            regions=self._keeper.headline() if self._keeper is not None else "",
            newest=self._keeper.newest() if self._keeper is not None else "",
        )
