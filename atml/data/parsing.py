"""One split of a data set, read and parsed, with everything that is wrong with it; nothing is judged yet."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Inputs, Int64, Strings
from atml.data.cases import WINDOW, Case
from atml.data.rates import Rate, shown
from atml.data.rows import DROPPED, Rows
from atml.data.subjects import NOBODY, one_spelling, person

SPLITS = ("train", "test")


class AboutPeople(str):
    """A note on who is who, void where ``--subjects`` says so."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with a data set: ``kind`` (one word or two), the file, and the detail."""

    kind: str
    file: str
    detail: str


@dataclass
class Files:
    """What is known of each file before it is read, all ``(files,)``.

    ``place`` is what to call one, ``given`` the label that the data themselves give, -1 where none: a class
    index if ``given_is_class``, else 1 for the positive class and 0 for any other. ``named`` says that
    ``rhythm`` is a rhythm and not only the name of the class.
    """

    place: Strings
    subject: Strings
    rhythm: Strings
    given: Int64
    given_is_class: bool = False
    named: bool = True

    def take(self, rows: Int64) -> Files:
        """Return the files of these numbers, in this order."""
        parts = {name: getattr(self, name)[rows] for name in ("place", "subject", "rhythm", "given")}
        return replace(self, **parts)


@dataclass(frozen=True)
class Seconds:
    """Time of one rhythm in one record: ``found``, ``kept`` in windows and ``left_out`` by reason, all in s.

    ``rhythm`` is "" where none is annotated. What is kept and what is left out add up to what was found.
    """

    record: str
    subject: str
    rhythm: str
    found: float
    kept: float
    left_out: dict[str, float]


@dataclass
class Parsed:
    """Files and the rows that came of them; of long recordings, a file is one stretch of one rhythm.

    Of files, ``(files,)``: ``length`` in samples as stored (-1: not read), ``low`` and ``high`` the
    range of values (NaN: not read). Of rows: ``blocks`` of x, ``owner (rows,)`` file numbers and
    ``digest (rows, 16)``. Of long recordings, ``seconds`` of each rhythm in each record.
    """

    path: Path
    files: Files
    length: Int64
    low: Float32
    high: Float32
    blocks: list[Inputs]
    owner: Int64
    digest: npt.NDArray[np.uint8]
    faults: list[Fault]
    notes: list[str]
    seconds: list[Seconds] = field(default_factory=list)
    case: Case = WINDOW
    """What a row is."""
    listed: str = ""
    """The file that lists what is in the set, "" where what is there counts."""

    def dropped(self) -> list[Fault]:
        """Faults that leave a row out."""
        return [fault for fault in self.faults if fault.kind in DROPPED]


def assemble(
    path: Path,
    files: Files,
    parts: Sequence[Rows],
    faults: Sequence[Fault],
    notes: Sequence[str],
    blocks: list[Inputs] | None = None,
) -> Parsed:
    """Join the parts; file numbers, which count within a part, become numbers of all files.

    ``blocks`` hold the rows of all parts where these have none.
    """
    starts = list(itertools.accumulate((len(part.length) for part in parts), initial=0))[:-1]
    both = list(zip(starts, parts, strict=True))
    found = [
        Fault(kind, str(files.place[start + at]), detail)
        for start, part in both
        for at, kind, detail in part.faults
    ]
    subject, several = one_spelling(files.subject)
    missing = [
        Fault("subject", str(files.place[at]), f"has no subject, only {str(files.subject[at])!r}")
        for at in np.flatnonzero([person(name) in NOBODY for name in subject.tolist()])
    ]
    parsed = Parsed(
        path=path,
        files=replace(files, subject=subject),
        length=_joined([part.length for part in parts], np.int64),
        low=_joined([part.low for part in parts], np.float32),
        high=_joined([part.high for part in parts], np.float32),
        blocks=[part.x for part in parts] if blocks is None else blocks,
        owner=_joined([start + part.owner for start, part in both], np.int64),
        digest=_joined([part.digest for part in parts], np.uint8).reshape(-1, 16),
        faults=[*faults, *missing, *found],
        notes=[*notes, *map(AboutPeople, _spellings(several))],
    )
    return parsed


def at_rates(rates: Iterable[Rate | None], wanted: int) -> list[str]:
    """Say from which rates, in Hz, signals were resampled to the one ``wanted``; nothing for no other.

    Of many rates the lowest and the highest are named.

    Example:
        >>> at_rates([250, 360, 360, None], 250)
        ['resampled from 360 Hz to 250 Hz']
    """
    others = sorted({rate for rate in rates if rate is not None and rate != wanted})
    if not others:
        return []
    named = ", ".join(map(shown, others)) if len(others) <= 6 else ""
    named = named or f"{len(others)} rates of {shown(others[0])} to {shown(others[-1])}"
    return [f"resampled from {named} Hz to {wanted} Hz"]


def _spellings(several: Sequence[Sequence[str]]) -> list[str]:
    """Say which names are taken for one person."""
    if not several:
        return []
    told = some([" and ".join(map(repr, names)) for names in several])
    return [f"names that differ in blanks, case or Unicode form alone are one subject: {told}"]


def _joined(arrays: list[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


def look_at(path: Path) -> str:
    """Return the command that shows all that is wrong with a set."""
    return f"`atml data inspect {shlex.quote(str(path))}` with the same options"


def some(names: Sequence[str], count: int = 3) -> str:
    """Name a few of many."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
