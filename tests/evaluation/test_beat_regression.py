"""The figures of a beat among its neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from atml.errors import TaskFileError
from atml.evaluation import baselines
from atml.evaluation.baselines.beat_regression import FEATURES
from atml.tasks.task import Task

RATE = 125
TASK = Task(
    name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=RATE, window=438, after_beat=1.2
)
METHOD = baselines.method("beat_regression", TASK)


def figures(*waves: tuple[float, float, float]) -> dict[str, float]:
    """Figures of a window with waves of (s from the beat, height in mV, width in s)."""
    t = (np.arange(438) - 437 + TASK.samples_after_beat) / RATE
    x = sum(height * np.exp(-(((t - at) / width) ** 2) / 2) for at, height, width in waves)
    (found,) = METHOD.measure(x[None, None].astype(np.float32), RATE)
    return dict(zip(FEATURES, found, strict=True))


def test_an_early_beat_of_the_same_shape() -> None:
    found = figures((-2.0, 1, 0.02), (-1.2, 1, 0.02), (-0.4, 1, 0.02), (0, 1, 0.02), (0.8, 1, 0.02))
    assert found["early"] == pytest.approx(np.log(0.4 / 0.8), abs=0.05)
    assert found["change"] == pytest.approx(np.log(0.4 / 0.8), abs=0.05)
    assert found["pause"] == pytest.approx(np.log(0.8 / 0.4), abs=0.05)
    for name in ("alike", "typical", "last", "next"):
        assert found[name] > 0.98
    for name in ("size", "height", "width"):
        assert found[name] == pytest.approx(0, abs=0.02)


def test_a_wide_large_beat_among_narrow_ones() -> None:
    found = figures((-1.6, 1, 0.02), (-0.8, 1, 0.02), (0, 2, 0.06), (0.8, 1, 0.02))
    assert found["early"] == pytest.approx(0, abs=0.05)
    assert found["alike"] < 0.7 and found["typical"] < 0.7
    assert found["height"] == pytest.approx(np.log(2), abs=0.05) and found["width"] > 0.3


def test_a_beat_alone_and_a_flat_line_have_figures() -> None:
    assert all(np.isfinite(list(figures((0, 1, 0.02)).values())))
    assert all(np.isfinite(list(figures((0, 0, 0.02)).values())))


def test_tasks_of_stretches_are_refused_with_another_baseline_named() -> None:
    other = Task(name="r", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=100, window=900)
    with pytest.raises(TaskFileError, match=r"not cut round single beats; use rr_regression"):
        baselines.method("beat_regression", other)
