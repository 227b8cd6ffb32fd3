"""What is otherwise than in an earlier report: Gross, Average and the lines of records; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atml.formatting import listed, plural
from atml.scoring.rules.ec57.comparison import Comparison
from atml.scoring.rules.ec57.figures import (
    FIGURES,
    NAMES,
    RR,
    Aggregate,
    F,
    N,
    O,
    Q,
    S,
    V,
    X,
    of_record,
    percent,
)
from atml.scoring.rules.ec57.reports import FALSE_RATE, Report, Values, computed
from atml.scoring.rules.ec57.text import columns, without_s


@dataclass(frozen=True)
class Change:
    """A count or figure of an earlier report, and what it is now, as reports print them; None for none."""

    column: str
    before: float | None
    now: float | None

    @property
    def same(self) -> bool:
        """Whether nothing has changed."""
        return self.before == self.now

    def words(self) -> str:
        """Write both, and the difference where there is one.

        Example:
            >>> Change("V Se", 79.7, 92.5).words(), Change("Vv", 3, 4).words()
            ('V Se 79.70 -> 92.50 (+12.80)', 'Vv 3 -> 4')
        """
        told = f"{self.column} {self._shown(self.before)} -> {self._shown(self.now)}"
        if self.before is None or self.now is None or not self._decimals:
            return told
        return f"{told} ({self.now - self.before:+.{self._decimals}f})"

    @property
    def _decimals(self) -> int:
        return decimals(self.column)

    def _shown(self, value: float | None) -> str:
        return "-" if value is None else f"{value:.{self._decimals}f}"


@dataclass(frozen=True)
class Differences:
    """A comparison held against an earlier report.

    ``gross`` and ``average`` have a change for each figure of the report, equal ones too. They are of all
    records, or, where ``common``, of those that both have. ``records`` has the changed columns of each record
    that both have, empty for one that is the same. ``only_before`` and ``only_now`` name the others.
    """

    gross: tuple[Change, ...]
    average: tuple[Change, ...]
    common: bool
    records: Mapping[str, tuple[Change, ...]]
    only_before: tuple[str, ...]
    only_now: tuple[str, ...]

    def lines(self) -> list[str]:
        """Write it in words, a line each."""
        found = []
        over = f", over the {plural(len(self.records), 'record')} that both have" if self.common else ""
        for name, changes in (("Gross", self.gross), ("Average", self.average)):
            found.append(f"{name}{over}:")
            found += [f"  {NAMES.get(one.column, one.column):<26} {one.words()}" for one in changes]
        if self.records:
            changed = {name: changes for name, changes in self.records.items() if changes}
            found.append(
                f"{len(changed)} of {plural(len(self.records), 'record')} that both have differ"
                + (":" if changed else "")
            )
            found += [
                f"  {name}: {', '.join(one.words() for one in changes)}" for name, changes in changed.items()
            ]
        for where, names in (("the earlier report", self.only_before), ("this comparison", self.only_now)):
            if names:
                found.append(f"in {where} alone: {listed(names)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""

        def told(changes: Sequence[Change]) -> dict[str, Any]:
            return {one.column: {"before": one.before, "now": one.now} for one in changes}

        return {
            "gross": told(self.gross),
            "average": told(self.average),
            "over": "records that both have" if self.common else "all records",
            "records": {name: told(changes) for name, changes in self.records.items()},
            "only before": list(self.only_before),
            "only now": list(self.only_now),
        }


def differences(before: Report, now: Mapping[str, Comparison]) -> Differences:
    """Hold comparisons of records against an earlier report.

    Where both have lines of records, but not of the same ones, Gross and Average are taken over those that
    both have. Without a line of the same record they are of all records of either.
    """
    ours = {name: line(found, before) for name, found in now.items()}
    both = [name for name in ours if name in before.records]
    common = bool(both) and (len(both) < len(ours) or len(both) < len(before.records))
    then = before.aggregate
    kept = list(ours.values())
    if common:
        then = computed([before.records[name] for name in both], before.counts, before.figures)
        kept = [ours[name] for name in both]
    current = computed(kept, before.counts, before.figures)
    return Differences(
        gross=_changes(then, current, "gross"),
        average=_changes(then, current, "average"),
        common=common,
        records={
            name: tuple(
                change
                for column in (*before.figures, *before.counts)
                if not (change := _change(column, before.records[name][column], ours[name][column])).same
            )
            for name in both
        },
        only_before=tuple(name for name in before.records if name not in ours) if both else (),
        only_now=tuple(name for name in ours if name not in before.records) if both else (),
    )


def line(found: Comparison, like: Report) -> Values:
    """Return a record's counts and figures under the columns of a report, as it prints them."""
    m = found.counts if like.with_s else without_s(found.counts)
    counts: dict[str, float | None] = dict(zip(like.counts, columns(m, like.counts).tolist(), strict=True))
    false = int(m[[N, S, O, X], V].sum())
    others = [N, S, F, Q, O, X]
    told = {**of_record(found), FALSE_RATE: percent(false, false + int(m[others][:, [N, S, F, Q]].sum()))}
    return {**counts, **{name: _printed(name, told[name]) for name in like.figures}}


def decimals(column: str) -> int:
    """Return how many decimals a report prints of a column: 2, 3 or none of a count."""
    return {FALSE_RATE: 3, **dict.fromkeys((*FIGURES, RR), 2)}.get(column, 0)


def _change(column: str, before: float | None, now: float | None) -> Change:
    return Change(column, _printed(column, before), _printed(column, now))


def _printed(column: str, value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{decimals(column)}f}")


def _changes(before: Aggregate, now: Aggregate, which: str) -> tuple[Change, ...]:
    theirs: Values = getattr(before, which)
    ours: Values = getattr(now, which)
    return tuple(_change(name, theirs[name], ours[name]) for name in ours)
