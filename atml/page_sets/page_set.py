"""A set of pages: hearts or records, several pages each, written whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atml.arrays import Float32, evenly
from atml.data import out_folder
from atml.data.formats.wfdb_header import Unusable
from atml.errors import DataError, InputError
from atml.page_sets import record_source
from atml.pages import contact_sheet
from atml.pages.conditions import CONDITIONS, conditions_of
from atml.pages.dipole_heart import RATE, SAMPLES, DipoleHeart, heart, strip
from atml.pages.page_drawing import page
from atml.pages.page_folder import About, write
from atml.pages.page_layout import LAYOUTS, PAPER_WIDTH
from atml.pages.page_style import style
from atml.pages.picture import Picture, pillow, take
from atml.pages.wear_ranges import KINDS, drawn
from atml.watching import Counter

VERSION = 1
"""Increased whenever the same seed draws something else."""

HEARTS = 12
"""Hearts where nobody asks for a number: each condition is the first of one, and two are normal."""

SMALLEST, LARGEST = 160, 8192
"""Fewest and most pixels that a picture may be wide."""

SQUAREST, WIDEST = 1.0, 2.0
"""Least and greatest width of a picture, as a share of its height."""


@dataclass(frozen=True)
class Asked:
    """What a set is to hold: ``hearts`` or records with ``pages`` each; None for every record, or `HEARTS`.

    The kinds take turns; a layout is drawn for each page. ``size`` is rows and columns.

    Raises:
        InputError: A value that can't be; the message names it.
    """

    hearts: int | None = None
    pages: int = 4
    kinds: tuple[str, ...] = tuple(KINDS)
    layouts: tuple[str, ...] = tuple(LAYOUTS)
    size: tuple[int, int] = (512, 672)
    seed: int = 0
    records: Path | None = None

    def __post_init__(self) -> None:
        for option, values, known in (("kind", self.kinds, KINDS), ("layout", self.layouts, LAYOUTS)):
            for value in values:
                if value not in known:
                    raise InputError(f"--{option} {value!r} is not known; there are {', '.join(known)}")
            if not values:
                raise InputError(f"--{option} names none; there are {', '.join(known)}")
        if (self.hearts is not None and self.hearts < 1) or not 1 <= self.pages <= 100:
            raise InputError(f"{self.hearts} hearts, {self.pages} pages: give 1 or more, 1 to 100 pages each")
        rows, columns = self.size
        if not SMALLEST <= columns <= LARGEST or not SQUAREST <= columns / max(rows, 1) <= WIDEST:
            raise InputError(
                f"--size {rows}x{columns} is no page: height x width, {SMALLEST} to {LARGEST} wide, and"
                f" {SQUAREST:g} to {WIDEST:g} times as wide as high, such as 512x672"
            )


@dataclass(frozen=True)
class Made:
    """What was written: the folder, how much, hearts by condition, and the records that were left out."""

    folder: Path
    subjects: int
    pages: int
    conditions: dict[str, int]
    left_out: tuple[str, ...] = ()


def make(out: Path, asked: Asked) -> Made:
    """Make a set of pages in a new folder; the same ``asked`` gives the same bytes.

    Beside a folder a page (see `page_folder`) it holds ``labels.csv``, a line a page, ``contact_sheet.png``,
    and ``set.json``, what was asked for.

    Raises:
        InputError: The folder holds something, or can't be written.
        DataError: Records that can't be used.
        MissingExtraError: Pillow is not installed, or of records wfdb.
    """
    pillow()
    out = out_folder.free(out.absolute())
    with out_folder.whole(out) as new:
        return _written(new, out, asked)


def _written(new: Path, out: Path, asked: Asked) -> Made:
    """Write a set into the folder ``new``, which is to be called ``out``."""
    left_out: list[str] = []
    total, subjects = (_hearts if asked.records is None else _records)(asked, left_out)
    counter = Counter(out, doing="making")
    counter.expect(total * asked.pages, "pages")
    shown = set(evenly(total * asked.pages, contact_sheet.MOST).tolist())
    lines: list[dict[str, object]] = []
    thumbnails, conditions, used = [], dict.fromkeys(CONDITIONS, 0), 0
    for number, subject in enumerate(subjects):
        if subject is None:
            counter.passed(asked.pages)
            continue
        used += 1
        for name, value in subject.labels.items():
            conditions[name] += value or 0
        for version in range(asked.pages):
            kind = asked.kinds[(number + version) % len(asked.kinds)]
            about = About(subject.name, version, kind, subject.source, subject.labels)
            picture = subject.picture(asked, number, version, kind)
            folder = write(new, picture, about)
            if len(lines) in shown:
                thumbnails.append((contact_sheet.thumbnail(picture.rgb), _caption(picture, about)))
            lines.append(_line(folder, picture, about))
            counter.passed()
    if not lines:
        raise DataError(f"--records {asked.records} holds no record that can be drawn: {left_out[0]}")
    with (new / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
    contact_sheet.sheet(thumbnails).save(new / "contact_sheet.png")
    what = {
        "maker": VERSION,
        "subjects": used,
        "pages": asked.pages,
        "kinds": asked.kinds,
        "layouts": asked.layouts,
        "size": asked.size,
        "seed": asked.seed,
        "source": "hearts" if asked.records is None else "records",
        "conditions": CONDITIONS,
    }
    (new / "set.json").write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8", newline="\n")
    return Made(out, used, len(lines), conditions, tuple(left_out))


def _line(folder: str, picture: Picture, about: About) -> dict[str, object]:
    """Return the line of a page in the table of labels; a label that nobody knows is empty."""
    look = picture.page.style
    return {
        "folder": folder,
        "subject": about.subject,
        "source": about.source,
        "layout": look.layout,
        "kind": about.kind,
        "speed_mm_s": f"{look.speed:g}",
        "gain_mm_mv": f"{look.gain:g}",
        **about.labels,
    }


def _caption(picture: Picture, about: About) -> str:
    known = any(value is not None for value in about.labels.values())
    has = " ".join(name for name, value in about.labels.items() if value)
    return (
        f"{about.stem} {picture.page.style.layout} {about.kind}: {has or ('none' if known else 'no labels')}"
    )


@dataclass(frozen=True)
class _Subject:
    """A heart that is drawn, or a record that was read."""

    name: str
    source: str
    labels: dict[str, int | None]
    heart: DipoleHeart | None = None
    signal: Float32 | None = None

    def picture(self, asked: Asked, number: int, version: int, kind: str) -> Picture:
        """Draw a page of it, another stretch of time for each ``version``, and take its picture."""
        key = (asked.seed, 3, number, version)
        random = np.random.default_rng(key)
        if self.heart is not None:
            signal, rate = strip(random, self.heart).signal, self.heart.rate
        else:
            assert self.signal is not None
            start = int(random.integers(self.signal.shape[1] - SAMPLES + 1))
            signal, rate = self.signal[:, start : start + SAMPLES], 0.0
        rows, columns = asked.size
        height = rows / columns * PAPER_WIDTH
        look = style(random, signal, layouts=asked.layouts, height=height, rate=rate)
        return take(page(signal, RATE, look, asked.size), drawn(random, kind), key)


def heart_name(seed: int, number: int) -> str:
    """Name a heart; those of other seeds are other people, and a second set is not taken for the first.

    Example:
        >>> heart_name(0, 3), heart_name(7, 3)
        ('h0003', 's7h0003')
    """
    return f"s{seed}h{number:04d}" if seed else f"h{number:04d}"


def _hearts(asked: Asked, left_out: Sequence[str]) -> tuple[int, Iterator[_Subject | None]]:
    total = asked.hearts or HEARTS

    def each() -> Iterator[_Subject]:
        for number in range(total):
            has = conditions_of(asked.seed, number)
            drawn_heart = heart(np.random.default_rng([asked.seed, 4, number]), has)
            labels: dict[str, int | None] = {name: int(name in has) for name in CONDITIONS}
            yield _Subject(heart_name(asked.seed, number), "heart", labels, heart=drawn_heart)

    return total, each()


def _records(asked: Asked, left_out: list[str]) -> tuple[int, Iterator[_Subject | None]]:
    assert asked.records is not None
    found = record_source.records(asked.records)[: asked.hearts]

    def each() -> Iterator[_Subject | None]:
        """Read one after another; None for one that can't be used, which ``left_out`` then names."""
        names: set[str] = set()
        for record in found:
            try:
                signal = record_source.signal(record)
            except Unusable as unusable:
                left_out.append(str(unusable))
                yield None
                continue
            name = record_source.safe(record.name)
            while name in names:
                name += "-2"
            names.add(name)
            yield _Subject(name, record.name, record.labels, signal=signal)

    return len(found), each()
