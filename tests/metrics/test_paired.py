"""Differences between two models on the same subjects, and the tests of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from atml.metrics import counts, paired


def test_sign_flip_is_exact_where_it_can_be() -> None:
    random = np.random.default_rng(3)
    for count in (2, 5, 9):
        first, second = random.normal(0.3, 1, count), random.normal(0, 1, count)
        gap = first - second
        flips = [abs(np.dot(s, gap)) for s in itertools.product((-1, 1), repeat=count)]
        expected = np.mean(np.array(flips) >= abs(gap.sum()) - 1e-9)
        p, least = paired.sign_flip(first, second)
        assert p == pytest.approx(expected) and least == 2.0 ** (1 - count)
    assert paired.sign_flip(np.arange(1.0, 7), np.zeros(6))[0] == 2 / 64
    assert paired.sign_flip(np.ones(4), np.ones(4)) == (1.0, 1.0)
    # a subject without the figure, and one without a difference, say nothing
    padded = paired.sign_flip(np.array([1, 2, 3, np.nan, 5]), np.array([0, 0, 0, 1, 5]))
    assert padded == paired.sign_flip(np.array([1.0, 2, 3]), np.zeros(3)) == (0.25, 0.25)


def test_sign_flip_of_many_agrees_with_scipy() -> None:
    random = np.random.default_rng(5)
    gap = random.normal(0.25, 1, 40)
    p, least = paired.sign_flip(gap, np.zeros(40))
    known = scipy.stats.permutation_test(
        (gap,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    )
    assert p == pytest.approx(known.pvalue, abs=0.02) and least == 1 / (1 + paired.FLIPS)
    assert paired.sign_flip(gap, np.zeros(40)) == (p, least), "the same again"


def test_holm() -> None:
    assert paired.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert paired.holm([0.5, 0.9]) == [1.0, 1.0] and paired.holm([0.02]) == [0.02] and paired.holm([]) == []


def test_differences_count_subjects_and_resample_them() -> None:
    first, second = np.array([0.9, 0.8, np.nan, 0.5, 0.7]), np.array([0.7, 0.9, 0.1, 0.5, np.nan])
    told = paired.difference(first, second)
    assert (told.better, told.worse, told.same, told.subjects) == (1, 1, 1, 3)
    assert told.value.value == pytest.approx(0.1 / 3) and told.value.low < 0 < told.value.high
    swapped = paired.difference(second, first)
    assert swapped.value.value == pytest.approx(-told.value.value)
    assert np.isnan(told.holm) and not told.tells and not told.too_few
    with pytest.raises(ValueError, match="no subject"):
        paired.difference(np.array([np.nan]), np.array([1.0]))


def test_figures_of_a_subject() -> None:
    truth = np.array([1, 1, 0, 0, 0, 0], bool)
    decided = np.array([1, 0, 0, 1, 0, 1], bool)
    table = counts(truth, decided, np.array(["a", "a", "a", "b", "b", "b"]))
    told = paired.of_subjects(table)
    assert told["accuracy"] == pytest.approx([2 / 3, 1 / 3])
    assert told["sensitivity"][0] == 0.5 and np.isnan(told["sensitivity"][1])
    assert told["specificity"] == pytest.approx([1.0, 1 / 3])
    assert told["F-beta"] == pytest.approx(table.f_beta())
    shared = paired.accuracy(truth == decided, np.array([0, 0, 0, 1, 1, 1]), table.names)
    assert shared == pytest.approx(told["accuracy"])
