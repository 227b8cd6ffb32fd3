"""Sets of pages whose signals are known, page by page: made, simulated, or pictures beside their signals.

=================================  ==============================================================
what lies in the folder            what is known
=================================  ==============================================================
``ID_vKK_LAYOUT_KIND/``, made      everything (`atml.pages.page_folder`)
``ID_vKK_LAYOUT_TYPE/``, masks     signals and masks; where leads lie is found from both
``train.csv`` and ``train/ID/``    signals; where leads lie is found where traces fit them
headers with ``# Image:``          likewise
=================================  ==============================================================
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32
from atml.data import text
from atml.data.file_tree import file_there, find
from atml.data.formats import picture_table, wfdb_header, wfdb_record
from atml.data.formats.kaggle_pages import KagglePages, PagePicture, page_pictures, signal_of
from atml.data.formats.picture_headers import PictureHeaders, images
from atml.data.leads import NoLead, meant
from atml.errors import DataError, in_one_line
from atml.pages import picture_file
from atml.pages.page_folder import SIGNALS, Truth, truth
from atml.pages.page_layout import LAYOUTS
from atml.pages.picture import UInt8, pillow
from atml.pages.twelve_leads import LEADS
from atml.paper.lead_places import drawn
from atml.paper.registration import Scaled, masks, of_masks, registered

LARGEST = 2016
"""Pixels of the longer side from which a picture is made smaller before its leads are sought."""

USUAL = Scaled(500.0, "3x4+1", 25.0, 10.0)
"""How a page is taken to be drawn of which nothing says what part of its signals it shows."""


@dataclass(frozen=True)
class KnownPage:
    """A page: ``rgb (rows, columns, 3)``, masks ``wave`` and ``other``, None where they are not known.

    Where they are not, of ``truth`` only the signals and their rate count.
    """

    rgb: UInt8
    wave: UInt8 | None
    other: UInt8 | None
    truth: Truth


class PageSource(ABC):
    """A page of a set, not read yet: its ``name``, whose it is, its kind of picture."""

    def __init__(self, name: str, subject: str, kind: str, picture: Path) -> None:
        self.name, self.subject, self.kind, self.picture = name, subject, kind, picture

    @property
    def stamp(self) -> tuple[str, tuple[tuple[str, int, int], ...]]:
        """What changes when a file of it does."""
        about = ((file.name, file.stat()) for file in self.files if file.is_file())
        return self.name, tuple((name, found.st_size, found.st_mtime_ns) for name, found in about)

    @property
    def files(self) -> list[Path]:
        """All files that it is read from; some may be missing."""
        return [self.picture]

    @property
    def known(self) -> bool:
        """Whether it is known where its leads lie; it may take some seconds to find out."""
        return True

    @property
    def bent(self) -> bool:
        """Whether it is worth learning from once more, laid flat."""
        return self.known

    @abstractmethod
    def load(self) -> KnownPage:
        """Read it; raises DataError for a file that is not there or can't be read."""


class MadePage(PageSource):
    """A page as `atml data make pages` writes it."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        name = folder.name
        super().__init__(
            name, str(about["subject"]), str(about["degradation_type"]), folder / f"{name}_dirty.png"
        )
        self.folder = folder

    @property
    def files(self) -> list[Path]:
        """Those in its folder, and the table of its signals."""
        table = self.folder.parent / SIGNALS / f"{stem_of(self.folder)}.csv"
        return [*sorted(self.folder.iterdir()), table]

    @property
    def bent(self) -> bool:
        """A clean page lies flat already."""
        return not self.name.endswith("_clean")

    def load(self) -> KnownPage:
        """Read it with its masks."""
        known = truth(self.folder)
        rgb, wave, other = (layer(self.folder, name) for name in ("dirty", "label_wave", "label_other"))
        return KnownPage(rgb, wave, other, known)


class FoundPage(PageSource):
    """A page of which it has to be found where its leads lie."""

    @abstractmethod
    def signal(self) -> tuple[Float32, float]:
        """Return what is known: ``(12, samples)`` in mV, and the rate in Hz."""

    @abstractmethod
    def find(self, rgb: UInt8, signal: Float32, fs: float) -> Truth | None:
        """Find where they lie."""

    def masks(self, rgb: UInt8, known: Truth) -> tuple[UInt8, UInt8]:
        """Return the masks of the leads and of other ink."""
        return masks(rgb, known)

    @cached_property
    def _found(self) -> Truth | None:
        return self.find(lessened(picture_file.read(self.picture)), *self.signal())

    @property
    def known(self) -> bool:
        """Whether it was found."""
        return self._found is not None

    def load(self) -> KnownPage:
        """Read it, with masks where it is known where its leads lie."""
        rgb = lessened(picture_file.read(self.picture))
        if self._found is not None:
            return KnownPage(rgb, *self.masks(rgb, self._found), self._found)
        signal, fs = self.signal()
        if np.isfinite(signal).all():
            signal = drawn(signal, USUAL.layout, fs, USUAL.speed)
        return KnownPage(rgb, None, None, Truth(signal, None, {"fs": fs}))  # type: ignore[arg-type]


class SimulatedPage(FoundPage):
    """A folder with a picture, masks and metadata, and its signals in a table elsewhere in the set."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        name = folder.name
        subject, _, rest = name.partition("_v")
        kind = str(about.get("degradation_type") or rest.rpartition("_")[2])
        super().__init__(name, str(about.get("subject") or subject), kind, folder / f"{name}_dirty.png")
        self.folder, self.about, self.id = folder, about, str(about.get("id") or subject)
        file = folder / f"{name}_metadata.json"
        scale = about.get("physical_params") or {}
        speed = _number(scale, file, "speed", "paper_speed_mm_s", "paper_speed", "speed_mm_s", "speed")
        gain = _number(scale, file, "gain", "gain_mm_mv", "gain", "paper_gain", "mm_per_mv", "voltage_gain")
        self.scale = Scaled(float(about.get("fs") or 0), _layout(about, file), speed, gain)
        if self.scale.fs <= 0:
            raise DataError(f"{file} has no rate: write fs in Hz, or remove the page")

    @property
    def files(self) -> list[Path]:
        """Those in its folder, and the table of its signals."""
        table = self._table()
        return [*sorted(self.folder.iterdir()), *([] if table is None else [table])]

    def _table(self) -> Path | None:
        """Find the table that is named by the page's ID, at the likeliest place; None where there is none."""
        root = self.folder.parent
        named = [self.about["signals"]] if isinstance(self.about.get("signals"), str) else []
        for one in (stem_of(self.folder), self.id):
            named += [f"{SIGNALS}/{one}.csv", f"{one}.csv", f"{self.folder.name}/{one}.csv"]
        there = (file_there(root, name) for name in named)
        return next((file for file in there if file is not None), None)

    def signal(self) -> tuple[Float32, float]:
        """Read the table that is named by the page's ID."""
        if (table := self._table()) is not None:
            return signal_of(table), self.scale.fs
        root = self.folder.parent
        raise DataError(
            f"{root} has no signals of page {self.folder.name}: give a table of 12 columns in mV,"
            f" {root / SIGNALS / f'{self.id}.csv'}"
        )

    @cached_property
    def _wave(self) -> UInt8:
        """The mask of the leads, numbered as in `LEADS`."""
        mask = lessened(layer(self.folder, "label_wave"))
        numbers = self.about.get("lead_to_id_map") or {lead: at + 1 for at, lead in enumerate(LEADS)}
        table = np.zeros(256, np.uint8)
        order = {lead.casefold(): at + 1 for at, lead in enumerate(LEADS)}
        for lead, number in numbers.items():
            table[int(number)] = order.get(str(lead).casefold(), 0)
        return table[mask]

    def find(self, rgb: UInt8, signal: Float32, fs: float) -> Truth | None:
        """Find them from the mask of the leads."""
        return of_masks(rgb, self._wave, signal, self.scale)

    def masks(self, rgb: UInt8, known: Truth) -> tuple[UInt8, UInt8]:
        """Read them."""
        return self._wave, lessened(layer(self.folder, "label_other"))


class PictureOfSignals(FoundPage):
    """A picture beside its signals, which are read by ``signal``."""

    def __init__(
        self,
        name: str,
        subject: str,
        kind: str,
        picture: Path,
        read: Callable[[], tuple[Float32, float]],
        held: Sequence[Path],
    ) -> None:
        super().__init__(name, subject, kind, picture)
        self._read, self._held = read, held

    @property
    def files(self) -> list[Path]:
        """The picture, and the files that hold its signals."""
        return [self.picture, *self._held]

    def signal(self) -> tuple[Float32, float]:
        """Read them."""
        return self._read()

    def find(self, rgb: UInt8, signal: Float32, fs: float) -> Truth | None:
        """Find them by reading the page without a network."""
        return registered(rgb, signal, fs)


def stem_of(folder: Path) -> str:
    """Return what names the signals of a page, ``ID_vKK`` of its folder ``ID_vKK_LAYOUT_KIND``."""
    return re.sub(r"(_v\d+)_.*", r"\1", folder.name)


def sources(root: Path) -> list[PageSource]:
    """Return the pages of a set, sorted by name.

    Raises:
        DataError: No page whose signals are known is there; one line that says what to do.
    """
    folders = sorted(one.parent for one in root.glob("*/*_metadata.json") if one.parent.name in one.name)
    if folders:
        return [_of_folder(folder) for folder in folders]
    if KagglePages.recognises(root):
        return [
            PictureOfSignals(
                one.name, one.subject, one.kind, one.picture, partial(_contest_signal, one), [one.table]
            )
            for one in page_pictures(root)
        ]
    if PictureHeaders.recognises(root):
        return _of_headers(root)
    if root.is_file():
        raise DataError(f"{root} is a file: unpack it and give the folder with the pages")
    if root.is_dir() and picture_table.pictures(root):
        raise DataError(
            f"{root} holds pictures and none of their signals, which networks that read pages learn from:"
            " give train.csv and train/ID/ID.csv, or WFDB headers with '# Image:' lines, or make pages with:"
            " atml data make pages"
        )
    raise DataError(f"{root} holds no pages with their truth; make some with: atml data make pages")


def _of_folder(folder: Path) -> PageSource:
    file = folder / f"{folder.name}_metadata.json"
    try:
        about = json.loads(text.read(file))
        return MadePage(folder, about) if "leads" in about else SimulatedPage(folder, about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} is no page with its truth: {in_one_line(error)}") from None


def _of_headers(root: Path) -> list[PageSource]:
    out: list[PageSource] = []
    for header in (name for name in find(root).names if name.lower().endswith(".hea")):
        for picture in images(root / header):
            file = (root / header).parent / picture
            if not file.is_file():
                raise DataError(f"{file} is not there, but {header} names it")
            name, record = f"{header[:-4]}/{file.stem}", header[:-4]
            read = partial(_wfdb_signal, root, record)
            out.append(PictureOfSignals(name, record, "", file, read, _record_files(root, record)))
    return out


def _record_files(root: Path, record: str) -> list[Path]:
    """Return the files of a record: all of its name with some ending."""
    file = root / record
    return sorted(one for one in file.parent.iterdir() if one.stem == file.name)


def _contest_signal(one: PagePicture) -> tuple[Float32, float]:
    return one.signal(), one.fs


def _wfdb_signal(root: Path, record: str) -> tuple[Float32, float]:
    try:
        head = wfdb_header.header(root, record)
        leads = meant(head.leads, LEADS)
        return wfdb_record.signal(root, head, leads), float(head.rate)
    except NoLead as error:
        raise DataError(f"{root / record}.hea has no lead {error.entry}; remove the record") from None
    except wfdb_header.Unusable as error:
        raise DataError(f"{root / record}: {error}; its pictures need its signals: remove it") from None


def _number(scale: dict[str, Any], file: Path, what: str, *names: str) -> float:
    for name in names:
        if isinstance(value := scale.get(name), int | float) and value > 0:
            return float(value)
    raise DataError(f"{file} has no {what}: write physical_params.{names[0]}, or remove the page")


def _layout(about: dict[str, Any], file: Path) -> str:
    found = str(about.get("layout_type", ""))
    plain = {re.sub(r"\W|_", "", name): name for name in LAYOUTS}
    if (name := plain.get(re.sub(r"\W|_", "", found))) is None:
        raise DataError(f"{file}: layout_type {found!r} is not known; there are {', '.join(LAYOUTS)}")
    return name


def layer(folder: Path, name: str) -> UInt8:
    """Read a picture of a page, "dirty", or one of its masks; raises DataError where that fails."""
    file = folder / f"{folder.name}_{name}.png"
    try:
        with pillow().open(file) as image:
            return np.asarray(image.convert("RGB" if name == "dirty" else "L"), np.uint8)
    except OSError as error:
        raise DataError(f"{file} can't be read: {in_one_line(error)}") from None


def lessened(image: UInt8) -> UInt8:
    """Return a picture or a mask with at most `LARGEST` pixels along its longer side."""
    longest = max(image.shape[:2])
    if longest <= LARGEST:
        return image
    size = tuple(max(1, round(n * LARGEST / longest)) for n in (image.shape[1], image.shape[0]))
    ways = pillow().Resampling
    how = ways.BOX if image.ndim == 3 else ways.NEAREST
    return np.asarray(pillow().fromarray(image).resize((size[0], size[1]), how), np.uint8)
