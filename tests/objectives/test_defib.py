"""What the defibrillation task calls good."""

from __future__ import annotations

import numpy as np
import pytest

from atml import task_files
from atml.data.synthetic.rhythms import RHYTHMS
from atml.metrics.predictions import Predictions

ROOM = task_files.find("defib")


def decided(shocks: int, missed: int, others: int, false: int) -> Predictions:
    """Windows of one subject: ``shocks`` of which some are missed, ``others`` with false alarms."""
    y = np.repeat([1, 0], [shocks, others])
    called = np.ones(len(y), bool)
    called[:missed] = False
    called[shocks + false :] = False
    logits = np.stack([~called, called], axis=1).astype(np.float32)
    return Predictions(logits, y, np.full(len(y), "a"))


@pytest.mark.parametrize(
    ("missed", "false", "value"),
    [
        (0, 0, 1.0),  # no error
        (10, 0, 0.0),  # at the goal for sensitivity, 0.90
        (0, 5, 0.0),  # at the goal for specificity, 0.95
        (20, 0, -1.0),  # twice what is allowed
        (5, 4, 0.2),  # the lower of 0.5 and 0.2
        (100, 0, -9.0),
        (0, 100, -19.0),
    ],
)
def test_the_lower_margin_counts(missed: int, false: int, value: float) -> None:
    assert ROOM.value(decided(100, missed, 100, false)) == pytest.approx(value)


def test_the_other_objectives() -> None:
    found = decided(100, 10, 200, 10)
    values = {name: task_files.find("defib", objective=name).value(found) for name in ("balanced", "f_beta")}
    assert values["balanced"] == pytest.approx((0.9 + 0.95) / 2)
    assert values["f_beta"] == pytest.approx(5 * 0.9 * 0.9 / (4 * 0.9 + 0.9))
    assert task_files.find("defib", objective="subject_f_beta").value(found) == pytest.approx(0.9)


@pytest.mark.parametrize("rhythm", ["VT", "VF", "VFIB", "VFL", "VFb", "VFt"])
def test_shockable_rhythms(rhythm: str) -> None:
    assert ROOM.label(rhythm) == 1


@pytest.mark.parametrize(
    "rhythm", ["N", "NSR", "SR", "ASYS", "AFIB", "AFb", "SVTA", "SVT", "VPD", "HGEA", "PM"]
)
def test_rhythms_that_need_no_shock(rhythm: str) -> None:
    assert ROOM.label(rhythm) == 0


@pytest.mark.parametrize("rhythm", ["", "NOISE", "(VT", "vt", "XYZ"])
def test_an_unknown_rhythm_is_never_guessed(rhythm: str) -> None:
    assert ROOM.label(rhythm) is None


def test_every_rhythm_of_the_generator_has_a_class() -> None:
    assert {ROOM.label(name) for name in RHYTHMS} == {0, 1}
