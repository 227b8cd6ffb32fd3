"""The search: from options to exported models, resumable at every point.

::

    prepare    task, data, folds, study                 study.py
    joining    the same from the study itself           joining.py
    trials     claim, ask, train, compare, tell         trials.py, outcome.py, peers.py, stopping.py
    standing   goal, results, time left                 standing.py
    workers    kept busy; others watched                crew.py, watching.py
    finalists  the best few again, on fresh seeds       repeats.py, finals.py
    export     threshold, all subjects, ONNX            exports.py
    summary    what came out                            summary.py
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from atml.data.formats.contest_reader import cores
from atml.errors import StudyError
from atml.formatting import clock
from atml.searching.exporting import Exports
from atml.searching.finalists import Finalists
from atml.searching.joining import join
from atml.searching.plan import Plan, prepare, reopen
from atml.searching.progress import View
from atml.searching.region_learning import RegionLearner
from atml.searching.repeats import Repeats
from atml.searching.rerun import Rerun, RerunComparison, rerunnable
from atml.searching.samplers.parameters import SearchSampler, tpe
from atml.searching.samplers.region_sampler import RegionSampler
from atml.searching.search_options import Goal, Options, learns
from atml.searching.summary import summarise
from atml.searching.supervision import Supervisor
from atml.searching.trials import Trials
from atml.searching.workers.dispatch import Dispatcher
from atml.searching.workers.pool import Pool, WorkerSetup
from atml.storage import Store
from atml.training import device

RELEASE_S = 30.0
"""Seconds that workers have to put back what they have in hand, however little time is left."""
SEARCH, ENDING, WORKER = "search", "ending", "worker"
"""What a process works as, for whoever asks: a search whose time for trials is over is ending."""

__all__ = ["Options", "Store", "export_best", "join_and_work", "prepare", "search", "train_again"]


def search(options: Options, view: View | None = None) -> dict[str, Any]:
    """Run or resume a search and return its summary, as JSON types.

    Others may search the same study meanwhile, from here or elsewhere: together they train as many trials as
    it is to have, and one of them picks the finalists.

    Raises an InputError for what can't be used, and Stopped after SIGINT or SIGTERM; either way the
    study is whole and the same call goes on.
    """
    view = view or View()
    began = time.monotonic()
    plan = prepare(options, view.say)
    store = plan.store
    try:
        watch = _watch(plan, view, SEARCH)
        introduce(plan, view)
        keeper = _keeper(plan, options, view)
        study = store.study(plan.name, sampler=_sampler(plan, keeper))
        workers = options.workers or cores()

        end = None if options.timeout is None else began + options.timeout
        trials = Trials(plan, study, view, options, workers, end, keeper)
        final = Finalists(plan, study, view, options)
        if not trials.exhausted() or Repeats(final).todo() or Exports(final).waiting():
            with Dispatcher(_pool(plan, options, workers), view, len(plan.folds), watch) as crew:
                store.steady.hurry = crew.stopping
                crew.work(trials)
                _why_it_ended(trials, options, view)
                _call_time(crew, trials, plan, watch, view, end)
                _finish(crew, final, watch, end)
                # Who stops before the total is reached has not waited for what the dead left.
                watch.take_over()
        summary = summarise(final, time.monotonic() - began)
        view.result(summary)
        return summary
    finally:
        store.close()


def join_and_work(
    store: Store, name: str, paths: Sequence[Path], options: Options, view: View | None = None
) -> dict[str, Any]:
    """Train trials of a study that somebody searches, up to its goal; return what was done, as JSON types.

    ``paths`` say where its data are on this machine, none that they are where the study says. Of ``options``
    only the workers, their devices, ``hang_after`` and the ``timeout`` count: the rest comes from the study.

    Raises an InputError for what can't be used, and Stopped after SIGINT or SIGTERM, with its trials put
    back.
    """
    view = view or View()
    began = time.monotonic()
    device.choose(options.device, 1)
    plan = join(store, name, paths, view.say)
    goal = Goal.of(store.facts(name))
    if goal is None:
        raise StudyError(f"study {name!r} has no goal to work for: start `atml search` on it first")
    store.check_writable()
    watch = _watch(plan, view, WORKER)
    introduce(plan, view)
    keeper = RegionLearner(store, name, plan.definition, view) if goal.regions else None
    study = store.study(name, sampler=_sampler(plan, keeper))
    workers = options.workers or cores()
    end = None if options.timeout is None else began + options.timeout
    mine = replace(options, trials=goal.trials, patience=goal.patience, finalists=0, repeats=0)
    trials = Trials(plan, study, view, mine, workers, end, keeper, serve=True)
    if not trials.exhausted() and not trials.over():
        with Dispatcher(_pool(plan, options, workers), view, len(plan.folds), watch) as crew:
            store.steady.hurry = crew.stopping
            crew.work(trials)
            if not trials.over():
                _why_it_ended(trials, mine, view)
            watch.take_over()
    if trials.over():
        view.say(f"the time of the search of {name} is over; the same `atml search` again goes on")
    done = trials.progress((), time.monotonic() - began)
    told = f"study {name} has {done.done} of {done.total} trials; {trials.told} of them were trained here"
    summary = {"study": name, "trials": done.done, "of": done.total, "here": trials.told, "lines": [told]}
    view.result(summary)
    return summary


def export_best(
    store: Store, name: str, numbers: list[int], options: Options, view: View | None = None
) -> dict[str, Any]:
    """Train the given trials of a study on all subjects and export them; returns the summary."""
    view = view or View()
    plan = reopen(store, name)
    final = Finalists(plan, store.study(name), view, options, numbers=numbers)
    source = Exports(final)
    if source.waiting():
        workers = min(options.workers or cores(), source.waiting())
        with Dispatcher(_pool(plan, options, workers), view, len(plan.folds), store.slots.beat) as crew:
            crew.work(source)
            source.close()
    summary = summarise(final, 0.0)
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
    """Train one trial of a study again, in a worker process as it was, and compare; nothing is written.

    ``wanted`` is a device as for `atml.training.device.deal`, None the kind that it was trained on. Other
    code than the study's is no hindrance here: the comparison says so.

    Raises:
        StudyError: no such study or trial, or one that left nothing to compare with.
        AtmlError: it came to no value this time.
    """
    view = view or View()
    record = rerunnable(store, name, number)
    wanted = wanted or record.result.get("place", {}).get("device", "auto")
    devices = device.choose(wanted, 1)
    plan = join(store, name, paths, view.say, strict=False)
    source = Rerun(plan, record)
    with Dispatcher(Pool(worker_setup(plan), devices), view, len(plan.folds), lambda: None) as crew:
        crew.work(source)
    return source.compared()


def _keeper(plan: Plan, options: Options, view: View) -> RegionLearner | None:
    """Return the regions of a study, or None where nobody wants any."""
    if not learns(options, begun=plan.store.ledger(plan.name) is not None):
        return None
    return RegionLearner(plan.store, plan.name, plan.definition, view, options.imported)


def _watch(plan: Plan, view: View, role: str) -> Supervisor:
    """Take over what an earlier run left, and go on watching."""
    plan.store.steady.say = view.say
    plan.store.slots.works_on(plan.name, role)
    watch = Supervisor(plan.store, plan.name, view)
    watch.take_over()
    return watch


def _pool(plan: Plan, options: Options, workers: int) -> Pool:
    return Pool(worker_setup(plan), device.choose(options.device, workers), options.hang_after)


def _sampler(plan: Plan, keeper: RegionLearner | None) -> optuna.samplers.BaseSampler:
    """Reference draws, then TPE, kept out of rejected regions where there are any."""
    if keeper is None:
        return SearchSampler(plan.seed)
    return RegionSampler(tpe(plan.seed), plan.definition.suggest, keeper.bounds, study_seed=plan.seed)


def worker_setup(plan: Plan) -> WorkerSetup:
    """Return what the workers of a study are told once."""
    return WorkerSetup(
        task=plan.definition.name,
        space=plan.definition.space_path,
        objective=plan.definition.objective,
        window=plan.definition.task.seconds,
        origin=plan.origin,
        fingerprint=plan.dataset.fingerprint,
        objective_hash=plan.definition.objective_hash,
        folds=plan.folds,
        code=plan.code,
    )


def introduce(plan: Plan, view: View) -> None:
    """Say what a study is about."""
    data, task = plan.dataset, plan.definition.task
    per_class = ", ".join(f"{int((data.y == i).sum())} {name}" for i, name in enumerate(task.classes))
    subjects = len(set(data.subject.tolist()))
    held_out = plan.origin.held_out
    if held_out:
        view.say(f"held out of the search, for `atml score`: {', '.join(held_out)}")
    view.say(
        f"study {plan.name} in {plan.store.name}: task {task.name}, "
        f"{'synthetic data' if data.synthetic else data.name}, {len(data)} segments of {task.seconds:g} s "
        f"({per_class}) from {subjects} subjects, {len(plan.folds)} folds by subject, "
        f"{plan.budget.describe()}, seed {plan.seed}"
    )


def _call_time(
    crew: Dispatcher, trials: Trials, plan: Plan, watch: Supervisor, view: View, end: float | None
) -> None:
    """Where the time is over, tell the workers of this search so and wait until they have let go.

    While another search has time left the workers are its own, and go on; the last one calls.
    """
    slots = plan.store.slots
    if not trials.stop_now() or trials.complete():
        return
    slots.works_on(plan.name, ENDING)
    if SEARCH in slots.others(plan.name):
        return
    goal = Goal.of(plan.store.facts(plan.name)) or trials.goal
    replace(goal, over=True).keep(plan.store, plan.name)
    if WORKER in slots.others(plan.name):
        view.say("its workers are told so, and put back what they have in hand")
        # They hear of it before they take another trial. Without this wait there would be no finalists.
        until = max(end or 0.0, time.monotonic() + RELEASE_S)
        crew.wait(lambda: not plan.store.others_at_work(plan.name, "search"), until)
        watch.take_over()


def _finish(crew: Dispatcher, final: Finalists, watch: Supervisor, end: float | None) -> None:
    """Repeat and export the finalists, after whoever does so now: one at a time, and what is done is done."""
    plan, slots = final.plan, final.plan.store.slots
    if plan.store.others_at_work(plan.name, "search"):
        # Only a timeout leaves trials in other hands: otherwise they were waited for.
        final.view.say("others still train trials of this study; the same line picks the finalists later")
        return
    while True:
        if not slots.lock(plan.name):
            final.view.say("another atml is at the finalists of this study; this one waits for what it finds")
            if not crew.wait(lambda: slots.lock(plan.name), end):
                return
            watch.take_over()
        try:
            repeats = Repeats(final)
            crew.work(repeats)
            if not repeats.taken_over:
                exports = Exports(final)
                crew.work(exports)
                exports.close()
                return
        finally:
            slots.unlock(plan.name)


def _why_it_ended(trials: Trials, options: Options, view: View) -> None:
    if trials.stagnant():
        view.say(
            f"no better trial in the last {trials.goal.patience}: the search stops here"
            " (--patience 0 to go on)"
        )
    elif trials.stop_now() and options.timeout is not None:
        view.say(
            f"the time for trials is over; what is left of {clock(options.timeout)} goes to the finalists"
            if options.finalists
            else f"the {clock(options.timeout)} are over"
        )
