"""What a format of data sets is: how it tells a set that is its own, and how it reads one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atml.data import file_tree
from atml.data.episode import Episode
from atml.data.formats.subject_map import SubjectMap
from atml.data.labelling import Label
from atml.data.parsing import Files, Parsed, assemble, at_rates
from atml.data.reading import Reading, without_x
from atml.data.rows import Rows, Shape, make
from atml.data.windowing import Recording
from atml.tasks.task import Task

BLOCK = 1000
"""Segments that are handled at once."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked of every set: the task, its labels, and how to read what does not say it.

    ``sampling_rate`` (Hz) is that of files that don't tell; ``leads`` holds one entry a lead of the task,
    each a comma list of names or numbers to take the first of that is there, or nothing for the first leads.
    ``labels`` is a table of the recordings of a folder that names their labels nowhere else; ``subjects``
    says whose each recording is, None where the data do.
    """

    task: Task
    label: Label
    sampling_rate: int | None = None
    leads: tuple[str, ...] = ()
    labels: Path | None = None
    subjects: SubjectMap | None = None


class Segment(NamedTuple):
    """One segment: ``x (leads, samples)``, or kind and detail of a fault where it can't be read.

    ``place`` is what to call it in a message, ``given`` the label that the data give beside the rhythm: 1
    for the positive class, 0 for any other, -1 for none.
    """

    place: str
    subject: str
    rhythm: str
    x: npt.NDArray[np.floating] | tuple[str, str]
    given: int = -1


class Format(ABC):
    """A format. An instance is one data set of it: what lies at ``path``, read as ``asked``.

    A format of one's own says how to recognise a set and how to read a split, and is put into
    `atml.data.formats.FORMATS` under a name of its own. The rest has defaults.
    """

    chooses_leads = False
    """Whether ``--lead`` chooses among the leads of a set."""
    tells_rate = False
    """Whether the set tells its own rate, so that ``--sampling-rate`` would contradict it."""
    millivolts = False
    """Whether the values are known to be in mV."""
    recordings = False
    """Whether rows are windows of recordings, made by `atml.data.windowing.parse`."""
    pictures = False
    """Whether it holds pictures of pages, and no signals."""
    beats = False
    """Whether single beats are annotated, so that rows can be windows round them."""

    def __init__(self, path: Path, asked: Asked) -> None:
        self.path, self.asked = path, asked
        self.reading = Reading(path)
        """Takes the rows that `read` makes, and is told how far it is."""

    @staticmethod
    @abstractmethod
    def recognises(path: Path) -> bool:
        """Tell whether a set of this format lies at ``path``, without reading much of it; never raises."""

    @abstractmethod
    def read(self, split: str) -> Parsed:
        """Read one split, "train" or "test"; where `splits` names none, all there is for either.

        Raises:
            DataError: Nothing can be read, in one line that names the file and the way out. What is wrong
                with one segment is a fault in what is returned.
        """

    @property
    def identity(self) -> str:
        """A hash that changes with the content: by it a parsed copy is found again."""
        return file_tree.find(self.path).identity if self.path.is_dir() else file_tree.identity(self.path)

    @property
    def options(self) -> tuple[object, ...]:
        """What a parsed copy depends on beside the identity, the split, the task and the rate.

        A number in here, raised whenever `read` changes, keeps copies of before from being used.
        """
        return ()

    def splits(self) -> Sequence[str]:
        """Name the splits that the set tells apart, of "train" and "test"; nothing where it tells none."""
        return ()

    def whose(self, split: str) -> Iterable[tuple[str, str]]:
        """Name the recordings of a split and their subjects, as `read` does; better without a signal."""
        files = self.read(split).files
        return zip(files.place.tolist(), files.subject.tolist(), strict=True)

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the stretches of one rhythm that are longer than a window, of all rhythms."""
        return ()

    def annotated(self, split: str) -> Iterator[Recording]:
        """Yield the recordings of a split, whole, with the annotations of their beats."""
        return iter(())

    def parsed(self, segments: Iterable[Segment], rate: int | None, notes: Sequence[str] = ()) -> Parsed:
        """Make what `read` returns of segments in mV: resampled from ``rate`` Hz, cut into windows, checked.

        Without a rate each segment must be exactly one window long.
        """
        task = self.asked.task
        shape = Shape(task.sampling_rate, task.window, task.leads, rate)
        about: list[Segment] = []
        parts: list[Rows] = []
        rest = iter(segments)
        while block := list(islice(rest, BLOCK)):
            about += [segment._replace(x=("", "")) for segment in block]
            rows = make([segment.x for segment in block], shape)
            self.reading.add(rows.x)
            parts.append(without_x(rows))
        files = Files(
            place=np.array([item.place for item in about], np.str_),
            subject=np.array([item.subject for item in about], np.str_),
            rhythm=np.array([item.rhythm for item in about], np.str_),
            given=np.array([item.given for item in about], np.int64),
        )
        notes = [*notes, *at_rates([rate], task.sampling_rate)]
        return assemble(self.path, files, parts, [], notes, self.reading.blocks())
