"""The rule of a promotion, case by case."""

from __future__ import annotations

import pytest

from atml.metrics import Interval
from atml.promotion.decision import Asked, Difference, decide


def told(low: float, high: float, subjects: int = 20) -> Difference:
    return Difference(value=Interval((low + high) / 2, low, high), subjects=subjects)


BETTER, SAME, LESS, WORSE, WIDE = (
    told(0.01, 0.05), told(-0.01, 0.01), told(-0.015, -0.005), told(-0.05, -0.03), told(-0.1, 0.1)
)  # fmt: skip


@pytest.mark.parametrize(
    ("frozen", "new", "asked", "outcome", "reason"),
    [
        (SAME, BETTER, "better", "promoted", "no worse on the frozen set, better on new people"),
        (BETTER, None, "better", "promoted", "better on the frozen set"),
        (LESS, BETTER, "better", "promoted", "no worse on the frozen set, better on new people"),
        (SAME, SAME, "no-worse", "promoted", "no worse on the frozen set, no worse on new people"),
        (SAME, None, "no-worse", "promoted", "no worse on the frozen set"),
        (WORSE, BETTER, "better", "kept", "worse on the frozen set"),
        (BETTER, WORSE, "no-worse", "kept", "worse on new people"),
        (SAME, SAME, "better", "kept", "no gain as large as the margin of 0.02 on new people"),
        (SAME, None, "better", "kept", "no gain as large as the margin of 0.02 on the frozen set"),
        (BETTER, told(-0.01, 0.2), "better", "can't be told", "no worse, but not shown to be better on new"),
        (WIDE, BETTER, "better", "can't be told", "a loss as large as the margin of 0.02 can't be ruled out"),
        (BETTER, WIDE, "no-worse", "can't be told", "ruled out on new people"),
        (told(0.1, 0.2, 5), BETTER, "better", "can't be told", "5 subjects of the frozen set are too few"),
        (BETTER, told(-0.3, -0.2, 1), "better", "can't be told", "1 subject of new people is too few"),
    ],
)
def test_decisions(frozen: Difference, new: Difference | None, asked: str, outcome: str, reason: str) -> None:
    found = decide(frozen, new, margin=0.02, asked=Asked(asked))
    assert found.outcome.value == outcome and reason in found.reason, found


def test_the_margin_is_what_decides() -> None:
    some = told(-0.03, 0.05)
    outcomes = [
        decide(some, None, margin=m, asked=Asked.NO_WORSE).outcome.value for m in (0.0, 0.02, 0.03, 0.04, 1)
    ]
    assert outcomes == ["can't be told", "can't be told", "can't be told", "promoted", "promoted"]
