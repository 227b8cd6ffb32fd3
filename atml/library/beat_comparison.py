"""`atml.compare_beats`: annotations of beats judged by a reference as ANSI/AAMI EC57 does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml.data import text as any_text
from atml.errors import InputError
from atml.library.path_arguments import PathLike, paths
from atml.scoring import beat_records
from atml.scoring.rules.ec57 import (
    ESCAPES_AS_N,
    OFFICIAL,
    ROWS,
    BeatTable,
    Comparison,
    Settings,
    compare,
    files,
    text,
)
from atml.scoring.rules.ec57.differences import Differences, differences
from atml.scoring.rules.ec57.figures import together
from atml.scoring.rules.ec57.reports import Report, parse


@dataclass(frozen=True, kw_only=True)
class BeatComparison:
    """What `compare_beats` found; ``print(result)`` shows what ``atml ec57`` prints.

    ``official`` has the standard's classes, ``escapes_as_n`` has atrial and junctional escape beats as N.
    ``differences`` are those from an earlier report, None without one. ``notes`` are one line each.
    """

    official: BeatTable
    escapes_as_n: BeatTable
    settings: Settings
    reference: str
    test: str
    differences: Differences | None = None
    against: str = ""
    notes: tuple[str, ...] = ()

    @property
    def standard(self) -> bool:
        """Whether learning period and window are the standard's."""
        return self.settings.standard

    def files(self) -> dict[str, str]:
        """Return reports by the name of their file, as `atml.scoring.rules.ec57.table.files` has them."""
        return files(self.official, self.escapes_as_n, self.settings, self.reference, self.test)

    def write(self, folder: PathLike) -> list[Path]:
        """Write the reports of `files` into a folder, which is made if need be, and return their paths.

        Raises InputError where it can't be written.
        """
        (place,) = paths(folder)
        aside: dict[Path, Path] = {}
        try:
            place.mkdir(parents=True, exist_ok=True)
            for name, told in self.files().items():
                aside[place / name] = place / f".{name}.new"
                aside[place / name].write_bytes(told.encode())
            for file, new in aside.items():
                new.replace(file)
        except OSError as error:
            for new in aside.values():
                with suppress(OSError):
                    new.unlink()
            raise InputError(
                f"{place} can't be written: {error.strerror or error}; name another folder"
            ) from error
        return list(aside)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``atml ec57 --json`` prints."""
        found: dict[str, Any] = {
            "rule": "ec57",
            "standard": self.standard,
            "settings": {"learning_s": self.settings.learning, "window_ms": 1000 * self.settings.window},
            "reference": self.reference,
            "test": self.test,
            "rows": list(ROWS),
            "columns": list(ROWS.lower()),
            "official": self.official.to_dict(),
            "escapes_as_n": self.escapes_as_n.to_dict(),
            "notes": list(self.notes),
        }
        if self.differences is not None:
            found["against"] = {"file": self.against, **self.differences.to_dict()}
        return found

    def __str__(self) -> str:
        mark = self.settings.words()
        of = f" ({mark})" if mark else ""
        people = len(set(self.official.subjects))
        whom = f"{people} people" if people > 1 else "one person, who can't be resampled"
        records = list(self.official.records.items())
        parts = [f"note: {note}" for note in self.notes]
        for name, found in records:
            report = text.record_report(name, found, self.reference, self.test, with_s=True, mark=mark)
            parts += ["", report.rstrip("\n")]
        if len(records) > 1:
            whole = text.matrix(together([found for _, found in records]), line=False)
            parts += ["", f"All {len(records)} records, gross{of}", "", whole.rstrip("\n")]
        for title, table in (
            ("Beats, the standard's classes", self.official),
            ("Beats, atrial and junctional escape beats (e, j) as N: not the standard's", self.escapes_as_n),
        ):
            parts += ["", f"{title}{of}", "", text.beats_summary(table.records).rstrip("\n")]
            parts += ["", f"{title}{of}: 95% intervals over {whom}", "", *table.lines()]
        parts += ["", f"Shutdown{of}", "", text.shutdown_summary(self.official.records).rstrip("\n")]
        if self.differences is not None:
            parts += ["", f"Against {self.against}{of}, which does not say how it was made", ""]
            parts += self.differences.lines()
        return "\n".join(parts).lstrip("\n")


def compare_beats(
    folder: PathLike,
    *,
    reference: str = "atr",
    test: str,
    test_folder: PathLike | None = None,
    learning: float = Settings.learning,
    window: float = Settings.window,
    against: PathLike | None = None,
) -> BeatComparison:
    """Judge annotations of beats by a reference, record by record, as ANSI/AAMI EC57 does.

    Args:
        folder: WFDB records: headers and annotation files; signals are not read.
        reference: Annotator of the reference: the ending of its files.
        test: Annotator that is judged.
        test_folder: Where its files lie; None for the same folder.
        learning: Time at the start of each record of which no beat counts, in s. The standard has 300; any
            other is marked non-standard wherever it is shown.
        window: The furthest that two beats may be apart to be the same, in s. The standard has 0.15; any
            other is marked likewise.
        against: An earlier report, ``lines_beats.txt`` or ``sumstats_beats.txt`` of this or another program.

    Returns:
        The `BeatComparison`.

    Raises:
        DataError: no such folder, no record in it, or a file that is missing or damaged.
        InputError: a setting that can't be, a record that ends within the learning period, or a report that
            can't be read.

    Example:
        >>> result = compare_beats("ec57/edge_360", test="tst")
        >>> print(result.official.records["same"].counts[0, 0], round(result.official.gross["Q Se"], 2))
        138 79.02
        >>> result.standard, compare_beats("ec57/edge_360", test="tst", learning=0).settings.words()
        (True, 'non-standard: learning period 0 s, not 300 s')
    """
    settings = Settings(float(learning), float(window))
    (place,) = paths(folder)
    earlier = None if against is None else _report(*paths(against))
    elsewhere = None if test_folder is None else paths(test_folder)[0]
    found = beat_records.read(place, reference, test, elsewhere)
    subjects = tuple(one.subject for one in found.records)
    tables = [
        BeatTable(
            records={one.name: _compare(one, settings, classes) for one in found.records}, subjects=subjects
        )
        for classes in (OFFICIAL, ESCAPES_AS_N)
    ]
    return BeatComparison(
        official=tables[0],
        escapes_as_n=tables[1],
        settings=settings,
        reference=reference,
        test=test,
        differences=None if earlier is None else differences(earlier, tables[0].records),
        against="" if against is None else str(paths(against)[0]),
        notes=(*([settings.words()] if not settings.standard else []), *found.notes),
    )


def _compare(one: beat_records.BeatRecord, settings: Settings, classes: Mapping[str, int]) -> Comparison:
    try:
        return compare(
            one.reference,
            one.test,
            one.rate,
            length=one.length,
            learning=settings.learning,
            window=settings.window,
            classes=classes,
        )
    except InputError as error:
        raise InputError(f"record {one.name}: {error}") from None


def _report(file: Path) -> Report:
    try:
        told = any_text.read(file)
    except OSError as error:
        raise InputError(
            f"{file} can't be read: {error.strerror or error}; name a lines_beats.txt or sumstats_beats.txt"
        ) from None
    try:
        return parse(told)
    except InputError as error:
        raise InputError(f"{file} {error}") from None
