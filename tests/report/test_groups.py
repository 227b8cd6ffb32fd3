"""Trials grouped by what they have in common, in a table or a sentence."""

from __future__ import annotations

import pytest

from atml.models.config import ModelConfig
from atml.report.groups import comparison
from atml.report.page import Text
from atml.training.records import TrialRecord


@pytest.mark.parametrize(
    ("trials", "said"),
    [(1, "The only trial had the pooling last."), (3, "All 3 trials had one pooling: last.")],
)
def test_one_group_is_a_sentence(trials: int, said: str) -> None:
    config = ModelConfig(pool="last")
    records = [TrialRecord(number=number, state="complete", config=config) for number in range(trials)]
    assert comparison(records, lambda one: one.pool, "pooling", "poolings") == [Text(said)]


def test_without_trials_there_is_nothing() -> None:
    assert comparison([], lambda one: one.pool, "pooling", "poolings") == []
