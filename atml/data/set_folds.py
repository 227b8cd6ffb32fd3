"""Folds by people or by set: those hold out some of all, these all of one set, recorder and people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from atml.data.dataset import Dataset, Fold
from atml.data.folds import folds, kinds
from atml.data.formats.detection import name_of
from atml.errors import DataError

FOLDS = 5
"""Folds by people where nobody says how many."""

SUBJECT, SET = FOLD_BY = "subject", "set"
"""What folds hold out: people of every set, or whole sets."""


def check_fold_by(asked: str | None) -> None:
    """Raise DataError for a kind of folds that there is none of; None is the usual one."""
    if asked not in (None, *FOLD_BY):
        raise DataError(f"--fold-by {asked!r} is unknown: {' or '.join(FOLD_BY)}")


def dealt(
    dataset: Dataset, paths: Sequence[Path], names: Sequence[str], *, by: str, count: int | None, seed: int
) -> tuple[Fold, ...]:
    """Return folds by people or by set.

    Args:
        dataset: What to deal.
        paths: As `set_folds` takes them.
        names: Of the classes, for messages.
        by: One of `FOLD_BY`.
        count: Folds wanted; None for `FOLDS`, or one a set.
        seed: Of the folds by people.

    Raises:
        DataError: Too few people or sets, as `atml.data.folds` and `set_folds` have it; another number of
            folds than there are sets.
    """
    if by != SET:
        return folds(dataset.y, dataset.subject, count or FOLDS, seed, names, labels=dataset.labels)
    found = set_folds(dataset, paths)
    if count not in (None, len(found)):
        raise DataError(
            f"--folds {count} with --fold-by set: there is a fold for each of the {len(found)} sets;"
            " leave --folds out"
        )
    return found


def set_folds(dataset: Dataset, paths: Sequence[Path]) -> tuple[Fold, ...]:
    """Return one fold for each of the sets that ``dataset`` was opened from, in the order of their names.

    Args:
        dataset: Several sets opened together, so that the names of its subjects begin with that of their set.
        paths: The places that they were opened from.

    Raises:
        DataError: fewer than two sets, or a set without a window of a class.

    Example:
        >>> data = Dataset(
        ...     x=np.zeros((4, 1, 500), np.float32), y=np.array([0, 1, 0, 1]),
        ...     rhythm=np.array(["N", "AF"] * 2),
        ...     subject=np.array(["one/S1", "one/S2", "two/S1", "two/S2"]), sampling_rate=100,
        ...     fingerprint="", name="one+two",
        ... )
        >>> [fold.held_out.tolist() for fold in set_folds(data, [Path("two"), Path("one")])]
        [[0, 1], [2, 3]]
    """
    names = sorted(name_of(Path(path)) for path in paths)
    if len(names) < 2:
        raise DataError(
            f"--fold-by set holds out whole sets, and {dataset.name} is one: add another --data, or leave"
            " --fold-by out"
        )
    belongs = np.array([str(subject).partition("/")[0] for subject in dataset.subject])
    every = kinds(dataset)
    for name in names:
        if missing := every - kinds(dataset.take(np.flatnonzero(belongs == name))):
            lacks = f"no window of class {min(missing)}" if not dataset.labels else "not every label"
            raise DataError(
                f"--fold-by set: {name} has {lacks}, and each fold needs every"
                f" {'label' if dataset.labels else 'class'}: leave the set out, or --fold-by"
            )
    return tuple(
        Fold(train=np.flatnonzero(belongs != name), held_out=np.flatnonzero(belongs == name))
        for name in names
    )
