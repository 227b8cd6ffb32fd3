"""What repeats and final trainings of finalists cost, by their own trials, and what a search can afford.

Costs are seconds of one worker. Without ``--finalists`` or ``--repeats`` the repeats take at most `SHARE` of
what the trials took, and so does the longer training without ``--longer``: most of a search is trials.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from atml.models.budget import Budget
from atml.searching.ranking import default_of, ranked
from atml.searching.search_options import Options
from atml.training.records import Role, TrialRecord

SHARE = 1 / 3

WRITE_S = 3.0
"""Seconds set aside to write an export and to compare its files; an allowance, not a measurement."""

JUDGE_S = 1e-4
"""Seconds for a window of a run to be judged; measured: 0.8 s for the 10,662 of one run of `iesd2024.zip`."""


def seconds_of(record: TrialRecord, records: Iterable[TrialRecord] = (), length: int = 1) -> float:
    """Return the seconds of a repeat of a trial, ``length`` times as long.

    As long as the trial took, or the slowest of its repeats so far in ``records``: a machine may have become
    slower since.
    """
    wall = [_wall(record), *(_wall(t) / t.length for t in records if t.of == record.number and t.finished)]
    return max(wall) * length


def final_seconds(record: TrialRecord, folds: int, length: int = 1) -> float:
    """Return the seconds of a final training and its export: as many steps as in one fold."""
    return _wall(record) / folds * length + WRITE_S


def spent(records: Iterable[TrialRecord]) -> float:
    """Return what all trials of a search took; repeats do not count."""
    return sum(_wall(t) for t in records if t.role == Role.SEARCH and t.finished)


def allowance(records: Iterable[TrialRecord], *, asked: bool) -> float:
    """Return the seconds that repeats, or the longer training, may take; no limit where ``asked`` for."""
    return float("inf") if asked else SHARE * spent(records)


def affordable(costs: Sequence[float], most: float) -> int:
    """Return how many of these in a row cost no more than ``most`` together."""
    total = 0.0
    for count, cost in enumerate(costs):
        total += cost
        if total > most:
            return count
    return len(costs)


def judging(windows: int, runs: int) -> float:
    """Return the seconds in which ``runs`` of so many windows are judged, their decision chosen."""
    return JUDGE_S * windows * runs


def grace(timeout: float) -> float:
    """Return the seconds after the time given in which the first export may still end.

    >>> grace(60), grace(3600)
    (30.0, 360.0)
    """
    return max(30.0, timeout / 10)


def typical(records: Iterable[TrialRecord]) -> float:
    """Return the median seconds of a trial, repeats aside; 0 without any."""
    walls = [_wall(t) for t in records if t.role == Role.SEARCH and t.finished]
    return statistics.median(walls) if walls else 0.0


def reserve(
    records: Sequence[TrialRecord],
    budget: Budget,
    options: Options,
    *,
    folds: int,
    workers: int,
    windows: int = 0,
    settled: Collection[int] = (),
    late: bool = False,
) -> float:
    """Return the seconds that finalists and the first export will take, were the trials to end now.

    They are those that lead now, with the default, each by its own seconds; repeats that have run are left
    out. With more repeats asked for than half of the time has room for, it is that half. ``windows`` are
    those of the data. ``settled`` are trials whose repeats are over, whatever was done of them: time is kept
    for the repeats of others alone, of one newcomer while there is none, and none at all where the repeats
    were ended for want of time (``late``).
    """
    found = ranked(records, budget)
    if not found or not options.most_finalists:
        return 0.0
    best = found[: options.most_finalists]
    default = default_of(found)
    some = [*best, *([default] if default is not None and default not in best else [])]
    done = Counter((t.of, t.length) for t in records if t.of is not None and t.finished)
    length = options.times_longer
    final = final_seconds(best[0], folds, max((t.length for t in records if t.finished), default=1))
    fresh = [t for t in some if t.number not in settled]
    if late or (settled and not fresh):
        newcomer = 0.0 if late else options.most_repeats * seconds_of(best[0])
        return min(newcomer + final + judging(windows, options.most_repeats), _at_most(options))
    rounds = [(t, at) for at in range(options.most_repeats) for t in fresh]
    costs = [seconds_of(t) for t, _ in rounds]
    rounds = rounds[: affordable(costs, allowance(records, asked=options.asked_for_repeats))]
    each = [seconds_of(t) for t, at in rounds if done[t.number, 1] <= at]
    longer: list[float] = []
    if length > 1:
        pair = [best[0], *([default] if default not in (None, best[0]) else [])]
        costs = [seconds_of(t, length=length) for t in pair if t is not None]
        pair = pair[: affordable(costs, allowance(records, asked=options.longer is not None))]
        longer = [seconds_of(t, length=length) for t in pair if t is not None and not done[t.number, length]]
        final = max(final, final_seconds(best[0], folds, length if pair else 1))
    times = -(-len(each) // len(fresh))
    total = max(sum(each) / workers, times * max(each, default=0.0) if workers > 1 else 0.0)
    total += max(sum(longer) / workers, max(longer, default=0.0))
    return min(total + final + judging(windows, len(each) + len(longer)), _at_most(options))


def _at_most(options: Options) -> float:
    assert options.timeout is not None
    return options.timeout / 2


def _wall(record: TrialRecord) -> float:
    return float(record.result.get("wall_s", record.result.get("training_s", 0.0)))
