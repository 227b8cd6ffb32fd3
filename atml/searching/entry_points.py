"""What starts worker processes: a search, joining one, exporting trials, training a trial again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from atml.data.cases import case_of
from atml.data.formats.contest_reader import cores
from atml.errors import StudyError
from atml.formatting import clock
from atml.searching import trial_log
from atml.searching.exporting import Exports
from atml.searching.finalists import Finalists
from atml.searching.joining import join
from atml.searching.plan import Plan, prepare, reopen
from atml.searching.progress import View
from atml.searching.region_learning import RegionLearner
from atml.searching.repeats import Repeats
from atml.searching.rerun import Rerun, RerunComparison, rerunnable
from atml.searching.samplers.parameters import SearchSampler
from atml.searching.samplers.proposing import tpe
from atml.searching.samplers.region_sampler import RegionSampler
from atml.searching.search_options import Goal, Options, learns
from atml.searching.summary import summarise
from atml.searching.supervision import Supervisor
from atml.searching.trials import Trials
from atml.searching.workers.dispatch import Dispatcher
from atml.searching.workers.jobs import WorkerSetup
from atml.searching.workers.pool import Pool
from atml.storage import ProcessRole, Store
from atml.tasks import targets
from atml.tasks.task import WAVEFORM
from atml.training import device
from atml.training.records import Role

RELEASE_S = 30.0
"""Seconds that joined workers have to requeue their running trials, however little time is left."""


def search(options: Options, view: View | None = None) -> dict[str, Any]:
    """Run or resume a search and return its summary, as JSON types.

    Several searches of one study, on any machines, together train exactly as many trials as its goal has, and
    one of them chooses the finalists.

    Raises an InputError for what can't be used, and Stopped after SIGINT or SIGTERM. Either way the study is
    intact, and the same call resumes it.
    """
    view = view or View()
    began = time.monotonic()
    open_log = trial_log.opener(options.log_to)
    plan = prepare(options, view.say)
    store = plan.store
    try:
        watch = _watch(plan, view, ProcessRole.SEARCH)
        learner = _learner(plan, options, view)
        study = store.study(plan.name, sampler=_sampler(plan, learner))
        workers = options.workers or cores()
        end = None if options.timeout is None else began + options.timeout
        trials = Trials(plan, study, view, options, workers, end, learner)
        finalists = Finalists(plan, study, view, options)
        if not trials.exhausted() or Repeats(finalists).waiting() or Exports(finalists).waiting():
            with (
                open_log(plan.name, view.say) or nullcontext() as trials.log,
                Dispatcher(_pool(plan, options, workers), view, len(plan.folds), watch) as dispatcher,
            ):
                store.steady.hurry = dispatcher.stopping
                dispatcher.work(trials)
                _why_it_ended(trials, options, view)
                _stop_workers(dispatcher, trials, plan, watch, view, end)
                _finish(dispatcher, finalists, trials, watch, end)
                # After a stop before the goal, trials of dead processes may still be running.
                watch.recover()
        summary = summarise(finalists, time.monotonic() - began)
        view.result(summary)
        return summary
    finally:
        store.close()


def join_and_work(
    store: Store, name: str, paths: Sequence[Path], options: Options, view: View | None = None
) -> dict[str, Any]:
    """Join the search of a study and train trials up to its goal; return what was done, as JSON types.

    ``paths`` are its data on this machine, if they are not where the study has them. Of ``options`` only the
    workers, their devices, ``hang_after`` and the ``timeout`` count: the rest comes from the study.

    Raises an InputError for what can't be used, and Stopped after SIGINT or SIGTERM, with the running trials
    requeued.
    """
    view = view or View()
    began = time.monotonic()
    open_log = trial_log.opener(options.log_to)
    device.choose(options.device, 1)
    plan = join(store, name, paths, view.say)
    goal = Goal.of(store.facts(name))
    if goal is None:
        raise StudyError(f"study {name!r} has no goal yet: start `atml search` on it first")
    store.check_writable()
    watch = _watch(plan, view, ProcessRole.WORKER)
    learner = RegionLearner(store, name, plan.definition, view) if goal.regions else None
    study = store.study(name, sampler=_sampler(plan, learner))
    workers = options.workers or cores()
    end = None if options.timeout is None else began + options.timeout
    mine = replace(options, trials=goal.trials, patience=goal.patience, finalists=0, repeats=0)
    trials = Trials(plan, study, view, mine, workers, end, learner, serve=True)
    if not trials.exhausted() and not trials.state.over():
        with (
            open_log(name, view.say) or nullcontext() as trials.log,
            Dispatcher(_pool(plan, options, workers), view, len(plan.folds), watch) as dispatcher,
        ):
            store.steady.hurry = dispatcher.stopping
            dispatcher.work(trials)
            if not trials.state.over():
                _why_it_ended(trials, mine, view)
            watch.recover()
    if trials.state.over():
        view.say(f"the search of {name} has used up its time; run the same `atml search` again to continue")
    done = trials.progress((), time.monotonic() - began)
    here = trials.recorded
    line = f"study {name} has {done.done} of {done.total} trials; {here} of them were trained here"
    summary = {"study": name, "trials": done.done, "of": done.total, "here": here, "lines": [line]}
    view.result(summary)
    return summary


def export_best(
    store: Store, name: str, numbers: list[int], options: Options, view: View | None = None
) -> dict[str, Any]:
    """Train the given trials of a study on all subjects and export them; returns the summary."""
    view = view or View()
    plan = reopen(store, name, view.say)
    finalists = Finalists(plan, store.study(name), view, options, numbers=numbers)
    source = Exports(finalists)
    if source.waiting():
        workers = min(options.workers or cores(), source.waiting())
        with Dispatcher(_pool(plan, options, workers), view, len(plan.folds), store.slots.beat) as dispatcher:
            dispatcher.work(source)
            source.close()
    summary = summarise(finalists, 0.0)
    view.result(summary)
    return summary


def train_again(
    store: Store,
    name: str,
    number: int,
    paths: Sequence[Path] = (),
    wanted: str | None = None,
    view: View | None = None,
) -> RerunComparison:
    """Train one trial of a study again, in a worker process, and compare the values; nothing is written.

    ``wanted`` is a device as for `atml.training.device.choose`, None the kind that the trial was trained on.
    The code may differ from the study's: the comparison lists the differences.

    Raises:
        StudyError: no such study or trial, or a trial without values to compare with.
        AtmlError: it has no value this time.
    """
    view = view or View()
    record = rerunnable(store, name, number)
    wanted = wanted or record.result.get("place", {}).get("device", "auto")
    devices = device.choose(wanted, 1)
    plan = join(store, name, paths, view.say, strict=False)
    source = Rerun(plan, record)
    with Dispatcher(Pool(worker_setup(plan), devices), view, len(plan.folds), lambda: None) as dispatcher:
        dispatcher.work(source)
    return source.compared()


def _learner(plan: Plan, options: Options, view: View) -> RegionLearner | None:
    """Return the regions of a study, None for a search without regions."""
    if not learns(options, begun=plan.store.ledger(plan.name) is not None):
        return None
    return RegionLearner(plan.store, plan.name, plan.definition, view, options.imported)


def _watch(plan: Plan, view: View, role: ProcessRole) -> Supervisor:
    """Register this process, recover what an earlier run left, and print what the study is about."""
    plan.store.steady.say = view.say
    plan.store.slots.works_on(plan.name, role)
    watch = Supervisor(plan.store, plan.name, view)
    watch.recover()
    _introduce(plan, view)
    return watch


def _pool(plan: Plan, options: Options, workers: int) -> Pool:
    setup = replace(worker_setup(plan), losses=trial_log.losses(options.log_to, plan.name))
    return Pool(setup, device.choose(options.device, workers), options.hang_after)


def _sampler(plan: Plan, learner: RegionLearner | None) -> optuna.samplers.BaseSampler:
    """Return a sampler of reference draws, then TPE, kept out of rejected regions if there are any."""
    if learner is None:
        return SearchSampler(plan.seed)
    return RegionSampler(tpe(plan.seed), plan.definition.suggest, learner.bounds, study_seed=plan.seed)


def worker_setup(plan: Plan) -> WorkerSetup:
    """Return what every worker of a study gets at its start."""
    return WorkerSetup(
        task=plan.definition.name,
        space=plan.definition.space_path,
        objective=plan.definition.objective,
        window=plan.definition.task.window_s,
        origin=plan.origin,
        fingerprint=plan.dataset.fingerprint,
        objective_hash=plan.definition.objective_hash,
        folds=plan.folds,
        code=plan.code,
    )


def _introduce(plan: Plan, view: View) -> None:
    """Print what a study is about."""
    data, task = plan.dataset, plan.definition.task
    counts = targets.per_class(task, data.y)
    per_class = ", ".join(f"{n} {name}" for n, name in zip(counts, task.classes, strict=True))
    if task.kind == WAVEFORM and min(counts) == len(data):
        per_class = "each with all leads"
    subjects = len(set(data.subject.tolist()))
    held_out = plan.origin.held_out
    what = "beats in windows" if task.around_beats else case_of(task).many
    size = f"{task.seconds:g} s" if task.picture is None else f"{task.picture[0]} x {task.picture[1]} pixels"
    if held_out:
        view.say(f"held out of the search, for `atml score`: {', '.join(held_out)}")
    view.say(
        f"study {plan.name} in {plan.store.name}: task {task.name}, "
        f"{'synthetic data' if data.synthetic else data.name}, {len(data)} {what} of {size} "
        f"({per_class}) from {subjects} subjects, {len(plan.folds)} folds by {plan.fold_by}, "
        f"{plan.budget.describe()}, seed {plan.seed}"
    )


def _stop_workers(
    dispatcher: Dispatcher, trials: Trials, plan: Plan, watch: Supervisor, view: View, end: float | None
) -> None:
    """At the end of the time, stop the workers that joined, and wait until they have requeued their trials.

    While another search of the study has time left, they continue for that one.
    """
    slots = plan.store.slots
    if not trials.stop_now() or trials.state.complete:
        return
    slots.works_on(plan.name, ProcessRole.ENDING)
    if ProcessRole.SEARCH in slots.others(plan.name):
        return
    goal = Goal.of(plan.store.facts(plan.name)) or trials.state.goal
    replace(goal, over=True).keep(plan.store, plan.name)
    if ProcessRole.WORKER in slots.others(plan.name):
        view.say("the workers that joined the search stop now and requeue their running trials")
        # They read the goal before they begin another trial. Finalists need every trial to have ended.
        until = max(end or 0.0, time.monotonic() + RELEASE_S)
        dispatcher.wait(lambda: not plan.store.others_at_work(plan.name, Role.SEARCH), until)
        watch.recover()


def _finish(
    dispatcher: Dispatcher, finalists: Finalists, trials: Trials, watch: Supervisor, end: float | None
) -> None:
    """Repeat and export the finalists, one process at a time; finished repeats and exports stay.

    Where time is left after the repeats, trials go on, and the repeats of those that lead then.
    """
    plan, slots = finalists.plan, finalists.plan.store.slots
    if plan.store.others_at_work(plan.name, Role.SEARCH):
        # This happens after a timeout only; otherwise they were waited for.
        finalists.view.say(
            "other processes still train trials of this study; run the same command later to choose the"
            " finalists"
        )
        return
    while True:
        if not slots.lock(plan.name):
            finalists.view.say("another atml is repeating the finalists of this study; waiting for it")
            if not dispatcher.wait(lambda: slots.lock(plan.name), end):
                return
            watch.recover()
        try:
            repeats = Repeats(finalists, end)
            dispatcher.work(repeats)
            while not repeats.taken_over and trials.state.settle(repeats.late):
                finalists.view.say("there is time left after the repeats: back to trials")
                dispatcher.work(trials)
                if repeats.late:
                    break
                repeats = Repeats(finalists, end)
                dispatcher.work(repeats)
            if not repeats.taken_over:
                exports = Exports(finalists, end)
                dispatcher.work(exports)
                exports.close()
                finalists.left_out = repeats.left_out() or exports.left_out()
                return
        finally:
            slots.unlock(plan.name)


def _why_it_ended(trials: Trials, options: Options, view: View) -> None:
    if trials.state.stagnant:
        view.say(
            f"no better trial among the last {trials.state.goal.patience}: the search stops here"
            " (--patience 0 to continue)"
        )
    elif trials.stop_now() and options.timeout is not None:
        view.say(
            f"the time for trials is up; the rest of the {clock(options.timeout)} is for the finalists"
            if options.most_finalists
            else f"the time limit of {clock(options.timeout)} is reached"
        )
