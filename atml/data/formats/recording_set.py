"""Sets of whole recordings that go by what is said of each of them, in a table, a header or annotations.

What such formats share: which leads are read, by name; what is said of leads that are missing or don't fit
together; windows of one rhythm, and the account of the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32
from atml.data import windowing
from atml.data.episode import Episode
from atml.data.file_names import in_split
from atml.data.formats import wfdb_header, wfdb_record
from atml.data.formats.base import Format
from atml.data.formats.wfdb_header import Unusable
from atml.data.labelling import classes_of
from atml.data.leads import NoLead, meant
from atml.data.parsing import SPLITS, Fault, Parsed, look_at, some
from atml.data.rates import Rate
from atml.data.reading import Reading
from atml.data.stretch import Stretch
from atml.data.windowing import Recording
from atml.errors import DataError

LIMBS = ("i", "ii", "iii")
"""Leads of which the second is the sum of the other two, in lower case (Einthoven's law)."""

MISFIT = 0.5
"""Largest share of the limb leads' size that may be missing in that sum."""


@dataclass(frozen=True)
class Opened:
    """A recording whose signal is not yet read: ``rate`` in Hz, names of its leads in their order.

    ``load`` returns some leads, ``(leads, samples)``; ``told`` the stretches that its own annotations name,
    given samples and leads, None where it has none. ``notes`` tell what was assumed or passed over.
    """

    rate: Rate
    leads: tuple[str, ...]
    load: Callable[[Sequence[int]], Float32]
    told: Callable[[int, Sequence[int]], list[Stretch]] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """A recording that is in a set: its file, what to call it, whose it is, its rhythm.

    ``rhythm`` None says that its own annotations tell it.
    """

    file: str
    name: str
    subject: str
    rhythm: str | None


@dataclass
class Listing:
    """The recordings of a split, the file that lists them if one does, what is wrong or worth a note."""

    items: list[Item] = field(default_factory=list)
    listed: str = ""
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def splits_of(files: Iterable[str]) -> tuple[str, ...]:
    """Name the splits whose folder, train_data or test_data, holds some of these files."""
    there = {file.partition("/")[0].casefold() for file in files}
    return tuple(split for split in SPLITS if f"{split}_data" in there)


def apart(files: Sequence[str], what: str) -> list[str]:
    """Say whether folders tell train from test, and which files, called ``what``, lie in neither."""
    if not splits_of(files):
        return ["neither train_data nor test_data inside: train and test are not told apart"]
    beside = [name for name in files if all(in_split(name, split) is None for split in SPLITS)]
    if not beside:
        return []
    return [f"{len(beside)} {what} are in neither train nor test, and left out: {some(beside)}"]


def wfdb_opened(folder: Path, name: str) -> Opened:
    """Read the header of a WFDB record; raises `Unusable`."""
    head = wfdb_header.header(folder, name)
    wfdb_header.check_lines(folder, head)
    return Opened(head.rate, head.leads, lambda leads: wfdb_record.signal(folder, head, leads))


class RecordingSet(Format):
    """What such formats share; one says which recordings there are, and how to open one."""

    chooses_leads = recordings = True

    @abstractmethod
    def listing(self, split: str) -> Listing:
        """List the recordings of a split; raises DataError where that can't be done."""

    @abstractmethod
    def opened(self, item: Item) -> Opened:
        """Open a recording without reading its signal; raises `Unusable`."""

    @property
    def statements(self) -> Sequence[str]:
        """Return all names that a task's label may be asked about."""
        return ()

    @property
    def options(self) -> tuple[object, ...]:
        """The leads that are wanted, and how the task takes what is said of the recordings."""
        table = classes_of(sorted(set(self.statements)), self.asked.task, self.asked.label)
        return (self.asked.leads, sorted((name, -1 if of is None else of) for name, of in table.items()))

    def read(self, split: str) -> Parsed:
        """Read one split: adjacent windows of each recording at the task's rate.

        Raises:
            DataError: No such split, not as many leads asked for as the task has, nothing to read.
        """
        found = self._listing(split)
        recordings = self._recordings(found, self.reading)
        parsed = windowing.parse(self.path, recordings, self.asked.task, self.reading)
        parsed.faults[:0] = found.faults
        parsed.notes += found.notes
        parsed.listed = found.listed
        return parsed

    def whose(self, split: str) -> Iterator[tuple[str, str]]:
        """Name the recordings of a split and their subjects."""
        return ((item.name, item.subject) for item in self._listing(split).items)

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the stretches that hold more than a window; raises as `read` does, and for a fault."""
        task, found = self.asked.task, self._listing(split)
        records = self._recordings(found, Reading(self.path))
        result = [item for record in records for item in windowing.episodes(record, task)]
        if found.faults:
            first, path = found.faults[0], self.path
            raise DataError(f"{path / first.file}: {first.detail}; see {look_at(path)}")
        return result

    def _listing(self, split: str) -> Listing:
        asked, task = self.asked.leads, self.asked.task
        if asked and len(asked) != task.leads:
            raise DataError(
                f"--lead {' '.join(asked)} names {len(asked)} leads, task {task.name!r} has {task.leads}"
            )
        there = self.splits()
        if there and split not in there:
            raise DataError(f"no {split} split in {self.path}: it holds {', '.join(there)} only")
        return self.listing(split)

    def _recordings(self, found: Listing, reading: Reading) -> Iterator[Recording]:
        """Read one recording after the other; what can't be used becomes a fault or is left out and said."""
        seen = _Leads(self.asked.leads, self.asked.task.leads)
        said: dict[str, list[str]] = {}
        reading.expect(len(found.items), "recordings")
        for item in found.items:
            if past := windowing.past(reading, item.name, item.subject):
                seen.again(past)
                for note in past.about["notes"]:
                    said.setdefault(note, []).append(item.name)
                yield past
                continue
            try:
                opened = self.opened(item)
                numbers = seen.choose(item.name, opened)
                if numbers is None:
                    continue
                x = seen.load(item.name, opened, numbers)
                if item.rhythm is not None:
                    stretches = [Stretch(0, x.shape[1], item.rhythm)]
                else:
                    stretches = opened.told(x.shape[1], numbers) if opened.told else []
            except Unusable as error:
                found.faults.append(error.fault)
                continue
            for note in opened.notes:
                said.setdefault(note, []).append(item.name)
            about = {"notes": opened.notes, **seen.about(item.name, opened)}
            yield Recording(item.name, item.subject, opened.rate, x, stretches, about=about)
        found.faults += seen.faults()
        found.notes += seen.notes()
        found.notes += [f"{note}: {len(names)} recordings, {some(names)}" for note, names in said.items()]


class _Leads:
    """Which leads were taken of the recordings of a set, by name, and what is odd about them.

    Where none are asked for, the first leads of the first recording name those that are taken of all.
    """

    def __init__(self, wanted: Sequence[str], count: int) -> None:
        self.wanted, self.count = tuple(wanted), count
        self.first: dict[str, tuple[str, ...]] = {}
        self.lacking: dict[str, str] = {}
        self.order: dict[tuple[str, ...], list[str]] = {}
        self.misfit: list[str] = []

    def choose(self, name: str, opened: Opened) -> list[int] | None:
        """Return the numbers of the leads to take of a recording, None where it lacks one."""
        there = opened.leads
        if len(there) < self.count:
            detail = f"has {len(there)} leads, the task {self.count}"
            raise Unusable("lead", name, detail)
        wanted = self.wanted or next(iter(self.first.values()), there[: self.count])
        self.order.setdefault(tuple(lead.casefold() for lead in there), []).append(name)
        try:
            first = not self.wanted and there[: self.count] == wanted
            chosen = list(range(self.count)) if first else meant(there, wanted)
        except NoLead as error:
            self.lacking[name] = f"has no lead {error.entry!r}; its leads are {', '.join(there)}"
            return None
        if not self.first:
            self.first[name] = wanted
        return chosen

    def about(self, name: str, opened: Opened) -> dict[str, Any]:
        """Return what `again` needs to know of a recording that was read."""
        return {"leads": opened.leads, "misfit": name in self.misfit[-1:]}

    def again(self, past: Recording) -> None:
        """Count a recording that an interrupted reading has read."""
        leads = tuple(past.about["leads"])
        self.choose(past.name, Opened(past.rate, leads, lambda numbers: past.x))
        if past.about["misfit"]:
            self.misfit.append(past.name)

    def load(self, name: str, opened: Opened, numbers: list[int]) -> Float32:
        """Read the leads, and see whether the limb leads fit together."""
        lower = [lead.casefold() for lead in opened.leads]
        if not all(lead in lower for lead in LIMBS):
            return opened.load(numbers)
        limbs = [lower.index(lead) for lead in LIMBS]
        every = sorted({*numbers, *limbs})
        try:
            x = opened.load(every)
        except Unusable:  # it may be of a lead that is not wanted
            return opened.load(numbers)
        first, second, third = (x[every.index(at)].astype(np.float64) for at in limbs)
        with np.errstate(invalid="ignore"):
            rest = np.nanmean((second - first - third) ** 2) if np.isfinite(second).any() else 0.0
            size = max(np.nanmean((lead - np.nanmean(lead)) ** 2) for lead in (first, second, third))
        if size > 0 and rest > MISFIT**2 * size:
            self.misfit.append(name)
        return np.ascontiguousarray(x[[every.index(at) for at in numbers]])

    def faults(self) -> list[Fault]:
        """Return that nothing has the lead, where nothing has."""
        if self.first or not self.lacking:
            return []
        name, detail = next(iter(self.lacking.items()))
        return [Fault("lead", name, detail)]

    def notes(self) -> list[str]:
        """Say which recordings lack a lead, have another order of leads, or leads that don't fit together."""
        notes = []
        if self.first and self.lacking:
            name, detail = next(iter(self.lacking.items()))
            more = f"{len(self.lacking)} recordings lack a lead that is wanted and are left out: "
            notes.append(f"{more}{some(list(self.lacking))}; {name} {detail}")
        if len(self.order) > 1:
            each = sorted(self.order.items(), key=lambda item: -len(item[1]))
            other = [name for _, names in each[1:] for name in names]
            notes.append(
                f"{len(other)} recordings have other leads or another order of leads than most, "
                f"which are taken by name: {some(sorted(other))}"
            )
        if self.first and not self.wanted:
            notes.append(
                f"lead {' and '.join(next(iter(self.first.values())))} of each: --lead takes another"
            )
        if self.misfit:
            notes.append(
                f"in {len(self.misfit)} recordings lead II is not I + III: leads may be swapped or misnamed: "
                f"{some(self.misfit)}"
            )
        return notes
