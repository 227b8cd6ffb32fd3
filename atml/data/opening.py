"""Open one split of data sets: find them, parse them once, label them, say what was left out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Strings
from atml.data import beat_windows, merging, pictures
from atml.data import cache as store
from atml.data.cases import case_of
from atml.data.dataset import Dataset, OtherLead
from atml.data.formats.base import Asked
from atml.data.formats.detection import Found, Paths, asked_of, look_all
from atml.data.labelling import Label, check_classes, classes_of, judge, settle, unknown
from atml.data.merging import Piece
from atml.data.parsing import Files, some
from atml.data.reading import Reading
from atml.data.resuming import resuming
from atml.data.rows import Shape, make
from atml.data.subjects import matching
from atml.data.synthetic import drawn_pages, ectopy
from atml.data.synthetic import generator as generator
from atml.data.synthetic.rhythms import RHYTHMS
from atml.data.windowing import records
from atml.errors import DataError
from atml.tasks.task import MULTILABEL, Task

LeftOut = Collection[str] | Callable[[Strings], npt.NDArray[np.bool_]]
"""Subjects to leave out, or what tells them among names ``(n,)``."""

CHUNK = 4096
"""Windows that are looked at at once."""

NAMES = ("place", "subject", "rhythm", "given")
"""What a parsed copy keeps of each row, besides its samples and their digest."""


def open(  # the verb is the module's public name: atml.data.open
    paths: Paths,
    *,
    task: Task,
    label: Label,
    split: str = "train",
    cache: Path | None = None,
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    leave_out: LeftOut = (),
    labels: Path | None = None,
    subjects: os.PathLike[str] | str | None = None,
    seed: int = 0,
    other_lead: bool = False,
) -> Dataset:
    """Open one split of one data set, or of several together, as windows at the task's rate.

    The subjects of one set keep their names. Where several sets are opened together, the name of a subject
    begins with that of its set: "vfdb/418". The order of the sets does not matter: the same sets give the
    same rows and the same fingerprint.

    Args:
        paths: A folder, an archive or a file of one of `atml.data.formats.FORMATS`; several of these; none
            for synthetic ECG.
        task: Rate (Hz), window (samples), leads and classes wanted.
        label: Returns the class index of a rhythm's name, or None to leave its windows out. Names are those
            of the data; CinC 2017 gives "N", "AF", "O" and, for records too noisy to read, "NOISE".
        split: "train" or "test". A set that does not tell them apart is read whole for either.
        cache: Folder for the parsed copy; None for ``$ATML_CACHE`` or ``~/.cache/atml``.
        sampling_rate: Of the files, in Hz, where they don't say it and it is not the task's.
        leads: Of recordings, or columns of text, one entry a lead of the task: a name or a number, or several
            with commas between, of which the first that is there is taken. None for the first leads of each.
        leave_out: Subjects left out of those sets that don't tell train from test themselves; names match
            as `atml.data.same_subject` has it. Or a function that tells it of all names of one of these.
        labels: A table of the recordings in a folder that tells their labels nowhere else, with a column for
            the file, one for the label and, if they are known, one for the patient and one for the split.
        subjects: Whose each recording is: a table with the columns recording and subject, or a regular
            expression that fits the whole name of each, with brackets around the subject. None, or "data",
            for the names that the data give.
        seed: Of the synthetic ECG.
        other_lead: Whether `Dataset.other` is wanted, of a task of one lead: the same windows in the first
            lead that isn't the task's, which the fingerprint is then over too. Where a recording has no
            other lead, a note says so and none is there.

    Returns:
        A Dataset; its ``notes`` tell what was left out and what looks odd. ``x`` is a read-only memory map
        wherever a cache could be written. ``bare`` is true where no set tells train from test.

    Raises:
        DataError: Nothing usable there; a file whose name or content can't be read; too many faulty windows;
            a recording that ``subjects`` does not name;
            a class of the task missing from the training split, or fewer than two classes in the test
            split; a set given twice. One line that names the file and the way out.

    Example:
        >>> from atml.tasks import Task
        >>> af = Task(name="af", classes=("other", "AF"), positive=1, sampling_rate=100, window=500)
        >>> found = open(None, task=af, label={"N": 0, "AFIB": 1}.get)  # synthetic ECG
        >>> found.x.shape[1:], sorted(set(found.rhythm.tolist())), found.synthetic
        ((1, 500), ['AFIB', 'N'], True)
    """
    how: dict[str, Any] = {
        "label": label,
        "split": split,
        "cache": cache,
        "sampling_rate": sampling_rate,
        "leave_out": leave_out,
        "labels": labels,
        "subjects": subjects,
        "seed": seed,
    }
    whole = _whole(paths, task=task, leads=leads, **how)
    found = _dataset(whole, task, synthetic=not whole.path)
    return _with_other_lead(found, whole, paths, task, leads, how) if other_lead and whole.path else found


def places(paths: Paths, *, task: Task, label: Label, **how: Any) -> Strings:
    """Return where each window that `open` gives is from, ``(n,)``: its recording and the time in it.

    "106 at 12:31.25" is a beat of record 106, "106 at 12:31" the stretch of one rhythm that a window is cut
    from. Arguments and errors are those of `open`.

    Example:
        >>> from atml.tasks import Task
        >>> beats = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=250,
        ...     after_beat=1.0)
        >>> str(places(None, task=beats, label={"N": 0, "A": 1, "V": 2}.get)[0]).split(" at ")[0]
        'train0'
    """
    return _whole(paths, task=task, label=label, **how).files.place


def _with_other_lead(
    dataset: Dataset, whole: Piece, paths: Paths, task: Task, leads: Sequence[str], how: Mapping[str, Any]
) -> Dataset:
    """Open a set with one lead more, and add what of that has the windows of the set."""
    wanted = (*leads, "0,1") if leads else ()  # the first of the two that is none of the others
    try:
        both = _whole(paths, task=replace(task, leads=2), leads=wanted, **how)
    except DataError as error:
        return replace(dataset, notes=(*dataset.notes, f"training sees one lead alone: {error}"))
    x = both.x[:, 1:]
    moves = [np.ptp(x[at : at + CHUNK], axis=(1, 2)) > 0 for at in range(0, len(x), CHUNK)]  # not a flat line
    there = np.flatnonzero(np.concatenate(moves)).tolist()
    row = {place: at for at, place in zip(there, both.files.place[there].tolist(), strict=True)}
    at = np.array([row.get(place, -1) for place in whole.files.place.tolist()], np.int64)
    note = f"training sees {(at >= 0).sum():,} of the {case_of(task).many} in another lead too"
    seen = hashlib.sha256(f"{dataset.fingerprint} ".encode())
    seen.update(np.ascontiguousarray(both.digest).tobytes())
    seen.update(np.ascontiguousarray(at, "<i8").tobytes())
    return replace(
        dataset, other=OtherLead(x, at), notes=(*dataset.notes, note), fingerprint=seen.hexdigest()
    )


def _whole(
    paths: Paths,
    *,
    task: Task,
    label: Label,
    split: str = "train",
    cache: Path | None = None,
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    leave_out: LeftOut = (),
    labels: Path | None = None,
    subjects: os.PathLike[str] | str | None = None,
    seed: int = 0,
) -> Piece:
    """Open one split of one data set, or of several together; synthetic ECG has no path."""
    root = store.root(cache)
    asked = asked_of(
        task=task,
        label=label,
        sampling_rate=sampling_rate,
        leads=leads,
        labels=labels,
        subjects=subjects,
    )
    found = look_all(paths, asked, split)
    if not found:
        for option, value in (("--lead", ",".join(leads)), ("--sampling-rate", sampling_rate)):
            if value:
                raise DataError(
                    f"{option} {value} is about files, and synthetic ECG has none: add --data DIR"
                )
        return _synthetic(task, label, split, seed, root)
    pieces = [_piece(item, split, asked, leave_out, root) for item in found]
    left = sum(piece.left_out for piece in pieces)
    notes = check_classes(
        " and ".join(piece.path for piece in pieces),
        split,
        np.concatenate([piece.y[piece.keep] for piece in pieces]),
        [name for piece in pieces for name in piece.strange],
        task,
        f", {left} subjects left out" if left else "",
    )
    whole = merging.together(pieces, root) if len(pieces) > 1 else merging.kept(pieces[0], root)
    return replace(whole, notes=(*whole.notes, *notes))


def _key_of(task: Task) -> tuple[object, ...]:
    """Return what rows depend on of a task, as it has always been part of the keys of parsed copies."""
    known = task.name, task.classes, task.positive, task.sampling_rate, task.window, task.leads
    if task.picture is not None:
        return (*known, task.kind, task.picture)
    return (*known, task.after_beat, beat_windows.version()) if task.around_beats else known


def _piece(found: Found, split: str, asked: Asked, leave_out: LeftOut, root: Path) -> Piece:
    """Fetch the parsed copy of a set, or make it, and tell which of its rows are wanted."""
    task = asked.task
    contents = found.contents
    wanted = (contents.identity, split, asked.sampling_rate, _key_of(task), *contents.options)
    whose = () if asked.subjects is None else ("subjects", asked.subjects.identity, "apart")
    key = store.key(found.kind, *wanted, *whose)
    with resuming(found.path, root / f"{store.PARTS}{key}") as reading:
        entry = store.fetch(root / key, lambda: _to_store(found, split, reading))
    given_is_class, named, bare = (bool(rule) for rule in entry.arrays["rules"])
    files = replace(_files(entry), given_is_class=given_is_class, named=named)
    y, notes = settle(found.path, files, task, asked.label, split)
    files = replace(files, subject=np.char.add(found.prefix, files.subject))
    left = np.zeros(len(y), np.bool_)
    if bare:
        left = leave_out(files.subject) if callable(leave_out) else matching(files.subject, leave_out)
    if left.any():
        people = np.unique(files.subject[left]).tolist()
        notes.append(
            f"{len(people)} subjects left out, with {left.sum()} {case_of(task).many}: {some(people)}"
        )
    return Piece(
        name=found.name,
        path=str(found.path),
        key=key,
        x=entry.x,
        digest=entry.arrays["digest"],
        files=files,
        y=y,
        keep=np.flatnonzero((y >= 0) & ~left),
        strange=tuple(unknown(files, y)),
        left_out=len(np.unique(files.subject[left])),
        notes=(*entry.notes, *notes),
        bare=bare,
        records=contents.recordings,
    )


def _to_store(found: Found, split: str, reading: Reading) -> store.Built:
    """Read and judge a split; what may pass is what is stored."""
    parsed = found.read(split, reading)
    notes = judge(parsed)
    rows = parsed.files.take(parsed.owner)
    rules = np.array([rows.given_is_class, rows.named, not found.splits])
    arrays = {name: getattr(rows, name) for name in NAMES}
    return parsed.blocks, {**arrays, "rules": rules, "digest": parsed.digest}, notes


def _files(entry: store.Entry) -> Files:
    """Rebuild what is known of each row."""
    place, subject, rhythm, given = (entry.arrays[name] for name in NAMES)
    return Files(place, subject, rhythm, given)


def _dataset(piece: Piece, task: Task, synthetic: bool = False) -> Dataset:
    """Make a Dataset; its fingerprint is over the digest of each row and so over all samples."""
    x, files = piece.x, piece.files
    whole = hashlib.sha256(f"{task.sampling_rate} {x.shape}".encode())
    whole.update(np.ascontiguousarray(piece.digest).tobytes())
    whole.update(np.ascontiguousarray(piece.y, "<i8").tobytes())
    for strings in (files.subject, files.rhythm):
        whole.update("\0".join(strings.tolist()).encode(errors="surrogateescape"))
        whole.update(b"\n")
    return Dataset(
        x=x,
        y=piece.y,
        subject=files.subject,
        rhythm=files.rhythm,
        sampling_rate=task.sampling_rate,
        fingerprint=whole.hexdigest(),
        name=piece.name,
        synthetic=synthetic,
        notes=piece.notes,
        bare=piece.bare,
        record=records(files.place) if piece.records else files.place if task.picture is not None else None,
        labels=len(task.classes) if task.kind == MULTILABEL else 0,
    )


def _synthetic(task: Task, label: Label, split: str, seed: int, root: Path) -> Piece:
    """Draw synthetic ECG, or find it drawn."""
    if task.picture is not None:
        return _synthetic_pages(task, label, split, seed, root)
    known = ectopy.SYMBOLS.values() if task.around_beats else RHYTHMS
    table = classes_of(list(known), task, label)
    version = (generator.VERSION, ectopy.VERSION) if task.around_beats else generator.VERSION
    drawn = (version, _key_of(task), split, seed, sorted(table.items()))
    key = store.key("synthetic", *drawn, *(["a group a class"] if len(task.classes) > 2 else []))

    def build() -> store.Built:
        if task.around_beats:
            return _synthetic_beats(task, table, split, seed)
        x, y, subject, rhythm = generator.draw(task, split, label=label, seed=seed)
        rows = make(x, Shape(task.sampling_rate, task.window, task.leads))
        arrays = {"given": y, "subject": subject, "rhythm": rhythm, "place": subject, "digest": rows.digest}
        return [x], arrays, [generator.NOTE]

    return _drawn(key, store.fetch(root / key, build))


def _synthetic_pages(task: Task, label: Label, split: str, seed: int, root: Path) -> Piece:
    """Draw pages of synthetic hearts, or find them drawn."""
    found = drawn_pages.hearts(task, label, split, seed)
    drawn = (drawn_pages.VERSION, _key_of(task), split, seed, sorted(found.values()))
    key = store.key("synthetic", *drawn)

    def build() -> store.Built:
        x, place = drawn_pages.draw(task, found, seed)
        names = [name.partition("_")[0] for name in place]
        rows = pictures.make([([page], 0) for page in x], (x.shape[2], x.shape[3]))
        arrays = {
            "given": np.array([found[name][1] for name in names], np.int64),
            "subject": np.array(names),
            "rhythm": np.array([found[name][0] for name in names]),
            "place": np.array(place),
            "digest": rows.digest,
        }
        return [x], arrays, [drawn_pages.NOTE]

    return _drawn(key, store.fetch(root / key, build))


def _drawn(key: str, entry: store.Entry) -> Piece:
    """Return what was drawn as a piece."""
    files = _files(entry)
    return Piece(
        name="synthetic",
        path="",
        key=key,
        x=entry.x,
        digest=entry.arrays["digest"],
        files=files,
        y=files.given,
        keep=np.arange(len(files.given)),
        notes=entry.notes,
    )


def _synthetic_beats(task: Task, table: Mapping[str, int | None], split: str, seed: int) -> store.Built:
    """Draw recordings and cut the windows round the beats in them that the detector finds."""
    parsed = beat_windows.parse(
        Path("synthetic"), ectopy.recordings(task, split, seed), task, Reading(Path("synthetic"))
    )
    files = parsed.files.take(parsed.owner)
    y = np.array([-1 if (klass := table.get(name)) is None else klass for name in files.rhythm.tolist()])
    arrays = {name: getattr(files, name)[y >= 0] for name in ("subject", "rhythm", "place")}
    arrays |= {"given": y[y >= 0].astype(np.int64), "digest": parsed.digest[y >= 0]}
    return [np.concatenate(parsed.blocks)[y >= 0]], arrays, [generator.NOTE, *parsed.notes]
