"""`atml.digitize`: signals from pictures of ECG pages, as tables, WFDB records, and overlays to check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atml.arrays import Float32
from atml.data import out_folder
from atml.digitising.digitiser import RATE, Asked, Digitised, digitise
from atml.digitising.record_files import overlay, write_record, write_table
from atml.errors import DataError, InputError
from atml.library.page_reader import network_digitiser
from atml.library.path_arguments import PathLike, paths
from atml.pages.picture import UInt8
from atml.pages.picture_file import open_pages
from atml.pages.twelve_leads import LEADS
from atml.watching import Counter

DOUBTFUL = 0.8
"""Confidence of a lead below which it is named."""


@dataclass(frozen=True)
class DigitizedPage:
    """A page that was read: ``signal (12, samples)`` in mV at ``rate`` Hz, NaN where nothing is drawn.

    ``name`` is that of its files, ``image`` that of the picture and ``page`` counts within it, from 1.
    ``confidence`` is 0 to 1 for each lead.
    """

    name: str
    image: Path
    page: int
    found: Digitised = field(repr=False)

    @property
    def signal(self) -> Float32:
        """Leads I to V6, ``(12, samples)`` in mV."""
        return self.found.signal

    @property
    def rate(self) -> int:
        """Samples a second."""
        return RATE

    @property
    def confidence(self) -> dict[str, float]:
        """How sure each lead is, 0 to 1."""
        return {lead: round(float(c), 3) for lead, c in zip(LEADS, self.found.confidence, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Return all but the signal as JSON types."""
        seen = self.found
        drawn = [round(float((~(one != one)).sum()) / RATE, 3) for one in seen.signal]
        return {
            "name": self.name,
            "image": str(self.image),
            "page": self.page,
            "layout": seen.layout,
            "speed_mm_s": seen.speed,
            "gain_mm_mv": seen.gain,
            "rate_hz": RATE,
            "samples": seen.signal.shape[1],
            "drawn_s": dict(zip(LEADS, drawn, strict=True)),
            "confidence": self.confidence,
            "turned_degrees": round(seen.angle, 2),
            "pixels_per_mm": round(seen.pixels_per_mm, 3),
            "notes": list(seen.notes),
        }


@dataclass(frozen=True)
class Digitization:
    """What became of pictures: the ``pages`` that were read, and one line for each that was ``refused``."""

    pages: tuple[DigitizedPage, ...]
    refused: tuple[str, ...] = ()
    out: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all but the signals as JSON types."""
        return {"pages": [page.to_dict() for page in self.pages], "refused": list(self.refused)}

    def __str__(self) -> str:
        lines = []
        for page in self.pages:
            sure = page.confidence
            found = page.found
            lines.append(
                f"{page.name}: {found.layout}, {found.speed:g} mm/s, {found.gain:g} mm/mV;"
                f" confidence {min(sure.values()):.2f} to {max(sure.values()):.2f}"
            )
            if doubtful := [f"{lead} {value:.2f}" for lead, value in sure.items() if value < DOUBTFUL]:
                lines.append(f"  look at the overlay of {', '.join(doubtful)}")
            lines += [f"  {note}" for note in found.notes]
        return "\n".join([*lines, *(f"refused: {line}" for line in self.refused)])


def digitize(
    images: PathLike | Sequence[PathLike],
    *,
    out: PathLike | None = None,
    layout: str | None = None,
    speed: float | None = None,
    gain: float | None = None,
    model: PathLike | None = None,
) -> Digitization:
    """Read the signals of ECG pages from pictures: PNG, JPEG, TIFF, or PDF, each page of it.

    The grid is found and the page laid flat by it, whatever the photograph's turn and slant; rows of traces
    are followed column by column. Speed and gain are read from the calibration pulse.

    Args:
        images: One picture or several.
        out: New folder for a table and an overlay of each page, `records` in WFDB and `summary.json`.
        layout: 3x4+1, 3x4, 6x2 or 12x1; by default by the number of rows.
        speed: Paper speed in mm/s where it is known.
        gain: Gain in mm/mV where it is known.
        model: Export of a network that reads pages (task `paper`), in place of reading without one.

    Raises:
        InputError: A value that can't be, or a folder that is not empty.
        DataError: No page could be read; the message says why, of the first.
        MissingExtraError: Pillow is not installed, or what reads a PDF.

    Example:
        >>> found = digitize("PAGE.png")
        >>> page = found.pages[0]
        >>> page.signal.shape, page.rate, page.found.layout
        ((12, 5000), 500, '3x4+1')
    """
    asked = Asked(layout, speed, gain)
    given = paths(images)
    if not given:
        raise InputError("no picture was named; give one or more")
    read = digitise if model is None else network_digitiser(paths(model)[0])
    to = None if out is None else out_folder.free(paths(out)[0])
    if to is None:
        return _read(given, asked, None, None, read)
    with out_folder.whole(to) as new:
        return _read(given, asked, new, to, read)


def _read(
    given: Sequence[Path],
    asked: Asked,
    new: Path | None,
    out: Path | None,
    read: Callable[[UInt8, Asked], Digitised],
) -> Digitization:
    pages: list[DigitizedPage] = []
    refused: list[str] = []
    counter = Counter(out or Path("pictures"), doing="reading")
    counter.expect(len(given), "pictures")
    for image in given:
        try:
            several = open_pages(image)
        except DataError as error:
            refused.append(str(error))
            counter.passed()
            continue
        for number, rgb in enumerate(several, 1):
            where = f"{image}" if len(several) == 1 else f"{image}, page {number}"
            try:
                found = read(rgb, asked)
            except DataError as error:
                refused.append(f"{where}: {error}")
                continue
            name = _name(image, number if len(several) > 1 else None, {page.name for page in pages})
            page = DigitizedPage(name, image, number, found)
            pages.append(page)
            if new is not None:
                _write(new, page, rgb)
        counter.passed()
    if not pages:
        more = f"; {len(refused) - 1} more were refused" if len(refused) > 1 else ""
        raise DataError(f"{refused[0]}{more}")
    whole = Digitization(tuple(pages), tuple(refused), out)
    if new is not None:
        text = json.dumps(whole.to_dict(), indent=1) + "\n"
        (new / "summary.json").write_text(text, encoding="utf-8", newline="\n")
    return whole


def _name(image: Path, page: int | None, taken: set[str]) -> str:
    """Return a name for a page's files: letters, digits, dashes and underscores, as WFDB records have."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", image.stem).strip("-") or "page"
    name = base = stem if page is None else f"{stem}_p{page:02d}"
    count = 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name


def _write(new: Path, page: DigitizedPage, rgb: UInt8) -> None:
    found = page.found
    records = new / "records"
    records.mkdir(exist_ok=True)
    write_table(new / f"{page.name}.csv", found.signal, RATE)
    comments = [
        f"Image: {page.image.name}, page {page.page}",
        f"layout {found.layout}, {found.speed:g} mm/s, {found.gain:g} mm/mV",
        "confidence: " + ", ".join(f"{lead} {value:.2f}" for lead, value in page.confidence.items()),
        *found.notes,
    ]
    write_record(records, page.name, found.signal, RATE, comments)
    overlay(rgb, found.paths).save(new / f"{page.name}_overlay.png", compress_level=3)
