from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.ecg.beat_matching import labels_of, match, samples

TIMES = st.lists(st.integers(0, 3000), max_size=30).map(sorted)


def test_the_window_includes_its_last_sample():
    for apart, pairs in ((54, 1), (55, 0)):
        for one, other in (([1000], [1000 + apart]), ([1000 + apart], [1000])):
            found = match(one, other, samples(0.15, 360), end=2000)
            assert len(found.pairs()) == pairs
            assert len(found.missed()) == len(found.extra()) == 1 - pairs


def test_of_two_candidates_the_nearer_is_taken():
    assert match([1000], [960, 1010], 54, end=2000).pairs().tolist() == [[0, 1]]
    assert match([1000], [990, 1030], 54, end=2000).pairs().tolist() == [[0, 0]]
    assert match([960, 1010], [1000], 54, end=2000).pairs().tolist() == [[1, 0]]
    # As near as each other: the later one, unless it has a nearer partner of its own.
    assert match([1000], [980, 1020], 54, end=2000).pairs().tolist() == [[0, 1]]
    assert match([1000, 1021], [980, 1020], 54, end=2000).pairs().tolist() == [[0, 0], [1, 1]]


def test_a_beat_of_the_learning_period_may_be_the_partner_of_the_first_after_it():
    found = match([1005], [995, 1060], 54, start=1000, end=2000)
    assert found.pairs().tolist() == [[0, 0]] and found.extra().tolist() == [1]
    # The next one is nearer.
    assert match([1005], [995, 1006], 54, start=1000, end=2000).pairs().tolist() == [[0, 1]]
    # And the other way round: the reference's beat of the learning period is no partner.
    assert match([995, 1900], [1060], 54, start=1000, end=2000).extra().tolist() == [0]


def test_a_test_beat_just_after_the_learning_period_is_passed_over_for_a_nearer_one():
    found = match([1300], [1010, 1290], 54, start=1000, end=2000)
    assert found.pairs().tolist() == [[0, 1]] and not len(found.extra())
    found = match([1300], [1060, 1290], 54, start=1000, end=2000)
    assert found.extra().tolist() == [0]
    assert match([1300], [10, 1290], 54, end=2000).extra().tolist() == [0], "without a learning period"


def test_the_end_of_the_record_and_of_the_reference():
    reference, test = [100, 900], [100, 900, 1500, 2500]
    assert match(reference, test, 54, end=2000).extra().tolist() == [2]
    assert match(reference, test, 54).extra().tolist() == []
    assert match([], [100], 54, end=2000).extra().tolist() == [0]
    assert match([100], [], 54, end=2000).missed().tolist() == [0]
    assert len(match([], [], 54, end=2000).outcome) == 0


def test_beats_out_of_order_are_refused():
    with pytest.raises(ValueError, match="test beats are out of order: sample 100 comes after 200"):
        match([1], [200, 100], 54)


@given(TIMES, TIMES, st.integers(0, 80))
def test_every_beat_has_one_outcome(reference, test, window):
    found = match(reference, test, window, end=3000)
    pairs = found.pairs()
    assert sorted([*pairs[:, 0].tolist(), *found.missed().tolist()]) == list(range(len(reference)))
    assert sorted([*pairs[:, 1].tolist(), *found.extra().tolist()]) == list(range(len(test)))
    apart = np.array(reference, np.int64)[pairs[:, 0]] - np.array(test, np.int64)[pairs[:, 1]]
    assert (abs(apart) <= window).all() and (np.diff(pairs, axis=0) > 0).all()


@given(TIMES)
def test_a_record_matches_itself(times):
    times = sorted(set(times))
    found = match(times, times, 54, end=3000)
    assert found.pairs().tolist() == [[i, i] for i in range(len(times))]
    assert labels_of(found, [str(time) for time in times], len(times)) == [str(time) for time in times]
