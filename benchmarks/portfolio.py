"""What configs that won on other data are worth here: a portfolio chosen from recorded tables, and judged.

Run as ``python benchmarks/portfolio.py --task afib [--table TABLE ... | --of TASK] [--count 6] [--against
TABLE] [--data SET] [--draws 12] [--folds 5] [--through 1] [--share 1.0] [--seeds 1] [--processes 2]``. Tables
are those of `benchmarks/record.py`, of this task or a like one; ``--of`` takes the portfolio of another task
instead, and with neither the task's own is judged. What the other space calls otherwise is as in DEFAULT, and
so is how classes are weighed, which belongs to the task.

The best configs by their mean value are taken, at most two of a family. They are printed as they can stand in
a search space. ``--against`` a table of the same draws on other data: the rank correlation of the two over
configs that were trained in both, and which share of all draws each of the chosen exceeds there. With
``--data`` DEFAULT, the chosen and as many random draws as asked for are trained through the first folds of
it, and their values stand side by side. Choose from data that are not judged: else it is no portfolio, it is
the answer.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from processes import pool
from scipy.stats import spearmanr
from versus_sides import over

from atml import data, task_files
from atml.data.dataset import Dataset, DataSource, Fold
from atml.errors import InputError
from atml.formatting import table as text_table
from atml.searching.plan import trial_seed
from atml.searching.samplers.parameters import from_params, within
from atml.task_files.definition import TaskDefinition
from atml.training import cross_validation

OF_THE_TASK = ("class_weights", "positive_weight")
"""How classes are weighed: a matter of the objective, and not of how well a network learns."""

PER_FAMILY = 2

DEFAULT, CHOSEN, DRAWN = "DEFAULT", "chosen", "drawn at random"


@dataclass(frozen=True)
class Kept:
    """A config of a table: its number, parameters, and mean value over its trainings, NaN if not whole."""

    number: int
    params: dict[str, Any]
    value: float


def read(path: Path) -> dict[int, Kept]:
    """Return the trained configs of a table, by number."""
    values: dict[int, list[float]] = defaultdict(list)
    params: dict[int, dict[str, Any]] = {}
    for line in path.read_text().splitlines()[1:]:
        row = json.loads(line)
        if row.get("steps"):
            params[row["number"]] = row["params"]
            values[row["number"]].append(math.nan if row["constraints"] else row["value"])
    return {number: Kept(number, params[number], float(np.mean(values[number]))) for number in sorted(params)}


def choose(tables: Sequence[Mapping[int, Kept]], definition: TaskDefinition, count: int) -> list[Kept]:
    """Return the best configs that the task's space can make, by their rank in their table."""
    ranked = []
    for one in tables:
        whole = sorted((kept for kept in one.values() if not math.isnan(kept.value)), key=lambda k: -k.value)
        ranked += [(rank / len(whole), kept) for rank, kept in enumerate(whole)]
    found: list[Kept] = []
    families: dict[str, int] = defaultdict(int)
    for _, kept in sorted(ranked, key=lambda pair: pair[0]):
        made = replace(kept, params=translated(kept.params, definition))
        family = str(made.params["family"])
        if len(found) < count and families[family] < PER_FAMILY and _fits(made.params, definition):
            families[family] += 1
            found.append(made)
    return found


def translated(params: Mapping[str, Any], definition: TaskDefinition) -> dict[str, Any]:
    """Return what a config of a like space is in the task's: values brought into its ranges."""
    default = definition.default
    found: dict[str, Any] = {}

    class _Reading(optuna.trial.FixedTrial):
        """Answers what the space asks: as the config has it, or DEFAULT, or the middle."""

        def _suggest(self, name: str, distribution: optuna.distributions.BaseDistribution) -> Any:
            wanted = params.get(name) if name not in OF_THE_TASK else default.get(name)
            value = default.get(name) if wanted is None else wanted
            found[name] = _nearest(value, distribution)
            return found[name]

    definition.suggest(_Reading({}))
    return found


def _nearest(value: Any, distribution: Any) -> Any:
    """Return the value of a distribution that is nearest; the first choice, or the middle, of none."""
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return value if value in distribution.choices else distribution.choices[0]
    low, high = distribution.low, distribution.high
    if not isinstance(value, int | float):
        value = math.sqrt(low * high) if distribution.log else (low + high) / 2
    value = min(high, max(low, value))
    if distribution.step:
        value = low + round((value - low) / distribution.step) * distribution.step
    return type(low)(value)


def _fits(params: Mapping[str, Any], definition: TaskDefinition) -> bool:
    """Whether the space makes a config of these values, and it can be built within the budget."""
    try:
        return not over(definition, within(definition.suggest, params))
    except InputError:
        return False


def drawn(definition: TaskDefinition, count: int) -> Iterator[dict[str, Any]]:
    """Yield random configs within the budget."""
    number = 0
    while count:
        sampler = optuna.samplers.RandomSampler(seed=trial_seed(0, number, "portfolio"))
        trial = optuna.create_study(sampler=sampler).ask()
        number += 1
        try:
            definition.suggest(trial)
        except InputError:
            continue
        if _fits(trial.params, definition):
            count -= 1
            yield dict(trial.params)


@dataclass(frozen=True)
class Setting:
    """On what configs are judged: through the first folds, with a share of their steps."""

    task: str
    data: tuple[Path, ...]
    folds: int
    through: int
    share: float


@functools.cache
def _opened(setting: Setting) -> tuple[TaskDefinition, Dataset, tuple[Fold, ...]]:
    """Open the task and its data, once a process."""
    definition = task_files.find(setting.task)
    dataset = definition.open(DataSource(paths=setting.data))
    folds = data.folds(dataset.y, dataset.subject, setting.folds, 0)
    return definition, dataset, folds[: setting.through]


def trained(setting: Setting, params: dict[str, Any], seed: int) -> float:
    """Return the value of a config out of fold, over the first folds."""
    import torch

    torch.set_num_threads(1)
    definition, dataset, folds = _opened(setting)
    config = from_params(definition.suggest, params)
    return cross_validation.run(
        replace(config, steps=max(1, round(config.steps * setting.share))),
        definition.task,
        dataset,
        folds,
        definition.value,
        seed=trial_seed(0, seed, "portfolio"),
        judged=definition.agreement,
    ).value


def main() -> None:
    """Choose, print, compare, train."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", default="afib")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--table", type=Path, nargs="+", default=[])
    source.add_argument("--of", metavar="TASK", help="take its PORTFOLIO")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--against", type=Path, help="a table of the same draws on other data")
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--through", type=int, default=1, help="folds that are trained")
    parser.add_argument("--share", type=float, default=1.0, help="of each config's optimiser steps")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each config")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    definition = task_files.find(given.task)
    tables = [read(path) for path in given.table]
    if tables:
        chosen = choose(tables, definition, given.count)
    else:
        of = task_files.find(given.of) if given.of else definition
        each = [translated(params, definition) for params in of.portfolio[: given.count]]
        chosen = [Kept(number, params, math.nan) for number, params in enumerate(each, 1)]
    for kept in chosen if tables or given.of else ():
        there = "" if math.isnan(kept.value) else f", {kept.value:.4f} there"
        print(f"# number {kept.number}{there}\n{_written(kept.params, definition)}")
    if given.against and tables:
        _compare(tables[0], read(given.against), chosen)
    if given.data:
        setting = Setting(
            given.task,
            tuple(path.resolve() for path in given.data),
            given.folds,
            given.through,
            given.share,
        )
        _judge(setting, definition, [kept.params for kept in chosen], given)


def _written(params: Mapping[str, Any], definition: TaskDefinition) -> str:
    """Write what differs from DEFAULT as a dict."""
    rounded = {name: float(f"{v:.2g}") if isinstance(v, float) else v for name, v in params.items()}
    own = ", ".join(
        f'"{name}": ' + (json.dumps(value) if isinstance(value, str) else repr(value))
        for name, value in rounded.items()
        if definition.default.get(name) != value
    )
    return f"{{**DEFAULT, {own}}},"


def _compare(own: Mapping[int, Kept], other: Mapping[int, Kept], chosen: Sequence[Kept]) -> None:
    both = [
        number
        for number in own.keys() & other.keys()
        if not math.isnan(own[number].value + other[number].value)
    ]
    pairs = [(own[number].value, other[number].value) for number in both]
    there = np.sort([kept.value for kept in other.values() if not math.isnan(kept.value)])
    print(f"{len(both)} configs in both tables: rank correlation {spearmanr(pairs).statistic:.2f}")
    for kept in chosen:
        if kept.number in other and not math.isnan(value := other[kept.number].value):
            share = np.searchsorted(there, value) / len(there)
            print(f"number {kept.number}: {value:.4f} in the other table, above {share:.0%} of its draws")


def _judge(
    setting: Setting, definition: TaskDefinition, chosen: Sequence[dict[str, Any]], given: Any
) -> None:
    sides = {
        DEFAULT: [dict(definition.default)],
        CHOSEN: list(chosen),
        DRAWN: list(drawn(definition, given.draws)),
    }
    jobs = [(p, n) for each in sides.values() for p in each for n in range(given.seeds)]
    judge = functools.partial(trained, setting)
    rows = []
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(pool(given.processes)).map if given.processes > 1 else map
        found = iter(run(judge, *zip(*jobs, strict=True)))
        for side, each in sides.items():
            values = [np.mean(list(itertools.islice(found, given.seeds))) for _ in each]
            if values:
                quarters = (f"{one:.3f}" for one in np.quantile(values, (0.25, 0.5, 0.75, 1.0)))
                rows.append((side, str(len(values)), *quarters))
                print(f"{side}: {', '.join(f'{value:.3f}' for value in values)}", flush=True)
    folds = f"value after {setting.through} of {setting.folds} folds"
    print(text_table((folds, "configs", "lower quartile", "median", "upper quartile", "best"), rows))


if __name__ == "__main__":
    main()
