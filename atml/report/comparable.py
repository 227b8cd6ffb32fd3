"""How trials compare that did not all run over every fold.

Only whole trials have the value that a search maximises, and they are few. Two things are known of the
others. Each has a place: the search stopped it where others did better at the same point, so trials are put
in order by how far they came. And most have the value at the end of their first fold, measured on the same
subjects for all of them; a trial that was stopped before counts as below those that were not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atml.models.config import CONV_RECURRENT, ModelConfig
from atml.searching.pruning import POINTS
from atml.training.records import TrialRecord

LOW = float("-inf")


def first_fold(record: TrialRecord) -> float | None:
    """Return the value at the end of the first fold; None where it did not get there, or can't be used."""
    return record.steps.get(POINTS - 1) if record.feasible else None


def reached(record: TrialRecord) -> float:
    """Return how many folds a trial was trained for, the last one in part: 1.25."""
    return float(sum(curve[-1][0] for curve in record.result.get("curves", ()) if curve))


def standing(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Sort the trials that were trained and came to an end, best first.

    Whole ones by value, then the others by how far they came and by their value there; last those that break
    a constraint, such as one class for every window.
    """

    def key(t: TrialRecord) -> tuple[bool, bool, int, float, int]:
        whole, last = t.state == "complete", max(t.steps)
        value = t.value if whole and t.value is not None else t.steps[last]
        return (not t.feasible, not whole, -last, -value, t.number)

    return sorted((t for t in records if t.steps and t.finished), key=key)


def best_tenth(ordered: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    """Return the first tenth of what is ordered best first, one at least."""
    return ordered[: max(1, len(ordered) // 10)]


def family(config: ModelConfig) -> str:
    """Name what a network is made of: "cnn", "lstm", "cnn + gru", or its family where that is another."""
    if config.family != CONV_RECURRENT:
        return config.family
    cell = [] if config.cell == "none" else [config.cell]
    return " + ".join([*(["cnn"] if config.channels else []), *cell])


@dataclass(frozen=True)
class Group:
    """Trials that share something: how many were tried, trained, past their first fold, and whole.

    ``best`` is the best value over every fold. ``median`` is that of the trained ones at the end of the first
    fold; None where half of them or more did not get there.
    """

    name: str
    tried: int
    trained: int
    past: int
    whole: int
    best: float | None
    median: float | None


def grouped(records: Sequence[TrialRecord], name_of: Callable[[ModelConfig], str]) -> list[Group]:
    """Group trials by a name of their config, the best group first; those without a config are left out."""
    found: dict[str, list[TrialRecord]] = defaultdict(list)
    for record in records:
        if record.config is not None:
            found[name_of(record.config)].append(record)
    made = [_group(name, mine) for name, mine in found.items()]
    return sorted(made, key=lambda g: (-_or_low(g.best), -_or_low(g.median), -g.past, g.name))


def _group(name: str, mine: Sequence[TrialRecord]) -> Group:
    whole = [t.value for t in mine if t.state == "complete" and t.feasible and t.value is not None]
    trained = [t for t in mine if t.steps]
    firsts = sorted(_or_low(first_fold(t)) for t in trained)
    middle = firsts[(len(firsts) - 1) // 2 : len(firsts) // 2 + 1]
    return Group(
        name=name,
        tried=len(mine),
        trained=len(trained),
        past=sum(first_fold(t) is not None for t in trained),
        whole=len(whole),
        best=max(whole, default=None),
        median=sum(middle) / len(middle) if middle and middle[0] > LOW else None,
    )


def _or_low(number: float | None) -> float:
    return LOW if number is None else number
