"""Official scoring rules, one pure module each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy.typing as npt

from atml.arrays import Int64
from atml.errors import InputError
from atml.scoring.rules import aha_aed, cinc2017, iccad2022, iccad2023, iesd2024
from atml.scoring.rules.base import Figure, Judged, Score, Table, Total
from atml.scoring.rules.contest_figures import check
from atml.tasks.task import Task


class Rule(Protocol):
    """What a rule's module offers."""

    @property
    def NAME(self) -> str:
        """The name that ``--rule`` takes."""

    @property
    def OPTIONS(self) -> Mapping[str, float]:
        """What a person may set, with its default."""

    @property
    def AWARDS(self) -> bool:
        """Whether a measured latency and size earn points."""

    def fits(self, task: Task) -> None:
        """Raise ExportError for a model that the rule can't judge."""

    def decide(self, outputs: npt.ArrayLike) -> Int64:
        """Labels from a model's outputs, by the rule's tie rule."""

    def score(self, judged: Judged, options: Mapping[str, float]) -> Score:
        """Score the labels; ``options`` has a value for each of `OPTIONS`."""


RULES: dict[str, Rule] = {rule.NAME: rule for rule in (aha_aed, cinc2017, iccad2022, iccad2023, iesd2024)}


def rule(name: str) -> Rule:
    """Find a rule by name; raises InputError that lists the known ones."""
    if name not in RULES:
        raise InputError(f"no scoring rule {name!r}; known: {', '.join(sorted(RULES))}")
    return RULES[name]


def settings(
    judge: Rule,
    given: Mapping[str, float | None],
    *,
    latency_ms: float | None = None,
    size_kib: float | None = None,
) -> dict[str, float]:
    """Return the rule's options with those that were ``given``; None leaves the default.

    Raises InputError for an option that the rule does not have, a latency or size given to a rule that
    awards no points for it, and a value that is not above 0.
    """
    wanted = {key: value for key, value in given.items() if value is not None}
    for key, value in wanted.items():
        option = "--" + key.replace("_", "-")
        if key not in judge.OPTIONS:
            owners = [name for name, other in RULES.items() if key in other.OPTIONS]
            whose = f"it is for rule {', '.join(owners)}" if owners else "no rule has it"
            raise InputError(f"rule {judge.NAME} takes no {option}; {whose}")
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{option} {value:g} is no limit; give a number above 0")
    if not judge.AWARDS and (latency_ms is not None or size_kib is not None):
        raise InputError(
            f"rule {judge.NAME} awards nothing for latency or size; leave --latency-ms and --size-kib out"
        )
    check(latency_ms, size_kib)
    return {**judge.OPTIONS, **wanted}


__all__ = ["RULES", "Figure", "Judged", "Rule", "Score", "Table", "Total", "rule", "settings"]
