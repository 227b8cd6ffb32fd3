r"""Who a recording is of, as ``--subjects`` has it: a table of recordings and subjects, or a pattern.

A table names a recording by its place in the set, or by the end of it ("r1" for "2021/r1.hea"), or by what
the data call its subject. A pattern is a regular expression that has to fit the whole name of a recording,
its folder not counted unless the pattern has a slash; the subject is what its brackets hold. Rows of an
array have no name but that of their subject; where they have none, of their record, or their number: "row 0",
in a table also "0".
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from atml.data import text
from atml.data.episode import Episode
from atml.data.formats import label_table
from atml.data.parsing import AboutPeople, Parsed, some
from atml.data.subjects import NOBODY, endings, one_spelling, person
from atml.data.windowing import AT
from atml.errors import DataError

AS_GIVEN = "data"
"""What ``--subjects`` calls the names that the data give."""

_FILE = re.compile(
    r"\.(txt|csv|tsv|edf|bdf|hea|dat|mat|atr|png|jpe?g|tiff?|bmp|webp|gif|pdf|heic)$", re.IGNORECASE
)


@dataclass(frozen=True)
class SubjectMap:
    """A mapping of recordings to subjects: one of ``pattern`` and ``file`` says it, ``option`` as given."""

    option: str
    pattern: re.Pattern[str] | None = None
    file: Path | None = None
    table: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def identity(self) -> str:
        """A hash that changes with what it says."""
        told = self.pattern.pattern if self.pattern else repr(sorted(self.table.items()))
        return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()

    def applied(self, parsed: Parsed) -> Parsed:
        """Return a parsed split with its subjects by this mapping.

        Raises:
            DataError: A recording that the table lacks or that the pattern does not fit.
        """
        files = parsed.files
        known = self._people(
            {
                *zip(map(_record, files.place.tolist()), files.subject.tolist(), strict=True),
                *((account.record, account.subject) for account in parsed.seconds),
            }
        )
        pairs = zip(map(_record, files.place.tolist()), files.subject.tolist(), strict=True)
        names = np.array([known[pair] for pair in pairs], np.str_)
        notes = [note for note in parsed.notes if not isinstance(note, AboutPeople)]
        told = f"{len({place for place, _ in known if place} or known)} recordings" if known else "nothing"
        told = f"subjects by --subjects {self.option}: {told} of {len(set(known.values()))} people"
        return replace(
            parsed,
            files=replace(files, subject=names),
            faults=[fault for fault in parsed.faults if fault.kind != "subject"],
            notes=[*notes, told],
            seconds=[replace(part, subject=known[part.record, part.subject]) for part in parsed.seconds],
        )

    def of_episodes(self, episodes: Iterable[Episode]) -> list[Episode]:
        """Return episodes with their subjects by this mapping; raises DataError as `applied`."""
        every = list(episodes)
        known = self._people({(_record(one.place), one.subject) for one in every})
        return [replace(one, subject=known[_record(one.place), one.subject]) for one in every]

    def names(self, listed: Iterable[tuple[str, str]]) -> set[str]:
        """Name the subjects of recordings ``(place, subject in the data)``, of those that it tells."""
        told = (self._told(_record(place), given, {}) for place, given in listed)
        return {name for name in told if name is not None}

    def _told(self, place: str, given: str, used: dict[str, set[str]]) -> str | None:
        return self._fitted(place or given) if self.pattern else self._listed(place, given, used)

    def _people(self, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Map each recording, and what the data call its subject, to its subject; "" is no recording."""
        found, missing = {}, []
        used: dict[str, set[str]] = {}
        for place, given in sorted(asked):
            name = self._told(place, given, used)
            if name is None:
                missing.append(place or given)
            else:
                found[place, given] = name
        if missing:
            names = some([repr(name) for name in missing])
            if self.pattern:
                raise DataError(
                    f"--subjects '{self.option}' does not fit {names}: a pattern has to fit the whole name of"
                    " every recording"
                )
            raise DataError(f"--subjects {self.option} has no line for {names}: add it")
        for entry, places in used.items():
            if len(places) > 1:
                raise DataError(
                    f"--subjects {self.option}: {entry!r} may be {some(sorted(places))}: give their"
                    " folders too"
                )
        chosen, _ = one_spelling(np.array(list(found.values()), np.str_))
        return dict(zip(found, chosen.tolist(), strict=True))

    def _fitted(self, name: str) -> str | None:
        assert self.pattern is not None
        name = name if "/" in self.pattern.pattern else name.rpartition("/")[2]
        held = self.pattern.fullmatch(name)
        told = next((part.strip() for part in held.groups() if part and part.strip()), None) if held else None
        return None if told is None or person(told) in NOBODY else told

    def _listed(self, place: str, given: str, used: dict[str, set[str]]) -> str | None:
        for name in endings(place) if place else ():
            if (key := person(name)) in self.table:
                used.setdefault(name, set()).add(place)
                return self.table[key]
        return self.table.get(person(given), self.table.get(person(given).removeprefix("row ")))


def meant(option: os.PathLike[str] | str | None) -> SubjectMap | None:
    r"""Return what ``--subjects`` means; None for nothing, and for "data": the names that the data give.

    Raises:
        DataError: Neither a file nor a pattern with brackets; a table that can't be read.

    Example:
        >>> told = meant(r"p(\d+)_.*")
        >>> told.pattern.fullmatch("p07_s2")[1], meant("data")
        ('07', None)
    """
    given = os.fspath(option) if option is not None else ""
    if given in ("", AS_GIVEN):
        return None
    try:
        is_file = Path(given).is_file()
    except (OSError, ValueError):
        is_file = False
    if is_file:
        return SubjectMap(given, file=Path(given), table=_read(Path(given)))
    try:
        pattern = re.compile(text.name(given))
    except re.error as error:
        raise DataError(f"--subjects '{given}' is no file, and no pattern either: {error}") from None
    if not pattern.groups:
        raise DataError(
            f"--subjects '{given}': no such file; a pattern has brackets around the subject, such as"
            r" 'p(\d+)_.*'"
        )
    return SubjectMap(given, pattern=pattern)


def kept_as(option: str) -> str:
    """Return what a study keeps of ``--subjects``: a table by its whole path, all else as it is."""
    told = meant(option)
    return str(told.file.resolve()) if told is not None and told.file is not None else option


def without_folder(option: str) -> str:
    """Return ``--subjects`` without the folders of a table: what a file that travels may hold."""
    try:
        told = meant(option)
    except DataError:  # a table that is gone by now
        return Path(option).name
    return told.file.name if told is not None and told.file is not None else option


def _read(file: Path) -> dict[str, str]:
    """Read a table: recording and subject, in this order or by the names of the columns."""
    lines = label_table.lines(file)
    first = next(((number, line) for number, line in lines), None)
    if first is None:
        raise DataError(f"{file} lists no recording")
    columns = label_table.columns_of_people(first[1])
    if columns is None and len(first[1]) != 2:
        raise DataError(f"{file} has no columns recording and subject: its first line is {first[1][:4]}")
    recording, subject = columns or (0, 1)
    found: dict[str, str] = {}
    for number, line in lines[1:] if columns else lines:
        if len(line) <= max(recording, subject):
            raise DataError(f"{file} line {number} has {len(line)} columns: give recording,subject")
        name = _FILE.sub("", line[recording].strip().replace("\\", "/")).removeprefix("./")
        who = label_table.whole(line[subject])
        if not name or person(who) in NOBODY:
            raise DataError(f"{file} line {number} names no {'subject' if name else 'recording'}: {line}")
        if person(found.setdefault(person(name), who)) != person(who):
            raise DataError(f"{file} line {number} gives {name!r} to {who!r}, an earlier one to another")
    if not found:
        raise DataError(f"{file} lists no recording")
    return found


def _record(place: str) -> str:
    """Return the name of a recording, by what a message calls it; "" for a row, which has none."""
    if re.fullmatch(r"row \d+", place):
        return ""
    return _FILE.sub("", place.rpartition(AT)[0] or place)
