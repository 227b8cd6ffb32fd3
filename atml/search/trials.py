"""The trials of a search: claim a slot, ask, check the price, train, compare, tell.

A trial ends in one of three ways. An infrastructure failure (a killed or crashed worker) is FAIL and is
tried again, twice at most. A config that can't work (it fits no budget, it diverges, it takes every worker
down) is PRUNED with a constraint above 0, because samplers learn from that and ignore FAIL. A result is
COMPLETE, or PRUNED by comparison.
"""

from __future__ import annotations

import dataclasses
import statistics
import time

import optuna
from optuna.trial import TrialState

from atml import metrics, nn
from atml.errors import ConfigError, RoomError
from atml.search import stopping
from atml.search.regions import DRAWN_FROM_Q, HOPELESS, MARKS, Keeper, hopeless
from atml.search.study import Options, Plan, trial_seed
from atml.types import Measurement, TrialRecord
from atml.view import Progress, Running, View
from atml.workers import Job, Report, TrialJob

RETRIES = 2
"""Times that a job is tried again after its worker was lost."""


class Trials:
    """Source of search trials, up to exactly ``total`` with a result in the whole study."""

    def __init__(
        self,
        plan: Plan,
        study: optuna.Study,
        view: View,
        options: Options,
        workers: int,
        end: float | None,
        keeper: Keeper | None = None,
    ) -> None:
        self._plan = plan
        self._keeper = keeper
        self._study = study
        self._view = view
        self._options = options
        self._total = options.trials
        self._workers = workers
        self._end_of_job = end
        self._deadline: float | None = None
        self._open: dict[int, _Open] = {}
        self._more = False
        self._finished: list[TrialRecord] = []
        self._refresh()
        self._done_before = len(self._finished)

    # --- handing out

    def next(self) -> Job | None:
        """Ask for a trial; None too where its config turns out not to be worth training."""
        self._more = False
        if self.exhausted() or self.stop_now():
            return None
        slot = self._plan.store.slots.claim(self._plan.name, self._total)
        if slot is None:
            return None
        job = self._ask(slot)
        self._more = job is None
        return job

    def more(self) -> bool:
        """Whether the last trial asked for ended at once, so that another one may be asked for."""
        return self._more

    def _ask(self, slot: int) -> Job | None:
        plan = self._plan
        with plan.store.errors():
            trials = self._study.get_trials(deepcopy=False)
            if slot == 0 and not any(t.user_attrs.get("origin") == "default" for t in trials):
                self._study.enqueue_trial(dict(plan.room.default), user_attrs={"origin": "default"})
            trial = self._study.ask()
            trial.set_user_attr("holder", plan.store.token)
        plan.store.slots.assign(plan.name, slot, trial.number)
        seed = trial_seed(plan.seed, trial.number)
        frozen = _frozen(trial)
        origin = frozen.user_attrs.get("origin", "sampled")
        begun = _Open(trial, slot, seed, steps=dict(frozen.intermediate_values), origin=origin)
        self._open[trial.number] = begun
        try:
            config = plan.room.suggest(trial)
        except RoomError as error:
            self._put_back(begun)
            # Suggesting writes to the study: what the database raises there is not the file's fault.
            if isinstance(error.__cause__, optuna.exceptions.StorageInternalError):
                with plan.store.errors():
                    raise error.__cause__ from None
            raise
        with plan.store.errors():
            trial.set_user_attr("config", config.to_dict())
            trial.set_user_attr("seed", seed)
        begun.what = config.describe()
        self._warn(begun)
        try:
            cost = nn.cost(config, plan.room.task)
        except ConfigError as error:
            self._cannot_work(begun, "shape", 1.0, str(error))
            return None
        with plan.store.errors():
            trial.set_user_attr("cost", dataclasses.asdict(cost))
        used = frozenset() if plan.budget.operators is None else nn.operators(config, plan.room.task)
        for name, excess in plan.budget.excess(cost, used).items():
            self._constrain(begun, name, excess)
        if broken := plan.budget.broken(cost, used):
            self._cannot_work(begun, None, 0.0, broken)
            return None
        return TrialJob(number=trial.number, config=config, seed=seed)

    def _warn(self, begun: _Open) -> None:
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
        begun = self._open[job.number]
        step = stopping.step(report.fold, report.fraction)
        with self._plan.store.errors():
            if step not in begun.steps:
                begun.trial.report(report.value, step)
                begun.steps[step] = report.value
            others = self._study.get_trials(deepcopy=False)
        if self._keeper is not None and begun.origin in DRAWN_FROM_Q:
            begun.hopeless = hopeless(self._plan.room, report.fold, report.fraction, report.value)
            return begun.hopeless is None
        peers = [
            t.intermediate_values[step]
            for t in others
            if t.number != job.number
            and step in t.intermediate_values
            and t.user_attrs.get("role", "search") == "search"
        ]
        return stopping.holds_up(report.value, step, peers)

    def ended(self, job: Job, report: Report) -> None:
        """Tell the study how the trial ended."""
        begun = self._open[job.number]
        if report.measurement is not None:
            self._measured(begun, report.measurement)
        elif report.kind == "refused":
            self._cannot_work(begun, "refused", 1.0, report.text)
        else:
            self._try_again(begun, report.text)

    def _measured(self, begun: _Open, measured: Measurement) -> None:
        plan, number = self._plan, begun.trial.number
        with plan.store.errors():
            begun.trial.set_user_attr("result", result(measured, time.monotonic() - begun.since))
        if measured.diverged:
            self._cannot_work(begun, "diverged", 1.0, "training diverged")
            return
        if measured.constant:
            self._cannot_work(begun, "constant", 1.0, "calls every segment the same")
            return
        if measured.finished:
            assert measured.predictions is not None
            plan.store.save_predictions(plan.name, number, measured.rows, measured.predictions.logits)
            self._end(begun, TrialState.COMPLETE, measured.value)
        elif begun.hopeless is not None:
            self._cannot_work(begun, HOPELESS, begun.hopeless, "no hope after one fold")
        else:
            self._end(begun, TrialState.PRUNED)

    def _try_again(self, begun: _Open, why: str) -> None:
        last = why.strip().splitlines()[-1]
        retry = int(begun.trial.user_attrs.get("retry", 0))
        if retry >= RETRIES:
            self._cannot_work(begun, "crashed", 1.0, last)
            return
        self._view.say(
            f"trial {begun.trial.number}: its worker {last}; the same parameters go to another one"
        )
        with self._plan.store.errors():
            # Queued before it is failed: a crash in between leaves one too many, never one too few.
            marks = {**_frozen(begun.trial).user_attrs.get(MARKS, {}), "again": begun.trial.number}
            attrs = {"origin": begun.origin, "retry": retry + 1, MARKS: marks}
            self._study.enqueue_trial(begun.trial.params, user_attrs=attrs)
        self._end(begun, TrialState.FAIL)

    def put_back(self, job: Job) -> None:
        """Let a stopped trial wait for the next start; its slot is free again."""
        self._put_back(self._open[job.number])

    def _put_back(self, begun: _Open) -> None:
        del self._open[begun.trial.number]
        self._plan.store.put_back(begun.trial._trial_id)
        self._plan.store.slots.release(self._plan.name, begun.slot)

    # --- endings

    def _constrain(self, begun: _Open, name: str, value: float) -> None:
        with self._plan.store.errors():
            if name not in _frozen(begun.trial).constraints:
                begun.trial.set_constraint(name, value)

    def _cannot_work(self, begun: _Open, constraint: str | None, value: float, why: str) -> None:
        if constraint is not None:
            self._constrain(begun, constraint, value)
        begun.what = f"{begun.what}: {why}" if begun.what else why
        self._end(begun, TrialState.PRUNED, shown="refused")

    def _end(
        self, begun: _Open, state: TrialState, value: float | None = None, *, shown: str | None = None
    ) -> None:
        number = begun.trial.number
        del self._open[number]
        with self._plan.store.errors():
            told = self._study.tell(number, value, state)
        if state == TrialState.FAIL:
            self._plan.store.slots.release(self._plan.name, begun.slot)
        self._refresh()
        if self._keeper is not None:
            self._keeper.refresh()
        value = told.value if told.values else None
        count = f"{len(self._finished)}/{self._total}"
        seconds = time.monotonic() - begun.since
        self._view.ended(number, shown or state.name.lower(), value, begun.what, seconds, count)

    # --- where things stand

    def exhausted(self) -> bool:
        """Whether the search is over for good: nothing improves any more."""
        return self.stagnant() or len(self._finished) + len(self._open) >= self._total

    def stagnant(self) -> bool:
        """Whether the last ``patience`` results brought no better value; 0 switches that off."""
        ordered = sorted(self._finished, key=lambda t: (t.ended is None, t.ended, t.number))
        values = [t.value if t.state == "complete" and t.feasible else None for t in ordered]
        patience = self._options.patience
        return bool(patience) and stopping.since_improved(values) >= patience

    def stop_now(self) -> bool:
        """Whether the time for trials is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Count what is done, in all and in this run."""
        done = len(self._finished)
        best = max(
            (t for t in self._finished if t.state == "complete" and t.feasible),
            key=lambda t: t.value or 0.0,
            default=None,
        )
        here = done - self._done_before
        rate = here / elapsed if here else 0.0
        left = (self._total - done) / rate if rate else None
        if self._deadline is not None:
            to_deadline = max(self._deadline - time.monotonic(), 0.0)
            left = to_deadline if left is None else min(left, to_deadline)
        return Progress(
            phase="search",
            done=done,
            total=self._total,
            best=best.value if best else None,
            best_trial=best.number if best else None,
            running=running,
            elapsed=elapsed,
            per_minute=60 * rate,
            left=left,
            regions=self._keeper.headline() if self._keeper is not None else "",
            newest=self._keeper.newest() if self._keeper is not None else "",
        )

    def _refresh(self) -> None:
        """Read what is finished, and set the end of the trials so that the finalists get their time."""
        records = self._plan.store.trials(self._plan.name)
        self._finished = [t for t in records if t.finished and t.role == "search"]
        if self._end_of_job is not None:
            self._deadline = self._end_of_job - self._reserve()

    def _reserve(self) -> float:
        """Seconds that the finalists and exports will take, half of the time given at most; 0 without any."""
        whole = [t.result["wall_s"] for t in self._finished if t.state == "complete"]
        if not whole:
            return 0.0
        # Repeats run every fold; a final training costs about one fold and a quarter.
        jobs = self._options.finalists * (self._options.repeats + 1.25 / len(self._plan.folds))
        assert self._options.timeout is not None
        return float(min(statistics.median(whole) * jobs / self._workers, self._options.timeout / 2))


class _Open:
    """A trial in a worker's hands, and the slot it fills."""

    def __init__(
        self, trial: optuna.Trial, slot: int, seed: int, steps: dict[int, float], origin: str
    ) -> None:
        self.trial = trial
        self.slot = slot
        self.seed = seed
        self.steps = steps
        self.origin = origin
        self.hopeless: float | None = None
        """By how much it stays below the rule that ended it, None while it may go on."""
        self.what = ""
        self.since = time.monotonic()


def result(measured: Measurement, wall: float) -> dict[str, object]:
    """Write a measurement as the trial attribute ``result``."""
    fields: dict[str, object] = {
        "value": measured.value,
        "fold_values": list(measured.fold_values),
        "train_values": list(measured.train_values),
        "curves": [[list(point) for point in curve] for curve in measured.curves],
        "training_s": round(measured.seconds, 3),
        "wall_s": round(wall, 3),
        "steps": measured.steps,
        "finished": measured.finished,
    }
    if measured.predictions is not None and len(measured.predictions.y):
        fields["metrics"] = metrics.four_metrics(measured.predictions)
    return fields


def _frozen(trial: optuna.Trial) -> optuna.trial.FrozenTrial:
    return trial.storage.get_trial(trial._trial_id)
