"""What rejected regions buy: searches replayed on a recorded table of real trials, with and without them.

Run as ``python benchmarks/regions.py --storage sqlite:///studies.db [--study NAME] [--seeds 20]
[--trials 200]``. Any study will do, best one of several hundred trials; it is only read. About half a
minute a seed on one core; `--processes` takes more.

Nothing is trained. **The table is a surrogate**: a config gets what the nearest recorded trial came to, in
the mean distance over all parameters (numbers as a share of their range, on its logarithm where it is
drawn so; a choice that differs, or a parameter that one of the two lacks, counts as 1). A recorded trial that
was cut short keeps its last value, and its time is drawn out to all folds. A search records most trials
where it expects good ones, so that draws at random look better on its table than they are, and regions are
rejected later or never. What is printed compares the samplers on this table, not on the data themselves.

Both searches prune by comparison as `atml.search` does; with regions, reference draws and audits are ended
by the objective's own rule alone. Printed for each: the best value after so many trials, and after so many
seconds of training (those that the search without regions took for that many trials), median and quartiles
over seeds, and a sign test over the seeds, each of which is the same for both.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import TrialState

from atml import regions, rooms
from atml.binding import MARKS, RegionSampler
from atml.regions import Bounds, Outcome
from atml.regions.evidence import FAILS, QUALIFIES
from atml.regions.space import Space, number
from atml.rooms import Room
from atml.sampler import SearchSampler, tpe
from atml.search import stopping
from atml.search.regions import DRAWN_FROM_Q, HOPELESS, hopeless, qualified
from atml.store import Store
from atml.types import TrialRecord

Floats = npt.NDArray[np.float64]

BEGAN = datetime.datetime(2026, 1, 1)


class Table:
    """Recorded trials, asked for by parameters."""

    def __init__(self, records: list[TrialRecord], space: Space, folds: int) -> None:
        self.records = records
        self.steps = folds * stopping.POINTS
        self._space = space
        self._rows = [self._row(record.params) for record in records]

    def nearest(self, params: dict[str, Any]) -> TrialRecord:
        """Return the trial at the least mean distance."""
        mine = self._row(params)
        away = [sum(_apart(mine.get(n), row.get(n)) for n in self._space.axes) for row in self._rows]
        return self.records[int(np.argmin(away))]

    def seconds(self, record: TrialRecord) -> float:
        """Training seconds of one step of a trial, of which `steps` are a whole one."""
        return float(record.result.get("training_s", 0.0)) / max(len(record.steps), 1)

    def _row(self, params: dict[str, Any]) -> dict[str, Any]:
        row = {}
        for name, value in params.items():
            axis = self._space.axes.get(name)
            if axis is not None and axis.kind != "categorical" and number(value):
                low, high, at = axis.low, axis.high, min(max(value, axis.low), axis.high)
                if axis.log:
                    low, high, at = math.log(low), math.log(high), math.log(at)
                value = (at - low) / (high - low) if high > low else 0.0
            row[name] = (value,) if axis is not None and axis.kind == "categorical" else value
        return row


def _apart(one: Any, other: Any) -> float:
    if one is None or other is None:
        return float(one is not other)
    return abs(one - other) if number(one) and number(other) else float(one != other)


@dataclass(frozen=True)
class Course:
    """One search: after each trial the best value so far and the training seconds spent."""

    best: Floats
    seconds: Floats
    rejected: int


class Replay:
    """One search over the table, with regions or without."""

    def __init__(self, table: Table, room: Room, space: Space, seed: int, with_regions: bool) -> None:
        self.table, self.room, self.space = table, room, space
        self.with_regions = with_regions
        self.ledger = regions.begin(space, {})
        self.outcomes: list[Outcome] = []
        self.peers: dict[int, list[float]] = defaultdict(list)
        self._judged = -1
        self._bounds = Bounds()
        sampler = (
            RegionSampler(tpe(seed), room.suggest, self.bounds, study_seed=seed)
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
        self.study.enqueue_trial(dict(self.room.default), user_attrs={"origin": "default"})
        best, spent = -math.inf, 0.0
        bests, seconds = [], []
        for _ in range(trials):
            trial = self.study.ask()
            self.room.suggest(trial)
            value, cost = self._one(trial)
            best, spent = max(best, value), spent + cost
            bests.append(best)
            seconds.append(spent)
        return Course(np.array(bests), np.array(seconds), len(self.bounds().closed))

    def _one(self, trial: optuna.Trial) -> tuple[float, float]:
        """Run one trial on paper; return its value, -inf without one, and its seconds."""
        record = self.table.nearest(trial.params)
        attrs = trial.storage.get_trial(trial._trial_id).user_attrs
        origin, marks = attrs.get("origin", "sampled"), attrs.get(MARKS, {})
        drawn = self.with_regions and origin in DRAWN_FROM_Q
        held, last, done = True, -math.inf, 0
        broken = {name: excess for name, excess in record.constraints.items() if excess > 0}
        # What the fixed rule ended says nothing about where another one would.
        broken.pop(HOPELESS, None)
        for step in range(self.table.steps if record.steps else 0):
            if step not in record.steps and broken:
                break
            last = record.steps.get(step, last)
            trial.report(last, step)
            done += 1
            fold, point = divmod(step, stopping.POINTS)
            if drawn:
                below = hopeless(self.room, fold, stopping.FRACTIONS[point], last)
                if below is not None:
                    broken[HOPELESS] = below
                held = below is None
            else:
                held = stopping.holds_up(last, step, self.peers[step])
            self.peers[step].append(last)
            if not held:
                break
        seconds = done * self.table.seconds(record)
        for name, excess in broken.items():
            trial.set_constraint(name, excess)
        whole = held and not broken and done == self.table.steps
        self.study.tell(trial, last if whole else None, TrialState.COMPLETE if whole else TrialState.PRUNED)
        good = whole and qualified(record, self.room.qualifies)
        self.outcomes.append(
            Outcome(
                number=trial.number,
                params=trial.params,
                origin=origin,
                verdict=QUALIFIES if good else FAILS,
                known=int(marks.get("known", 0)),
                aimed=str(marks.get("aimed", "")),
                ended=BEGAN + datetime.timedelta(minutes=trial.number),
            )
        )
        return (last if whole else -math.inf), seconds


def load(storage: str, study: str | None) -> tuple[Table, Room, Space, str]:
    """Read the table, and the search space to search it with."""
    store = Store(storage, create=False)
    name = study or store.studies()[0]
    spec = store.spec(name)
    if spec is None:
        raise SystemExit(f"no study {name!r} in {store.name}")
    given = Path(spec["space_path"])
    room = rooms.find(
        spec["task"],
        space=given if given.is_file() else None,
        objective=spec.get("objective_name") or None,
        window=spec.get("window"),
    )
    note = ""
    if room.space_hash != spec["space"]:
        note = f"\n{room.space_path} changed since: parameters are compared as far as both have them"
    space = regions.learn(room.suggest)
    records = [t for t in store.trials(name) if t.role == "search" and t.finished and t.params]
    store.close()
    return Table(records, space, spec["folds"]), room, space, name + note


def pair(storage: str, study: str | None, seed: int, trials: int) -> tuple[Course, Course]:
    """Search twice on one seed: without regions, and with them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table, room, space, _ = load(storage, study)
    plain, bound = (Replay(table, room, space, seed, on).run(trials) for on in (False, True))
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
    parser.add_argument("--storage", default="sqlite:///studies.db")
    parser.add_argument("--study")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    table, room, _, name = load(given.storage, given.study)
    good = sum(qualified(record, room.qualifies) for record in table.records)
    ran = sum(bool(record.steps) for record in table.records)
    name, _, note = name.partition("\n")
    print(
        f"study {name}: {len(table.records)} recorded trials, {ran} of them trained, {good} qualify; "
        f"{given.seeds} searches of {given.trials} trials each way, outcomes of the nearest recorded trial"
        + (f"\n{note}" if note else "")
    )
    with concurrent.futures.ProcessPoolExecutor(given.processes) as pool:
        jobs = [pool.submit(pair, given.storage, given.study, s, given.trials) for s in range(given.seeds)]
        pairs = [job.result() for job in jobs]
    plain, bound = [p for p, _ in pairs], [b for _, b in pairs]
    rejected = [path.rejected for path in bound]
    marks = [m for m in (50, 100, 150, 200) if m < given.trials] + [given.trials]
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
