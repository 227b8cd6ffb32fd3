"""Which repeats come next: the finalists in rounds, each on one fresh seed, then the longer training.

The best comes first and the default second, so that whenever the time ends the best answer is there. After a
round those clearly worse than the leader drop out, the default aside. It ends with the seeds; without
``--repeats`` also when one is left and what it has over the default is known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from atml.searching.finalist_time import allowance, seconds_of
from atml.searching.finalists import Finalist, Finalists
from atml.searching.picking import pick
from atml.searching.plan import trial_seed
from atml.searching.ranking import default_of
from atml.training.records import ParameterSource, TrialRecord


@dataclass(frozen=True)
class Repeat:
    """A trial to train again on ``seed``, with ``length`` times its optimiser steps."""

    record: TrialRecord
    seed: int
    length: int = 1

    @property
    def key(self) -> tuple[int, int, int]:
        """What tells it from others."""
        return self.record.number, self.seed, self.length


@dataclass(frozen=True)
class Todo:
    """The repeats of the round that is not over yet, in the order to run them, and what a share left out."""

    repeats: tuple[Repeat, ...] = ()
    unaffordable: tuple[Repeat, ...] = ()


def todo(finals: Finalists, lost: Collection[tuple[int, int, int]] = ()) -> Todo:
    """Return the repeats to run next; none where all were run that are worth it and can be afforded.

    ``lost`` are the keys of those that were given up: they hold no later round up.
    """
    options, records = finals.options, finals.records()
    done = {(t.of, t.seed, t.length) for t in records if t.of is not None and t.finished} | {*lost}
    left = allowance(records, asked=options.asked_for_repeats)
    alive = [t for t in finals.chosen() if not finals.failed(t)]
    out: tuple[Repeat, ...] = ()
    for at in range(options.most_repeats):
        whole = [Repeat(t, finals.seeds(t, at + 1)[at]) for t in alive]
        some = []
        for one in whole:
            left -= seconds_of(one.record)
            if left < 0:
                break
            some.append(one)
        missing = tuple(one for one in some if one.key not in done)
        out = tuple(one for one in whole[len(some) :] if one.key not in done)
        if missing:
            return Todo(missing, out)
        if len(some) < len(whole):
            break
        better = survivors(finals, alive, at + 1)
        waits = {key[0] for key in lost}
        alive = [t for t in alive if t in better or (t.number in waits and finals.at(t) is None)]
        if options.repeats is None and not _undecided(finals, alive, at + 1):
            break
    return _longer(finals, done, out)


def survivors(finals: Finalists, alive: Sequence[TrialRecord], rounds: int) -> list[TrialRecord]:
    """Return those that are not clearly worse than the leader after so many rounds, and the default."""
    judged = _after(finals, alive, rounds)
    if not judged:
        return []
    leader = max(judged, key=lambda one: one.value)
    return [
        one.record
        for one in judged
        if one is leader
        or one.record.origin == ParameterSource.DEFAULT
        or finals.compare(one, leader).high >= 0
    ]


def _undecided(finals: Finalists, alive: Sequence[TrialRecord], rounds: int) -> bool:
    """Whether another round may change who is taken."""
    if len(alive) != 2:
        return len(alive) > 2
    found = _after(finals, alive, rounds)
    if len(found) < 2:
        return True  # repeats of one of them were lost
    gap = finals.compare(found[0], found[1])
    return gap.low <= 0 <= gap.high


def _after(finals: Finalists, alive: Sequence[TrialRecord], rounds: int) -> list[Finalist]:
    found = [finals.at(t, seeds=finals.seeds(t, rounds)) for t in alive]
    return [one for one in found if one is not None]


def _longer(finals: Finalists, done: set[tuple[int, int, int]], out: tuple[Repeat, ...]) -> Todo:
    """Return the longer training of the one that is taken by now, and of the default."""
    length = finals.options.times_longer
    if length == 1:
        return Todo((), out)
    taken = pick(finals).finalists[:1]
    default = default_of(finals.chosen())
    pair = [one.record for one in taken]
    pair += [default] if default is not None and default not in pair else []
    left = allowance(finals.records(), asked=finals.options.longer is not None)
    some: list[Repeat] = []
    for record in pair:
        one = Repeat(record, trial_seed(finals.plan.seed, record.number, f"longer {length}"), length)
        left -= seconds_of(record, length=length)
        if left < 0:
            out = (*out, one) if one.key not in done else out
        else:
            some.append(one)
    return Todo(tuple(one for one in some if one.key not in done), out)
