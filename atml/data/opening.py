"""Open one split of a data set: find it, parse it once, label it, say what was left out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from atml.data import cache as store
from atml.data import contest, parsing
from atml.data import synthetic as generator
from atml.data.heart import RHYTHMS
from atml.data.judging import Label, classes_of, judge, settle
from atml.data.parsing import Files, Parsed
from atml.data.rows import Shape, make
from atml.data.source import ENDINGS, Source, find, identity
from atml.errors import DataError
from atml.types import Dataset, Float32, Int64, Task


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
    check(split, sampling_rate)
    root = store.root(cache)
    if path is None:
        return _synthetic(task, label, split, seed, root)
    path = Path(path)
    wanted = (split, sampling_rate, dataclasses.astuple(task))
    if is_npz(path):
        folder = root / store.key("npz", identity(path), *wanted)
        build = partial(parsing.npz_split, path, task, split, sampling_rate)
    else:
        source = find(path)
        folder = root / store.key("contest", source.identity, *wanted)
        shape = Shape(task.sampling_rate, task.window, task.leads, sampling_rate)
        build = partial(_sorted_out, source, split, shape)
    entry = store.fetch(folder, lambda: _to_store(build()))
    files = _files(entry)
    y, notes = settle(path, files, task, label, split)
    notes = [*entry.notes, *notes]
    x, digest, keep = entry.x, entry.arrays["digest"], np.flatnonzero(y >= 0)
    if len(keep) < len(y):
        # Rows left out by label() have a copy of their own, so that this one is memory-mapped too.
        part = store.fetch(root / store.key(folder.name, keep.tolist()), lambda: _without(entry.x, keep))
        x, digest, y, files = part.x, digest[keep], y[keep], files.take(keep)
    return _dataset(x, y, files, digest, task, name_of(path), notes)


def check(split: str, sampling_rate: int | None) -> None:
    """Raise DataError for a split that there is none of, or an impossible rate."""
    if split not in contest.SPLITS:
        raise DataError(f"unknown split {split!r}: train or test")
    if sampling_rate is not None and sampling_rate <= 0:
        raise DataError(f"a sampling rate of {sampling_rate} Hz: it must be positive")


def is_npz(path: Path) -> bool:
    """Tell a file that is opened by numpy from all others."""
    return path.suffix.lower() == ".npz" and path.is_file()


def _sorted_out(source: Source, split: str, shape: Shape) -> Parsed:
    """Find a split among the files and read it; not done at all where a parsed copy is at hand."""
    return parsing.contest_split(source, contest.layout(source), split, shape)


def _to_store(parsed: Parsed) -> store.Built:
    """Judge what was parsed; what may pass is what is stored."""
    notes = judge(parsed)
    rows = parsed.files.take(parsed.owner)
    arrays = {name: getattr(rows, name) for name in ("place", "subject", "rhythm", "given")}
    rules = np.array([rows.given_is_class, rows.named])
    return parsed.blocks, {**arrays, "rules": rules, "digest": parsed.digest}, notes


def _files(entry: store.Entry) -> Files:
    """Rebuild what is known of each row."""
    arrays = entry.arrays
    given_is_class, named = (bool(rule) for rule in arrays["rules"])
    return Files(arrays["place"], arrays["subject"], arrays["rhythm"], arrays["given"], given_is_class, named)


def _without(x: Float32, keep: Int64) -> store.Built:
    return [x[keep[at : at + 1000]] for at in range(0, len(keep), 1000)], {}, []


def _dataset(
    x: Float32,
    y: Int64,
    files: Files,
    digest: np.typing.NDArray[np.uint8],
    task: Task,
    name: str,
    notes: Sequence[str],
    synthetic: bool = False,
) -> Dataset:
    """Make a Dataset; its fingerprint is over the digest of each row and so over all samples."""
    whole = hashlib.sha256(f"{task.sampling_rate} {x.shape}".encode())
    whole.update(np.ascontiguousarray(digest).tobytes())
    whole.update(np.ascontiguousarray(y, "<i8").tobytes())
    for strings in (files.subject, files.rhythm):
        whole.update("\0".join(strings.tolist()).encode(errors="surrogateescape"))
        whole.update(b"\n")
    return Dataset(
        x=x,
        y=y,
        subject=files.subject,
        rhythm=files.rhythm,
        sampling_rate=task.sampling_rate,
        fingerprint=whole.hexdigest(),
        name=name,
        synthetic=synthetic,
        notes=tuple(notes),
    )


def _synthetic(task: Task, label: Label, split: str, seed: int, root: Path) -> Dataset:
    """Draw synthetic ECG, or find it drawn."""
    table = classes_of(list(RHYTHMS), task, label)
    wanted = (dataclasses.astuple(task), split, seed, sorted(table.items()))

    def build() -> store.Built:
        x, y, subject, rhythm = generator.draw(task, split, label=label, seed=seed)
        rows = make(x, Shape(task.sampling_rate, task.window, task.leads))
        arrays = {"given": y, "subject": subject, "rhythm": rhythm, "place": subject, "digest": rows.digest}
        return [x], {**arrays, "rules": np.array([True, True])}, [generator.NOTE]

    entry = store.fetch(root / store.key("synthetic", generator.VERSION, *wanted), build)
    files = _files(entry)
    return _dataset(
        entry.x, files.given, files, entry.arrays["digest"], task, "synthetic", entry.notes, synthetic=True
    )


def name_of(path: Path) -> str:
    """Name a data set by its file or folder; of a split's own folder, by the one above."""
    path = path.absolute()
    if path.name in ("train_data", "test_data") and path.parent.name:
        path = path.parent
    for ending in ENDINGS:
        if path.name.lower().endswith(ending) and path.is_file():
            return path.name[: -len(ending)]
    return path.name
