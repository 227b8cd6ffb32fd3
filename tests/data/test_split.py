from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import atml.data
from atml.errors import DataError


def people(plan):
    """Return y and subject for ``plan`` [(negatives, positives), ...], one subject each."""
    y = np.concatenate([np.repeat([0, 1], pair) for pair in plan])
    subject = np.concatenate([np.full(sum(pair), f"S{number}") for number, pair in enumerate(plan)])
    return y.astype(np.int64), subject


MIXED = people([(20, 5), (0, 30), (10, 0), (3, 3), (12, 12), (30, 1), (0, 9), (15, 0), (8, 8), (2, 20)])


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(sum), min_size=2, max_size=14),
    st.integers(2, 5),
    st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=40)
def test_any_folds_are_by_subject_whole_and_hold_both_classes(plan, count, seed):
    y, subject = people(plan)
    try:
        found = atml.data.folds(y, subject, count, seed)
    except DataError:
        assume(False)
    assert len(found) == count
    assert sorted(np.concatenate([fold.held_out for fold in found])) == list(range(len(y)))
    for fold in found:
        assert not set(subject[fold.train]) & set(subject[fold.held_out])
        assert sorted([*fold.train, *fold.held_out]) == list(range(len(y)))
        assert set(y[fold.train]) == set(y[fold.held_out]) == {0, 1}
        assert fold.train.dtype == fold.held_out.dtype == np.int64


def test_the_same_seed_gives_the_same_folds_and_another_gives_others():
    one, same, other = (atml.data.folds(*MIXED, 3, seed) for seed in (5, 5, 6))
    assert all((a.held_out == b.held_out).all() for a, b in zip(one, same, strict=True))
    assert [set(a.held_out) for a in one] != [set(a.held_out) for a in other]


def test_classes_are_shared_out_alike():
    y, subject = people([(20, 20)] * 6 + [(40, 0)] * 6)
    for fold in atml.data.folds(y, subject, 3, 0):
        assert abs(y[fold.held_out].mean() - y.mean()) < 0.05


@pytest.mark.parametrize(
    ("plan", "count", "message"),
    [
        ([(5, 0), (6, 0)], 2, "one class only"),
        ([(5, 5), (6, 6), (7, 7)], 5, "3 subjects are too few for 5 folds: lower --folds"),
        ([(5, 5), (6, 0), (7, 0), (7, 0)], 2, "class 1 is seen in 1 subjects only"),
        ([(5, 5), (6, 6)], 1, "1 folds: at least 2"),
    ],
)
def test_what_cannot_be_dealt_is_said(plan, count, message):
    with pytest.raises(DataError, match=message):
        atml.data.folds(*people(plan), count, 0)
