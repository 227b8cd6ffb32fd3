"""Look a data set over: who and what is in it, every fault, and what opening it would leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from atml.data import contest, npz, parsing
from atml.data.contest import Fault
from atml.data.judging import Label, classes, contradiction, duplicates, judge, settle, unknown
from atml.data.opening import check, is_npz, name_of
from atml.data.parsing import Parsed
from atml.data.rows import Shape
from atml.data.source import find
from atml.errors import DataError
from atml.types import Int64, Task

Value = TypeVar("Value", int, str)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One subject, or a whole split.

    ``files`` were found, ``segments`` came of them (a long one gives several) and are usable. ``rhythms``,
    ``classes`` and ``lengths`` (samples as stored) count files; ``low`` and ``high`` are the range of their
    values, NaN where none could be read. ``dropped`` counts what opening would leave out, by why.
    """

    name: str
    files: int
    segments: int
    rhythms: dict[str, int]
    classes: dict[str, int]
    lengths: dict[int, int]
    low: float
    high: float
    dropped: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split: its sum over all subjects, each subject, and why it would not open ("" where it would)."""

    name: str
    total: Part
    subjects: tuple[Part, ...]
    refusal: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is in a data set and what is wrong with it."""

    name: str
    path: str
    splits: tuple[Split, ...]
    faults: tuple[Fault, ...]


def inspect(path: Path | str, *, task: Task, label: Label, sampling_rate: int | None = None) -> Inspection:
    """Read all splits of a data set, from the files themselves and not from a cache.

    Faulty segments are listed, never raised: names that can't be split, files that can't be read, have
    text in them or another length, rows that are flat or not finite, labels that contradict the rhythm,
    the same samples in two subjects or both splits, subjects in both splits.

    Raises:
        DataError: Nothing to look at: no such path, a damaged archive, no segment at all.
    """
    check("train", sampling_rate)
    path = Path(path)
    parts: dict[str, Parsed] = {}
    if is_npz(path):
        for split in npz.splits(path):
            parts[split] = parsing.npz_split(path, task, split, sampling_rate)
    else:
        source = find(path)
        layout = contest.layout(source)
        shape = Shape(task.sampling_rate, task.window, task.leads, sampling_rate)
        for split in layout.splits:
            parts[split] = parsing.contest_split(source, layout, split, shape)
    faults = [fault for parsed in parts.values() for fault in parsed.faults]
    splits = []
    for name, parsed in parts.items():
        y, wrong = classes(parsed.files, task, label)
        places = parsed.files.place
        faults += [Fault("label", str(places[at]), contradiction(parsed.files, at, y, task)) for at in wrong]
        splits.append(_split(name, parsed, y, task, label))
    faults += _leaks(parts)
    return Inspection(name=name_of(path), path=str(path), splits=tuple(splits), faults=tuple(faults))


def _split(name: str, parsed: Parsed, y: Int64, task: Task, label: Label) -> Split:
    """Sum up one split and each of its subjects, and say whether it would open."""
    refusal, notes = "", tuple(parsed.notes)
    try:
        judged = judge(parsed)
        notes = (*judged, *settle(parsed.path, parsed.files.take(parsed.owner), task, label, name)[1])
    except DataError as error:
        refusal = str(error)
    subjects = np.unique(parsed.files.subject)
    return Split(
        name=name,
        total=_part(name, parsed, np.arange(len(parsed.length)), y, task, parsed.faults),
        subjects=tuple(
            _part(str(subject), parsed, np.flatnonzero(parsed.files.subject == subject), y, task, None)
            for subject in subjects
        ),
        refusal=refusal,
        notes=notes,
    )


def _part(
    name: str, parsed: Parsed, files: Int64, y: Int64, task: Task, faults: Sequence[Fault] | None
) -> Part:
    """Sum up some files; ``faults`` None picks theirs."""
    places = set(parsed.files.place[files].tolist())
    theirs = [fault for fault in parsed.faults if fault.file in places] if faults is None else faults
    dropped = Counter(fault.kind for fault in theirs)
    strange = unknown(parsed.files.take(files), y[files])
    dropped.update({f"rhythm {rhythm!r} unknown": count for rhythm, count in strange.items()})
    mine = np.isin(parsed.owner, files[y[files] >= 0])
    low, high = parsed.low[files], parsed.high[files]
    read = np.isfinite(low) & np.isfinite(high)
    names = (task.classes[klass] if klass >= 0 else "unknown" for klass in y[files])
    return Part(
        name=name,
        files=len(files),
        segments=int(mine.sum()),
        rhythms=_counts(parsed.files.rhythm[files].tolist()),
        classes=_counts(names),
        lengths=_counts(length for length in parsed.length[files].tolist() if length >= 0),
        low=float(low[read].min()) if read.any() else float("nan"),
        high=float(high[read].max()) if read.any() else float("nan"),
        dropped=dict(sorted(dropped.items())),
    )


def _counts(values: Iterable[Value]) -> dict[Value, int]:
    return dict(sorted(Counter(values).items()))


def _leaks(parts: dict[str, Parsed]) -> list[Fault]:
    """Find what makes a result look better than it is: subjects in both splits, samples in two places."""
    faults = []
    people = [set(parsed.files.subject.tolist()) for parsed in parts.values()]
    if len(people) == 2:
        both = sorted(people[0] & people[1])
        faults += [Fault("overlap", name, "a subject of train and of test") for name in both]
    digest = np.concatenate([parsed.digest for parsed in parts.values()])
    owner, group = [], []
    for split, parsed in parts.items():
        owner += parsed.files.place[parsed.owner].tolist()
        group += [f"{split}\0{subject}" for subject in parsed.files.subject[parsed.owner]]
    for first, second in duplicates(digest, np.array(group, np.str_)):
        faults.append(Fault("duplicate", owner[second], f"the same samples as {owner[first]}"))
    return faults
