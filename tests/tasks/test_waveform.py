"""Waveform targets: leads that are read or not, in decibels above those from which one counts as read."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atml.metrics import FOUR, Predictions
from atml.metrics.waveform import READ_DB, decibels, mean_snr, worst_snr
from atml.tasks import targets
from atml.tasks.targets import WaveformTarget
from atml.tasks.task import Task

TASK = Task(name="paper", kind="waveform", classes=("I", "II", "III"), picture=(512, 672), leads=3)
TARGET = targets.of(TASK)


def read(rows: list[list[float]], y: int = 7) -> Predictions:
    """Return predictions of so many dB, a page a row."""
    logits = np.array(rows, np.float32) - READ_DB
    return TARGET.predictions(logits, np.full(len(rows), y), np.array([f"h{i}" for i in range(len(rows))]))


def test_a_lead_counts_as_read_from_ten_decibels() -> None:
    found = read([[10.0, 9.9, 20.0], [-3.0, 12.0, 12.0]])
    assert found.called().tolist() == [[True, False, True], [False, True, True]]
    four = TARGET.four(found)
    assert set(four) == set(FOUR) and four["recall"] == pytest.approx(2 / 3) and four["precision"] == 1.0
    assert targets.names_of(TASK, int(found.labels()[0])) == "I + III"


def test_figures_are_means_over_drawn_leads_and_pages() -> None:
    found = read([[10.0, 20.0, 60.0], [0.0, 2.0, 60.0]], y=3)  # III is not drawn
    assert np.isnan(decibels(found)[:, 2]).all()
    assert mean_snr(found) == pytest.approx(8.0) and worst_snr(found) == pytest.approx(1.0)
    assert mean_snr(read([[1.0, 1.0, 1.0]], y=0)) == 0.0


def test_what_reads_nothing_has_collapsed() -> None:
    nothing, little = read([[0.0, -2.0, 0.0]] * 2), read([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert TARGET.collapsed(nothing) and not TARGET.collapsed(little)
    assert TARGET.spread(nothing) == 0.0 < TARGET.spread(little)
    assert math.isnan(TARGET.auc(little))


def test_leads_that_are_not_drawn_say_nothing_of_how_outputs_differ() -> None:
    assert TARGET.spread(read([[10.0, 20.0, 0.0], [30.0, 0.0, 0.0]], y=3)) == pytest.approx(11.18, abs=0.01)
    assert TARGET.spread(read([[10.0, 20.0, 0.0]], y=0)) == 0.0


def test_there_is_no_decision_to_move() -> None:
    found = read([[3.0, 15.0, 30.0]])
    assert TARGET.choose(found, mean_snr, floor=0.5, count=20) == (0.0, 0.0, 0.0)
    assert TARGET.describe_decision((0.0,) * 3) == "a lead is read from 10 dB"


def test_it_is_a_kind_like_any_other() -> None:
    assert isinstance(TARGET, WaveformTarget) and TARGET.kind == "waveform" and targets.problem(TASK) == ""
    assert targets.shown_as(TASK) == "multilabel" and TASK.sets
    assert targets.per_class(TASK, np.array([7, 1])) == [2, 1, 1]
    assert len(targets.toy(TASK, 6).y) == 6
