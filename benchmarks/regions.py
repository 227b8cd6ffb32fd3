"""What rejected regions buy: searches replayed on a recorded table of real trials, with and without them.

Run as ``python benchmarks/regions.py --table FILE`` for a file of `benchmarks/record.py`, or with ``--storage
sqlite:///studies.db [--study NAME]`` for a study, which is only read; ``[--seeds 20] [--trials 300]
[--processes 1]``.

Nothing is trained: `benchmarks/table.py` says how a table answers. A study's own trials make a poor one:
it records most where it expected good ones and cuts others short, so that draws at random look
better than they are. A table recorded at random has neither fault.

Both searches check the budget before any training and prune by comparison, as `atml.searching` does; with
regions, reference draws and audits are ended by the objective's own rule alone. Printed for each: after so
many trials, and after so many seconds of training (those that the search without regions took for
that many trials), what its best trial so far is worth, which is the forest's mean for its config and not the
lucky draw that made it the best; median and quartiles over seeds; and a sign test over the seeds, each of
which is the same for both.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
import table as tables
from optuna.trial import TrialState
from table import Table

from atml import models, regions
from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.regions import Bounds, Outcome
from atml.regions.sequential_test import FAILS, QUALIFIES
from atml.searching import pruning
from atml.searching.region_learning import BELOW_FLOOR, DRAWN_FROM_Q, below_floor
from atml.searching.samplers.parameters import SearchSampler, tpe
from atml.searching.samplers.region_sampler import MARKS, RegionSampler

Floats = npt.NDArray[np.float64]

BEGAN = datetime.datetime(2026, 1, 1)


@dataclass(frozen=True)
class Course:
    """One search: after each trial the best value so far and the training seconds spent."""

    best: Floats
    seconds: Floats
    rejected: int


class Replay:
    """One search over the table, with regions or without."""

    def __init__(self, table: Table, seed: int, with_regions: bool) -> None:
        self.table, self.definition, self.space = table, table.definition, table.space
        self.steps = table.folds * pruning.POINTS
        self.with_regions = with_regions
        self.ledger = regions.begin(self.space, {})
        self.outcomes: list[Outcome] = []
        self.peers: dict[int, list[float]] = defaultdict(list)
        self._rng = np.random.default_rng(seed)
        self._judged = -1
        self._bounds = Bounds()
        sampler = (
            RegionSampler(tpe(seed), self.definition.suggest, self.bounds, study_seed=seed)
            if with_regions
            else SearchSampler(seed, study_seed=seed)
        )
        self.study = optuna.create_study(direction="maximize", sampler=sampler)

    def bounds(self) -> Bounds:
        """Judge anew after each trial."""
        if self._judged != len(self.outcomes):
            self._judged = len(self.outcomes)
            self.ledger = regions.update(self.ledger, self.outcomes, self.space)
            self._bounds = Bounds.of(regions.judge(self.ledger, self.outcomes, self.space))
        return self._bounds

    def run(self, trials: int) -> Course:
        """Search."""
        self.study.enqueue_trial(dict(self.definition.default), user_attrs={"origin": "default"})
        best, worth, spent = -math.inf, -math.inf, 0.0
        worths, seconds = [], []
        for _ in range(trials):
            trial = self.study.ask()
            ended = self._one(trial, self.definition.suggest(trial))
            spent += ended.seconds
            if ended.value > best:
                best, worth = ended.value, ended.mean
            worths.append(worth)
            seconds.append(spent)
        return Course(np.array(worths), np.array(seconds), len(self.bounds().closed))

    def _one(self, trial: optuna.Trial, config: ModelConfig) -> _Ended:
        """Run one trial on paper."""
        attrs = trial.storage.get_trial(trial._trial_id).user_attrs
        origin, marks = attrs.get("origin", "sampled"), attrs.get(MARKS, {})
        ended = self._untrained(config) or self._trained(trial, drawn=origin in DRAWN_FROM_Q)
        for name, excess in ended.broken.items():
            trial.set_constraint(name, excess)
        whole = ended.value > -math.inf
        state = TrialState.COMPLETE if whole else TrialState.PRUNED
        self.study.tell(trial, ended.value if whole else None, state)
        self.outcomes.append(
            Outcome(
                number=trial.number,
                params=trial.params,
                origin=origin,
                verdict=QUALIFIES if ended.qualifies else FAILS,
                known=int(marks.get("known", 0)),
                aimed=str(marks.get("aimed", "")),
                ended=BEGAN + datetime.timedelta(minutes=trial.number),
            )
        )
        return ended

    def _untrained(self, config: ModelConfig) -> _Ended | None:
        """What the price of a config ends before any training."""
        try:
            cost = models.cost(config, self.definition.task)
        except ConfigError:
            return _Ended({"shape": 1.0})
        broken = {k: v for k, v in self.definition.budget.excess(cost, frozenset()).items() if v > 0}
        return _Ended(broken) if broken else None

    def _trained(self, trial: optuna.Trial, *, drawn: bool) -> _Ended:
        """Give the trial the reports of a recorded one, until a rule ends it."""
        record, mean = self.table.draw(trial.params, self._rng)
        broken = dict(record.constraints)
        held, last, done, spent = True, -math.inf, 0, 0.0
        for step in range(self.steps):
            if step not in record.steps and broken:
                break
            last = record.steps.get(step, last)
            # A recorded trial that was cut short is drawn out at its own pace.
            spent = record.seconds.get(step, spent * (step + 1) / max(step, 1))
            trial.report(last, step)
            done += 1
            fold, point = divmod(step, pruning.POINTS)
            if drawn and self.with_regions:
                below = below_floor(self.definition, fold, pruning.FRACTIONS[point], last)
                if below is not None:
                    broken[BELOW_FLOOR] = below
                held = below is None
            else:
                held = pruning.holds_up(last, step, self.peers[step])
            self.peers[step].append(last)
            if not held:
                break
        whole = held and not broken and done == self.steps
        return _Ended(broken, last if whole else -math.inf, mean, spent, whole and record.qualifies)


@dataclass(frozen=True)
class _Ended:
    """How a trial ended: ``value`` is -inf where it did not run over every fold."""

    broken: dict[str, float]
    value: float = -math.inf
    mean: float = -math.inf
    seconds: float = 0.0
    qualifies: bool = False


def load(file: Path | None, storage: str, study: str | None) -> Table:
    """Read the table."""
    return tables.from_file(file) if file is not None else tables.from_study(storage, study)


def pair(file: Path | None, storage: str, study: str | None, seed: int, trials: int) -> tuple[Course, Course]:
    """Search twice on one seed: without regions, and with them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = load(file, storage, study)
    plain, bound = (Replay(table, seed, on).run(trials) for on in (False, True))
    return plain, bound


def at(path: Course, seconds: float) -> float:
    """Best value after ``seconds`` of training."""
    index = int(np.searchsorted(path.seconds, seconds, side="right")) - 1
    return float(path.best[index]) if index >= 0 else -math.inf


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = np.quantile(np.array(values), [0.25, 0.5, 0.75], method="closest_observation")
    return f"{middle:8.4f} ({low:.4f} to {high:.4f})"


def verdict(plain: list[float], bound: list[float], unit: str) -> str:
    """Say in a sentence what the seeds show, by a two-sided sign test."""
    wins = sum(b > p for p, b in zip(plain, bound, strict=True))
    losses = sum(b < p for p, b in zip(plain, bound, strict=True))
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(max(wins, losses), n + 1)) / 2**n
    chance = min(1.0, 2 * tail)
    counts = f"better in {wins}, worse in {losses}, equal in {len(plain) - n} of {len(plain)} seeds"
    if chance > 0.05:
        return (
            f"By {unit}: no gain here. With regions the best value is {counts} (sign test p = {chance:.2f})."
        )
    word = "a gain" if wins > losses else "a loss"
    return f"By {unit}: {word}. With regions the best value is {counts} (sign test p = {chance:.3f})."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--storage", default="sqlite:///studies.db")
    parser.add_argument("--study")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    table = load(given.table, given.storage, given.study)
    good = sum(record.qualifies for record in table.records)
    print(
        f"{table.about}\n{len(table.records)} recorded trials ({table.untrained} more broke the budget), "
        f"{good} qualify; R squared of the forest out of bag {table.known:.2f}\n"
        f"{given.seeds} searches of {given.trials} trials each way"
    )
    with concurrent.futures.ProcessPoolExecutor(given.processes) as pool:
        jobs = [
            pool.submit(pair, given.table, given.storage, given.study, s, given.trials)
            for s in range(given.seeds)
        ]
        pairs = [job.result() for job in jobs]
    plain, bound = [p for p, _ in pairs], [b for _, b in pairs]
    rejected = [path.rejected for path in bound]
    marks = [m for m in (50, 100, 200, 300, 400) if m < given.trials] + [given.trials]
    print(
        f"regions rejected at the end: median {np.median(rejected):g}, {min(rejected)} to {max(rejected)}\n"
    )
    print(f"{'':26}{'without regions':32}with regions")
    for mark in marks:
        values = (spread([float(path.best[mark - 1]) for path in paths]) for paths in (plain, bound))
        print(f"{f'best after {mark} trials':26}{''.join(f'{value:32}' for value in values)}")
    for mark in marks:
        values = (f"{np.median([path.seconds[mark - 1] for path in paths]):8.0f}" for paths in (plain, bound))
        print(f"{f'training s, {mark} trials':26}{''.join(f'{value:32}' for value in values)}")
    times = [float(np.median([path.seconds[mark - 1] for path in plain])) for mark in marks]
    for time in times:
        values = (spread([at(path, time) for path in paths]) for paths in (plain, bound))
        print(f"{f'best after {time:.0f} s':26}{''.join(f'{value:32}' for value in values)}")
    print()
    print(verdict([float(p.best[-1]) for p in plain], [float(b.best[-1]) for b in bound], "trials"))
    print(verdict([at(p, times[-1]) for p in plain], [at(b, times[-1]) for b in bound], "training seconds"))


if __name__ == "__main__":
    main()
