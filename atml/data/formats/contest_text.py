"""The contest layouts and names: which files are segments, whose, of which rhythm, in which split.

Either folders ``train_data`` and ``test_data`` (at the top, or one folder down), or one folder of segments
with ``data_indices/train_indice.csv`` and ``test_indice.csv`` (``label,Filename``; label 1 is positive). A
folder of segments with neither is one split by itself.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

from atml.data.file_names import plain
from atml.data.file_tree import ENDINGS, Source
from atml.data.parsing import SPLITS, Fault, some
from atml.data.text import decoded
from atml.errors import DataError

PATTERN = "SUBJECT-LABEL-INDEX.txt"
PUBLISHED = (1250, 250)
"""Samples of a segment and their rate in Hz, in every set that a contest published."""

ABOUT = ("readme", "license", "licence", "notice", "changelog", "citation")
"""Texts that people put beside segments."""


OTHERS = (".hea", ".edf", ".bdf", ".csv", ".tsv", ".mat", *ENDINGS)
"""Endings of what other formats read, from a folder."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: ``positive`` is what an index file says of it, None where there is none."""

    name: str
    subject: str
    rhythm: str
    positive: bool | None = None


@dataclass
class Layout:
    """The segments of each split, what is wrong with names and indices, and what a person should know.

    ``bare`` says that nothing tells train from test: all segments are under "train". ``listed`` has the index
    of each split that goes by one.
    """

    splits: dict[str, list[Segment]]
    bare: bool = False
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)


def split_name(name: str) -> tuple[str, str] | None:
    """Split ``SUBJECT-LABEL-INDEX.txt`` into subject and label; None where it can't be.

    Exactly two dashes, a subject, an index in digits; the label may be empty.
    """
    parts = name.rpartition("/")[2].rpartition(".")[0].split("-")
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
    if not texts or (_packed(source) and not any(map(split_name, texts))):
        raise DataError(f"no segment files ({PATTERN}) in {source.path}, nor WFDB records{_instead(source)}")
    for split in SPLITS:
        inside = [name for name in texts if f"/{split}_data/" in f"/{name}".casefold()]
        if inside:
            _add(found, split, inside)
    if not found.splits:
        _by_index(found, source, texts)
    if not found.splits:
        folders = sorted({name.rpartition("/")[0] or "." for name in texts})
        if len(folders) > 1:
            raise DataError(
                f"segments lie in several folders of {source.path} ({some(folders)}), none of them named "
                "train_data or test_data: give one of them"
            )
        found.bare = True
        _add(found, "train", texts)
    used = sum(map(len, found.splits.values())) + sum(map(len, found.faults.values()))
    if used < len(texts):
        found.notes.append(f"{len(texts) - used} segments belong to no split and are ignored")
    return found


def _packed(source: Source) -> list[str]:
    """Name the files of other formats in an archive: of those only the text of numbers is read from there."""
    if source.kind == "folder":
        return []
    return [name for name in source.names if name.lower().endswith(OTHERS)]


def _instead(source: Source) -> str:
    """Say what there is in place of segments."""
    if packed := _packed(source):
        return f"; it holds {some(packed)}: unpack it and give the folder"
    records = [name for name in source.names if name.lower().endswith(".hea")]
    if records:
        below = sorted({name.rpartition("/")[0] or "." for name in records})
        way = "give that folder" if len(below) == 1 else "give one of them, or each with --data"
        return f"; there are records in {some(below)}: {way}"
    archives = [name for name in source.names if name.lower().endswith((*ENDINGS, ".mat"))]
    return f"; it holds {some(archives)}: give that" if archives else ""


def _is_segment(name: str) -> bool:
    return name.lower().endswith(".txt") and not name.rpartition("/")[2].lower().startswith(ABOUT)


def _add(found: Layout, split: str, names: list[str]) -> None:
    segments, faults = found.splits.setdefault(split, []), found.faults.setdefault(split, [])
    for name in names:
        parts = split_name(name)
        if parts is None:
            faults.append(Fault("name", name, f"is not {PATTERN}"))
        else:
            segments.append(Segment(name, *parts))


def _by_index(found: Layout, source: Source, texts: list[str]) -> None:
    """Take the segments that the index files list, with the class they give them."""
    by_name: dict[str, list[str]] = {}
    for name in texts:
        by_name.setdefault(plain(name.rpartition("/")[2]), []).append(name)
    for split in SPLITS:
        ending = f"data_indices/{split}_indice.csv"
        files = [name for name in source.names if f"/{name}".casefold().endswith("/" + ending)]
        if files:
            found.listed[split] = min(files, key=len)
            _add_indexed(found, split, found.listed[split], source, by_name)


def _add_indexed(
    found: Layout, split: str, index: str, source: Source, by_name: dict[str, list[str]]
) -> None:
    segments, faults = found.splits.setdefault(split, []), found.faults.setdefault(split, [])
    try:
        rows = list(csv.DictReader(io.StringIO(decoded(source.only(index)), newline="")))
    except csv.Error as error:
        raise DataError(f"can't read {source.path / index}: {error}") from None
    if not rows or not {"label", "Filename"} <= rows[0].keys():
        raise DataError(f"{source.path / index} needs rows under the header label,Filename")
    seen: set[str] = set()
    for number, row in enumerate(rows, 2):
        label, name = (row["label"] or "").strip(), (row["Filename"] or "").strip()
        files = by_name.get(plain(name.rpartition("/")[2]), [])
        parts = split_name(name)
        if label not in ("0", "1"):
            faults.append(Fault("index", index, f"line {number}: label {label!r} is neither 0 nor 1"))
        elif name in seen:
            faults.append(Fault("index", index, f"line {number}: lists {name} again"))
        elif parts is None:
            faults.append(Fault("name", name or index, f"in line {number} of {index} is not {PATTERN}"))
        elif len(files) != 1:
            problem = "is not there" if not files else f"is there {len(files)} times"
            faults.append(Fault("missing", name, f"{problem}, but line {number} of {index} lists it"))
        else:
            segments.append(Segment(files[0], *parts, positive=label == "1"))
        seen.add(name)
    segments.sort(key=lambda segment: segment.name)
