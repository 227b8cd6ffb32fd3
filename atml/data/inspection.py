"""What a data set holds, by subject: rhythms, classes, every fault, and what opening would leave out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from atml.arrays import Int64
from atml.data.cases import PAGE, case_of
from atml.data.folds import folds as deal
from atml.data.formats.base import Asked
from atml.data.formats.detection import Found, Paths, asked_of, look_all
from atml.data.formats.made_pages import kind_of_page
from atml.data.labelling import (
    Label,
    check_classes,
    classes,
    contradiction,
    duplicates,
    judge,
    settle,
    unknown,
)
from atml.data.parsing import SPLITS, Fault, Parsed, Seconds
from atml.data.pictures import size_text
from atml.data.reading import Reading
from atml.data.subjects import person
from atml.errors import DataError
from atml.metrics import label_sets
from atml.tasks.task import MULTILABEL, Task

Value = TypeVar("Value", int, str)

ALL = ("train",)
"""The one split of a set that does not tell train from test."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One subject, or a whole split.

    ``files`` were found, with ``usable`` windows in them (a long file has several). ``rhythms``, ``classes``
    and ``lengths`` (samples as stored) count files; ``low`` and ``high`` are the range of their values, NaN
    where none could be read. ``dropped`` counts what opening would leave out, by reason. ``windows`` counts
    the usable windows by class.

    Of pages ``classes`` and ``windows`` count each label that is true, and "none" where no label is;
    ``sizes`` (rows and columns as stored) and ``kinds`` (of pictures, where their names tell) count files,
    and ``lengths`` is empty.

    In long recordings a file is a stretch of one rhythm, and their time in s is added up: ``seconds`` of each
    rhythm, ``kept`` in windows, and ``left_out`` by reason.
    """

    name: str
    files: int
    usable: int
    rhythms: dict[str, int]
    classes: dict[str, int]
    lengths: dict[int, int]
    low: float
    high: float
    dropped: dict[str, int]
    windows: dict[str, int]
    seconds: dict[str, float]
    kept: dict[str, float]
    left_out: dict[str, float]
    sizes: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split of a set: its sum over all subjects, each subject, and why it would not open ("" if it would).

    ``set`` is the name of the set where there are several, "" where there is one. ``bare`` says that the
    set does not tell train from test; ``name`` is then "train". ``records`` is the account of each rhythm
    in each long recording.
    """

    set: str
    name: str
    bare: bool
    records: tuple[Seconds, ...]
    total: Part
    subjects: tuple[Part, ...]
    refusal: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is in a data set, or in several together, and what is wrong with it.

    ``refusal`` says why several would not open together, or why their people can't be dealt into the folds
    asked for; "" where that is not so.
    """

    name: str
    path: str
    splits: tuple[Split, ...]
    faults: tuple[Fault, ...]
    refusal: str = ""

    @property
    def refusals(self) -> list[str]:
        """Why a search would not open the data; [] where it would."""
        every = [self.refusal, *(split.refusal for split in self.splits if split.name == "train")]
        return [one for one in every if one]


def inspect(
    paths: Paths,
    *,
    task: Task,
    label: Label,
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    labels: Path | None = None,
    subjects: os.PathLike[str] | str | None = None,
    folds: int = 2,
) -> Inspection:
    """Read all splits of one data set, or of several, from the files themselves and not from a cache.

    Faulty windows are listed, never raised: names that can't be split, files that can't be read, have
    text in them or another length, rows that are flat or not finite, labels that contradict the rhythm,
    the same samples in two subjects, splits or sets, subjects in both splits.

    Args:
        paths: As `atml.data.open` takes them, at least one.
        task: As there.
        label: As there.
        sampling_rate: As there.
        leads: As there.
        labels: As there.
        subjects: As there.
        folds: Folds that the people of the training split have to fill.

    Raises:
        DataError: Nothing to read: no such path, a damaged archive, no segment at all; a set given twice.

    Example:
        ``inspect("DIR", task=task, label=label).splits[0].total.windows`` counts the windows of each class.
    """
    asked = asked_of(
        task=task,
        label=label,
        sampling_rate=sampling_rate,
        leads=leads,
        labels=labels,
        subjects=subjects,
    )
    found = look_all(paths, asked)
    if not found:
        raise DataError("no data set to inspect: give a folder, an archive or a file")
    seen = []
    for item in found:
        for split in item.splits or ALL:
            parsed = item.read(split, Reading(item.path, keep=False))
            seen.append(_Seen(item, split, parsed, asked))
    faults = [
        replace(fault, file=one.of.prefix + fault.file)
        for one in seen
        for fault in (*one.parsed.faults, *one.contradictions())
    ]
    splits = tuple(_split(one) for one in seen)
    refusal = _refusal(seen)
    if not refusal and not any(split.refusal for split in splits if split.name == SPLITS[0]):
        refusal = _too_few(seen, task, folds)
    return Inspection(
        name="+".join(item.name for item in found),
        path=" and ".join(str(item.path) for item in found),
        splits=splits,
        faults=(*faults, *_leaks(seen)),
        refusal=refusal,
    )


class _Seen:
    """One split of a set as read, with each file's class."""

    def __init__(self, of: Found, split: str, parsed: Parsed, asked: Asked) -> None:
        self.of, self.split, self.parsed, self.asked = of, split, parsed, asked
        self.y, self.wrong = classes(parsed.files, asked.task, asked.label)

    def contradictions(self) -> list[Fault]:
        """Faults of the labels that the data themselves give."""
        files, task = self.parsed.files, self.asked.task
        return [
            Fault("label", str(files.place[at]), contradiction(files, int(at), self.y, task))
            for at in self.wrong
        ]

    def known(self) -> Int64:
        """Classes of the usable rows."""
        rows = self.y[self.parsed.owner]
        return rows[rows >= 0]

    def strange(self) -> list[str]:
        """Rhythms that the task does not know."""
        return list(unknown(self.parsed.files, self.y))


def _refusal(seen: Sequence[_Seen]) -> str:
    """Say why sets would not open together for a search, "" where they would."""
    for one in seen:
        if one.of.splits and SPLITS[0] not in one.of.splits:
            return f"no {SPLITS[0]} split in {one.of.path}: it holds {', '.join(one.of.splits)} only"
    parts = [one for one in seen if one.split == SPLITS[0]]
    if len({one.of.path for one in parts}) < 2:
        return ""  # a set by itself says so of its split
    try:
        check_classes(
            " and ".join(str(one.of.path) for one in parts),
            SPLITS[0],
            np.concatenate([one.known() for one in parts]),
            [name for one in parts for name in one.strange()],
            parts[0].asked.task,
        )
    except DataError as error:
        return str(error)
    return ""


def _too_few(seen: Sequence[_Seen], task: Task, count: int) -> str:
    """Say why the people of the training split can't be dealt into ``count`` folds, "" where they can."""
    parts = [one for one in seen if one.split == SPLITS[0]]
    owner = [one.parsed.owner[one.y[one.parsed.owner] >= 0] for one in parts]
    both = list(zip(parts, owner, strict=True))
    names = [np.char.add(one.of.prefix, one.parsed.files.subject[rows]) for one, rows in both]
    try:
        y = np.concatenate([one.y[rows] for one, rows in both])
        labels = len(task.classes) if task.kind == MULTILABEL else 0
        deal(y, np.concatenate(names), count, 0, task.classes, labels=labels)
    except DataError as error:
        return str(error)
    return ""


def _split(one: _Seen) -> Split:
    """Sum up one split and each of its subjects, and say whether it would open."""
    parsed, name, asked = one.parsed, one.split, one.asked
    refusal, notes = "", tuple(parsed.notes)
    try:
        judged = judge(parsed)
        rows = parsed.files.take(parsed.owner)
        notes = (*judged, *settle(parsed.path, rows, asked.task, asked.label, name)[1])
        if not one.of.prefix:  # else the classes are looked for in all sets together
            notes += tuple(check_classes(str(parsed.path), name, one.known(), one.strange(), asked.task))
    except DataError as error:
        refusal = str(error)
    subject = parsed.files.subject
    everyone = sorted({*subject.tolist(), *(account.subject for account in parsed.seconds)})
    return Split(
        set=one.of.prefix.removesuffix("/"),
        name=name,
        bare=not one.of.splits,
        records=tuple(_rounded(part) for part in parsed.seconds),
        total=_part(name, one, np.arange(len(subject)), parsed.faults, parsed.seconds),
        subjects=tuple(_person(person, one) for person in everyone),
        refusal=refusal,
        notes=notes,
    )


def _person(name: str, one: _Seen) -> Part:
    """Sum up one subject."""
    parsed = one.parsed
    files = np.flatnonzero(parsed.files.subject == name)
    places = set(parsed.files.place[files].tolist())
    faults = [fault for fault in parsed.faults if fault.file in places]
    return _part(name, one, files, faults, [part for part in parsed.seconds if part.subject == name])


def _part(name: str, one: _Seen, files: Int64, faults: Sequence[Fault], seconds: Sequence[Seconds]) -> Part:
    """Sum up some files, their faults and their time."""
    parsed, y, task = one.parsed, one.y, one.asked.task
    case = case_of(task)
    dropped = Counter(fault.kind for fault in faults)
    strange = unknown(parsed.files.take(files), y[files])
    dropped.update({f"{case.kind} {rhythm!r} unknown": count for rhythm, count in strange.items()})
    rows = y[parsed.owner[np.isin(parsed.owner, files)]]
    low, high = parsed.low[files], parsed.high[files]
    read = np.isfinite(low) & np.isfinite(high)
    lengths = [length for length in parsed.length[files].tolist() if length >= 0]
    pages = case == PAGE
    return Part(
        name=name,
        files=len(files),
        usable=int((rows >= 0).sum()),
        rhythms=_counts(parsed.files.rhythm[files].tolist()),
        classes=_by_class(y[files], task),
        lengths={} if pages else _counts(lengths),
        low=float(low[read].min()) if read.any() else float("nan"),
        high=float(high[read].max()) if read.any() else float("nan"),
        dropped=dict(sorted(dropped.items())),
        windows=_by_class(rows[rows >= 0], task),
        seconds=_sums((part.rhythm, part.found) for part in seconds),
        kept=_sums((part.rhythm, part.kept) for part in seconds if part.rhythm not in strange),
        left_out=_left_out(seconds, strange),
        sizes=_counts(map(size_text, lengths)) if pages else {},
        kinds=_counts(filter(None, map(kind_of_page, parsed.files.place[files].tolist()))) if pages else {},
    )


def _by_class(y: Int64, task: Task) -> dict[str, int]:
    """Count classes, or of several labels each that is true; -1 is "unknown"."""
    unknown = {"unknown": int((y < 0).sum())} if (y < 0).any() else {}
    if task.kind != MULTILABEL:
        return _counts(task.classes[klass] if klass >= 0 else "unknown" for klass in y)
    true = label_sets.truth(y[y >= 0], len(task.classes))
    counts = dict(zip(task.classes, true.sum(axis=0).tolist(), strict=True))
    counts["none"] = int((~true.any(axis=1)).sum())
    return {name: count for name, count in counts.items() if count} | unknown


def _left_out(seconds: Sequence[Seconds], strange: Collection[str]) -> dict[str, float]:
    """Sum up time in s by why it is left out; so are rhythms ``strange`` to the task."""
    unknowns = [(f"rhythm {part.rhythm!r} unknown", part.kept) for part in seconds if part.rhythm in strange]
    return _sums([*(item for part in seconds for item in part.left_out.items()), *unknowns])


def _sums(times: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, time in times:
        found[name] = found.get(name, 0.0) + time
    return {name: round(time, 3) for name, time in sorted(found.items()) if time > 0}


def _rounded(part: Seconds) -> Seconds:
    """Return an account to the ms."""
    found, kept = round(part.found, 3), round(part.kept, 3)
    return replace(part, found=found, kept=kept, left_out=_sums(part.left_out.items()))


def _counts(values: Iterable[Value]) -> dict[Value, int]:
    return dict(sorted(Counter(values).items()))


def _leaks(seen: Sequence[_Seen]) -> list[Fault]:
    """Find what makes a result look better than it is: people in both splits, samples in two places."""
    faults, owner, group = [], [], []
    people: dict[str, list[dict[str, str]]] = {}
    for one in seen:
        files, before = one.parsed.files, one.of.prefix
        if one.asked.subjects is None:  # else it is a fault of the training split
            people.setdefault(before, []).append({person(name): name for name in files.subject.tolist()})
        owner += [before + place for place in files.place[one.parsed.owner].tolist()]
        group += [f"{before}{one.split}\0{name}" for name in files.subject[one.parsed.owner].tolist()]
    for before, parts in people.items():
        both = sorted(set.intersection(*map(set, parts))) if len(parts) > 1 else []
        faults += [Fault("overlap", before + parts[0][key], "a subject of train and of test") for key in both]
    digest = np.concatenate([one.parsed.digest for one in seen])
    for first, second in duplicates(digest, np.array(group, np.str_)):
        what = "picture" if seen[0].parsed.case == PAGE else "samples"
        faults.append(Fault("duplicate", owner[second], f"the same {what} as {owner[first]}"))
    return faults
