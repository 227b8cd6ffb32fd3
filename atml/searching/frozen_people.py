"""People of a frozen test set, whom no later search may train on: told by name, without reading a signal.

A test set stays one only as long as nobody of it is trained on. What an earlier study kept for testing stays
kept when new data arrive: the test splits of its data, and whom it held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Strings
from atml.data.dataset import Dataset, DataSource
from atml.data.formats.detection import Found, asked_of, look_all
from atml.data.subjects import matching
from atml.errors import DataError
from atml.formatting import plural
from atml.storage import Store
from atml.task_files.definition import TaskDefinition

MOST = 8
"""People who are named in a message."""


@dataclass(frozen=True, kw_only=True)
class FrozenSet:
    """People of one test set, by their names in it.

    ``what`` describes it, ``path`` is "" for people whom a study held out.
    """

    what: str
    path: str
    people: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {"what": self.what, "path": self.path, "people": list(self.people)}


def named(paths: Sequence[Path], definition: TaskDefinition, origin: DataSource) -> list[FrozenSet]:
    """Return the people of the sets at ``paths``: of their test splits, all where they tell none.

    Raises:
        DataError: Nothing that is known lies there, or a set has no people to test on.
    """
    sets = []
    for found in _look(paths, definition, origin.labels, origin.subjects):
        people = tuple(sorted(found.people("test")))
        if not people:
            raise DataError(f"--test {found.path} has no test split; name a set to test on")
        sets.append(FrozenSet(what=f"--test {found.name}", path=str(found.path.resolve()), people=people))
    return sets


def kept_by(name: str, spec: Mapping[str, Any], definition: TaskDefinition) -> list[FrozenSet]:
    """Return whom the study called ``name`` kept for testing: the test splits of its data, whom it held out.

    Raises:
        DataError: Its data are not there any more, so that their test splits are not known.
    """
    origin = DataSource.from_dict(dict(spec))
    sets = []
    try:
        for found in _look(origin.paths, definition, origin.labels, origin.subjects):
            if "test" in found.splits and (people := tuple(sorted(found.people("test")))):
                what = f"the test split of {found.name}, data of study {name!r}"
                sets.append(FrozenSet(what=what, path=str(found.path.resolve()), people=people))
    except DataError as error:
        raise DataError(
            f"who is in the test split of study {name!r} is not known: {error}; name that set with --test"
        ) from error
    if held := spec.get("held_out"):
        several = len(origin.paths) > 1
        people = tuple(sorted(one.split("/", 1)[-1] if several else one for one in held))
        sets.append(FrozenSet(what=f"held out of study {name!r}", path="", people=people))
    return sets


def refuse(subjects: Strings, frozen: Iterable[FrozenSet]) -> None:
    """Raise DataError, which names them, where anybody of a frozen set is among ``subjects (n,)``.

    Names match as `atml.data.same_subject` has it, "new/S3" and "S3": `atml score` and `atml promote` would
    take the two for one person as well.

    Example:
        >>> import numpy as np
        >>> kept = FrozenSet(what="--test old", path="", people=("S3",))
        >>> try:
        ...     refuse(np.array(["new/S3", "new/S4"]), [kept])
        ... except DataError as error:
        ...     print(str(error).partition(";")[0])
        1 person of a frozen test set would be trained on: new/S3 (--test old)
    """
    every: list[str] = []
    parts = []
    for one in frozen:
        found = sorted(set(subjects[matching(subjects, one.people)].tolist()) - set(every))
        if found:
            more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
            parts.append(f"{', '.join(found[:MOST])}{more} ({one.what})")
            every += found
    if every:
        count = "1 person" if len(every) == 1 else f"{len(every):,} people"
        raise DataError(
            f"{count} of a frozen test set would be trained on: {'; '.join(parts)}; leave them out of --data,"
            " or rename them, with --subjects, if they are others"
        )


def evaluated(store: Store, dataset: Dataset, sets: int) -> str:
    """Say that models were evaluated on people who are about to be trained on; "" where none were.

    ``sets`` is how many are opened together. It is no mistake: data are often scored before they are trained
    on. But those people test nothing any more.
    """
    people: dict[str, list[str]] = {}
    for name in np.unique(dataset.subject).tolist():
        place, who = name.split("/", 1) if sets > 1 else (dataset.name, name)
        people.setdefault(place, []).append(who)
    found = [] if dataset.synthetic else store.evaluations_of("", people)
    if not found:
        return ""
    return (
        f"people among these data had part in {plural(len(found), 'evaluation')} of models: once they are"
        " trained on they test nothing any more"
    )


def _look(
    paths: Sequence[Path], definition: TaskDefinition, labels: Path | None, subjects: str
) -> list[Found]:
    if not paths:
        return []
    asked = asked_of(task=definition.task, label=definition.label, labels=labels, subjects=subjects)
    # One by one: two sets that are tested on need not go together.
    return [found for path in paths for found in look_all(path, asked, "test")]
