"""Which finalist is taken, and at what length of training.

Among the finalists that can't be told apart from the best one, the smallest (or the fastest, as asked) is
taken, unless none of them is clearly better than the default config: then no gain was found, and the default
is taken. "Clearly" is when the 90% interval of the difference, paired by subject over the mean of the fresh
seeds, excludes 0; intervals over the default, one for each finalist, hold at 90% together. A longer training
ships where its value out of fold is higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atml.formatting import listed
from atml.metrics import Interval
from atml.searching.finalists import Finalist, Finalists
from atml.searching.leaderboard import figures
from atml.searching.ranking import JUDGED, PICK, default_of, leanness, shipped_length, size_of
from atml.searching.verdict import facts
from atml.training.records import TrialRecord


@dataclass(frozen=True, kw_only=True)
class Pick:
    """The finalists, the one that is taken first, as they are exported, and the lines that say why.

    ``values`` are those of the first one by length of training, ``gain`` is what it has over the default;
    None where they can't be compared. ``short`` are the values of all on fresh seeds at a trial's own length.
    """

    finalists: tuple[Finalist, ...] = ()
    lines: tuple[str, ...] = ()
    values: dict[int, float] = field(default_factory=dict)
    gain: Interval | None = None
    short: dict[int, float] = field(default_factory=dict)
    prefer: str = "smallest"
    alike: tuple[int, ...] = ()
    """Trials that can't be told apart from the best one, that one included."""
    equals: dict[int, Interval] = field(default_factory=dict)
    """What those that can't be told apart from the one that is taken have over it, by trial."""

    def remember(self, finals: Finalists) -> None:
        """Keep the order and the values in the study, for later rankings."""
        if finals.named or not self.finalists:
            return
        store, attrs = finals.plan.store, finals.study.user_attrs
        kept = {**self.to_dict(), "verdict": facts(finals, self.finalists[0])}
        for key, value in ((JUDGED, {str(n): v for n, v in self.short.items()}), (PICK, kept)):
            if value:
                with store.errors():
                    if attrs.get(key) != value:
                        finals.study.set_user_attr(key, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the pick as JSON types."""
        gain = self.gain
        return {
            "order": [one.record.number for one in self.finalists],
            "length": self.finalists[0].length if self.finalists else 1,
            "values": {str(length): round(value, 6) for length, value in self.values.items()},
            "figures": {str(one.record.number): figures(one) for one in self.finalists},
            "alike": list(self.alike),
            "equals": {str(n): _rounded(gap) for n, gap in self.equals.items()},
            "prefer": self.prefer,
            "gain": None if gain is None else _rounded(gain),
            "lines": list(self.lines),
        }


def _rounded(gap: Interval) -> list[float]:
    return [round(v, 6) for v in (gap.value, gap.low, gap.high)]


def pick(finals: Finalists) -> Pick:
    """Judge the finalists whose repeats have run, and take one of them."""
    if finals.named:
        some = [t for t in finals.chosen() if not finals.failed(t)]
        return Pick(finalists=tuple(_order([_named(finals, t) for t in some])))
    found = _order(_judged(finals))
    if not found:
        return Pick()
    short = {one.record.number: one.value for one in found if one.fresh}
    best, default = found[0], _default(found)
    gaps = {one.record.number: finals.compare(one, best) for one in found[1:]}
    alike = [best, *(one for one in found[1:] if gaps[one.record.number].high >= 0)]
    lines: list[str] = []
    taken, gain = _taken(finals, found, alike, default)
    shipped, values = _shipped(finals, taken)
    if default is not None and taken is not default:
        other, _ = _shipped(finals, default)
        both = [finals.at(one.record, finals.options.times_longer) for one in (taken, default)]
        if shipped.length > 1 and all(both):
            # The gain that counts is the one at the length that ships.
            gain = finals.compare(shipped, other, of=len(found) - 1)
            if gain.low <= 0:
                taken, (shipped, values) = default, _shipped(finals, default)
    if len(alike) > 1:
        ends = [gaps[one.record.number] for one in alike[1:]]
        numbers = listed([str(one.record.number) for one in alike])
        lines.append(
            f"trials {numbers} can't be told apart (differences within"
            f" {min(e.low for e in ends):.3f} to {max(e.high for e in ends):.3f})"
            + (f"; the {finals.prefer} is taken" if taken is _leanest(finals, alike) else "")
        )
    lines.append(_gain_line(gain, taken, default, found))
    if len(values) > 1:
        lines.append(_length_line(values, shipped.length))
    rest = [one for one in found if one.record.number != shipped.record.number]
    beside = {one.record.number: finals.compare(one, taken) for one in rest}
    return Pick(
        finalists=(shipped, *rest),
        lines=tuple(lines),
        values=values,
        gain=gain,
        short=short,
        equals={n: gap for n, gap in beside.items() if gap.low <= 0 <= gap.high},
        prefer=finals.prefer,
        alike=tuple(one.record.number for one in alike),
    )


def _named(finals: Finalists, record: TrialRecord) -> Finalist:
    """Judge a trial that somebody named, at the length at which the study ships it."""
    with finals.plan.store.errors():
        length = shipped_length(finals.study.user_attrs, record.number)
    return finals.at(record, length) or finals.at(record) or finals.itself(record)


def _judged(finals: Finalists) -> list[Finalist]:
    """Judge all by their repeats, where any has one, the default by its own run where it has none.

    Nobody chose the default by its value, so its own run is as fair as a repeat. Without repeats all are
    judged by their own runs.
    """
    chosen = [t for t in finals.chosen() if not finals.failed(t)]
    found = [one for one in map(finals.at, chosen) if one is not None]
    if not found:
        return [finals.itself(t) for t in chosen]
    default = default_of(chosen)
    if default is not None and all(one.record is not default for one in found):
        found.append(finals.itself(default))
    return found


def _default(found: Sequence[Finalist]) -> Finalist | None:
    default = default_of(one.record for one in found)
    return next((one for one in found if one.record is default), None)


def _order(found: Sequence[Finalist]) -> list[Finalist]:
    """Sort by value; the smaller model wins a tie."""
    return sorted(found, key=lambda one: (-round(one.value, 4), size_of(one.record)))


def _leanest(finals: Finalists, some: Sequence[Finalist]) -> Finalist:
    """Return the smallest or the fastest, as asked; the better one of equals."""
    return min(some, key=lambda one: (*leanness(one.record, finals.prefer), -one.value))


def _taken(
    finals: Finalists, found: Sequence[Finalist], alike: Sequence[Finalist], default: Finalist | None
) -> tuple[Finalist, Interval | None]:
    """Return the finalist to take, and what it, or else the best one, has over the default."""
    if default is None:
        return _leanest(finals, alike), None
    others = [one for one in found if one is not default]
    if not others:
        return default, None
    over = {one.record.number: finals.compare(one, default, of=len(others)) for one in others}
    better = [one for one in alike if one is not default and over[one.record.number].low > 0]
    taken = _leanest(finals, better) if better else default
    return taken, over[(taken if better else others[0]).record.number]


def _shipped(finals: Finalists, taken: Finalist) -> tuple[Finalist, dict[int, float]]:
    """Return a finalist at the length that is better out of fold, and its value at each length."""
    values = {1: taken.value}
    length = finals.options.times_longer
    longer = finals.at(taken.record, length) if length > 1 else None
    if longer is None:
        return taken, values
    values[length] = longer.value
    return (longer if longer.value > taken.value else taken), values


def _gain_line(
    gain: Interval | None, taken: Finalist, default: Finalist | None, found: Sequence[Finalist]
) -> str:
    if default is None:
        return "DEFAULT is not a finalist, so a gain over it was not measured"
    if gain is None:
        return "DEFAULT is the only finalist: no gain over it was found"
    # The default alone may be judged by its own run beside repeats of others.
    fresh = any(one.fresh for one in found)
    seeds = "" if fresh else ", by the values that chose it and so too good"
    if taken is not default:
        size = f"{gain.value:+.3f} ({gain.low:.3f} to {gain.high:.3f})"
        return f"the search gained {size} over DEFAULT{seeds}"
    return (
        f"no gain over DEFAULT was found ({gain.value:+.3f}, {gain.low:.3f} to {gain.high:.3f}{seeds});"
        " DEFAULT is taken"
    )


def _length_line(values: dict[int, float], shipped: int) -> str:
    length = max(values)
    said = (
        f"trained {length} times as long it has {values[length]:.4f} out of fold, {values[1]:.4f} at a"
        " trial's own length"
    )
    return f"{said}: the longer training ships" if shipped > 1 else f"{said}: a trial's length ships"
