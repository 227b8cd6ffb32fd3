"""What a search came to, in one dataclass: the winner, how good, how sure, what next.

The first screen of `atml best`, `atml status` and the top of the report all read this, so that they say the
same. Figures that need data or predictions are computed once, when the finalists are judged, and kept in the
study (`facts`); the rest is read from trials and exports, in milliseconds.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from atml.artifacts.json_file import fields_of
from atml.data.cases import of_study
from atml.evaluation.gate import Gate
from atml.formatting import between, listed, ordinal, plural
from atml.metrics import Interval
from atml.metrics.value_difference import LEVEL
from atml.searching import next_step
from atml.searching.first_rates import OVER_LABELS, headline, of_labels, rates_of
from atml.searching.leaderboard import AGREES, Entry, leaderboard
from atml.searching.next_step import goes_on, where
from atml.searching.ranking import PICK
from atml.storage import urls
from atml.training.records import ParameterSource, TrialRecord

if TYPE_CHECKING:
    from atml.searching.finalists import Finalist, Finalists
    from atml.storage import Store

T = TypeVar("T")

WORST = 3
"""Subjects that are named."""

FEW = 6
"""Fewer subjects than this are said beside a gain: its interval is wide, and no more is known of others."""

DEFAULT = urls.name(urls.DEFAULT_URL)
"""Name of the database that no command needs to be told."""

SURE = f"{LEVEL:.0%} interval, paired by subject"
"""What the interval of a gain is."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One subject: its rates by name, without those of a class that it does not have.

    ``windows`` counts by the same names what each rate is of, once for every run that it was measured in.
    """

    name: str
    rates: Mapping[str, float]
    windows: Mapping[str, int]

    def __str__(self) -> str:
        """Return the name, the rates and what they are of."""
        told = [f"{name} {rate:.3f} of {self.windows[name]:,}" for name, rate in self.rates.items()]
        return f"{self.name} ({', '.join(told)})"


FIRST = {"ec57": ("VEB Se", "VEB +P", "SVEB Se", "SVEB +P")}
"""Figures to read first of rules whose own first figure is of something else: how beats are found."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluation of the winner's export on test data: the official figure is the one to read first.

    ``number`` counts the evaluations of that test set; ``total`` are the points of a rule that awards some,
    None where no latency and size were measured.
    """

    rule: str
    data: str
    windows: int
    subjects: int
    number: int
    name: str
    official: Interval
    total: float | None = None
    figures: Mapping[str, Interval]

    @property
    def _person(row: Mapping[str, Any]) -> Person:
    if "hits" in row:
        labels, pages = sum(row["true"]), row["n"]
        found = {"F1": (float(row["f1"]), labels)} if labels else {}
        found["all labels right"] = (row["right"] / pages, pages)
        return Person(
            name=str(row["subject"]),
            rates={name: rate for name, (rate, _) in found.items()},
            windows={name: count for name, (_, count) in found.items()},
        )
    parts = (
        [("accuracy", row["right"], row["n"] - row["right"])]
        if "right" in row
        else [("sensitivity", row["tp"], row["fn"]), ("specificity", row["tn"], row["fp"])]
    )
    counts = {name: (right, right + wrong) for name, right, wrong in parts if right + wrong}
    return Person(
        name=str(row["subject"]),
        rates={name: right / whole for name, (right, whole) in counts.items()},
        windows={name: whole for name, (_, whole) in counts.items()},
    )


def _interval(fields: Mapping[str, Any]) -> Interval:
    return Interval(float(fields["value"]), float(fields["low"]), float(fields["high"]))


def _url(storage: str) -> str:
    return storage if "://" in storage else f"sqlite:///{storage}"
