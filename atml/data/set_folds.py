"""Folds by set: each holds out all of one data set, another recorder and other people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from atml.data.dataset import Dataset, Fold
from atml.data.formats.detection import name_of
from atml.errors import DataError


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
    for name in names:
        if missing := set(np.unique(dataset.y).tolist()) - set(dataset.y[belongs == name].tolist()):
            raise DataError(
                f"--fold-by set: {name} has no window of class {min(missing)}, and each fold needs every"
                " class: leave the set out, or --fold-by"
            )
    return tuple(
        Fold(train=np.flatnonzero(belongs != name), held_out=np.flatnonzero(belongs == name))
        for name in names
    )
