"""Official scoring rules, one pure module each."""

from __future__ import annotations

from typing import Protocol

import numpy.typing as npt

from atml.errors import InputError
from atml.scoring import iesd2024
from atml.scoring.result import Score
from atml.types import Int64, Strings


class Rule(Protocol):
    """What a rule's module offers."""

    @property
    def NAME(self) -> str:
        """The name that ``--rule`` takes."""

    @property
    def CLASSES(self) -> int:
        """Outputs that `decide` reads."""

    @property
    def POSITIVE(self) -> int:
        """The label that sensitivity is about."""

    def decide(self, outputs: npt.ArrayLike) -> Int64:
        """Labels from a model's outputs, by the rule's tie rule."""

    def check(self, latency_ms: float | None, size_kib: float | None) -> None:
        """Raise InputError for a latency (ms) or size (KiB) that can't have been measured."""

    def score(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        subject: Strings,
        *,
        latency_ms: float | None = None,
        size_kib: float | None = None,
    ) -> Score:
        """Score the labels."""


RULES: dict[str, Rule] = {"iesd2024": iesd2024}


def rule(name: str) -> Rule:
    """Find a rule by name; raises InputError that lists the known ones."""
    if name not in RULES:
        raise InputError(f"no scoring rule {name!r}; known: {', '.join(sorted(RULES))}")
    return RULES[name]


__all__ = ["RULES", "Rule", "Score", "rule"]
