"""Names of files as systems leave them: in capitals, in either Unicode form, with clutter between."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from atml.data import text
from atml.data.parsing import SPLITS, some
from atml.errors import DataError
from atml.formatting import plural

ENDINGS = frozenset(
    (
        ".hea",
        ".dat",
        ".atr",
        ".ari",
        ".mat",
        ".edf",
        ".bdf",
        ".txt",
        ".csv",
        ".tsv",
        ".npy",
        ".npz",
        ".parquet",
    )
)
"""Endings of files that may be data, in small letters."""

FOLDERS = frozenset((*(f"{split}_data" for split in SPLITS), "data_indices"))
"""Names of folders that say what is in them, in small letters."""

LIST = "RECORDS"


def plain(name: str) -> str:
    r"""Return what names have in common that differ in case, encoding or Unicode form alone.

    Example:
        >>> plain("R1.HEA"), plain("Mu\u0308ller") == plain("m\u00fcller") == plain("m\udcfcller")
        ('r1.hea', True)
    """
    lower = name.casefold()
    return lower if lower.isascii() else unicodedata.normalize("NFC", text.name(name).casefold())


def is_hidden(name: str) -> bool:
    """Tell whether a file was left by an operating system (.DS_Store, __MACOSX/._S0-N-0.txt)."""
    return name.startswith((".", "__MACOSX/")) or "/." in name or "/__MACOSX/" in name


def is_left(name: str) -> bool:
    """Tell whether a file is one that macOS leaves beside each on a disk of another system."""
    return name.rpartition("/")[2].startswith("._")


def in_split(name: str, split: str) -> str | None:
    """Return the name of a file from the folder of its split on; None where it is not in that folder.

    Example:
        >>> in_split("TRAIN_DATA/r1.hea", "train"), in_split("r1.hea", "train")
        ('r1.hea', None)
    """
    folder, slash, rest = name.partition("/")
    return rest if slash and folder.casefold() == f"{split}_data" else None


def told_apart(path: Path, names: Iterable[str]) -> None:
    """Raise DataError where two files of a set differ in case or Unicode form alone: which is meant?"""
    seen: dict[str, str] = {}
    for name in names:
        if not _may_be_data(name):
            continue
        other = seen.setdefault(plain(name), name)
        if other != name:
            raise alike(path, other, name)


def alike(path: Path, one: str, other: str) -> DataError:
    """Return the error for two files that differ in case or Unicode form alone."""
    return DataError(
        f"{path} holds {one} and {other}, whose names differ in case or Unicode form alone: which is meant?"
        " Rename or remove one"
    )


def notes(names: Sequence[str], left: int) -> list[str]:
    """Say what of the names in a set is odd; ``left`` files that macOS left are not among them."""
    found = [f"passed over: {plural(left, 'file')} named ._*, left by macOS"] if left else []
    if capitals := [name for name in names if _in_capitals(name)]:
        verb = "is" if len(capitals) == 1 else "are"
        found.append(
            f"{plural(len(capitals), 'file')} {verb} named in other letters than usual, capital or small, and"
            f" read all the same: {some([text.name(name) for name in capitals])}"
        )
    return found


def _may_be_data(name: str) -> bool:
    last = name.rpartition("/")[2].casefold()
    return last == LIST.casefold() or any(last.endswith(ending) for ending in ENDINGS)


def _in_capitals(name: str) -> bool:
    *folders, last = name.split("/")
    ending = last[last.rfind(".") :] if "." in last else ""
    if ending != ending.casefold() and ending.casefold() in ENDINGS:
        return True
    if last != LIST and last.casefold() == LIST.casefold():
        return True
    return any(one.casefold() in FOLDERS and one not in FOLDERS for one in folders)
