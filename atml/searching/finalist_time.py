"""What repeats and final trainings of finalists cost, by their own trials, and what a search can afford.

Costs are seconds of one worker. Without ``--finalists`` or ``--repeats`` the repeats take at most `SHARE` of
what the trials took, and so does the longer training without ``--longer``: most of a search is trials.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from atml.models.budget import Budget
from atml.searching.ranking import default_of, ranked
from atml.searching.search_options import Options
from atml.training.records import Role, TrialRecord

SHARE = 1 / 3

WRITE_S = 3.0
"""Seconds set aside to write an export and to compare its files; an allowance, not a measurement."""


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


def reserve(
    records: Sequence[TrialRecord], budget: Budget, options: Options, *, folds: int, workers: int
) -> float:
    """Return the seconds that finalists and the first export will take, were the trials to end now.

    They are those that lead now, with the default, each by its own seconds. With more repeats asked for than
    half of the time has room for, it is that half.
    """
    found = ranked(records, budget)
    if not found or not options.most_finalists:
        return 0.0
    best = found[: options.most_finalists]
    default = default_of(found)
    some = [*best, *([default] if default is not None and default not in best else [])]
    each = [seconds_of(t) for t in some] * options.most_repeats
    each = each[: affordable(each, allowance(records, asked=options.asked_for_repeats))]
    length = options.times_longer
    longer: list[float] = []
    if length > 1:
        pair = [best[0], *([default] if default not in (None, best[0]) else [])]
        longer = [seconds_of(t, length=length) for t in pair if t is not None]
        longer = longer[: affordable(longer, allowance(records, asked=options.longer is not None))]
    rounds = -(-len(each) // len(some))
    total = max(sum(each) / workers, rounds * max(each, default=0.0) if workers > 1 else 0.0)
    total += max(sum(longer) / workers, max(longer, default=0.0))
    total += final_seconds(best[0], folds, length if longer else 1)
    assert options.timeout is not None
    return min(total, options.timeout / 2)


def _wall(record: TrialRecord) -> float:
    return float(record.result.get("wall_s", record.result.get("training_s", 0.0)))
