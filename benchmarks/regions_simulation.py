"""Rejected regions against a known truth: how often any good box is rejected, and how soon a dead one is.

Run as ``python benchmarks/regions_simulation.py [--searches 4000] [--draws 400]``; two minutes on one core.

Thousands of searches at once. A config is a row of numbers in [0, 1); 30 boxes are declared on them (16
branches of five categorical parameters, the outer quartiles of seven numeric ones), and every 50 draws the
box on two parameters with most failures and no success is nominated. The chance to qualify depends on one
parameter, so the true share of every box is known. Draws that tell no test anything are spared as
`atml.regions.bounds` does. What a sampler chooses is left out: it can only veto.

A box is good where its true share is ``p0`` or more; rejecting any is a false rejection of the whole search.
Every box that is not dead lies just above ``p0``, the worst case. Beside the test stand rules that look
reasonable: "0 of at least 10", a binomial test with Bonferroni's correction looked at after every draw, the
right test counted in the order of finishing, and the predecessor's rule.

That is a p0 fixed beforehand. A table after it has what searches do: six boxes, no veto (nothing qualifies),
and a p0 that follows from the draws of the whole space while they are made; a rejection is false where the
true share of the box is at or above the p0 of that moment. The last line runs `atml.regions` itself.

Goals: at most alpha of the searches reject a good box, in every truth; half of them reject a dead half within
100 reference draws.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import math
import random
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from atml.regions import Bounds, Outcome, begin, judge, learn, update
from atml.regions.bounds import REFERENCE_EVERY
from atml.regions.claims import CEILING, CONFIDENCE
from atml.regions.ledger import ALPHA, EVERY
from atml.regions.sequential_test import Test
from atml.regions.verdicts import SUSPECT
from atml.searching.samplers.parameters import STARTUP

Array = npt.NDArray[Any]

BRANCHES = (2, 2, 3, 4, 5)
NUMERIC = 7
BOXES = [(p, i / k, (i + 1) / k) for p, k in enumerate(BRANCHES) for i in range(k)]
BOXES += [(len(BRANCHES) + p, *ends) for p in range(NUMERIC) for ends in ((0.0, 0.25), (0.75, 1.0))]
PARAMETERS = len(BRANCHES) + NUMERIC
PAIRS = [
    (a, b)
    for a, b in itertools.combinations(range(len(BOXES)), 2)
    if BOXES[a][0] != BOXES[b][0] and np.prod([BOXES[i][2] - BOXES[i][1] for i in (a, b)]) >= 0.05
]
MINED = 8
"""Boxes nominated in one search, at most."""


@dataclass(frozen=True)
class Truth:
    """Chance to succeed: ``rate`` over all, and ``weak`` below ``dead`` of the parameter ``where``."""

    name: str
    rate: float
    where: int = 0
    dead: float = 0.0
    weak: float = 0.0

    @property
    def rest(self) -> float:
        """Chance outside of the dead part."""
        return (self.rate - self.weak * self.dead) / (1 - self.dead)

    def chance(self, x: Array) -> Array:
        """Return the chance of configs ``(n, parameters)``."""
        return np.where(x[:, self.where] < self.dead, self.weak, self.rest)

    def share(self, *boxes: int) -> float:
        """Return the true share of the configs in a box, or in what two have in common, that qualify."""
        for i in boxes:
            parameter, low, high = BOXES[i]
            if parameter == self.where:
                alive = max(high - max(low, self.dead), 0.0) / (high - low)
                return self.rest * alive + self.weak * (1 - alive)
        return self.rate


def inside(x: Array) -> Array:
    """Return which config lies in which box, ``(n, boxes)``."""
    columns, low, high = (np.array(part) for part in zip(*BOXES, strict=True))
    values = x[:, columns]
    return np.asarray((values >= low) & (values < high))


def sound(truth: Truth, searches: int, draws: int, p0: float, seed: int) -> tuple[Array, Array, Array]:
    """Run the searches; return when each box was rejected, when it was suspect first, and its true share.

    All are ``(searches, boxes + MINED)``, mined boxes last; draws are counted from 1, 0 is never.
    """
    rng = np.random.default_rng(seed)
    declared, total = len(BOXES), len(BOXES) + MINED
    first, second = (np.array(part) for part in zip(*PAIRS, strict=True))
    share_of_pair = np.array([truth.share(*pair) for pair in PAIRS])
    alphas = [ALPHA / 2 / declared] * declared
    alphas += [ALPHA / 2 * 6 / (math.pi * rank) ** 2 for rank in range(1, MINED + 1)]
    tests = [Test(p0, alpha) for alpha in alphas]
    target = np.array([test.target for test in tests]) - 1e-9
    level = np.zeros((searches, total))
    vetoed = np.zeros((searches, total), bool)
    known = np.zeros((searches, total), bool)
    known[:, :declared] = True
    at, suspect = np.zeros((2, searches, total), int)
    share = np.tile([truth.share(i) for i in range(declared)] + [0.0] * MINED, (searches, 1))
    mined = np.zeros((searches, MINED), int)
    won = np.zeros((searches, len(PAIRS)), bool)
    failed = np.zeros((searches, len(PAIRS)), np.int16)
    rows = np.arange(searches)

    def members(x: Array, which: Array) -> Array:
        single = inside(x)
        pairs = mined[which]
        both = (
            single[np.arange(len(x))[:, None], first[pairs]]
            & single[np.arange(len(x))[:, None], second[pairs]]
        )
        return np.asarray(np.concatenate([single, both], axis=1) & known[which])

    for draw in range(1, draws + 1):
        closed, live = (at > 0) & ~vetoed, known & ~vetoed & (at == 0)
        x = rng.random((searches, PARAMETERS))
        member = members(x, rows)
        for _ in range(40):
            again = (member & closed).any(1) & ~(member & live).any(1)
            if not again.any():
                break
            x[again] = rng.random((int(again.sum()), PARAMETERS))
            member[again] = members(x[again], rows[again])
        success = rng.random(searches) < truth.chance(x)
        level += member * np.where(success, tests[0].success, tests[0].failure)[:, None]
        vetoed |= member & success[:, None]
        suspect[live & ~vetoed & (level >= target * SUSPECT) & (suspect == 0)] = draw
        at[live & ~vetoed & (level >= target)] = draw
        single = inside(x)
        both = single[:, first] & single[:, second]
        won |= both & success[:, None]
        failed += both & ~success[:, None]
        rank = draw // EVERY
        if draw % EVERY == 0 and rank <= MINED:
            # The worst a miner can do: the box that luck made look worst.
            best = np.where(won, -1, failed).argmax(1)
            mined[:, rank - 1] = best
            known[:, declared + rank - 1] = True
            share[:, declared + rank - 1] = share_of_pair[best]
    return at, suspect, share


FEW = [BOXES.index(box) for box in ((0, 0.0, 0.5), (0, 0.5, 1.0), (2, 0.0, 1 / 3), (3, 0.0, 0.25))]
FEW += [len(BOXES) - 2, len(BOXES) - 1]


def today(truth: Truth, searches: int, draws: int, seed: int) -> tuple[Array, Array]:
    """Run searches whose p0 follows from the draws; return when `FEW` were rejected, and at which p0."""
    rng = np.random.default_rng(seed)
    learned, of = np.arange(draws + 1)[:, None], np.arange(draws + 1)[None]
    with np.errstate(all="ignore"):
        lower = betaincinv(learned, of - learned + 1, 1 - CONFIDENCE)
    supports = np.where((learned > 0) & (learned <= of), np.minimum(CEILING, np.nan_to_num(lower) / 2), 0.0)
    target = -math.log(ALPHA / 2 / len(FEW)) - 1e-9
    fails, wins = np.zeros((2, searches, len(FEW)))
    k, n, at = np.zeros(searches, int), np.zeros(searches, int), np.zeros((searches, len(FEW)), int)
    rate = np.zeros((searches, len(FEW)))
    for draw in range(1, draws + 1):
        closed = at > 0
        x = rng.random((searches, PARAMETERS))
        member = inside(x)[:, FEW]
        for _ in range(40):
            again = (member & closed).any(1) & ~(member & ~closed).any(1)
            if not again.any():
                break
            x[again] = rng.random((int(again.sum()), PARAMETERS))
            member[again] = inside(x[again])[:, FEW]
        success = rng.random(searches) < truth.chance(x)
        measured = ~closed.any(1)
        n, k = n + measured, k + (success & measured)
        p0 = supports[k, n][:, None]
        fails, wins = fails + (member & ~success[:, None]), wins + (member & success[:, None])
        level = fails * np.log((1 - p0 / 2) / (1 - p0)) - wins * math.log(2)
        now = ~closed & (level >= target)
        at[now], rate[now] = draw, np.broadcast_to(p0, at.shape)[now]
    return at, rate


def plain(truth: Truth, searches: int, draws: int, seed: int) -> tuple[Array, Array]:
    """Draw without sparing: membership ``(searches, draws, boxes)`` and success ``(searches, draws)``."""
    rng = np.random.default_rng(seed)
    x = rng.random((searches * draws, PARAMETERS), dtype=np.float32)
    success = rng.random(len(x)) < truth.chance(x)
    return inside(x).reshape(searches, draws, len(BOXES)), success.reshape(searches, draws)


def naive(member: Array, success: Array, good: Array) -> float:
    """Share of searches in which "0 of at least 10" rejects a good box."""
    n, wins = member.cumsum(1, dtype=np.int16), (member & success[..., None]).cumsum(1, dtype=np.int16)
    return float((((n >= 10) & (wins == 0)).any(1) & good).any(1).mean())


def cells(member: Array, success: Array, truth: Truth, p0: float) -> float:
    """Share of the good boxes on two parameters that "0 of at least 10" calls dead at the end."""
    both = (member[:, :, a] & member[:, :, b] for a, b in PAIRS if truth.share(a, b) >= p0)
    return float(np.mean([(m.sum(1) >= 10) & ~(m & success).any(1) for m in both]))


def binomial(member: Array, success: Array, good: Array, p0: float) -> float:
    """Share of searches in which a binomial test at alpha over 30, looked at after every draw, does."""
    n, wins = member.cumsum(1, dtype=np.int16), (member & success[..., None]).cumsum(1, dtype=np.int16)
    most = np.full(member.shape[1] + 1, -1)
    for count in range(1, len(most)):
        chance = (1 - p0) ** count
        below, k = chance, 0
        while below <= ALPHA / len(BOXES):
            most[count] = k
            chance *= (count - k) / (k + 1) * p0 / (1 - p0)
            below, k = below + chance, k + 1
    return float(((wins <= most[n]).any(1) & good).any(1).mean())


def crossing(member: Array, success: Array, good: Array, p0: float) -> float:
    """Share of searches in which the test alone, without any veto, rejects a good box."""
    test = Test(p0, ALPHA / 2 / len(BOXES))
    step = np.where(success, test.success, test.failure).astype(np.float32)
    level = (member * step[..., None]).cumsum(1)
    return float(((level.max(1) >= test.target) & good).any(1).mean())


def finishing(success: Array, workers: int, longer: float) -> Array:
    """Return the order in which trials end, ``(searches, draws)``; a failure takes 1, a success more."""
    rows = np.arange(len(success))
    free, end = np.zeros((len(success), workers)), np.empty(success.shape)
    for draw in range(success.shape[1]):
        worker = free.argmin(1)
        end[:, draw] = free[rows, worker] + np.where(success[:, draw], longer, 1.0)
        free[rows, worker] = end[:, draw]
    return end.argsort(1, kind="stable")


def neighbourhoods(trials: int, searches: int, rate: float, seed: int) -> float:
    """Median share of three decades of learning rate that the predecessor's rule closes, all of it good.

    Every rate that failed closes what lies within a tenth of it, for good.
    """
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 3, 3001)
    closed = np.zeros((searches, len(grid)), bool)
    for _ in range(trials):
        # The next trial is drawn from what is left.
        score = rng.random(closed.shape, dtype=np.float32)
        score[closed] = 0.0
        at = grid[score.argmax(1)]
        failed = rng.random(searches) >= rate
        closed |= (np.abs(grid - at[:, None]) <= math.log10(1.1)) & failed[:, None]
    return float(np.median(closed.mean(1)))


def real(searches: int, draws: int, rate: float, seed: int) -> tuple[int, list[int]]:
    """Run the package itself on a dead half; return the false rejections, and the draws until it knew."""

    def suggest(trial: Any) -> None:
        for p, k in enumerate(BRANCHES):
            trial.suggest_categorical(f"c{p}", [f"b{i}" for i in range(k)])
        for p in range(NUMERIC):
            trial.suggest_float(f"x{p}", 0.0, 1.0)

    space = learn(suggest, 1000)
    wrong, found = 0, []
    for search in range(searches):
        rng = random.Random(seed + search)
        ledger, bounds, regions, outcomes = begin(space, {}), Bounds(), (), []
        for number in range(draws):
            params = rng.choice(space.sample)
            while bounds.spared(params):
                params = rng.choice(space.sample)
            wins = params["c0"] == "b1" and rng.random() < 2 * rate
            outcomes.append(
                Outcome(
                    number=number, params=params, origin="reference", known=bounds.known,
                    verdict="qualifies" if wins else "fails",
                    ended=datetime.datetime(2026, 1, 1) + datetime.timedelta(minutes=number),
                )
            )  # fmt: skip
            if number % 5 == 4:
                ledger = update(ledger, outcomes, space)
                regions = judge(ledger, outcomes, space)
                bounds = Bounds.of(regions)
        ever = [r for r in regions if r.rejected is not None]
        # What overlaps the dead half only is good: its rate is `rate` or twice that.
        wrong += any(not any(c.name == "c0" and c.holds("b0") for c in r.box.conditions) for r in ever)
        first = next((r for r in ever if r.box.words() == "c0 = b0"), None)
        if first is not None:
            assert first.evidence.crossed is not None
            found.append(first.evidence.trials[first.evidence.crossed] + 1)
    return wrong, found


def quartiles(values: Array | list[int]) -> str:
    if not len(values):
        return "never"
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=4000)
    parser.add_argument("--draws", type=int, default=400, help="reference draws of one search")
    parser.add_argument("--real", type=int, default=40, help="searches of the last table")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    print(f"{given.searches} searches of {given.draws} reference draws, alpha {ALPHA:g}; good: p >= p0\n")
    rules = f"{'ours':>8}{'no veto':>9}{'0 of 10':>9}{'binomial':>10}{'by finish':>11}{'pairs':>8}"
    print(f"{'':49}searches that reject a good box")
    print(f"{'truth':44}{'p0':>5}{rules}")
    dead: list[tuple[str, float, Array, Array]] = []
    for p0 in (0.1, 0.2, 0.3):
        above = 1.05 * p0
        for truth in (
            Truth(f"every box at {above:g}", above),
            Truth(f"half of one parameter dead, others at {above:g}", above, 0, 0.5),
            Truth(f"a third dead, others at {above:g}", above, 2, 1 / 3),
            Truth(f"a quarter dead, others at {above:g}", above, 3, 1 / 4),
        ):
            at, suspect, share = sound(truth, given.searches, given.draws, p0, given.seed)
            member, success = plain(truth, 1000, given.draws, given.seed + 1)
            good = share[:1, : len(BOXES)] >= p0
            order = finishing(success, workers=32, longer=8.0)
            late = np.take_along_axis(member, order[..., None], 1), np.take_along_axis(success, order, 1)
            print(
                f"{truth.name:44}{p0:5g}{((at > 0) & (share >= p0)).any(1).mean():8.4f}"
                f"{crossing(member, success, good, p0):9.3f}{naive(member, success, good):9.3f}"
                f"{binomial(member, success, good, p0):10.3f}{crossing(*late, good, p0):11.3f}"
                f"{cells(member, success, truth, p0):8.3f}",
                flush=True,
            )
            if truth.dead:
                box = next(i for i, b in enumerate(BOXES) if b[0] == truth.where)
                dead.append((truth.name.split(",")[0], p0, at[:, box], suspect[:, box]))
    print(
        "ours: with sparing, mined boxes and vetoes; no veto: the test alone; by finish: the test counted as"
    )
    print("trials end, 32 workers, a success taking 8 times as long; pairs: good boxes lost to '0 of 10'\n")
    columns = f"{'suspect':>19}{'rejected':>19}{'trials':>21}{'found':>8}"
    print(f"{'draws until a dead part is':44}{'p0':>5}{columns}")
    for name, p0, at, suspect in dead:
        hit = at[at > 0]
        # The start-up draws, then one trial in four.
        trials = np.where(hit > STARTUP, STARTUP + REFERENCE_EVERY * (hit - STARTUP), hit)
        first = quartiles(suspect[suspect > 0])
        print(
            f"{name:44}{p0:5g}{first:>19}{quartiles(hit):>19}{quartiles(trials):>21}{len(hit) / len(at):8.3f}"
        )
    columns = f"{'false':>8}{'dead part found':>18}{'after draws':>20}{'p0':>8}"
    print(f"\n{'p0 from the draws, six boxes':52}{columns}")
    for truth in (
        *(Truth(f"every box at {rate:g}", rate) for rate in (0.02, 0.1, 0.3, 0.6)),
        *(
            Truth(f"half of one parameter at {weak:g}, {rate:g} over all", rate, 0, 0.5, weak)
            for rate, weak in ((0.3, 0.0), (0.3, 0.05), (0.6, 0.0), (0.6, 0.1), (0.6, 0.21))
        ),
        Truth("a quarter at 0.05, 0.6 over all", 0.6, 3, 0.25, 0.05),
    ):
        at, rates = today(truth, given.searches, given.draws, given.seed)
        wrong = (at > 0) & (np.array([truth.share(box) for box in FEW]) >= rates)
        part = next((i for i, box in enumerate(FEW) if BOXES[box][0] == truth.where and truth.dead), None)
        hit = np.empty(0) if part is None else at[at[:, part] > 0, part]
        tested = rates[rates > 0]
        print(
            f"{truth.name:52}{wrong.any(1).mean():8.4f}"
            f"{'-' if part is None else f'{len(hit) / len(at):.3f}':>18}{quartiles(hit):>20}"
            f"{np.median(tested) if len(tested) else 0:8.3f}"
        )
    rate = 1.05 * 0.2
    lost = [f"{100 * neighbourhoods(n, 200, rate, given.seed):.0f}% after {n}" for n in (20, 50, 100)]
    print(f"\npredecessor's rule, {rate:g} everywhere; of the range closed: {', '.join(lost)} trials")
    if given.real:
        wrong, found = real(given.real, 150, 0.45, given.seed)
        print(f"atml.regions itself, {given.real} searches of 150 draws, half dead, the rest at 0.9:")
        print(f"{wrong} reject a good box, {len(found)} the dead half, after {quartiles(found)} draws")
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
