"""The search: from options to exported models, resumable at every point.

::

    prepare    task, data, folds, study                 study.py
    trials     claim, ask, train, compare, tell         trials.py, stopping.py
    finalists  the best few again, on fresh seeds       repeats.py, finals.py
    export     threshold, all subjects, ONNX            exports.py
    summary    what came out                            summary.py
"""

from __future__ import annotations

import time
from typing import Any

import optuna

from atml.binding import RegionSampler
from atml.data.reader import cores
from atml.nn import device
from atml.sampler import SearchSampler, tpe
from atml.search.crew import Crew
from atml.search.exports import Exports
from atml.search.finals import Finals
from atml.search.regions import Keeper
from atml.search.repeats import Repeats
from atml.search.study import Options, Plan, learns, prepare, reopen
from atml.search.summary import summarise
from atml.search.trials import Trials
from atml.store import Store
from atml.view import View, clock
from atml.workers import Pool, Site

__all__ = ["Options", "Store", "export_best", "prepare", "search"]


def search(options: Options, view: View | None = None) -> dict[str, Any]:
    """Run or resume a search and return its summary, as JSON types.

    Raises an InputError for what can't be used, and Interrupted after SIGINT or SIGTERM; either way the
    study is whole and the same call goes on.
    """
    view = view or View()
    began = time.monotonic()
    plan = prepare(options, view.say)
    store = plan.store
    try:
        back = store.recover(plan.name)
        if back:
            view.say(f"put back {len(back)} trial(s) that an earlier run left: {', '.join(map(str, back))}")
        _introduce(plan, options, view)
        so_far = len(store.trials(plan.name))
        keeper = _keeper(plan, options, view)
        study = store.study(plan.name, sampler=_sampler(plan, plan.seed + so_far, keeper))
        workers = options.workers or cores()

        end = None if options.timeout is None else began + options.timeout
        trials = Trials(plan, study, view, options, workers, end, keeper)
        final = Finals(plan, study, view, options)
        if not trials.exhausted() or Repeats(final).todo() or Exports(final).waiting():
            pool = Pool(site(plan), device.choose(options.device, workers))
            with Crew(pool, view, len(plan.folds), store.slots.beat) as crew:
                crew.work(trials)
                _why_it_ended(trials, options, view)
                _finish(crew, final)
        summary = summarise(final, time.monotonic() - began)
        view.result(summary)
        return summary
    finally:
        store.close()


def export_best(
    store: Store, name: str, numbers: list[int], options: Options, view: View | None = None
) -> dict[str, Any]:
    """Train the given trials of a study on all subjects and export them; returns the summary."""
    view = view or View()
    plan = reopen(store, name)
    final = Finals(plan, store.study(name), view, options, numbers=numbers)
    source = Exports(final)
    if source.waiting():
        workers = min(options.workers or cores(), source.waiting())
        pool = Pool(site(plan), device.choose(options.device, workers))
        with Crew(pool, view, len(plan.folds), store.slots.beat) as crew:
            crew.work(source)
            source.close()
    summary = summarise(final, 0.0)
    view.result(summary)
    return summary


def _keeper(plan: Plan, options: Options, view: View) -> Keeper | None:
    """Return the regions of a study, or None where nobody wants any."""
    if not learns(options, begun=plan.store.ledger(plan.name) is not None):
        return None
    return Keeper(plan.store, plan.name, plan.room, view, options.imported)


def _sampler(plan: Plan, seed: int, keeper: Keeper | None) -> optuna.samplers.BaseSampler:
    """Reference draws, then TPE, kept out of rejected regions where there are any."""
    if keeper is None:
        return SearchSampler(seed, study_seed=plan.seed)
    return RegionSampler(tpe(seed), plan.room.suggest, keeper.bounds, study_seed=plan.seed)


def site(plan: Plan) -> Site:
    """Return what the workers of a study are told once."""
    return Site(
        task=plan.room.name,
        space=plan.room.space_path,
        objective=plan.room.objective,
        window=plan.room.task.seconds,
        origin=plan.origin,
        fingerprint=plan.dataset.fingerprint,
        folds=plan.folds,
    )


def _introduce(plan: Plan, options: Options, view: View) -> None:
    data, task = plan.dataset, plan.room.task
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


def _finish(crew: Crew, final: Finals) -> None:
    """Repeat and export the finalists, unless another search of this study does."""
    plan, slots = final.plan, final.plan.store.slots
    if plan.store.others_at_work(plan.name) or not slots.lock(plan.name):
        final.view.say("another atml is at work on this study; it goes on to the finalists")
        return
    try:
        crew.work(Repeats(final))
        exports = Exports(final)
        crew.work(exports)
        exports.close()
    finally:
        slots.unlock(plan.name)


def _why_it_ended(trials: Trials, options: Options, view: View) -> None:
    if trials.stagnant():
        view.say(
            f"no better trial in the last {options.patience}: the search stops here (--patience 0 to go on)"
        )
    elif trials.stop_now() and options.timeout is not None:
        view.say(
            f"the time for trials is over; what is left of {clock(options.timeout)} goes to the finalists"
        )
