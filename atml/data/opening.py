"""Open one split of a data set: find it, parse it once, label it, say what was left out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.data import cache as store
from atml.data import contest, npz, reader, synthetic
from atml.data.contest import Fault
from atml.data.heart import RHYTHMS
from atml.data.rows import DROPPED, Rows, Shape, make
from atml.data.source import TAR_ENDINGS, Source, find, identity
from atml.errors import DataError
from atml.types import Dataset, Float32, Int64, Task

MOST_DROPPED = 0.10
"""A larger share of faulty segments is no blemish any more, and the data set is refused."""

Label = Callable[[str], int | None]


def open(  # the verb is the module's public name: atml.data.open
    path: Path | str | None,
    *,
    task: Task,
    label: Label,
    split: str = "train",
    cache: Path | None = None,
    sampling_rate: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Open one split of a data set as labelled segments at the task's rate and window.

    Args:
        path: A folder or ``.zip``, ``.tar``, ``.tar.gz``, ``.tar.xz``, ``.tar.bz2`` in the contest's text
            format, or an ``.npz`` with ``x, y, subject``; None for synthetic ECG.
        task: Rate (Hz), window (samples), leads and classes wanted.
        label: Class index of a rhythm name; None leaves its segments out.
        split: "train" or "test".
        cache: Folder of the parsed copy; None for ``$ATML_CACHE`` or ``~/.cache/atml``.
        sampling_rate: Of the files, in Hz, where they don't say it and it is not the task's.
        seed: Of the synthetic ECG.

    Returns:
        A Dataset; ``notes`` says what was left out and what looks odd. ``x`` is a read-only memory map
        wherever a cache could be written.

    Raises:
        DataError: Nothing usable there; a file that can't be read, named or parsed; too many faulty
            segments; one class only. One line that names the file and the way out.
    """
    if split not in contest.SPLITS:
        raise DataError(f"unknown split {split!r}: train or test")
    root = store.root(cache)
    if path is None:
        return _synthetic(task, label, split, seed, root)
    path = Path(path)
    is_npz = path.suffix.lower() == ".npz" and path.is_file()
    opened = (
        _npz(path, task, split, sampling_rate, root)
        if is_npz
        else _contest(path, task, split, sampling_rate, root)
    )
    return _labelled(opened, path, task, label, split)


@dataclasses.dataclass(frozen=True)
class _Opened:
    """A parsed split before its rhythms are judged; ``positive``: given is a flag and not a class index."""

    entry: store.Entry
    notes: tuple[str, ...]
    positive: bool


def _contest(path: Path, task: Task, split: str, rate: int | None, root: Path) -> _Opened:
    source = find(path)
    notes: list[str] = []
    key = store.key("contest", source.identity, split, rate, task.sampling_rate, task.window, task.leads)

    def build() -> store.Built:
        segments, faults, said = choose(contest.layout(source), source, split)
        shape = Shape(task.sampling_rate, task.window, task.leads, rate)
        by_name = {segment.name: segment for segment in segments}
        chunks = reader.read(source, list(by_name), shape)
        faults += [
            Fault(kind, names[at], detail) for names, rows in chunks for at, kind, detail in rows.faults
        ]
        said += refuse_or_note(faults, len(segments), path)
        files = [names[at] for names, rows in chunks for at in rows.owner]
        given = [-1 if (flag := by_name[name].positive) is None else int(flag) for name in files]
        arrays = {
            "place": np.array(files, np.str_),
            "subject": np.array([by_name[name].subject for name in files], np.str_),
            "rhythm": np.array([by_name[name].rhythm for name in files], np.str_),
            "given": np.array(given, np.int64),
            "digest": np.concatenate([rows.digest for _, rows in chunks]),
        }
        said += cut_notes([rows for _, rows in chunks])
        return [rows.x for _, rows in chunks], arrays, said

    return _Opened(store.fetch(root / key, build), tuple(notes), positive=True)


def choose(
    layout: contest.Layout, source: Source, split: str
) -> tuple[list[contest.Segment], list[Fault], list[str]]:
    """Return the segments and faults of one split, and notes on how it was found."""
    wanted = "train" if layout.bare else split
    if wanted not in layout.splits:
        there = ", ".join(layout.splits)
        raise DataError(f"no {split} split in {source.path}: it holds {there} only")
    notes = []
    if layout.bare:
        notes.append(f"neither train_data/test_data nor data_indices inside: all of it is taken for {split}")
    people = {name: {segment.subject for segment in segments} for name, segments in layout.splits.items()}
    if both := sorted(people.get("train", set()) & people.get("test", set())):
        notes.append(f"{len(both)} subjects are in train and in test: {_some(both)}")
    return layout.splits[wanted], list(layout.faults.get(wanted, [])), notes


def refuse_or_note(faults: Sequence[Fault], total: int, path: Path) -> list[str]:
    """Raise on a fault that must not pass, or on too many of the others; else say what is left out."""
    hard = [fault for fault in faults if fault.kind not in DROPPED]
    way_out = f"remove it, or see `atml data inspect {path}`"
    if hard:
        more = f" (and {len(hard) - 1} more faults)" if len(hard) > 1 else ""
        raise DataError(f"{path / hard[0].file}: {hard[0].detail}{more}; {way_out}")
    notes = []
    dropped = {fault.file for fault in faults}
    if len(dropped) > MOST_DROPPED * total:
        raise DataError(
            f"{len(dropped)} of {total} segments in {path} are not finite or flat, for example {faults[0].file}: too "
            f"many to leave out; see `atml data inspect {path}`"
        )
    for kind in DROPPED:
        some = [fault.file for fault in faults if fault.kind == kind]
        if some:
            notes.append(f"{len(some)} of {total} segments left out, {kind}: {_some(some)}")
    return notes


def cut_notes(parts: Sequence[Rows]) -> list[str]:
    """Say that segments were longer than a window, and so give several rows."""
    files, rows = sum(len(part.length) for part in parts), sum(len(part.owner) for part in parts)
    return [f"{files} segments cut into {rows} adjacent windows"] if rows > files else []


def _npz(path: Path, task: Task, split: str, rate: int | None, root: Path) -> _Opened:
    key = store.key("npz", identity(path), split, rate, dataclasses.astuple(task))

    def build() -> store.Built:
        held = npz.read(path, split, task)
        shape = Shape(task.sampling_rate, task.window, task.leads, npz.rate(path, held.sampling_rate, rate))
        parts = [make(held.x[at : at + 1000], shape) for at in range(0, len(held.x), 1000)]
        starts = range(0, len(held.x), 1000)
        faults = [
            Fault(kind, f"row {start + at}", detail)
            for start, rows in zip(starts, parts, strict=True)
            for at, kind, detail in rows.faults
        ]
        said = [*held.notes, *refuse_or_note(faults, len(held.x), path), *cut_notes(parts)]
        owner = np.concatenate([start + rows.owner for start, rows in zip(starts, parts, strict=True)])
        arrays = {
            "place": np.array([f"row {row}" for row in held.row[owner]], np.str_),
            "subject": held.subject[owner],
            "rhythm": held.rhythm[owner],
            "given": held.y[owner],
            "digest": np.concatenate([rows.digest for rows in parts]),
        }
        return [rows.x for rows in parts], arrays, said

    return _Opened(store.fetch(root / key, build), (), positive=False)


def _labelled(opened: _Opened, path: Path, task: Task, label: Label, split: str) -> Dataset:
    """Give each row its class, leave out rhythms that the task doesn't know, and take the fingerprint."""
    entry, arrays = opened.entry, opened.entry.arrays
    names, which = np.unique(arrays["rhythm"], return_inverse=True)
    table = classes_of([str(name) for name in names], task, label)
    y = np.array([-1 if (klass := table[str(name)]) is None else klass for name in names], np.int64)[which]
    given = arrays["given"]
    says = (y == task.positive).astype(np.int64) if opened.positive else y
    wrong = np.flatnonzero((y >= 0) & (given >= 0) & (given != says))
    if len(wrong):
        at = wrong[0]
        raise DataError(
            f"{path / str(arrays['place'][at])}: labelled {given[at]}, but rhythm {str(arrays['rhythm'][at])!r} is "
            f"{task.classes[y[at]]!r} for task {task.name!r} ({len(wrong)} such segments): mend the label or label()"
        )
    notes = [*entry.notes, *opened.notes]
    counts = Counter(arrays["rhythm"].tolist())
    if counts[""] and table[""] is not None:
        notes.append(
            f"{counts['']} segments have an empty rhythm, taken for {task.classes[table[''] or 0]!r}"
        )
    unknown = {name: counts[name] for name in counts if table[name] is None}
    if unknown:
        listed = ", ".join(f"{name!r} ({count})" for name, count in sorted(unknown.items()))
        notes.append(
            f"{sum(unknown.values())} segments left out, of rhythms unknown to {task.name!r}: {listed}"
        )
    keep = np.flatnonzero(y >= 0)
    if len(np.unique(y[keep])) < 2:
        only = task.classes[y[keep[0]]] if len(keep) else "none"
        raise DataError(
            f"one class only in {split} of {path} ({len(keep)} segments of {only!r}): nothing to tell apart"
        )
    x = entry.x if len(keep) == len(y) else entry.x[keep]
    return _dataset(
        x, y[keep], {name: array[keep] for name, array in arrays.items()}, task, _name(path), notes
    )


def classes_of(rhythms: Sequence[str], task: Task, label: Label) -> dict[str, int | None]:
    """Ask ``label`` about each rhythm; raises DataError for an index that is no class of the task."""
    table = {name: label(name) for name in rhythms}
    for name, klass in table.items():
        if klass is not None and not 0 <= klass < len(task.classes):
            raise DataError(
                f"label({name!r}) of task {task.name!r} is {klass}, not one of {len(task.classes)} classes"
            )
    return table


def _dataset(
    x: Float32,
    y: Int64,
    arrays: dict[str, npt.NDArray[Any]],
    task: Task,
    name: str,
    notes: Sequence[str],
    synthetic: bool = False,
) -> Dataset:
    digest = hashlib.sha256(f"{task.sampling_rate} {x.shape}".encode())
    for part in (arrays["digest"], y, arrays["subject"], arrays["rhythm"]):
        text = part if part.dtype.kind != "U" else np.array("\0".join(part.tolist()).encode())
        digest.update(np.ascontiguousarray(text).tobytes())
    return Dataset(
        x=x,
        y=y,
        subject=arrays["subject"],
        rhythm=arrays["rhythm"],
        sampling_rate=task.sampling_rate,
        fingerprint=digest.hexdigest(),
        name=name,
        synthetic=synthetic,
        notes=tuple(notes),
    )


def _synthetic(task: Task, label: Label, split: str, seed: int, root: Path) -> Dataset:
    table = classes_of(list(RHYTHMS), task, label)
    key = store.key(
        "synthetic", synthetic.VERSION, dataclasses.astuple(task), split, seed, sorted(table.items())
    )

    def build() -> store.Built:
        x, y, subject, rhythm = synthetic.draw(task, split, label=label, seed=seed)
        rows = make(x, Shape(task.sampling_rate, task.window, task.leads))
        return (
            [x],
            {"given": y, "subject": subject, "rhythm": rhythm, "digest": rows.digest},
            [synthetic.NOTE],
        )

    entry = store.fetch(root / key, build)
    return _dataset(
        entry.x, entry.arrays["given"], entry.arrays, task, "synthetic", entry.notes, synthetic=True
    )


def _name(path: Path) -> str:
    """Name a data set by its file or folder; of a split's own folder, by the one above."""
    path = path.absolute()
    if path.name in ("train_data", "test_data") and path.parent.name:
        path = path.parent
    name = path.name
    for ending in (*TAR_ENDINGS, ".zip", ".npz"):
        if name.lower().endswith(ending) and path.is_file():
            name = name[: -len(ending)]
    return name


def _some(names: Sequence[str], count: int = 3) -> str:
    """Name a few of many."""
    return ", ".join(list(names)[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
