"""Episodes, burden and alarms an hour: by hand, and against counting second by second."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.metrics.burden import burden, spans


def of(called: list[bool], decided: list[bool] | None = None, *, step: int = 5, **more: float):  # type: ignore[no-untyped-def]
    start = step * np.arange(len(called))
    return burden(start, start + 5, called, decided or [True] * len(called), **more)


def test_neighbours_are_one_episode() -> None:
    found = of([True, True, False, True])
    assert found.episodes == ((0.0, 10.0), (15.0, 20.0))
    assert (found.monitored_s, found.seconds, found.share, found.an_hour) == (20.0, 15.0, 0.75, 360.0)


def test_episodes_near_each_other_are_merged_before_short_ones_are_left_out() -> None:
    called = [True, False, True, False, False, True]
    assert of(called, merge_s=5).episodes == ((0.0, 15.0), (25.0, 30.0))
    assert of(called, merge_s=5, shortest_s=6).episodes == ((0.0, 15.0),)
    assert of(called, merge_s=4.9).episodes == ((0.0, 5.0), (10.0, 15.0), (25.0, 30.0))


def test_time_that_was_not_decided_is_not_monitored_unless_an_episode_bridges_it() -> None:
    called, decided = [True, False, True, False], [True, False, True, False]
    found = of(called, decided)
    assert (found.monitored_s, found.undecided_s, found.share) == (10.0, 10.0, 1.0)
    bridged = of(called, decided, merge_s=5)
    assert (bridged.monitored_s, bridged.undecided_s, bridged.share) == (15.0, 5.0, 1.0)


def test_nothing_decided_has_no_burden() -> None:
    found = of([False], [False])
    assert math.isnan(found.share) and math.isnan(found.an_hour) and found.longest_s == 0


def test_overlapping_windows_count_no_second_twice() -> None:
    found = of([True] * 4, step=2)
    assert found.episodes == ((0.0, 11.0),) and found.monitored_s == 11.0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.integers(0, 12))
def test_seconds_add_up(rows: list[tuple[bool, bool]], merge: int) -> None:
    decided = [known for _, known in rows]
    called = [yes and known for yes, known in rows]
    found = of(called, decided, merge_s=merge)
    assert found.monitored_s + found.undecided_s == pytest.approx(5 * len(rows))
    assert 0 <= found.seconds <= found.monitored_s + 1e-9
    assert sum(
        end - start for start, end in spans(5 * np.arange(len(rows)), 5 * np.arange(len(rows)) + 5, called)
    ) == (5 * sum(called))
    gaps = [b[0] - a[1] for a, b in zip(found.episodes, found.episodes[1:], strict=False)]
    assert all(gap > merge for gap in gaps)
