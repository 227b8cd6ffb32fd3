from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.annotating import intervals


def test_a_premature_beat_does_not_make_a_highest_rate():
    seconds = np.cumsum([0, *[1.0] * 10, 0.4, 1.6, *[1.0] * 10])
    found = intervals.rr(seconds, np.ones(len(seconds), bool) & (np.arange(len(seconds)) > 0))
    assert intervals.mean_rate(found) == pytest.approx(60)
    rates = intervals.rates(found)
    assert rates.rate.max() == pytest.approx(60 * 8 / 7.4) and rates.rate.min() == pytest.approx(60 * 8 / 8.6)


def test_rates_need_eight_intervals_without_a_gap():
    linked = np.ones(20, bool)
    linked[[0, 9]] = False
    found = intervals.rr(np.arange(20.0), linked)
    assert intervals.rates(found).last.tolist() == [8, 17, 18, 19]
    assert intervals.rates(found[:8]).last.tolist() == []
    assert intervals.rates(np.empty(0)).last.tolist() == []


def test_a_pause_is_longer_than_the_limit_and_seen_whole():
    linked = np.array([False, True, True, False, True])
    found = intervals.rr(np.array([0, 2.0, 4.001, 9.0, 12.0]), linked)
    assert intervals.pauses(found).tolist() == [2, 4]
    assert intervals.pauses(found, 2.5).tolist() == [4]


def test_no_beats_have_no_rate():
    none = np.empty(0)
    assert math.isnan(intervals.mean_rate(none)) and intervals.pauses(none).tolist() == []
    assert np.isnan(intervals.by_bin(np.empty(0, np.int64), none, 3)).all()


@given(st.lists(st.floats(0.2, 3.0), min_size=1, max_size=60), st.data())
def test_stretches_of_time_add_up_to_the_whole(values, data):
    found = np.array(values)
    found[data.draw(st.integers(0, len(values) - 1))] = np.nan
    place = np.cumsum(np.nan_to_num(found)).astype(int) // 5
    means = intervals.by_bin(place, found, int(place[-1]) + 1)
    there = np.isfinite(found)
    took = np.bincount(place, np.nan_to_num(found))
    assert np.nansum(means * took / 60) == pytest.approx(there.sum())
    rates = intervals.rates(found, 3)
    for last, rate in zip(*rates, strict=True):
        assert rate == pytest.approx(180 / found[last - 2 : last + 1].sum())
