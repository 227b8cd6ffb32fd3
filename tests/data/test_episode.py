from __future__ import annotations

import numpy as np

from atml.data.episode import from_segments
from atml.tasks.task import Task

TASK = Task(name="defib", classes=("a", "b"), positive=1, sampling_rate=125, window=100)


def test_separate_segments_begin_at_once():
    x = np.sin(np.arange(2500) / 40)[None]
    found = from_segments([("", "S1", "VF", x), ("", "S2", "N", x[:, :1250])], TASK, 250)
    assert [(e.subject, e.rhythm, e.onset, e.label, e.x.shape) for e in found] == [
        ("S1", "VF", 0, -1, (1, 1250)),
        ("S2", "N", 0, -1, (1, 625)),
    ]
    np.testing.assert_allclose(found[0].x[0, 50:-50], x[0, ::2][50:-50], atol=0.01)


def test_what_is_no_longer_than_a_window_or_odd_makes_none():
    x = np.ones((1, 2000))
    bad = x.copy()
    bad[0, 7] = np.nan
    segments = [
        ("", "a", "N", x[:, :200]),
        ("", "b", "N", bad),
        ("", "c", "N", np.ones((2, 2000))),
        ("", "d", "N", x),
    ]
    assert [e.subject for e in from_segments(segments, TASK, 250)] == ["d"]
