"""Folds of subjects whose pages have any number of labels."""

import numpy as np
import pytest

from atml.data.folds import folds
from atml.errors import DataError
from atml.metrics.label_sets import bits


def pages(hearts: int = 60, labels: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    of_heart = random.random((hearts, labels)) < 0.15
    whose = np.repeat(np.arange(hearts), 4)
    return of_heart[whose], bits(of_heart[whose]), np.array([f"h{one:03d}" for one in whose])


def test_no_subject_is_on_both_sides_and_every_row_is_held_out_once() -> None:
    true, y, subject = pages()
    dealt = folds(y, subject, 4, 3, labels=10)
    assert sorted(np.concatenate([fold.held_out for fold in dealt]).tolist()) == list(range(len(y)))
    for fold in dealt:
        assert not set(subject[fold.train]) & set(subject[fold.held_out])
        assert true[fold.held_out].any(axis=0).all() and true[fold.train].any(axis=0).all()


def test_labels_are_spread_evenly() -> None:
    true, y, subject = pages(200)
    shares = np.array([true[fold.held_out].mean(axis=0) for fold in folds(y, subject, 4, 0, labels=10)])
    assert (np.abs(shares - true.mean(axis=0)) < 0.04).all()


def test_the_same_seed_gives_the_same_folds_and_another_others() -> None:
    _, y, subject = pages()
    one, same, other = (folds(y, subject, 3, seed, labels=10) for seed in (0, 0, 1))
    assert all((a.held_out == b.held_out).all() for a, b in zip(one, same, strict=True))
    assert any(a.held_out.tolist() != b.held_out.tolist() for a, b in zip(one, other, strict=True))


def test_a_label_of_too_few_people_is_named() -> None:
    true, _, subject = pages(80)
    true = true.copy()
    true[:, 2] = subject == "h004"
    with pytest.raises(DataError, match="only subject h004 has pages with 'PVC'"):
        folds(bits(true), subject, 4, 0, ("AF", "x", "PVC", *"abcdefg"), labels=10)
    true[:, 2] = np.isin(subject, ["h004", "h005", "h006"])
    with pytest.raises(DataError, match="only 3 subjects have pages with 'PVC', too few for 5"):
        folds(bits(true), subject, 5, 0, ("AF", "x", "PVC", *"abcdefg"), labels=10)
