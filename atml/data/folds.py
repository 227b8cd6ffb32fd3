"""Folds by subject: no person is in the trained and the held-out part of the same fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atml.arrays import Int64, Strings
from atml.data import label_folds
from atml.data.dataset import Dataset, Fold
from atml.errors import DataError
from atml.formatting import plural
from atml.metrics import label_sets


def folds(
    y: Int64, subject: Strings, count: int, seed: int, names: Sequence[str] = (), *, labels: int = 0
) -> tuple[Fold, ...]:
    """Deal subjects into ``count`` folds with like shares of each class; the same seed, the same folds.

    Args:
        y: Class of each window, ``(n,)``.
        subject: Subject of each window, ``(n,)``.
        count: Number of folds, at least 2.
        seed: Of the shuffle.
        names: Of the classes, for messages.
        labels: How many labels may be true at once, and ``y`` holds as bits; 0 where it holds classes.

    Returns:
        One Fold each, row numbers ascending; every row is held out exactly once.

    Raises:
        DataError: Fewer than two classes, fewer subjects than folds, or no deal of these subjects
            gives every fold every class on both sides.

    Example:
        >>> y, subject = np.tile([0, 1], 4), np.repeat(["a", "b", "c", "d"], 2)
        >>> [sorted(set(subject[fold.held_out].tolist())) for fold in folds(y, subject, 2, seed=0)]
        [['b', 'c'], ['a', 'd']]
    """
    classes = np.unique(y)
    if len(classes) < 2 and not labels:
        raise DataError(
            f"one class only ({len(y)} windows of class {classes.tolist()}): nothing to tell apart"
        )
    if count < 2:
        raise DataError(f"{count} folds: at least 2 are needed, see --folds")
    if dealt := _deal(y, subject, count, seed, labels):
        return dealt
    holders = _holders(y, subject, names, labels)
    why = _why_not(subject, count, holders, "pages with" if labels else "windows of")
    raise DataError(f"{why}: {_way_out(y, subject, count, seed, holders, labels)}")


def _deal(y: Int64, subject: Strings, count: int, seed: int, labels: int = 0) -> tuple[Fold, ...]:
    """Deal subjects into ``count`` folds with every class on both sides of each; () where that can't be."""
    if labels:
        return label_folds.deal(label_sets.truth(y, labels), subject, count, seed)
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import: 1 s that `--help` can't afford

    classes = np.unique(y)
    if count < 2 or any(len(np.unique(subject[y == klass])) < count for klass in classes):
        return ()
    # StratifiedGroupKFold deals greedily and can leave a fold without a class; another shuffle may mend it.
    for attempt in range(50):
        splitter = StratifiedGroupKFold(
            count, shuffle=True, random_state=(seed + 1_000_003 * attempt) % 2**32
        )
        dealt = [
            Fold(np.asarray(train, np.int64), np.asarray(held_out, np.int64))
            for train, held_out in splitter.split(np.zeros(len(y)), y, subject)
        ]
        if all(set(np.unique(y[side])) == set(classes) for f in dealt for side in (f.train, f.held_out)):
            return tuple(dealt)
    return ()


def _holders(y: Int64, subject: Strings, names: Sequence[str], labels: int = 0) -> dict[str, list[str]]:
    """Return who has windows of each class, by the class's name, or its number where it has none.

    Of labels that may be true at once, who has a page with it and who has one without.
    """
    if labels:
        true = label_sets.truth(y, labels)
        held = {}
        for label in np.flatnonzero(true.any(axis=0) & ~true.all(axis=0)).tolist():
            name = repr(names[label]) if names else f"label {label}"
            held[name] = np.unique(subject[true[:, label]]).tolist()
            held[f"no {name}"] = np.unique(subject[~true[:, label]]).tolist()
        return held
    return {
        repr(names[klass]) if names else f"class {klass}": np.unique(subject[y == klass]).tolist()
        for klass in np.unique(y)
    }


def _why_not(subject: Strings, count: int, holders: dict[str, list[str]], what: str) -> str:
    if (people := len(np.unique(subject))) < count:
        return f"{plural(people, 'subject')} {'is' if people == 1 else 'are'} too few for {count} folds"
    name, those = min(holders.items(), key=lambda item: len(item[1]))
    if len(those) == 1:
        return f"only subject {those[0]} has {what} {name}, too few for {count} folds"
    if len(those) < count:
        return f"only {len(those)} subjects have {what} {name}, too few for {count} folds"
    return f"{count} folds can't all hold every class with these subjects"


def _way_out(
    y: Int64, subject: Strings, count: int, seed: int, holders: dict[str, list[str]], labels: int
) -> str:
    """Name the most folds that can be dealt, tried; where none can, what is lacking."""
    for fewer in range(min(count - 1, *map(len, holders.values())), 1, -1):
        if _deal(y, subject, fewer, seed, labels):
            return f"give --folds {fewer}, or add subjects"
    lacking = min(holders, key=lambda name: len(holders[name]))
    what = "pages with" if labels else "windows of"
    return f"no number of folds can; add subjects that have {what} {lacking}"


def hold_out(dataset: Dataset, asked: str, seed: int) -> tuple[str, ...]:
    """Return the names of the subjects to keep from a search, sorted.

    Args:
        dataset: What to split.
        asked: A share of the windows above 0 and at most 0.5, such as "0.2": subjects are dealt as folds
            are, with like shares of each class, and as many folds taken as come nearest. Or names of
            subjects between commas.
        seed: Of the shuffle.

    Raises:
        DataError: Data that have a test split of their own; no such share; an unknown subject; one class
            only on either side.
    """
    if not dataset.bare:
        raise DataError(
            f"{dataset.name} has a test split of its own (in one of its sets at least), which no search"
            " opens: leave --hold-out out"
        )
    people = set(dataset.subject.tolist())
    try:
        share = float(asked)
    except ValueError:
        share = float("nan")
    if asked not in people and share == share:
        if not 0 < share <= 0.5:
            raise DataError(f"--hold-out {asked}: give a share above 0 and up to 0.5, or names of subjects")
        return _dealt(dataset, share, asked, seed)
    names = {name.strip() for name in asked.split(",") if name.strip()}
    if strange := sorted(names - people):
        raise DataError(
            f"--hold-out {asked}: no subject {', '.join(strange)} in {dataset.name}; it has "
            f"{', '.join(sorted(people))}"
        )
    out = np.isin(dataset.subject, sorted(names))
    for side, where in ((out, "held-out"), (~out, "other")):
        if kinds(dataset.take(np.flatnonzero(side))) != kinds(dataset):
            raise DataError(
                f"--hold-out {asked}: not every class is in the {where} part; choose other subjects"
            )
    return tuple(sorted(names))


def kinds(dataset: Dataset) -> set[int]:
    """Return the classes that there are, or of labels true at once twice the number, and one more without."""
    if not dataset.labels:
        return {int(klass) for klass in np.unique(dataset.y)}
    true = label_sets.truth(dataset.y, dataset.labels)
    with_it, without = np.flatnonzero(true.any(axis=0)), np.flatnonzero(~true.all(axis=0))
    return {int(label) * 2 for label in with_it} | {int(label) * 2 + 1 for label in without}


MOST_FOLDS = 10
"""Folds that a share is put together from, at most."""


def _dealt(dataset: Dataset, share: float, asked: str, seed: int) -> tuple[str, ...]:
    """Deal subjects into folds and take those that together come nearest to ``share`` of the windows."""
    wanted = share * len(dataset)
    best: tuple[float, tuple[str, ...]] | None = None
    for count in range(2, MOST_FOLDS + 1):
        try:
            dealt = folds(dataset.y, dataset.subject, count, seed, labels=dataset.labels)
        except DataError:  # too few subjects of a class for so many
            break
        for take in range(1, count // 2 + 1):
            rows = np.concatenate([fold.held_out for fold in dealt[:take]])
            off = abs(len(rows) - wanted)
            # Fewer folds where they do as well: each then has more subjects to balance the classes with.
            if best is None or off < best[0] - 0.01 * len(dataset):
                best = off, tuple(sorted({str(name) for name in dataset.subject[rows]}))
    if best is None:
        raise DataError(
            f"--hold-out {asked}: no share leaves every class on both sides of so few subjects; name"
            " subjects, or leave it out"
        )
    if best[0] > max(0.1 * len(dataset), wanted / 2):
        raise DataError(
            f"--hold-out {asked} can't leave every class on both sides of so few subjects; the nearest is"
            f" --hold-out {','.join(best[1])}"
        )
    return best[1]
