"""The contest sets themselves, where they are at hand; counts as `unzip -l` gives them."""

from __future__ import annotations

import numpy as np
import pytest

import atml.data
from atml.tasks.task import Task

AF = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
VENTRICULAR = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=1250)


def af(rhythm):
    return int(rhythm == "AFIB")


def shock(rhythm):
    return int(rhythm in {"VT", "VFb", "VFt"})


@pytest.mark.parametrize(
    ("name", "task", "label", "split", "segments", "positive", "subjects"),
    [
        ("iesd2024.zip", AF, af, "train", 10_662, 4846, 44),
        ("iesd2024.zip", AF, af, "test", 1873, 837, 8),
        ("iccad2022.zip", VENTRICULAR, shock, "train", 3821, 2032, 24),
        ("iccad2022.zip", VENTRICULAR, shock, "test", 838, 434, 6),
    ],
)
def test_the_contest_sets_are_read_whole(real_data, name, task, label, split, segments, positive, subjects):
    if not (real_data / name).is_file():
        pytest.skip(f"no {name} in {real_data}")
    found = atml.data.open(real_data / name, task=task, label=label, split=split)
    assert found.x.shape == (segments, 1, 1250) and np.isfinite(found.x).all()
    assert (found.y.sum(), len(np.unique(found.subject))) == (positive, subjects)
    empty = int((found.rhythm == "").sum())
    assert empty == (200 if (name, split) == ("iesd2024.zip", "train") else 0)
    assert len(found.notes) == int(empty > 0)


def test_the_contest_set_has_no_faults(real_data):
    if not (real_data / "iccad2022.zip").is_file():
        pytest.skip(f"no iccad2022.zip in {real_data}")
    found = atml.data.inspect(real_data / "iccad2022.zip", task=VENTRICULAR, label=shock)
    assert found.faults == () and [split.refusal for split in found.splits] == ["", ""]
