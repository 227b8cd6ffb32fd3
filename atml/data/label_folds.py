"""Deal subjects into folds where any number of labels may be true at once (numpy, pure)."""

from __future__ import annotations

import numpy as np

from atml.arrays import Bools, Floats, Int64, Strings
from atml.data.dataset import Fold

ATTEMPTS = 50
"""Shuffles that are tried until every fold has every label on both sides."""


def deal(true: Bools, subject: Strings, count: int, seed: int) -> tuple[Fold, ...]:
    """Deal subjects into ``count`` folds with like shares of each label; () where that can't be.

    The subjects of the rarest label are dealt first, each to the fold that lacks that label most, of equal
    ones to the smallest; then those of the next: iterative stratification (Sechidis, Tsoumakas and Vlahavas,
    "On the stratification of multi-label data", 2011), of subjects in place of rows.

    Args:
        true: Which labels each row has, ``(n, labels)``; those that none or all have are left out of account:
            where there are no others, subjects are dealt by how many rows they have.
        subject: Of each row, ``(n,)``.
        count: Number of folds.
        seed: Of the shuffle.

    Example:
        >>> true, subject = np.eye(2, dtype=bool)[[0, 0, 1, 1]], np.array(["a", "b", "c", "d"])
        >>> [sorted(subject[fold.held_out].tolist()) for fold in deal(true, subject, 2, seed=0)]
        [['a', 'c'], ['b', 'd']]
    """
    names, whose = np.unique(subject, return_inverse=True)
    often = true.sum(axis=0)
    asked = true[:, (often > 0) & (often < len(true))]
    with_it, rows = np.zeros((len(names), asked.shape[1])), np.bincount(whose, minlength=len(names))
    np.add.at(with_it, whose, asked)
    without = rows[:, None] - with_it
    if (
        count < 2
        or len(names) < count
        or min((*(with_it > 0).sum(0), *(without > 0).sum(0)), default=count) < count
    ):
        return ()
    for attempt in range(ATTEMPTS):
        order = np.random.default_rng((seed, attempt)).permutation(len(names))
        fold = _dealt(with_it[order], rows[order], count)
        of_row = fold[np.argsort(order)][whose]
        folds = [Fold(np.flatnonzero(of_row != k), np.flatnonzero(of_row == k)) for k in range(count)]
        if all(_has_both(asked[side]) for f in folds for side in (f.train, f.held_out)):
            return tuple(folds)
    return ()


def _has_both(true: Bools) -> bool:
    """Whether every label is true of some rows and not of others."""
    return bool(true.any(axis=0).all() and not true.all(axis=0).any())


def _dealt(with_it: Floats, rows: Int64, count: int) -> Int64:
    """Return the fold of each subject, from its rows with each label and in all."""
    fold = np.full(len(rows), -1, np.int64)
    wanted = np.repeat(with_it.sum(axis=0, keepdims=True) / count, count, axis=0)
    room = np.full(count, rows.sum() / count, np.float64)
    while (left := np.flatnonzero(fold < 0)).size:
        remaining = with_it[left].sum(axis=0)
        if remaining.any():
            rarest = int(np.where(remaining > 0, remaining, np.inf).argmin())
            left = left[with_it[left, rarest] > 0]
            # Who has most of it first: what is small fits in anywhere.
            for one in left[np.argsort(-with_it[left, rarest], kind="stable")]:
                most = np.flatnonzero(wanted[:, rarest] == wanted[:, rarest].max())
                _give(one, int(most[room[most].argmax()]), fold, wanted, room, with_it, rows)
        else:
            for one in left[np.argsort(-rows[left], kind="stable")]:
                _give(one, int(room.argmax()), fold, wanted, room, with_it, rows)
    return fold


def _give(one: int, to: int, fold: Int64, wanted: Floats, room: Floats, with_it: Floats, rows: Int64) -> None:
    fold[one] = to
    wanted[to] -= with_it[one]
    room[to] -= rows[one]
