"""What the task for intracardiac electrograms calls good, and that its space is of the contest's size."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest

from atml import models, task_files
from atml.data.synthetic.rhythms import RHYTHMS
from atml.errors import ShapeError
from atml.regions import Draft
from atml.regions.space import Axis
from tests.objectives.test_defib import decided

TASK = task_files.find("iccad")


@pytest.mark.parametrize(
    ("missed", "false", "lacking"),
    [
        (0, 0, 0.0),
        (10, 20, 0.0),  # at the gate, of both
        (15, 0, 0.05),
        (0, 30, 0.1),
        (20, 30, 0.1),  # the larger of two
        (0, 100, 0.8),  # shocks always
    ],
)
def test_f_beta_counts_in_full_where_the_gate_is_reached(missed: int, false: int, lacking: float) -> None:
    precision, recall = (100 - missed) / (100 - missed + false), (100 - missed) / 100
    f_beta = 5 * precision * recall / (4 * precision + recall)
    assert TASK.value(decided(100, missed, 100, false)) == pytest.approx(f_beta - lacking)


def test_to_shock_always_is_worth_less_than_what_has_begun_to_learn() -> None:
    assert TASK.value(decided(100, 0, 100, 100)) < TASK.value(decided(100, 30, 100, 30))


@pytest.mark.parametrize("rhythm", ["VT", "VFb", "VFt"])
def test_the_contests_shockable_rhythms(rhythm: str) -> None:
    assert TASK.label(rhythm) == 1


@pytest.mark.parametrize("rhythm", ["SR", "SVT", "AFb", "AFt", "VPD"])
def test_the_contests_other_rhythms(rhythm: str) -> None:
    assert TASK.label(rhythm) == 0


def test_rhythms_of_other_sets_have_the_class_that_they_have_for_a_defibrillator() -> None:
    defib = task_files.find("defib").label
    assert {TASK.label(name) for name in RHYTHMS} == {0, 1}
    for name in (*RHYTHMS, "VFIB", "SR", "SVT", "AF", "", "NOISE", "vt"):
        assert TASK.label(name) == defib(name)


def test_most_of_the_space_is_of_the_contests_size() -> None:
    fits = []
    for seed in range(200):
        config = TASK.suggest(Draft(functools.partial(Axis.draw, rng=random.Random(seed))))
        try:
            fits.append(not TASK.budget.broken(models.cost(config, TASK.task)))
        except ShapeError:
            fits.append(False)
    assert np.mean(fits) > 0.6
    assert (TASK.budget.macs, TASK.budget.size_kib) == (20_000, 10)
