"""Which share of the random draws of a search space learn anything, and what its portfolio is worth.

Run as ``python benchmarks/learning.py --task defib --data ../shared/data/vfdb [--space FILE] [--draws 25]
[--folds 5] [--seed 0] [--minutes 15] [--portfolio]``; ``--space`` names another search space, as
``search_spaces/earlier/defib_1.py``. One process on one core; with ``--minutes`` it stops after the draw that
is running then, and prints how many were made.

A draw has every parameter drawn at random, one for each number and ``--seed``; what does not fit the window
or the task's size is drawn again. It is trained on the first fold. At its end the held-out rows give the area
under the ROC curve and the spread of the outputs, as a search reports them (`atml.tasks.targets`: the margin,
and with several classes means over them). It has learned where the first is at least .7 and the second above
.1: networks that decide everything the same stay at .5 and .05.

With ``--portfolio`` DEFAULT and the configs of the file's PORTFOLIO are trained as well: values of the task's
objective at the end of the first fold, the portfolio's median beside the draws' upper quartile.
"""

from __future__ import annotations

import argparse
import collections
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atml import data, models, task_files
from atml.arrays import Float32
from atml.data.dataset import DataSource, Rows
from atml.errors import ConfigError
from atml.formatting import table
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.regions import Draft
from atml.searching.plan import trial_seed
from atml.searching.pruning import LEARNED_AUC, LEAST_SPREAD
from atml.searching.samplers.parameters import from_params
from atml.task_files.definition import TaskDefinition
from atml.training.loop import fit, predict


@dataclass(frozen=True)
class Learned:
    """One config at the end of its first fold."""

    name: str
    family: str
    norm: str
    auc: float
    margin: float
    value: float
    seconds: float
    what: str

    @property
    def learned(self) -> bool:
        """Whether it decides by what it sees."""
        return self.auc >= LEARNED_AUC and self.margin > LEAST_SPREAD


def draws(definition: TaskDefinition, seed: int) -> Iterator[tuple[dict[str, Any], ModelConfig]]:
    """Yield random configs that can be trained."""
    for number in range(1_000_000):
        rng = random.Random(f"{seed}/{number}")
        draft = Draft(lambda axis, rng=rng: axis.draw(rng))
        config = definition.suggest(draft)
        try:
            cost = models.cost(config, definition.task)
        except ConfigError:
            continue
        if not definition.budget.broken(cost, frozenset()):
            yield draft.params, config


class FirstFold:
    """The first fold of a data set, for any config."""

    def __init__(self, definition: TaskDefinition, path: Path, folds: int) -> None:
        self.definition = definition
        self.set = definition.open(DataSource(paths=(path,)))
        self.fold = data.folds(self.set.y, self.set.subject, folds, 0)[0]

    def train(self, name: str, params: Mapping[str, Any], config: ModelConfig, seed: int) -> Learned:
        """Train one config, and print its row."""
        rows, train = self.fold.held_out, self.fold.train
        y, subject = self.set.y, self.set.subject
        seen: list[Float32] = []

        def evaluate(model: Network) -> float:
            seen[:] = [predict(model, Rows(self.set.x, rows))]
            return 0.0 if np.isfinite(seen[0]).all() else float("nan")

        began = time.process_time()
        fitted = fit(
            config,
            self.definition.task,
            Rows(self.set.x, train),
            y[train],
            subject[train],
            seed=seed,
            fractions=(1.0,),
            evaluate=evaluate,
        )
        auc, margin, value = 0.5, 0.0, float("nan")
        if not fitted.diverged:
            target = self.definition.target
            found = target.predictions(seen[0], y[rows], subject[rows])
            auc, margin, value = target.auc(found), target.spread(found), self.definition.value(found)
        seconds = time.process_time() - began
        norm = str(params.get("norm", "-"))
        done = Learned(name, params["family"], norm, auc, margin, value, seconds, config.describe())
        print(
            f"{name}\t{done.family}\t{norm}\tAUC {auc:.3f}\tmargin {margin:.3f}\tvalue {value:.3f}\t"
            f"{seconds:.0f} s\t{config.optimizer}\t{done.what}",
            flush=True,
        )
        return done


def shares(rows: list[Learned]) -> str:
    """Return the table of who learns, by family and by norm."""
    lines = []
    for kind in ("family", "norm"):
        groups = collections.defaultdict(list)
        for row in rows:
            groups[getattr(row, kind)].append(row.learned)
        lines += [
            [kind, name, str(sum(found)), str(len(found)), f"{np.mean(found):.0%}"]
            for name, found in sorted(groups.items())
        ]
    found = [row.learned for row in rows]
    lines.append(["all", "", str(sum(found)), str(len(found)), f"{np.mean(found):.0%}"])
    return table(["by", "", "learn", "of", "share"], lines, left=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--space", type=Path)
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--portfolio", action="store_true")
    asked = parser.parse_args()
    definition = task_files.find(asked.task, space=asked.space)
    first = FirstFold(definition, asked.data, asked.folds)
    began, rows = time.monotonic(), []
    for number, (params, config) in zip(range(asked.draws), draws(definition, asked.seed), strict=False):
        rows.append(first.train(f"draw {number}", params, config, trial_seed(asked.seed, number)))
        if asked.minutes and time.monotonic() - began > 60 * asked.minutes:
            break
    seconds = sum(row.seconds for row in rows)
    print(
        f"\n{definition.space_path.name} on {asked.data.name}: {len(rows)} of {asked.draws} draws,"
        f" {seconds:.0f} CPU s\n"
    )
    print(shares(rows))
    if not asked.portfolio:
        return
    given = {
        "DEFAULT": definition.default,
        **{f"config {i}": one for i, one in enumerate(definition.portfolio)},
    }
    trained = [
        first.train(name, params, from_params(definition.suggest, params), trial_seed(asked.seed, number))
        for number, (name, params) in enumerate(given.items())
    ]
    # A training that diverged has no value.
    values, own = ([row.value for row in some if row.value == row.value] for some in (rows, trained[1:]))
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    print(
        f"\nvalue of {len(values)} draws ({len(rows) - len(values)} more diverged): quartiles {low:.3f},"
        f" {middle:.3f}, {high:.3f}, best {max(values):.3f}"
    )
    print(f"value of DEFAULT: {trained[0].value:.3f}")
    if own:
        keep = "above" if np.median(own) > high else "not above"
        print(
            f"value of the portfolio's {len(own)} ({len(trained) - 1 - len(own)} more diverged): median"
            f" {np.median(own):.3f}, {keep} the draws' upper quartile; best {max(own):.3f}"
        )


if __name__ == "__main__":
    main()
