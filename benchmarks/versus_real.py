"""`benchmarks/versus.py --data`: the sides for real, and their picks judged on people that no search saw."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from processes import pool
from versus_replay import MARKS, ratio
from versus_sides import PLAIN, SIDES, Course, Ending, Side, Trained, quartiles

from atml import data, task_files
from atml.arrays import Floats, Int64
from atml.data.dataset import Dataset, DataSource, Fold, Rows
from atml.formatting import table as text_table
from atml.metrics import Counts, Predictions
from atml.models.config import ModelConfig
from atml.searching import pruning
from atml.searching.plan import trial_seed
from atml.searching.samplers.parameters import from_params
from atml.task_files.definition import TaskDefinition
from atml.tasks.targets import Target
from atml.training import cross_validation, loop
from atml.training.records import ReportPoint

DEFAULT = "DEFAULT, no search"
DRAWS = 4000
LEVEL = 0.9
"""Resampled sets of subjects, and the level of the intervals."""
REMEMBERED = 6
"""Configs of earlier searches that are tried first."""

Figures = dict[str, dict[str, float]]
"""By set and subject."""


@dataclass(frozen=True)
class Judged:
    """One config on fresh seeds: its mean value out of fold, and its figure for each subject outside."""

    value: float
    outside: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One search of one side: its course, and what its picks are worth, by mark; None where it had none."""

    side: str
    part: int
    seed: int
    course: Course
    picks: dict[float, Judged | None]


@dataclass(frozen=True)
class Part:
    """What one search may see, and the folds in it; ``judged`` are the rows outside, by set."""

    number: int
    rows: Int64
    folds: tuple[Fold, ...]
    judged: dict[str, tuple[Dataset, Int64]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all sides share."""

    task: str
    data: tuple[Path, ...]
    outside: tuple[Path, ...]
    space: Path | None
    objective: str | None
    window: float | None
    folds: int
    nested: int
    leave_out: bool
    repeats: int
    seconds: float
    memory: Path | None = None

    def run(
        self, sides: Sequence[str], seeds: int, *, processes: int = 1, out: Path | None = None
    ) -> list[Result]:
        """Search with every side on every part and seed, train the picks again; append them to ``out``."""
        jobs = [(part, seed) for part in range(len(_opened(self).parts)) for seed in range(seeds)]
        found: list[Result] = []
        if processes == 1:
            batches = (self.searches(sides, *job) for job in jobs)
            return [*found, *(kept(result, out) for batch in batches for result in batch)]
        with pool(processes) as several:
            running = [several.submit(_all_of, self, tuple(sides), *job) for job in jobs]
            for job in concurrent.futures.as_completed(running):
                found += [kept(result, out) for result in job.result()]
        return sorted(found, key=lambda result: (result.part, result.seed))

    def searches(self, sides: Sequence[str], part: int, seed: int) -> Iterator[Result]:
        """Yield what each side found on one part with one seed; DEFAULT first, with the first seed."""
        import torch

        torch.set_num_threads(1)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        opened = _opened(self)
        within, judge = opened.parts[part], opened.judges[part]
        if seed == 0:
            default = judge(dict(opened.definition.default), outside=True)
            yield Result(DEFAULT, part, 0, Course(DEFAULT, self.seconds), dict.fromkeys(MARKS, default))
        for side in sides:
            drawn = trial_seed(seed, part, "versus")
            search = Side(SIDES[side], opened.definition, drawn, memory=opened.memory)
            course = search.search(_Trainer(opened.definition, opened.dataset, within, seed), self.seconds)
            yield Result(side, part, seed, course, dict(judge.picks(course)))

    def split(self, dataset: Dataset, sets: dict[str, Dataset]) -> Iterator[Part]:
        """Yield what each search may see, and what it is judged on."""
        every = np.arange(len(dataset.y))
        outer = [("", Fold(train=every, held_out=every[:0]))]
        if self.nested:
            name = f"{'+'.join(path.name for path in self.data)}, people held out"
            outer = [(name, fold) for fold in data.folds(dataset.y, dataset.subject, self.nested, 0)]
        elif self.leave_out:
            split = data.set_folds(dataset, self.data)
            names = [str(dataset.subject[fold.held_out[0]]).partition("/")[0] for fold in split]
            outer = [(f"{name}, left out", fold) for name, fold in zip(names, split, strict=True)]
        for number, (name, fold) in enumerate(outer):
            rows = fold.train
            judged = {name: (dataset, fold.held_out)} if name else {}
            judged |= {path: (one, np.arange(len(one.y))) for path, one in sets.items()}
            inner = data.folds(dataset.y[rows], dataset.subject[rows], self.folds, 0)
            folds = tuple(Fold(train=rows[f.train], held_out=rows[f.held_out]) for f in inner)
            yield Part(number, rows, folds, judged)


def _all_of(bench: Bench, sides: tuple[str, ...], part: int, seed: int) -> list[Result]:
    """Run the searches of one part and seed, in a process of a pool."""
    return list(bench.searches(sides, part, seed))


@dataclass(frozen=True)
class _Opened:
    """What a process has read: the task, its data, what each search may see, and who judges its picks."""

    definition: TaskDefinition
    dataset: Dataset
    parts: tuple[Part, ...]
    judges: tuple[_Judge, ...]
    memory: tuple[dict[str, Any], ...]


@functools.cache
def _opened(bench: Bench) -> _Opened:
    """Open what a bench asks for, once a process."""
    definition = task_files.find(
        bench.task, space=bench.space, objective=bench.objective, window=bench.window
    )
    dataset = definition.open(DataSource(paths=bench.data))
    sets = {path.name: definition.open(DataSource(paths=(path,))) for path in bench.outside}
    parts = tuple(bench.split(dataset, sets))
    judges = tuple(_Judge(definition, dataset, part, bench.repeats) for part in parts)
    memory = remembered(bench.memory) if bench.memory else ()
    return _Opened(definition, dataset, parts, judges, memory)


def kept(result: Result, out: Path | None) -> Result:
    """Say how a search ended, add its line to ``out``, and return it."""
    course = result.course
    worth = {mark: None if judged is None else judged.value for mark, judged in result.picks.items()}
    if result.side == DEFAULT:
        print(f"part {result.part}: DEFAULT {worth[MARKS[-1]]:.4f} out of fold", flush=True)
    else:
        last = course.pick(course.seconds)
        said = ", ".join("-" if value is None else f"{value:.4f}" for value in worth.values())
        print(
            f"part {result.part} seed {result.seed}  {course.side:24} {len(course.trials):3} trials, on"
            f" fresh seeds {said} (seen {last.value if last else math.nan:.4f})",
            flush=True,
        )
    if out is not None:
        line = {
            "side": result.side,
            "part": result.part,
            "seed": result.seed,
            "seconds": course.seconds,
            "fresh": {str(mark): value for mark, value in worth.items()},
            "trials": [[t.number, t.value, t.at, t.seconds, t.learned] for t in course.trials],
            "pick": last.params if (last := course.pick(course.seconds)) else None,
            "outside": judged.outside if (judged := result.picks[MARKS[-1]]) else None,
        }
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
    return result


def read(paths: Sequence[Path]) -> list[Result]:
    """Return the searches that `kept` wrote; of the params only those of the last pick are known."""
    found = []
    for path in paths:
        for text in path.read_text().splitlines():
            line = json.loads(text)
            name = SIDES[line["side"]].name if line["side"] in SIDES else line["side"]
            course = Course(name, line["seconds"])
            for number, value, at, seconds, learned in line["trials"]:
                course.trials.append(Ending(number, {}, value, math.nan, at, seconds, learned))
            picks = {
                float(mark): None if value is None else Judged(value, line["outside"] or {})
                for mark, value in line["fresh"].items()
            }
            found.append(Result(line["side"], line["part"], line["seed"], course, picks))
    return found


def remembered(path: Path, side: str = "atml") -> tuple[dict[str, Any], ...]:
    """Return what the searches of ``side`` in a file of `kept` picked, the best on fresh seeds first."""
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    picks = [line for line in lines if line["side"] == side and line["pick"]]
    picks.sort(key=lambda line: -line["fresh"][str(MARKS[-1])])
    found: list[dict[str, Any]] = []
    for line in picks:
        if line["pick"] not in found:
            found.append(line["pick"])
    return tuple(found[:REMEMBERED])


class _Trainer:
    """Trains a trial over the folds; seconds are those of this process on a CPU."""

    def __init__(self, definition: TaskDefinition, dataset: Dataset, part: Part, seed: int) -> None:
        self._definition, self._dataset, self._part = definition, dataset, part
        self._seed, self._count = seed, 0

    def __call__(
        self, params: dict[str, Any], config: ModelConfig, go_on: Callable[[ReportPoint], bool]
    ) -> Trained:
        """Train one."""
        points: list[ReportPoint] = []

        def ask(point: ReportPoint) -> bool:
            points.append(point)
            return go_on(point)

        began = time.process_time()
        self._count += 1
        measured = cross_validation.run(
            config,
            self._definition.task,
            self._dataset,
            self._part.folds,
            self._definition.value,
            seed=trial_seed(self._seed, self._count, "versus"),
            on_progress=ask,
            judged=self._definition.agreement,
        )
        names = {"diverged": measured.diverged, "constant": measured.collapsed}
        last = points[-1] if points else None
        return Trained(
            value=measured.value,
            seconds=time.process_time() - began,
            whole=measured.finished,
            broken={name: 1.0 for name, broken in names.items() if broken},
            learned=last is not None
            and not any(names.values())
            and last.auc >= pruning.LEARNED_AUC
            and last.spread >= pruning.LEAST_SPREAD,
        )


class _Judge:
    """Trains configs on fresh seeds, the same for all; each config once."""

    def __init__(self, definition: TaskDefinition, dataset: Dataset, part: Part, repeats: int) -> None:
        self._definition, self._dataset, self._part, self._repeats = definition, dataset, part, repeats
        self._values: dict[str, float] = {}
        self._outside: dict[str, Figures] = {}

    def picks(self, course: Course) -> Iterator[tuple[float, Judged | None]]:
        """Judge the pick at each mark, the last one outside as well."""
        for mark in MARKS:
            pick = course.pick(mark * course.seconds)
            yield mark, None if pick is None else self(pick.params, outside=mark == MARKS[-1])

    def __call__(self, params: dict[str, Any], *, outside: bool) -> Judged:
        """Judge one config."""
        key = json.dumps(params, sort_keys=True)
        config = from_params(self._definition.suggest, params)
        seeds = [trial_seed(0, repeat, "fresh") for repeat in range(self._repeats)]
        if key not in self._values:
            self._values[key] = float(np.mean([self._out_of_fold(config, seed) for seed in seeds]))
        if outside and self._part.judged and key not in self._outside:
            self._outside[key] = _mean([self._on_others(config, seed) for seed in seeds])
        return Judged(self._values[key], self._outside.get(key, {}) if outside else {})

    def _out_of_fold(self, config: ModelConfig, seed: int) -> float:
        definition, folds = self._definition, self._part.folds
        return cross_validation.run(
            config,
            definition.task,
            self._dataset,
            folds,
            definition.value,
            seed=seed,
            judged=definition.agreement,
        ).value

    def _on_others(self, config: ModelConfig, seed: int) -> Figures:
        rows, dataset, target = self._part.rows, self._dataset, self._definition.target
        fitted = loop.fit(
            config,
            self._definition.task,
            Rows(dataset.x, rows),
            dataset.y[rows],
            dataset.subject[rows],
            seed=seed,
        )
        found = {}
        for name, (other, judged) in self._part.judged.items():
            logits = loop.predict(fitted.model, Rows(other.x, judged))
            found[name] = by_subject(
                target, target.predictions(logits, other.y[judged], other.subject[judged])
            )
        return found


def by_subject(target: Target, predictions: Predictions) -> dict[str, float]:
    """Return a figure of each subject: F-beta, specificity without positives; accuracy of several classes."""
    table = target.table(predictions)
    if isinstance(table, Counts):
        values = np.where(table.tp + table.fn > 0, table.f_beta(2.0), table.specificity())
    else:
        cells = table.cells
        values = np.trace(cells, axis1=1, axis2=2) / np.maximum(cells.sum(axis=(1, 2)), 1)
    return dict(zip(table.names.tolist(), values.tolist(), strict=True))


def _mean(figures: Sequence[Figures]) -> Figures:
    """Mean over repeats."""
    gathered: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in figures:
        for name, subjects in one.items():
            for subject, value in subjects.items():
                gathered[name][subject].append(value)
    return {name: {s: float(np.mean(v)) for s, v in own.items()} for name, own in gathered.items()}


def gains(own: Figures, default: Figures) -> Iterator[tuple[str, Floats, Floats]]:
    """Return set, figure of each subject and that of DEFAULT, for the subjects that both have."""
    for name in own:
        subjects = sorted(own[name].keys() & default[name].keys())
        yield (
            name,
            np.array([own[name][subject] for subject in subjects]),
            np.array([default[name][subject] for subject in subjects]),
        )


def interval(gain: Floats) -> tuple[float, float]:
    """Percentile interval of the mean ``gain (subjects,)`` from resampling subjects."""
    pick = np.random.default_rng(0).integers(0, len(gain), (DRAWS, len(gain)))
    low, high = np.quantile(gain[pick].mean(axis=1), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def rendered(results: Sequence[Result], seconds: float) -> str:
    """Write the tables: over DEFAULT outside first."""
    by_side: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_side[result.side].append(result)
    sides = [side for side in by_side if side != DEFAULT]
    last = {
        side: _mean([j.outside for r in own if (j := r.picks[MARKS[-1]])]) for side, own in by_side.items()
    }
    text, rows = [], []
    for side in sides:
        for name, own, default in gains(last[side], last[DEFAULT]):
            gain = own - default
            low, high = interval(gain)
            verdict = "gain" if low > 0 else "loss" if high < 0 else "no gain over DEFAULT was found"
            ends = f"{low:+.4f} to {high:+.4f}"
            counts = f"{(gain > 0).sum()} / {(gain < 0).sum()} of {len(gain)}"
            figures = (f"{default.mean():.4f}", f"{own.mean():.4f}", f"{gain.mean():+.4f}")
            rows.append([name, SIDES[side].name, *figures, ends, counts, verdict])
    if rows:
        head = ["outside", "side", "DEFAULT", "pick", "gain", "90% interval", "better / worse", ""]
        text += [text_table(head, rows, left=2), ""]
    rows = []
    for side, results_of in by_side.items():
        values = [
            [-math.inf if j is None else j.value for r in results_of if (j := r.picks[mark]) or True]
            for mark in MARKS
        ]
        said = [quartiles(one, 4) for one in values]
        rows.append([SIDES[side].name if side in SIDES else side, *said])
    head = ["out of fold on fresh seeds, pick after", *(f"{100 * mark:.0f}% of the time" for mark in MARKS)]
    text += [text_table(head, rows), ""]
    rows = []
    plain = PLAIN if PLAIN in sides else ""
    for side in sides:
        courses = [r.course for r in by_side[side]]
        ratios = (
            [ratio(p.course, c, "value") for p, c in zip(by_side[plain], courses, strict=True)]
            if plain
            else []
        )
        wasted = float(np.mean([c.wasted for c in courses]))
        rows.append(
            [
                SIDES[side].name,
                quartiles(ratios) if ratios else "-",
                f"{100 * np.mean(np.isinf(ratios)):.0f}%" if ratios else "-",
                f"{np.median([len(c.trials) for c in courses]):.0f}",
                f"{np.median([sum(t.value > -math.inf for t in c.trials) for c in courses]):.0f}",
                f"{100 * np.mean([c.learned for c in courses]):.0f}%",
                f"{wasted:.0f} ({100 * wasted / seconds:.0f}%)",
            ]
        )
    head = ["", "seconds to plain's best (value seen), ratio", "never", "trials", "over every fold"]
    text.append(text_table([*head, "that learn", "seconds on trials that learned nothing"], rows))
    return "\n".join(text)
