"""What lies at a path, and how it is read: contest text, an ``.npz``, a WFDB folder or a MATLAB file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from atml.data import parsing
from atml.data.file_tree import ENDINGS, Source, find, identity
from atml.data.formats import contest_text, matlab_struct, npz, physionet_challenge, wfdb_folder
from atml.data.labelling import Label, classes_of
from atml.data.parsing import Parsed
from atml.data.rows import Shape
from atml.data.synthetic.rhythms import RHYTHMS
from atml.errors import DataError
from atml.tasks.task import Task

Paths = os.PathLike[str] | str | Sequence[os.PathLike[str] | str] | None
"""One set, several together, or none."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked of every set: the task, its labels, and how to read what does not say it.

    ``sampling_rate`` (Hz) is that of files that don't tell; ``leads`` holds one entry a lead of the task,
    each a comma list of names or numbers to take the first of that is there, or nothing for the first leads.
    """

    task: Task
    label: Label
    sampling_rate: int | None = None
    leads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A set of ECG: its name and kind, its splits, and how to read one.

    ``identity`` changes with its content; ``options`` are what else a parsed copy depends on, beside the
    split, the task and the rate. ``prefix`` goes before the names of its subjects and files: the set's name
    and a slash where there are several, nothing where there is one. ``rate_told`` says that the data tell
    their rate, ``records`` that they are recordings, cut into windows by `atml.data.windowing.parse`.
    """

    path: Path
    kind: str
    identity: str
    list_splits: Callable[[], Sequence[str]]
    read: Callable[[str], Parsed]
    options: tuple[object, ...] = ()
    prefix: str = ""
    rate_told: bool = False
    records: bool = False

    @property
    def name(self) -> str:
        """What to call the set."""
        return name_of(self.path)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that the data tell apart; nothing where they tell none."""
        return tuple(self.list_splits())


def look_all(paths: Paths, asked: Asked, split: str = "train") -> list[Found]:
    """Tell what kind of set lies at each path, in their order.

    Raises:
        DataError: Nothing there, or nothing of a kind that is known; one set twice, or two of one name; a
            split or a rate that can't be.
    """
    if split not in contest_text.SPLITS:
        raise DataError(f"unknown split {split!r}: train or test")
    if asked.sampling_rate is not None and asked.sampling_rate <= 0:
        raise DataError(f"a sampling rate of {asked.sampling_rate} Hz: it must be positive")
    given = [paths] if isinstance(paths, str | os.PathLike) else paths or []
    found = [_look(Path(path), asked) for path in given]
    _apart(found)
    _of_use(asked, found)
    return [replace(item, prefix=f"{item.name}/") for item in found] if len(found) > 1 else found


def _apart(found: Sequence[Found]) -> None:
    """Raise DataError where two sets are one, or could not be told apart by their names."""
    places = [item.path.resolve() for item in found]
    for at, item in enumerate(found):
        if places[at] in places[:at]:
            raise DataError(f"{item.path} is given twice: leave one out")
    for name, count in Counter(item.name for item in found).items():
        if count > 1:
            same = " and ".join(str(item.path) for item in found if item.name == name)
            raise DataError(f"{same} are both called {name!r}, and subjects carry the set's name: rename one")


def _of_use(asked: Asked, found: Sequence[Found]) -> None:
    """Raise DataError for an option that none of the sets can make use of."""
    kinds = {item.kind for item in found}
    if asked.leads and kinds and "wfdb" not in kinds:
        raise DataError(
            f"--lead {' '.join(asked.leads)}: only WFDB records have leads to choose from; leave it out"
        )
    if asked.sampling_rate is not None and found and all(item.rate_told for item in found):
        raise DataError(
            f"--sampling-rate {asked.sampling_rate}: {found[0].path} tells its own rate; leave it out"
        )


def _look(path: Path, asked: Asked) -> Found:
    """Tell what kind of set lies at a path; of an archive no more than its list of files is read."""
    task, rate = asked.task, asked.sampling_rate
    if is_npz(path):
        return Found(
            path,
            "npz",
            identity(path),
            partial(npz.splits, path),
            lambda split: parsing.npz_split(path, task, split, rate),
        )
    if matlab_struct.is_matlab(path):
        # Which of two codings a file has is told by the classes of its rhythms.
        table = classes_of(list(RHYTHMS), task, asked.label)
        return Found(
            path,
            "matlab",
            matlab_struct.identity(path),
            partial(matlab_struct.splits, path),
            lambda split: matlab_struct.read(path, split, task, asked.label),
            (sorted(table.items()),),
            rate_told=True,
        )
    if physionet_challenge.is_challenge(path):
        records = physionet_challenge.Challenge(find(path), rate)
        return Found(
            path,
            "cinc2017",
            records.source.identity,
            records.splits,
            lambda split: records.read(split, task),
            rate_told=records.rate_told,
            records=True,
        )
    if wfdb_folder.is_wfdb(path):
        return Found(
            path,
            "wfdb",
            wfdb_folder.identity(path),
            partial(wfdb_folder.splits, path),
            lambda split: wfdb_folder.read(path, split, task, asked.leads),
            (asked.leads,),
            rate_told=True,
            records=True,
        )
    source = find(path)
    text = _Contest(source, Shape(task.sampling_rate, task.window, task.leads, rate, contest_text.PUBLISHED))
    return Found(path, "contest", source.identity, text.splits, text.read)


class _Contest:
    """A contest set; its layout is found when it is first asked for."""

    def __init__(self, source: Source, shape: Shape) -> None:
        self.source, self.shape = source, shape

    @cached_property
    def layout(self) -> contest_text.Layout:
        return contest_text.layout(self.source)

    def splits(self) -> Sequence[str]:
        return () if self.layout.bare else tuple(self.layout.splits)

    def read(self, split: str) -> Parsed:
        parsed = parsing.contest_split(self.source, self.layout, split, self.shape)
        parsed.notes += _taken_for(parsed, self.shape)
        return parsed


def _taken_for(parsed: Parsed, shape: Shape) -> list[str]:
    """Say which length the segments were taken for, where no file and no person told."""
    samples, rate = contest_text.PUBLISHED
    if shape.given is not None or samples == shape.window or not (parsed.length == samples).any():
        return []
    seconds, window = samples / rate, shape.window / shape.sampling_rate
    count = int(seconds / window + 1e-9)
    if not count:
        return []
    left = seconds - count * window
    lost = f"; the last {left:g} s is not used" if left > 1e-9 else ""
    return [
        f"segments of {samples} samples are taken for {seconds:g} s at {rate} Hz, and cut into "
        f"{count} window{'s' if count > 1 else ''} of {window:g} s{lost}"
    ]


def is_npz(path: Path) -> bool:
    """Tell a file that is opened by numpy from all others."""
    return path.suffix.lower() == ".npz" and path.is_file()


def name_of(path: Path) -> str:
    """Name a data set by its file or folder; of a split's own folder, by the one above."""
    path = path.absolute()
    if path.name in ("train_data", "test_data") and path.parent.name:
        path = path.parent
    for ending in (*ENDINGS, ".mat"):
        if path.name.lower().endswith(ending) and path.is_file():
            return path.name[: -len(ending)]
    return path.name
