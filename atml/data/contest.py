"""The contest layouts and names: which files are segments, whose, of which rhythm, in which split.

Either folders ``train_data`` and ``test_data`` (at the top, or one folder down), or one folder of segments
with ``data_indices/train_indice.csv`` and ``test_indice.csv`` (``label,Filename``; label 1 is positive). A
folder of segments with neither is one split by itself.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from atml.data.source import Source
from atml.errors import DataError

SPLITS = ("train", "test")
ABOUT = ("readme", "license", "licence", "notice", "changelog", "citation")
"""Texts that people put beside segments."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: ``positive`` is what an index file says of it, None where there is none."""

    name: str
    subject: str
    rhythm: str
    positive: bool | None = None


@dataclass(frozen=True)
class Fault:
    """Something wrong with a data set: ``kind`` (one word or two), the file, and the detail."""

    kind: str
    file: str
    detail: str


@dataclass
class Layout:
    """The segments of each split, what is wrong with names and indices, and what a person should know."""

    splits: dict[str, list[Segment]]
    bare: bool = False
    faults: dict[str, list[Fault]] = field(default_factory=dict)


def split_name(name: str) -> tuple[str, str] | None:
    """Split ``SUBJECT-LABEL-INDEX.txt`` into subject and label; None where it can't be.

    Exactly two dashes, a subject, an index in digits; the label may be empty.
    """
    parts = PurePosixPath(name).stem.split("-")
    if len(parts) != 3 or not parts[0] or not (parts[2].isascii() and parts[2].isdigit()):
        return None
    return parts[0], parts[1]


def layout(source: Source) -> Layout:
    """Sort the files of ``source`` into splits.

    Raises:
        DataError: No segment file at all, several folders of them with no word on which is which, or an
            index file that is damaged.
    """
    texts = [name for name in source.names if _is_segment(name)]
    found = Layout({})
    if not texts:
        raise DataError(f"no segment files (SUBJECT-LABEL-INDEX.txt) in {source.path}")
    for split in SPLITS:
        inside = [name for name in texts if _folder(name, 1) == f"{split}_data"]
        if inside:
            _add(found, split, inside)
    if found.splits:
        return found
    indices = {
        split: [name for name in source.names if name.endswith(f"data_indices/{split}_indice.csv")]
        for split in SPLITS
    }
    if any(indices.values()):
        for split, files in indices.items():
            if files:
                _add_indexed(found, split, files[0], source, texts)
        return found
    folders = sorted({str(PurePosixPath(name).parent) for name in texts})
    if len(folders) > 1:
        raise DataError(
            f"segments lie in several folders of {source.path} ({', '.join(folders[:3])}), none of them named "
            "train_data or test_data: give one of them"
        )
    found.bare = True
    _add(found, "train", texts)
    return found


def _is_segment(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() == ".txt" and not path.stem.lower().startswith(ABOUT)


def _folder(name: str, up: int) -> str:
    parts = PurePosixPath(name).parts
    return parts[-1 - up] if len(parts) > up else ""


def _add(found: Layout, split: str, names: list[str]) -> None:
    segments, faults = found.splits.setdefault(split, []), found.faults.setdefault(split, [])
    for name in names:
        parts = split_name(name)
        if parts is None:
            faults.append(Fault("name", name, "is not SUBJECT-LABEL-INDEX.txt"))
        else:
            segments.append(Segment(name, *parts))


def _add_indexed(found: Layout, split: str, index: str, source: Source, texts: list[str]) -> None:
    """Take the segments that an index file lists, with the class it gives them."""
    segments, faults = found.splits.setdefault(split, []), found.faults.setdefault(split, [])
    by_name: dict[str, list[str]] = {}
    for name in texts:
        by_name.setdefault(PurePosixPath(name).name, []).append(name)
    try:
        rows = list(csv.DictReader(io.StringIO(source.only(index).decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"can't read {source.path / index}: {error}") from None
    if not rows or not {"label", "Filename"} <= rows[0].keys():
        raise DataError(f"{source.path / index} needs rows under the header label,Filename")
    seen: set[str] = set()
    for number, row in enumerate(rows, 2):
        label, name = (row["label"] or "").strip(), (row["Filename"] or "").strip()
        files = by_name.get(PurePosixPath(name).name, [])
        parts = split_name(name)
        if label not in ("0", "1"):
            faults.append(Fault("index", index, f"line {number}: label {label!r} is neither 0 nor 1"))
        elif len(files) != 1:
            problem = "is not there" if not files else f"is there {len(files)} times"
            faults.append(
                Fault("missing", name or index, f"{problem}, but line {number} of {index} lists it")
            )
        elif name in seen:
            faults.append(Fault("index", index, f"line {number}: lists {name} again"))
        elif parts is None:
            faults.append(Fault("name", files[0], "is not SUBJECT-LABEL-INDEX.txt"))
        else:
            segments.append(Segment(files[0], *parts, positive=label == "1"))
        seen.add(name)
