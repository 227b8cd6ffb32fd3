"""What a trial costs its supervisor as the study grows: storage, sampler, regions, each by itself.

Run as ``python benchmarks/growth.py [--storage URL] [--to 10000]``. Real trials of the built-in `afib` space
go through the code of a search, from the claim of a slot to the result told, with 5 folds and 4 reports a
fold. Training alone is left out: what it measured is made up. At 100, 300, 1,000, 3,000 and 10,000 trials
some are timed; in between the study is filled with random configs that have all a finished trial has.

Columns, in ms a trial: ``wall`` is all of it by the clock, ``CPU`` what this process computed meanwhile: the
rest is waiting, for the database or, on a busy machine, for a core. Of the CPU time ``storage`` is that
inside calls of the database's objects (Optuna's storage, the slots, predictions), whoever makes them;
``sampler`` TPE and what binds it; ``regions`` judging regions anew; ``price`` the cost of a config, found
before training; ``rest`` the supervisor's own work. Each millisecond counts once.
``RSS`` is this process's memory in MiB, which holds one supervisor's view of all trials.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from atml import models
from atml.metrics.predictions import Predictions
from atml.searching import pruning
from atml.searching.plan import Options, Plan, prepare
from atml.searching.progress import View
from atml.searching.region_learning import RegionLearner
from atml.searching.samplers.parameters import SearchSampler
from atml.searching.samplers.proposing import tpe
from atml.searching.samplers.region_sampler import RegionSampler, distribution
from atml.searching.trials import Trials
from atml.searching.workers.jobs import Report
from atml.storage import study_transfer
from atml.storage.optuna_internals import PARAMS, STEPS, TRIALS, USER_ATTRS, VALUES, study_id
from atml.storage.schema import SLOTS
from atml.training.records import Measurement

STOPS = (100, 300, 1000, 3000, 10_000)
COLUMNS = ("storage", "sampler", "regions", "price", "rest")
FOLDS = 5


class Clock:
    """CPU seconds by name; whoever is called by another is counted in its place."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._stack = ["rest"]
        self._since = time.process_time()

    def _switch(self) -> None:
        now = time.process_time()
        self.spent[self._stack[-1]] += now - self._since
        self._since = now

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count what happens inside as ``name``."""
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def watch(self, owner: Any, name: str, *only: str) -> None:
        """Count the calls of an object's methods as ``name``."""
        for attribute in only or [a for a in dir(owner) if not a.startswith("__")]:
            method = getattr(owner, attribute)
            if callable(method) and not isinstance(method, type):
                setattr(owner, attribute, self._counted(method, name))

    def _counted(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(method)
        def counted(*arguments: Any, **named: Any) -> Any:
            with self(name):
                return method(*arguments, **named)

        return counted

    def take(self) -> Counter[str]:
        """Return what was counted since the last time."""
        self._switch()
        found, self.spent = self.spent, Counter()
        return found


def measured(plan: Plan, rng: np.random.Generator) -> Measurement:
    """Make up what a worker sends back of a trial that ran over every fold."""
    y, subject = plan.dataset.y, plan.dataset.subject
    logits = rng.normal(size=(len(y), 2)).astype(np.float32)
    logits[:, 1] += rng.normal(0, 2) * (2 * y - 1)
    value = float(rng.uniform(0.3, 0.95))
    curve = tuple((fraction, 0.1, value) for fraction in pruning.FRACTIONS)
    return Measurement(
        value=value,
        fold_values=(value,) * FOLDS,
        train_values=(value,) * FOLDS,
        curves=(curve,) * FOLDS,
        seconds=0.01,
        steps=1,
        finished=True,
        rows=np.arange(len(y)),
        predictions=Predictions(logits, y, subject, plan.definition.task.positive),
    )


def one(trials: Trials, plan: Plan, rng: np.random.Generator) -> None:
    """Take one trial from its claim to its end; what fits no budget ends before, as in a search."""
    job = trials.next()
    if job is None:
        return
    for fold in range(FOLDS):
        for fraction in pruning.FRACTIONS:
            value, auc, spread = rng.uniform(0.3, 0.95), rng.uniform(0.7, 0.95), rng.uniform(0.5, 3.0)
            trials.go_on(job, Report(0, "progress", job, fold, fraction, value, auc, spread))
    trials.ended(job, Report(0, "measured", job, measurement=measured(plan, rng)))


def fill(
    plan: Plan, study: optuna.Study, learner: RegionLearner, upto: int, rng: np.random.Generator
) -> None:
    """Bring a study to ``upto`` trials with random ones that have all that a trial of a search leaves.

    They go in by the thousand: one at a time they take as long as trials do.
    """
    had = study.get_trials(deepcopy=False)
    like = next(t for t in had if t.state == TrialState.COMPLETE)
    axes, drawn = learner._space.axes, random.Random(len(had)).choices(learner._space.sample, k=upto)
    attrs = {key: json.dumps(value) for key, value in {**like.user_attrs, "origin": "sampled"}.items()}
    kinds = {name: distribution(axis) for name, axis in axes.items()}
    numbers, now = range(len(had), upto), datetime.datetime.now()
    for some in (numbers[i : i + 1000] for i in range(0, len(numbers), 1000)):
        with plan.store._db.engine.begin() as db:
            made = {"study_id": study_id(study), "state": TrialState.COMPLETE, "datetime_start": now}
            ids = db.execute(
                TRIALS.insert().returning(TRIALS.c.trial_id, sort_by_parameter_order=True),
                [{**made, "number": number, "datetime_complete": now} for number in some],
            ).scalars()
            rows: list[list[dict[str, Any]]] = [[], [], [], []]
            params, users, values, steps = rows
            for number, trial_id in zip(some, ids, strict=True):
                value = float(rng.uniform(0.3, 0.95))
                mine = {"trial_id": trial_id}
                for name, chosen in drawn[number].items():
                    kind = kinds[name]
                    params.append(
                        {**mine, "param_name": name, "param_value": kind.to_internal_repr(chosen),
                         "distribution_json": optuna.distributions.distribution_to_json(kind)}
                    )  # fmt: skip
                users += [{**mine, "key": key, "value_json": text} for key, text in attrs.items()]
                values.append({**mine, "objective": 0, "value": value, "value_type": "FINITE"})
                steps += [
                    {**mine, "step": step, "intermediate_value": value, "intermediate_value_type": "FINITE"}
                    for step in like.intermediate_values
                ]
            for table, filled in zip((PARAMS, USER_ATTRS, VALUES, STEPS), rows, strict=True):
                db.execute(table.insert(), filled)
            slots = [{"study": plan.name, "slot": n, "token": plan.store.token, "number": n} for n in some]
            db.execute(SLOTS.insert(), slots)


def resident() -> float:
    """Memory of this process in MiB."""
    kib = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert kib is not None
    return int(kib[1]) / 1024


def grow(storage: str, stops: list[int], timed: int, *, regions: bool) -> None:
    """Time some trials up to each of ``stops``, and print a line for each."""
    options = Options(storage=storage, study="growth", folds=FOLDS, trials=10**6, patience=0, seed=0)
    plan = prepare(options, lambda _: None)
    if plan.store.trials(plan.name):
        sys.exit(f"there is a study 'growth' in {plan.store.name} already; delete it first")
    view = View()
    learner = RegionLearner(plan.store, plan.name, plan.definition, view)
    sampler = (
        RegionSampler(tpe(0), plan.definition.suggest, learner.bounds, study_seed=0)
        if regions
        else SearchSampler(0, study_seed=0)
    )
    study = plan.store.study(plan.name, sampler=sampler)
    clock, rng = Clock(), np.random.default_rng(0)
    clock.watch(plan.store._storage, "storage")
    clock.watch(plan.store.slots, "storage", "claim", "assign", "release", "beat", "take", "of")
    clock.watch(plan.store, "storage", "trials", "save_predictions", "ledger", "save_ledger")
    clock.watch(
        sampler, "sampler", "before_trial", "infer_relative_search_space", "sample_relative",
        "sample_independent", "after_trial",
    )  # fmt: skip
    clock.watch(learner, "regions", "refresh")
    clock.watch(models, "price", "cost")
    trials = Trials(plan, study, view, options, 1, None, learner if regions else None)
    print(" ".join(f"{name:>8}" for name in ("trials", "wall", "CPU", *COLUMNS, "RSS")), flush=True)
    for stop in stops:
        had = len(study.get_trials(deepcopy=False))
        if had and stop - timed > had:
            fill(plan, study, learner, stop - timed, rng)
        trials.state.refresh()
        clock.take()
        began, count = time.perf_counter(), max(stop - max(had, stop - timed), 1)
        for _ in range(count):
            one(trials, plan, rng)
        whole, spent = time.perf_counter() - began, clock.take()
        seconds = (whole, spent.total(), *(spent[name] for name in COLUMNS))
        each = " ".join(f"{1000 * one / count:8.1f}" for one in seconds)
        print(f"{stop:8} {each} {resident():8.0f}", flush=True)
    plan.store.close()


def main() -> None:
    """Parse, grow, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--storage", help="URL of an empty database; left out: SQLite in a temporary folder")
    parser.add_argument("--to", type=int, default=STOPS[-1], help="trials at the end")
    parser.add_argument("--timed", type=int, default=50, help="trials timed before each stop")
    parser.add_argument("--no-regions", action="store_true", help="as `atml search --no-regions`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        storage = given.storage or f"sqlite:///{folder}/studies.db"
        stops = [stop for stop in STOPS if stop < given.to] + [given.to]
        grow(study_transfer.url(storage), stops, given.timed, regions=not given.no_regions)


if __name__ == "__main__":
    main()
