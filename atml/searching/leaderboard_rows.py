"""The leaderboard as rows: one flat row a trial for a CSV, and the best trial at each size."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atml.searching.leaderboard import Entry
from atml.searching.verdict import evaluations

SMALLEST_KIB = 5.0
"""First size of `best_at_sizes`; each further one is twice as large."""


@dataclass(frozen=True)
class AtSize:
    """The best trial with a file of at most ``kib`` KiB."""

    kib: float
    entry: Entry


def best_at_sizes(ranking: Sequence[Entry]) -> list[AtSize]:
    """Return the best trial at 5, 10, 20 ... KiB, the smallest size first, each trial once.

    That is the winner where it fits. Else it is the one with the best value in the search: that helped to
    choose all of them alike, while only finalists have values on fresh seeds.
    """
    found: list[AtSize] = []
    largest = max((entry.size_kib for entry in ranking), default=0.0)
    kib = SMALLEST_KIB
    while ranking and (not found or kib < 2 * largest):
        fit = [entry for entry in ranking if entry.size_kib <= kib]
        if fit:
            best = max(fit, key=lambda e: (e is ranking[0], e.record.value or 0.0, -e.size_kib))
            if not found or found[-1].entry is not best:
                found.append(AtSize(kib, best))
            if best is ranking[0]:
                break
        kib *= 2
    return found


def flat(entry: Entry, place: int) -> dict[str, Any]:
    """Return one trial with every figure in a column of its own; None where one is not known."""
    record = entry.record
    tests = evaluations(entry.folder)
    test = tests[-1] if tests else None
    cost = record.cost
    return {
        "place": place,
        "trial": entry.number,
        "value": entry.value,
        "figures_of": entry.runs,
        "fresh_seeds": entry.seeds,
        "seed_low": min(entry.each, default=None),
        "seed_high": max(entry.each, default=None),
        "seed_spread": max(entry.each) - min(entry.each) if entry.each else None,
        "in_search": record.value,
        **entry.rates,
        **entry.metrics,
        "size_kib": entry.size_kib,
        "macs": cost.macs if cost else None,
        "parameters": cost.parameters if cost else None,
        "test_rule": test.rule if test else None,
        "test_data": test.data if test else None,
        "test_figure": test.name if test else None,
        "test_value": test.official.value if test else None,
        "test_low": test.official.low if test else None,
        "test_high": test.official.high if test else None,
        "test_evaluation": test.number if test else None,
        "folder": str(entry.folder) if entry.folder else None,
        "config": record.config.describe() if record.config else None,
    }


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    r"""Return rows as CSV with a header; columns are those of any row, in the order of the fullest one.

    >>> as_csv([{"trial": 3, "value": 0.91}, {"trial": 5, "value": None}])
    'trial,value\r\n3,0.91\r\n5,\r\n'
    """
    fullest = max(rows, key=len, default={})
    names = [*fullest, *(name for row in rows for name in row if name not in fullest)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(names)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
