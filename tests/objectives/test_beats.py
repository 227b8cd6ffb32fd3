"""What the task for single beats calls good, and which beats are of which class."""

from __future__ import annotations

import numpy as np
import pytest

from atml import Predictions, task_files
from atml.data.formats.annotations import BEATS

TASK = task_files.find("beats")


def decided(*pairs: tuple[int, int, int], person: str = "p") -> Predictions:
    """Predictions of (true class, called class, how many)."""
    y = np.repeat([true for true, _, _ in pairs], [count for _, _, count in pairs])
    called = np.repeat([one for _, one, _ in pairs], [count for _, _, count in pairs])
    return Predictions(np.eye(3, dtype=np.float32)[called], y, np.full(len(y), person), None)


def test_beats_have_the_classes_of_the_standard_with_escapes_as_normal() -> None:
    found = {symbol: TASK.label(symbol) for symbol in BEATS}
    named = {c: {s for s, of in found.items() if of == c} for c in (0, 1, 2, None)}
    assert named == {0: set("NLRBej"), 1: set("AaJSn"), 2: set("VEr"), None: set("F/fQ?")}
    assert TASK.label("O") is None and TASK.label("[") is None


def test_the_objective_is_f1_of_ventricular_and_supraventricular_beats() -> None:
    # 8 of 10 V found, 2 N and 1 S called V; 3 of 6 S found, 1 N called S.
    found = decided((0, 0, 97), (0, 2, 2), (0, 1, 1), (1, 1, 3), (1, 0, 2), (1, 2, 1), (2, 2, 8), (2, 0, 2))
    veb, sveb = 2 * 8 / (10 + 11), 2 * 3 / (6 + 4)
    assert TASK.value(found) == pytest.approx(2 / 3 * veb + 1 / 3 * sveb)
    assert task_files.find("beats", objective="veb").value(found) == pytest.approx(veb)
    assert task_files.find("beats", objective="sveb").value(found) == pytest.approx(sveb)


@pytest.mark.parametrize("name", TASK.objectives)
def test_calling_all_normal_is_worth_less_than_finding_some(name: str) -> None:
    objective = task_files.find("beats", objective=name)
    nothing = decided((0, 0, 100), (1, 0, 10), (2, 0, 10))
    some = decided((0, 0, 98), (0, 2, 1), (0, 1, 1), (1, 1, 3), (1, 0, 7), (2, 2, 6), (2, 0, 4))
    right = decided((0, 0, 100), (1, 1, 10), (2, 2, 10))
    assert objective.value(nothing) < objective.value(some) < objective.value(right) == pytest.approx(1)
    assert objective.floor is not None and objective.value(some) > objective.floor


def test_people_count_alike_whatever_they_have() -> None:
    objective = task_files.find("beats", objective="patients")
    many = decided((0, 0, 100), (2, 2, 90), (2, 0, 10), person="many")
    few = decided((0, 0, 100), (2, 0, 2), person="few")
    none = decided((0, 0, 99), (0, 2, 1), person="none")
    expected = (180 / 190 + 0 + 1 / 2) / 3
    assert objective.value(Predictions.joined([many, few, none])) == pytest.approx(expected)
