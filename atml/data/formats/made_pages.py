"""Pages as `atml data make pages` writes them: a folder each, ``ID_vKK_LAYOUT_KIND``, and ``labels.csv``.

The picture is ``<folder>_dirty.png``. Where there is no ``labels.csv`` the labels are those in
``<folder>_metadata.json``; a page is of the subject ID.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from atml.data import text
from atml.data.file_tree import file_there
from atml.data.formats import label_columns
from atml.data.formats.label_columns import PageTable
from atml.data.formats.picture_set import Item, Listing, PictureSet
from atml.data.parsing import SPLITS, AboutPeople, Fault, some
from atml.errors import DataError
from atml.formatting import plural

TABLE, PICTURE, ABOUT = "labels.csv", "_dirty.png", "_metadata.json"

_FOLDER = re.compile(r"(?P<subject>.+?)_v\d+_[^_]+_(?P<kind>.+)")


def kind_of_page(name: str) -> str:
    """Return the kind of picture by a page's name, "" for a name that tells none.

    Example:
        >>> kind_of_page("h0003_v01_3x4+1_photo"), kind_of_page("set/h0_v01_6x2_clean"), kind_of_page("a.png")
        ('photo', 'clean', '')
    """
    found = _FOLDER.fullmatch(name.rpartition("/")[2])
    return found["kind"] if found else ""


class MadePages(PictureSet):
    """A folder of such pages."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by a page in it."""
        return next(iter(folders(path)), None) is not None if path.is_dir() else False

    @cached_property
    def _table(self) -> PageTable | None:
        """The table of labels, None where there is none."""
        file = file_there(self.path, TABLE)
        return None if file is None else label_columns.read(file)

    @cached_property
    def _folders(self) -> list[str]:
        return sorted(folders(self.path))

    @property
    def statements(self) -> Sequence[str]:
        """Return the names of the columns of labels."""
        table = self._table
        return list(table.flags) if table else [name for item in self._told for name in item.labels]

    def splits(self) -> Sequence[str]:
        """Name the splits that a column of the table tells apart."""
        there = {line.split for line in self._table.lines} if self._table else ()
        return tuple(name for name in SPLITS if name in there)

    def listing(self, split: str) -> Listing:
        """List the pages of a split."""
        found = self._of_table(split) if self._table else self._of_metadata()
        people = len({item.subject for item in found.items})
        found.notes.append(AboutPeople(f"{plural(len(found.items), 'page')} of {plural(people, 'subject')}"))
        kinds = Counter(kind_of_page(item.name) for item in found.items)
        told = ", ".join(f"{kind or 'other'} {count}" for kind, count in sorted(kinds.items()))
        found.notes.append(f"kinds of picture: {told}")
        return found

    def _of_table(self, split: str) -> Listing:
        assert self._table is not None
        found, told = Listing(listed=TABLE, columns=self._table.flags), self.splits()
        there, seen = set(self._folders), dict[str, int]()
        for line in self._table.lines:
            if told and line.split != split:
                seen[line.file] = line.line
                continue
            name = line.file
            if name in seen:
                detail = f"lines {seen[name]} and {line.line} both name {name}"
                found.faults.append(Fault("index", TABLE, detail))
            elif name not in there:
                detail = f"has no {name}{PICTURE}, but line {line.line} of {TABLE} names it"
                found.faults.append(Fault("missing", name or TABLE, detail))
            else:
                subject = line.subject if line.subject is not None else subject_of(name)
                found.items.append(Item(f"{name}/{name}{PICTURE}", name, subject, line.flags))
            seen[name] = line.line
        if beside := sorted(there - set(seen)):
            found.notes.append(f"{plural(len(beside), 'page')} not in {TABLE} and left out: {some(beside)}")
        return found

    @cached_property
    def _told(self) -> list[Item]:
        """The pages by their metadata."""
        return [_by_metadata(self.path, name) for name in self._folders]

    def _of_metadata(self) -> Listing:
        if not any(item.labels for item in self._told):
            raise DataError(
                f"{self.path} holds pages without labels: no {TABLE}, and none in their metadata; give a"
                " table with --labels FILE, whose first line is 'file,subject,' and the labels"
            )
        columns = tuple(dict.fromkeys(name for item in self._told for name in item.labels))
        return Listing(list(self._told), columns=columns, notes=[f"no {TABLE}: labels are of the metadata"])


def folders(folder: Path) -> Sequence[str]:
    """Name the folders of pages in a folder; never raises."""
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if _FOLDER.fullmatch(one.name)]
    except OSError:
        return []
    return [name for name in names if (folder / name / f"{name}{PICTURE}").is_file()]


def subject_of(name: str) -> str:
    """Return whose a page is by its name, the name itself where it tells nothing.

    Example:
        >>> subject_of("h0003_v01_3x4+1_photo"), subject_of("a.png")
        ('h0003', 'a.png')
    """
    found = _FOLDER.fullmatch(name)
    return found["subject"] if found else name


def _by_metadata(folder: Path, name: str) -> Item:
    """Return a page by its metadata; raises DataError where they are damaged."""
    file = folder / name / f"{name}{ABOUT}"
    about: dict[str, Any] = {}
    if file.is_file():
        try:
            about = json.loads(text.read(file))
            labels = dict(about.get("labels") or {})
        except (OSError, ValueError, TypeError, AttributeError):
            raise DataError(f"{file} is damaged: no JSON object with labels; remove the page") from None
    else:
        labels = {}
    known = {str(key): None if value is None else int(bool(value)) for key, value in labels.items()}
    return Item(f"{name}/{name}{PICTURE}", name, str(about.get("subject") or subject_of(name)), known)
