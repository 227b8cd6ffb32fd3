"""Contest sets: a folder or an archive of text files, one a segment, whose names tell subject and rhythm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.data.episode import Episode, from_segments
from atml.data.file_tree import TAR_ENDINGS, find
from atml.data.formats import contest_reader, contest_text
from atml.data.formats.base import Asked, Format
from atml.data.formats.contest_columns import Columns, parse, told_by
from atml.data.formats.contest_text import Layout
from atml.data.formats.number_text import BadText
from atml.data.labelling import call
from atml.data.parsing import Files, Parsed, assemble, at_rates
from atml.data.rates import shown
from atml.data.rows import Shape
from atml.errors import DataError

FIRST = 5
"""Files that are looked at for one that can be read."""


class ContestFolder(Format):
    """Folders or archives of ``SUBJECT-LABEL-INDEX.txt``; its layout is found when it is first asked for."""

    def __init__(self, path: Path, asked: Asked) -> None:
        super().__init__(path, asked)
        self.source = find(path)

    @staticmethod
    def recognises(path: Path) -> bool:
        """Take any folder or archive: asked last, it says what there is in place of segments."""
        return path.is_dir() or path.name.lower().endswith((*TAR_ENDINGS, ".zip"))

    @property
    def identity(self) -> str:
        """Hash names, sizes and times of all files, or of an archive its ends."""
        return self.source.identity

    @cached_property
    def layout(self) -> Layout:
        """Which files are in which split."""
        return contest_text.layout(self.source)

    @cached_property
    def _first(self) -> tuple[str, Columns | None]:
        """The first file that is one of numbers, and its columns; None for plain numbers in all."""
        every = sorted(segment.name for part in self.layout.splits.values() for segment in part)
        with self.source.opened() as reading:
            for name, raw in reading(every[:FIRST]):
                if isinstance(raw, bytes):
                    with contextlib.suppress(BadText):
                        return name, told_by(raw)
        return "", None

    @cached_property
    def chooses_leads(self) -> bool:  # type: ignore[override]
        """Whether files have several columns that may be signals."""
        return self._first[1] is not None and len(self._first[1].names) > 1

    @cached_property
    def columns(self) -> Columns | None:
        """The columns of all files, None for plain numbers; raises DataError where it takes a choice."""
        name, columns = self._first
        return None if columns is None else columns.chosen(call(self.path, name), self.asked.leads)

    @cached_property
    def shape(self) -> Shape:
        """What rows must be, and the rate of files; raises DataError where they tell another than asked."""
        task, rate = self.asked.task, self.asked.sampling_rate
        told = self.columns.rate if self.columns else None
        if None not in (told, rate) and told != rate:
            raise DataError(
                f"the files of {self.path} tell {shown(told or 0)} Hz, --sampling-rate says {rate}: leave it"
                " out"
            )
        return Shape(task.sampling_rate, task.window, task.leads, told or rate, contest_text.PUBLISHED)

    @property
    def options(self) -> tuple[object, ...]:
        """The column that is wanted."""
        return (self.asked.leads,) if self.asked.leads else ()

    def splits(self) -> Sequence[str]:
        """Name the splits."""
        return () if self.layout.bare else tuple(self.layout.splits)

    def read(self, split: str) -> Parsed:
        """Read one split.

        Raises:
            DataError: The set has no such split, or the task has more than the one lead of a text file; there
                are several columns, and no word on which is the signal.
        """
        source, layout, leads = self.source, self.layout, self.asked.task.leads
        if leads != 1:
            raise DataError(f"contest text in {source.path} has one lead, the task {leads}: use an .npz")
        wanted = "train" if layout.bare else split
        if wanted not in layout.splits:
            raise DataError(f"no {split} split in {source.path}: it holds {', '.join(layout.splits)} only")
        columns, shape = self.columns, self.shape
        notes = list(layout.notes)
        if columns is not None and columns.dropped:
            notes.append(f"columns that are no leads are passed over: {', '.join(columns.dropped)}")
        if layout.bare:
            notes.append("no train_data, test_data or data_indices inside: nothing separates train from test")
        segments = {segment.name: segment for segment in layout.splits[wanted]}
        chunks = contest_reader.read(source, list(segments), shape, columns=columns, reading=self.reading)
        names = [name for part, _ in chunks for name in part]
        listed = [segments[name] for name in names]
        files = Files(
            place=np.array(names, np.str_),
            subject=np.array([segment.subject for segment in listed], np.str_),
            rhythm=np.array([segment.rhythm for segment in listed], np.str_),
            given=np.array([-1 if item.positive is None else item.positive for item in listed], np.int64),
        )
        faults = layout.faults.get(wanted, [])
        blocks = self.reading.blocks()
        parsed = assemble(source.path, files, [rows for _, rows in chunks], faults, notes, blocks)
        parsed.notes += _taken_for(parsed, shape)
        parsed.listed = layout.listed.get(wanted, "")
        return parsed

    def whose(self, split: str) -> Iterator[tuple[str, str]]:
        """Name the segments of a split and their subjects."""
        return ((segment.name, segment.subject) for segment in self.layout.splits.get(split, ()))

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the segments that are longer than a window, of rates that are given or published."""
        task, rate = self.asked.task, self.shape.given
        samples, published = contest_text.PUBLISHED
        if rate is None and samples * task.sampling_rate <= task.window * published:
            return ()
        rows = self._segments(split)
        long = (part for part in rows if rate is not None or part[3].size == samples)
        return from_segments(long, task, rate or published)

    def _segments(self, split: str) -> Iterator[tuple[str, str, str, npt.NDArray[np.floating]]]:
        """Read name, subject, rhythm and samples of each segment but flat ones, which opening leaves out."""
        source, layout, columns = self.source, self.layout, self.columns
        listed = {
            segment.name: segment for segment in layout.splits.get("train" if layout.bare else split, [])
        }
        with source.opened() as reading:
            for name, raw in reading(sorted(listed)):
                try:
                    if isinstance(raw, str):
                        raise BadText(raw)
                    values = parse(raw, columns)
                except BadText as error:
                    raise DataError(f"{call(source.path, name)}: {error}") from None
                if len(values) and values.min() < values.max():
                    yield name, listed[name].subject, listed[name].rhythm, values[None]


def _taken_for(parsed: Parsed, shape: Shape) -> list[str]:
    """Say which length the segments were taken for, where no file and no person told."""
    samples, rate = contest_text.PUBLISHED
    if shape.given is not None:
        return at_rates([shape.given], shape.sampling_rate)
    if samples == shape.window or not (parsed.length == samples).any():
        return []
    seconds, window = samples / rate, shape.window / shape.sampling_rate
    count = int(seconds / window + 1e-9)
    if not count:
        return []
    left = seconds - count * window
    lost = f"; the last {left:g} s is not used" if left > 1e-9 else ""
    return [
        f"segments of {samples} samples are taken for {seconds:g} s at {rate} Hz, and cut into "
        f"{count} window{'s' if count > 1 else ''} of {window:g} s{lost}",
        *at_rates([rate], shape.sampling_rate),
    ]
