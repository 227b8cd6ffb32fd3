from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import atml.data
from atml.data.dataset import Dataset
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
    st.integers(0, 10_000) | st.integers(2**32 - 10_000, 2**32 - 1),
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


@given(st.integers(3, 5), st.integers(2, 4), st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_every_class_of_several_is_shared_out(classes, count, seed):
    random = np.random.default_rng(seed)
    subject = np.repeat([f"S{number:02}" for number in range(12 * classes)], 10)
    y = np.repeat(np.arange(12 * classes) % classes, 10)
    mixed = random.random(len(y)) < 0.2
    y[mixed] = random.integers(0, classes, mixed.sum())
    for fold in atml.data.folds(y, subject, count, seed):
        shares = np.bincount(y[fold.held_out], minlength=classes) / len(fold.held_out)
        assert not set(subject[fold.train]) & set(subject[fold.held_out])
        np.testing.assert_allclose(shares, np.bincount(y) / len(y), atol=0.1)


def test_folds_stay_what_they_were():
    # Studies keep a digest of them: a search that goes on must deal the same.
    held_out = [sorted({*MIXED[1][fold.held_out].tolist()}) for fold in atml.data.folds(*MIXED, 3, 5)]
    assert held_out == [["S1", "S2", "S3", "S7"], ["S4", "S5", "S6"], ["S0", "S8", "S9"]]


@pytest.mark.parametrize(
    ("plan", "count", "message"),
    [
        ([(5, 0), (6, 0)], 2, "one class only"),
        ([(5, 5), (6, 6), (7, 7)], 5, "3 subjects are too few for 5 folds: give --folds 3, or add"),
        (
            [(5, 5), (6, 0), (7, 0), (7, 0)],
            2,
            "only subject S0 has windows of class 1.*no number of folds can",
        ),
        ([(5, 5), (6, 6)], 1, "1 folds: at least 2"),
    ],
)
def test_what_cannot_be_dealt_is_said(plan, count, message):
    with pytest.raises(DataError, match=message):
        atml.data.folds(*people(plan), count, 0)


@pytest.mark.parametrize(
    ("plan", "count"),
    [
        ([(5, 5), (6, 6), (7, 7)], 5),
        ([(5, 5), (6, 6), (0, 7), (7, 0)], 5),
        # Three have each class, but three folds would leave one without the other.
        ([(9, 0), (9, 0), (9, 9), (0, 9), (0, 9)], 4),
        ([(5, 5), (6, 0), (7, 0), (7, 0)], 3),
        ([(5, 0), (0, 5)], 2),
    ],
)
def test_the_way_out_of_folds_that_cannot_be_dealt_works(plan, count):
    with pytest.raises(DataError) as told:
        atml.data.folds(*people(plan), count, 0, ("calm", "AF"))
    asked = re.search(r"give --folds (\d)", str(told.value))
    assert "'calm'" in str(told.value) or "'AF'" in str(told.value) or "subjects are too" in str(told.value)
    if asked:
        assert len(atml.data.folds(*people(plan), int(asked[1]), 0)) == int(asked[1]) < count
    else:
        for fewer in range(2, count + 1):
            with pytest.raises(DataError, match="no number of folds can; add subjects that have windows of"):
                atml.data.folds(*people(plan), fewer, 0)


def everyone(bare: bool = True) -> Dataset:
    y, subject = MIXED
    x = np.zeros((len(y), 1, 4), np.float32)
    return Dataset(
        x=x, y=y, subject=subject, rhythm=subject, sampling_rate=4, fingerprint="", name="set", bare=bare
    )


@pytest.mark.parametrize("share", ["0.1", "0.2", "0.3", ".4", "0.5"])
def test_a_held_out_share_has_both_classes_on_both_sides(share):
    y = np.tile([0, 0, 0, 1], 300)
    subject = np.repeat([f"P{number:02}" for number in range(40)], 30)
    data = dataclasses.replace(everyone(), x=np.zeros((1200, 1, 4), np.float32), y=y, subject=subject)
    names = atml.data.hold_out(data, share, seed=3)
    assert names == atml.data.hold_out(data, share, seed=3)
    out = np.isin(subject, names)
    assert set(y[out]) == set(y[~out]) == {0, 1}
    assert out.mean() == pytest.approx(float(share), abs=0.03)


def test_a_share_of_few_subjects_comes_as_near_as_they_let_it():
    y, subject = MIXED
    out = np.isin(subject, atml.data.hold_out(everyone(), "0.25", seed=3))
    assert set(y[out]) == set(y[~out]) == {0, 1}
    assert out.mean() == pytest.approx(0.25, abs=0.1)


def test_held_out_subjects_by_name():
    assert atml.data.hold_out(everyone(), " S8,S3", seed=0) == ("S3", "S8")
    assert atml.data.hold_out(everyone(), "S4", seed=0) == ("S4",)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("0", "a share above 0 and up to 0.5"),
        ("0.7", "a share above 0 and up to 0.5"),
        ("0.05", "can't leave every class on both sides of so few subjects"),
        ("418", "a share above 0 and up to 0.5, or names of subjects"),
        ("S3,S99", "no subject S99 in set; it has S0, S1"),
        ("S2", "not every class is in the held-out part"),
        ("S0,S1,S3,S4,S5,S6,S8,S9", "not every class is in the other part"),
        ("", "not every class is in the held-out part"),
    ],
)
def test_what_can_not_be_held_out(asked, says):
    with pytest.raises(DataError, match=f"--hold-out {asked}.*{says}"):
        atml.data.hold_out(everyone(), asked, seed=0)


def test_a_set_with_a_test_split_holds_out_enough():
    with pytest.raises(DataError, match="leave --hold-out out"):
        atml.data.hold_out(everyone(bare=False), "0.2", seed=0)


def test_the_way_out_of_a_share_that_can_not_be_held_out_works():
    dataset = everyone()
    one = dataset.take(
        np.flatnonzero((dataset.y == 0) | (dataset.subject == dataset.subject[dataset.y == 1][0]))
    )
    with pytest.raises(DataError, match=r"no share leaves .* leave it out"):
        atml.data.hold_out(one, "0.3", seed=0)
    y, subject = people([(40, 40), (50, 50)])
    big = Dataset(
        x=np.zeros((len(y), 1, 4), np.float32), y=y, subject=subject, rhythm=subject, sampling_rate=4,
        fingerprint="", name="set", bare=True,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"--hold-out 0\.05 can't") as told:
        atml.data.hold_out(big, "0.05", seed=0)
    near = re.search(r"nearest is --hold-out (\S+)$", str(told.value))
    assert near and atml.data.hold_out(big, near[1], seed=0) in (("S0",), ("S1",))
