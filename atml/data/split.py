"""Folds by subject: no person is in the trained and the held-out part of the same fold."""

from __future__ import annotations

import numpy as np

from atml.errors import DataError
from atml.types import Fold, Int64, Strings


def folds(y: Int64, subject: Strings, count: int, seed: int) -> tuple[Fold, ...]:
    """Deal subjects into ``count`` folds with like shares of each class; the same seed, the same folds.

    Args:
        y: Class of each segment, ``(n,)``.
        subject: Whose segment it is, ``(n,)``.
        count: How many folds, at least 2.
        seed: Seeds the shuffle.

    Returns:
        One Fold each, row numbers ascending; every row is held out exactly once.

    Raises:
        DataError: Fewer than two classes, fewer subjects than folds, or no deal of these subjects
            gives every fold both classes on both sides.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import: 1 s that `--help` can't afford

    classes, people = np.unique(y), np.unique(subject)
    if len(classes) < 2:
        raise DataError(
            f"one class only ({len(y)} segments of class {classes.tolist()}): nothing to tell apart"
        )
    if count < 2:
        raise DataError(f"{count} folds: at least 2 are needed, see --folds")
    if len(people) < count:
        raise DataError(
            f"{len(people)} subjects are too few for {count} folds: lower --folds or add subjects"
        )
    for klass in classes:
        holders = len(np.unique(subject[y == klass]))
        if holders < count:
            raise DataError(
                f"class {klass} is seen in {holders} subjects only, too few for {count} folds: "
                "lower --folds or add subjects"
            )
    # StratifiedGroupKFold deals greedily and can leave a fold without a class; another shuffle may mend it.
    for attempt in range(50):
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed + 1_000_003 * attempt)
        dealt = [
            Fold(np.asarray(train, np.int64), np.asarray(held_out, np.int64))
            for train, held_out in splitter.split(np.zeros(len(y)), y, subject)
        ]
        if all(set(np.unique(y[side])) == set(classes) for f in dealt for side in (f.train, f.held_out)):
            return tuple(dealt)
    raise DataError(
        f"{count} folds can't all hold every class with these subjects: lower --folds or add subjects"
    )
