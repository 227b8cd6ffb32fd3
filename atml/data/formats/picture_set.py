"""Sets of pictures: pages of ECG and what is known of them, brought to the size of the task."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atml.arrays import UInt8, evenly
from atml.data import pictures
from atml.data.cases import PAGE
from atml.data.formats.base import Format
from atml.data.label_names import joined
from atml.data.parsing import Fault, Files, Parsed, assemble, some
from atml.data.reading import Part
from atml.errors import DataError, MissingExtraError
from atml.formatting import plural
from atml.pages import picture_file
from atml.pages.picture import pillow
from atml.tasks.task import MULTILABEL

TOGETHER = 32
"""Files that are read before what came of them is kept."""

SOME = 12
"""Most pages of a set that a grid is looked for on: it takes a twentieth of a second and more."""

GRID_SIDE, LEAST_SIDE = 336, 160
"""Pixels of the longer side that a grid is looked for with, and of the shorter from which it can be seen."""

THREADS = 4
"""Most files that are decoded at once."""


@dataclass(frozen=True)
class Item:
    """A file in a set, what to call it, whose it is, and its labels: 1, 0, or None where nobody knows.

    A file of several pages, a PDF or a TIFF, is one item; a label that is not named is 0.
    """

    file: str
    name: str
    subject: str
    labels: Mapping[str, int | None]


@dataclass
class Listing:
    """The pages of a split, the file that lists them if one does, what is wrong or worth a note.

    ``columns`` are the labels that it tells of; None where whatever is not named is not there.
    """

    items: list[Item] = field(default_factory=list)
    listed: str = ""
    columns: tuple[str, ...] | None = None
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class PictureSet(Format):
    """What such formats share; one says which pages there are."""

    pictures = True

    @abstractmethod
    def listing(self, split: str) -> Listing:
        """List the pages of a split; raises DataError where that can't be done."""

    @property
    def statements(self) -> Sequence[str]:
        """Return all names of labels that the task may be asked about."""
        return ()

    @property
    def options(self) -> tuple[object, ...]:
        """How pictures are brought to size, and how the task takes the names of labels."""
        return (pictures.VERSION, sorted(self.known(self.statements).items()))

    def known(self, names: Sequence[str]) -> dict[str, int]:
        """Return which of these names the task knows, in the order of its labels."""
        label = self.asked.label
        told = {name: label(name) for name in dict.fromkeys(names)}
        known = {name: value for name, value in told.items() if value is not None}
        return dict(sorted(known.items(), key=lambda item: item[1]))

    def whose(self, split: str) -> Iterator[tuple[str, str]]:
        """Name the pages of a split and their subjects."""
        return ((item.name, item.subject) for item in self._listing(split).items)

    def read(self, split: str) -> Parsed:
        """Read one split: each page at the task's size.

        Raises:
            DataError: No such split, nothing to read, or a label of the task that nothing here tells of.
            MissingExtraError: Pillow is not installed, or what reads a PDF.
        """
        found = self._listing(split)
        known = self._asked_about(found)
        parts, told = self._parts(found.items)
        files = Files(
            place=np.array([item.name for item in found.items], np.str_),
            subject=np.array([item.subject for item in found.items], np.str_),
            rhythm=np.array([joined(item.labels, known) for item in found.items], np.str_),
            given=np.full(len(found.items), -1, np.int64),
        )
        notes = [*found.notes, *_passed_over(found.items, known), *_looks(told, self._size)]
        parsed = assemble(self.path, files, parts, found.faults, notes, self.reading.blocks())
        parsed.listed, parsed.case = found.listed, PAGE
        return parsed

    @property
    def _size(self) -> tuple[int, int]:
        size = self.asked.task.picture
        assert size is not None
        return size

    def _listing(self, split: str) -> Listing:
        there = self.splits()
        if there and split not in there:
            raise DataError(f"no {split} split in {self.path}: it holds {', '.join(there)} only")
        found = self.listing(split)
        if not found.items and not found.faults:
            raise DataError(f"{self.path} holds no page; give a folder with pictures and a table of labels")
        return found

    def _asked_about(self, found: Listing) -> dict[str, int]:
        """Return the names that the task knows; raises DataError where a label of its is told of nowhere."""
        task = self.asked.task
        names = found.columns or [name for item in found.items for name in item.labels]
        known = self.known(names)
        if task.kind != MULTILABEL or found.columns is None:
            return known
        told, there = 0, [name for name in found.columns if _told_of(name, found.items)]
        for name in there:
            told |= known.get(name, 0)
        if missing := [name for bit, name in enumerate(task.classes) if not told >> bit & 1]:
            raise DataError(
                f"{self.path}: {found.listed or 'the labels'} says nothing of {some(missing, 12)}, which task"
                f" {task.name!r} asks about, only of {some(there, 12) or 'none'}; add that, or give a task"
                " without"
            )
        return known

    def _parts(self, items: Sequence[Item]) -> tuple[list[Any], dict[str, list[str]]]:
        """Read all files, some at a time; return their rows, and names of those that look odd, by how."""
        reading = self.reading
        reading.expect(len(items), "pages")
        parts, told = [], dict[str, list[str]]()
        asked = {items[at].name for at in evenly(len(items), SOME).tolist()} if items else set()
        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            for at in range(0, len(items), TOGETHER):
                some_items = items[at : at + TOGETHER]
                key = f"{at} {some_items[0].name}"
                part = reading.finished(key)
                if part is None:
                    read = list(pool.map(lambda item: self._pages(item, item.name in asked), some_items))
                    looks = [
                        (item.name, look)
                        for item, one in zip(some_items, read, strict=True)
                        for look in one.looks
                    ]
                    rows = pictures.make([one.held for one in read], self._size)
                    reading.add(rows.x)
                    part = reading.close(Part(key, rows, {"looks": looks}))
                for name, look in part.about["looks"]:
                    told.setdefault(look, []).append(name)
                parts.append(part.rows)
                reading.passed(len(some_items))
        return parts, told

    def _pages(self, item: Item, look: bool) -> _Read:
        """Read a file at the task's size; with ``look``, look for a grid as well."""
        path = self.path / item.file
        try:
            pages = picture_file.open_pages(path)
        except MissingExtraError:
            raise
        except DataError as error:
            detail = str(error).removeprefix(f"{path}").lstrip(": ")
            return _Read(("picture", detail), ())
        except OSError as error:
            return _Read(("picture", error.strerror or str(error)), ())
        tall, wide = pages[0].shape[:2]
        odd = (("on its side", tall > wide), ("small", self._enlarged(tall, wide)))
        looks = [name for name, so in odd if so]
        if look:
            looks.append("looked at")
            looks += [] if has_grid(pages[0]) else ["without grid"]
        fitted: list[UInt8] = [pictures.fit(page, self._size) for page in pages]
        return _Read((fitted, pictures.code(tall, wide)), tuple(looks))

    def _enlarged(self, tall: int, wide: int) -> bool:
        rows, columns = self._size
        return tall < 0.9 * rows and wide < 0.9 * columns


@dataclass(frozen=True)
class _Read:
    """What `pictures.make` takes of a file, and how the picture looks odd."""

    held: tuple[list[UInt8], int] | tuple[str, str]
    looks: tuple[str, ...]


def _told_of(name: str, items: Sequence[Item]) -> bool:
    """Tell whether anything is known of a label."""
    return any(item.labels.get(name, 0) is not None for item in items)


def _passed_over(items: Sequence[Item], known: Mapping[str, int]) -> list[str]:
    """Say which labels are true of pages and are none that the task asks about."""
    count: dict[str, int] = {}
    for item in items:
        for name, value in item.labels.items():
            if value and name not in known:
                count[name] = count.get(name, 0) + 1
    if not count:
        return []
    told = [f"{name!r} ({pages})" for name, pages in sorted(count.items(), key=lambda one: -one[1])]
    return [f"labels that the task does not ask about are passed over: {some(told, 8)}"]


def _looks(told: Mapping[str, Sequence[str]], size: tuple[int, int]) -> list[str]:
    """Say which pictures look odd."""
    notes = []
    if names := told.get("on its side"):
        notes.append(
            f"{plural(len(names), 'picture')} higher than wide, which may be a page on its side; nothing is"
            f" turned but by its EXIF: {some(names)}"
        )
    if names := told.get("small"):
        notes.append(
            f"{plural(len(names), 'picture')} smaller than the task's {size[0]} x {size[1]} pixels and"
            f" enlarged: {some(names)}"
        )
    if names := told.get("without grid"):
        notes.append(
            f"no grid was found on {len(names)} of {plural(len(told['looked at']), 'page')} looked at, which"
            f" may be no ECG on paper: {some(names)}"
        )
    return notes


def has_grid(rgb: UInt8) -> bool:
    """Tell whether a grid is seen on a page ``(rows, columns, 3)``; one too small to see any has one.

    Example:
        >>> has_grid(np.full((200, 300, 3), 250, np.uint8))
        False
    """
    from atml.digitising.sight import seen

    if min(rgb.shape[:2]) < LEAST_SIDE:
        return True
    if (scale := GRID_SIDE / max(rgb.shape[:2])) < 1:
        wide, tall = (max(1, round(n * scale)) for n in (rgb.shape[1], rgb.shape[0]))
        image = pillow("reading pictures")
        rgb = np.asarray(image.fromarray(rgb).resize((wide, tall), image.Resampling.BOX), np.uint8)
    if min(rgb.shape[:2]) < LEAST_SIDE:
        return True
    return seen(rgb) is not None
