"""What rejected regions buy: searches replayed on a recorded table of real trials, with and without them.

Run as ``python benchmarks/regions.py --table FILE`` for a file of `benchmarks/record.py`, or with ``--storage
sqlite:///studies.db [--study NAME]`` for a study, which is only read; ``[--seeds 20] [--trials 300]
[--processes 1]``. ``--space FILE`` is the search space that the table was recorded on, where the built-in one
has changed since (``git show REVISION:search_spaces/afib.py > FILE``).

Three searches a seed: without regions; with the claim of version 0.1, "hardly any config qualifies" at p0 .2
over some 30 boxes; with that of today, "hardly any config learns" at a p0 that follows from the draws, over a
few structural boxes. With ``--regions FILE``, a regions.json or avoid.txt, there is a fourth one: it begins
with those, as `atml search --regions` does.

A table recorded before atml reported spreads has values alone: there a trial counts as collapsed where a
fold's model decided every window the same ("constant"), or where its held-out value is below the objective's
floor and stuck at its first two reports.

Nothing is trained: `benchmarks/table.py` says how a table answers. A study's own trials make a poor one:
it records most where it expected good ones and cuts others short, so that draws at random look
better than they are. A table recorded at random has neither fault.

All of them check the budget before any training, end what has collapsed at half of fold 1, and prune by
comparison, as `atml.searching` does; reference draws and audits are exempt from comparison as their claim
needs. Printed for each: after so many trials, and after so many seconds of training (those that the search
without regions took for that many trials), what its best trial so far is worth, which is the forest's mean
for its config and not the lucky draw that made it the best; median and quartiles over seeds; and a sign test
over the seeds, each of which is the same for all.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
import table as tables
from optuna.trial import TrialState
from table import Table
from versus_sides import over, quarters

from atml import regions
from atml.models.config import ModelConfig
from atml.regions import Bounds, Box, Claim, Ledger, Outcome, Space, region_files
from atml.regions.candidates import LEAST_SHARE, _is_new, _outer
from atml.regions.sequential_test import COLLAPSED, FAILS, LEARNED, QUALIFIES, UNRESOLVED, UNTRAINED
from atml.regions.space import Axis, structural
from atml.searching import pruning
from atml.searching.collapse import BELOW_FLOOR, EVIDENCE, collapsed
from atml.searching.region_learning import DRAWN_FROM_Q, below_floor
from atml.searching.samplers.parameters import SearchSampler
from atml.searching.samplers.proposing import tpe
from atml.searching.samplers.region_sampler import MARKS, RegionSampler

Floats = npt.NDArray[np.float64]

BEGAN = datetime.datetime(2026, 1, 1)


@dataclass(frozen=True)
class Course:
    """One search: after each trial the best value so far and the training seconds spent."""

    best: Floats
    seconds: Floats
    rejected: int
    learned: int
    """Trials that got to half of fold 1 and had not collapsed."""
    closed: tuple[Box, ...]


WAYS = {
    "none": "without regions",
    "old": "claim of version 0.1",
    "new": "claim of today",
    "memory": "... begun with regions",
}


class Replay:
    """One search over the table in one of `WAYS`; ``imported`` are the regions that it begins with."""

    def __init__(self, table: Table, seed: int, way: str, imported: Sequence[Box] = ()) -> None:
        self.table, self.definition, self.space = table, table.definition, table.space
        self.steps = table.folds * pruning.POINTS
        self.way = way
        self.ledger = _ledger(self.space, way, imported, self.definition.regions)
        self.outcomes: list[Outcome] = []
        self.peers: dict[int, list[float]] = defaultdict(list)
        self._rng = np.random.default_rng(seed)
        self.learned = 0
        self._judged = -1
        self._bounds = Bounds()
        sampler = (
            RegionSampler(tpe(seed), self.definition.suggest, self.bounds, study_seed=seed)
            if way != "none"
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
        closed = self.bounds().closed
        return Course(np.array(worths), np.array(seconds), len(closed), self.learned, closed)

    def _one(self, trial: optuna.Trial, config: ModelConfig) -> _Ended:
        """Run one trial on paper."""
        attrs = trial.storage.get_trial(trial._trial_id).user_attrs
        origin, marks = attrs.get("origin", "sampled"), attrs.get(MARKS, {})
        ended = self._untrained(config) or self._trained(trial, drawn=origin in DRAWN_FROM_Q)
        for name, excess in ended.broken.items():
            trial.set_constraint(name, excess)
        self.learned += ended.collapsed is False
        whole = ended.value > -math.inf
        state = TrialState.COMPLETE if whole else TrialState.PRUNED
        self.study.tell(trial, ended.value if whole else None, state)
        self.outcomes.append(
            Outcome(
                number=trial.number,
                params=trial.params,
                origin=origin,
                verdict=self._verdict(ended),
                known=int(marks.get("known", 0)),
                aimed=str(marks.get("aimed", "")),
                ended=BEGAN + datetime.timedelta(minutes=trial.number),
            )
        )
        return ended

    def _verdict(self, ended: _Ended) -> str:
        """What a trial says about regions, by the claim of this search."""
        if ended.qualifies:
            return QUALIFIES
        if self.ledger.claim == Claim.QUALIFIES:
            return FAILS
        if not ended.seconds:
            return UNTRAINED
        if ended.collapsed is None:
            return UNRESOLVED
        return COLLAPSED if ended.collapsed else LEARNED

    def _untrained(self, config: ModelConfig) -> _Ended | None:
        """What the price of a config ends before any training."""
        broken = over(self.definition, config)
        return _Ended(broken) if broken else None

    def _trained(self, trial: optuna.Trial, *, drawn: bool) -> _Ended:
        """Give the trial the reports of a recorded one, until a rule ends it."""
        record, mean = self.table.draw(trial.params, self._rng)
        broken = dict(record.constraints)
        floor = self.definition.floor
        dead = collapsed(record.constraints, record.steps, getattr(record, "points", {}), floor)
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
            below = below_floor(self.definition, fold, pruning.FRACTIONS[point], last)
            if drawn and self.way != "none" and below is not None:
                broken[BELOW_FLOOR], held = below, False
            elif step == EVIDENCE and dead:
                held = False
            elif not (drawn and self._exempt(step)):
                held = pruning.holds_up(last, step, self.peers[step])
            self.peers[step].append(last)
            if not held:
                break
        whole = held and not broken and done == self.steps
        seen: bool | None = None
        if BELOW_FLOOR in broken:
            seen = True
        elif done > EVIDENCE:
            seen = bool(dead)
        return _Ended(broken, last if whole else -math.inf, mean, spent, whole and record.qualifies, seen)

    def _exempt(self, step: int) -> bool:
        """Whether a draw is not compared at a step, as `RegionLearner.exempt` says."""
        return self.way == "old" or (self.way != "none" and step < EVIDENCE)


@dataclass(frozen=True)
class _Ended:
    """How a trial ended: ``value`` is -inf where it did not run over every fold."""

    broken: dict[str, float]
    value: float = -math.inf
    mean: float = -math.inf
    seconds: float = 0.0
    qualifies: bool = False
    collapsed: bool | None = None


def _ledger(space: Space, way: str, imported: Sequence[Box], named: Sequence[str]) -> Ledger:
    if way == "old":
        return regions.begin(space, {}, claim=Claim.QUALIFIES, p0=0.2, boxes=family_of_before(space))
    return regions.begin(space, {}, named=named, imported=[(box, "another seed") for box in imported])


def rejected_by(table: Table) -> str:
    """Write what the claim of today rejects on all trials of a table, with the evidence about each box."""
    floor, draws = table.definition.floor, []
    for number, record in enumerate(table.records):
        dead = collapsed(record.constraints, record.steps, getattr(record, "points", {}), floor)
        verdict = (
            QUALIFIES if record.qualifies else UNRESOLVED if dead is None else (LEARNED, COLLAPSED)[dead]
        )
        moment = BEGAN + datetime.timedelta(minutes=number)
        draws.append(
            Outcome(number=number, params=record.params, origin="reference", verdict=verdict, ended=moment)
        )
    found = regions.judge(regions.begin(table.space, {}, named=table.definition.regions), draws, table.space)
    closed = ", ".join(region.box.words() for region in found if region.binds) or "nothing"
    evidence = "".join(f"\n  {region.box.words()}: {region.words()}" for region in found)
    return f"{closed} (p0 {found[0].p0:.3f}){evidence}"


def family_of_before(space: Space, limit: int = 30, most_pairs: int = 4) -> tuple[Box, ...]:
    """Return the boxes that version 0.1 declared.

    Each branch of a categorical parameter and the outer quartiles of each numeric one, parameters that decide
    whether others exist and log-uniform ones first, and a few pairs of them.
    """
    shapes = structural(space)

    def rank(axis: Axis) -> int:
        return 0 if axis.name in shapes else 1 if axis.log else 2 if axis.kind == "categorical" else 3

    singles = [(axis, box) for axis in sorted(space.axes.values(), key=rank) for box in _outer(axis)]
    singles = [(axis, box) for axis, box in singles if LEAST_SHARE <= space.share(box) < 1]
    first = [box for axis, box in singles if rank(axis) < 2]
    pairs = [a & b for a, b in itertools.combinations(first, 2) if a.names != b.names]
    pairs = [pair for pair in pairs if space.share(pair) >= LEAST_SHARE and _is_new(space, pair, first)]
    pairs.sort(key=lambda p: (len({type(c) for c in p.conditions}), round(space.share(p), 1)), reverse=True)
    joined: dict[tuple[str, ...], Box] = {}
    for one in pairs:
        joined.setdefault(one.names, one)
    chosen = list(joined.values())[:most_pairs]
    return (*(box for _, box in singles[: limit - len(chosen)]), *chosen)


@dataclass(frozen=True)
class Asked:
    """The table, and the searches on it."""

    file: Path | None
    space: Path | None
    storage: str
    study: str | None
    trials: int
    known: Path | None

    def load(self) -> Table:
        """Read the table."""
        if self.file is not None:
            return tables.from_file(self.file, self.space)
        return tables.from_study(self.storage, self.study)

    def searches(self, seed: int) -> dict[str, Course]:
        """Search in every way on one seed."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        table = self.load()
        found = {way: Replay(table, seed, way).run(self.trials) for way in ("none", "old", "new")}
        if self.known is not None:
            boxes = [box for box, _ in region_files.read(self.known, table.space)]
            found["memory"] = Replay(table, seed, "memory", boxes).run(self.trials)
        return found


def at(path: Course, seconds: float) -> float:
    """Best value after ``seconds`` of training."""
    index = int(np.searchsorted(path.seconds, seconds, side="right")) - 1
    return float(path.best[index]) if index >= 0 else -math.inf


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = quarters(values)
    return f"{middle:8.4f} ({low:.4f} to {high:.4f})"


def verdict(plain: list[float], bound: list[float], unit: str, way: str) -> str:
    """Say in a sentence what the seeds show, by a two-sided sign test."""
    wins = sum(b > p for p, b in zip(plain, bound, strict=True))
    losses = sum(b < p for p, b in zip(plain, bound, strict=True))
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(max(wins, losses), n + 1)) / 2**n
    chance = min(1.0, 2 * tail)
    counts = f"better in {wins}, worse in {losses}, equal in {len(plain) - n} of {len(plain)} seeds"
    word = "no gain shown" if chance > 0.05 else "a gain" if wins > losses else "a loss"
    return f"{WAYS[way]}, by {unit}: {word}; the best value is {counts} (sign test p = {chance:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--space", type=Path)
    parser.add_argument("--storage", default="sqlite:///studies.db")
    parser.add_argument("--study")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--regions", type=Path, help="regions of an earlier study")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    asked = Asked(given.table, given.space, given.storage, given.study, given.trials, given.regions)
    table = asked.load()
    good = sum(record.qualifies for record in table.records)
    dead = sum(
        bool(collapsed(r.constraints, r.steps, getattr(r, "points", {}), table.definition.floor))
        for r in table.records
    )
    print(
        f"{table.about}\n{len(table.records)} recorded trials ({table.untrained} more broke the budget), "
        f"{good} qualify, {dead} collapsed; R squared of the forest out of sample {table.known:.2f}\n"
        f"{given.seeds} searches of {given.trials} trials each way"
    )
    print(f"taken as random draws, its trials reject by the claim of today: {rejected_by(table)}", flush=True)
    found = []
    with concurrent.futures.ProcessPoolExecutor(given.processes) as pool:
        for seed, one in enumerate(pool.map(asked.searches, range(given.seeds))):
            found.append(one)
            best = ", ".join(
                f"{way} {path.best[-1]:.4f} in {path.seconds[-1]:.0f} s" for way, path in one.items()
            )
            print(f"seed {seed}: {best}", flush=True)
    ways = {way: [one[way] for one in found] for way in found[0]}
    plain = ways["none"]
    marks = [m for m in (50, 100, 200, 300, 400) if m < given.trials] + [given.trials]
    times = [float(np.median([path.seconds[mark - 1] for path in plain])) for mark in marks]
    print(f"\n{'':26}{''.join(f'{WAYS[way]:30}' for way in ways)}")

    def line(name: str, cell: Callable[[list[Course]], str]) -> None:
        print(f"{name:26}{''.join(f'{cell(paths):30}' for paths in ways.values())}")

    line("regions rejected", lambda paths: "{:8g} ({:g} to {:g})".format(*_ends([p.rejected for p in paths])))
    line(
        "trials that learned", lambda paths: "{:8g} ({:g} to {:g})".format(*_ends([p.learned for p in paths]))
    )
    for mark in marks:
        line(
            f"best after {mark} trials",
            lambda paths, mark=mark: spread([float(p.best[mark - 1]) for p in paths]),
        )
    for mark in marks:
        line(
            f"training s, {mark} trials",
            lambda paths, mark=mark: f"{np.median([p.seconds[mark - 1] for p in paths]):8.0f}",
        )
    for time in times:
        line(f"best after {time:.0f} s", lambda paths, time=time: spread([at(p, time) for p in paths]))
    boxes = Counter(box.words() for path in ways["new"] for box in path.closed)
    print(
        "\nrejected by the claim of today:",
        ", ".join(f"{w} ({n})" for w, n in boxes.most_common()) or "nothing",
    )
    for way, paths in ways.items():
        if way == "none":
            continue
        # A search may spend less time on its trials: then it stops there.
        print(verdict([float(p.best[-1]) for p in plain], [float(p.best[-1]) for p in paths], "trials", way))
        print(
            verdict(
                [at(p, times[-1]) for p in plain], [at(p, times[-1]) for p in paths], "training seconds", way
            )
        )


def _ends(values: list[int]) -> tuple[float, int, int]:
    return float(np.median(values)), min(values), max(values)


if __name__ == "__main__":
    main()
