"""Pictures and signals as PhysioNet's contest on Kaggle (2025) has them; they have no labels.

``train.csv`` has a line a record (id, fs, sig_len), ``train/ID/ID.csv`` its twelve leads in mV, empty where
they are not drawn, and ``train/ID/ID-0001.png`` and so on are pictures of it, of nine kinds by their numbers.

Source: https://www.kaggle.com/competitions/physionet-ecg-image-digitization.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atml.arrays import Float32
from atml.data import text
from atml.data.file_tree import file_there, folder_there
from atml.data.formats import label_table
from atml.data.formats.picture_set import Listing, PictureSet
from atml.data.parsing import some
from atml.errors import DataError, in_one_line
from atml.pages.twelve_leads import LEADS

TABLE, FOLDER = "train.csv", "train"

KINDS = {
    "0001": "clean",
    "0003": "colour scan",
    "0004": "grey scan",
    "0005": "photo of a print",
    "0006": "photo of a screen",
    "0009": "photo of a stained print",
    "0010": "photo of a damaged print",
    "0011": "colour scan with mould",
    "0012": "grey scan with mould",
}
"""Numbers of pictures, and what they are of."""


class PageSignal(NamedTuple):
    """A picture and its ``signal (12, samples)`` in mV at ``fs`` Hz, NaN where nothing is drawn."""

    name: str
    subject: str
    picture: Path
    signal: Float32
    fs: float


class PagePicture(NamedTuple):
    """A picture, and the ``table`` that holds its signals of ``samples`` at ``fs`` Hz; 0 for any length."""

    name: str
    subject: str
    picture: Path
    table: Path
    fs: float
    samples: int

    @property
    def kind(self) -> str:
        """What it is of, by its number; the number itself where that is not known."""
        number = self.name.rpartition("-")[2]
        return KINDS.get(number, number)

    def signal(self) -> Float32:
        """Read its signals; raises DataError where they are damaged or of another length."""
        found = signal_of(self.table)
        if self.samples and found.shape[1] != self.samples:
            raise DataError(f"{self.table} has {found.shape[1]} samples, {TABLE} says {self.samples}")
        return found


def page_pictures(path: Path) -> Iterator[PagePicture]:
    """Yield the pictures of a set, record after record, without reading their signals.

    Raises:
        DataError: No such set; a record that the table names is missing, in one line.
    """
    found = file_there(path, TABLE)
    if found is None:
        raise DataError(f"{path} holds no {TABLE}: give the folder with {TABLE} and {FOLDER}/")
    for name, rate, length in _listed(found):
        folder = folder_there(path, f"{FOLDER}/{name}")
        table = None if folder is None else file_there(folder, f"{name}.csv")
        if folder is None or table is None:
            raise DataError(f"{path / FOLDER / name / name}.csv is not there, but {found} names {name}")
        pictures = sorted(folder.glob(f"{name}-*.png"))
        if not pictures:
            raise DataError(f"{folder} holds no picture {name}-0001.png; remove {name} from {found}")
        for picture in pictures:
            yield PagePicture(picture.stem, name, picture, table, rate, length)


def page_signals(path: Path) -> Iterator[PageSignal]:
    """Yield the pictures of a set with their signals, record after record; leads as in `LEADS`.

    Raises:
        DataError: No such set; a record that the table names is missing or damaged, in one line.
    """
    read: tuple[str, Float32] | None = None
    for one in page_pictures(path):
        if read is None or read[0] != one.subject:
            read = one.subject, one.signal()
        yield PageSignal(one.name, one.subject, one.picture, read[1], one.fs)


def signal_of(table: Path) -> Float32:
    """Read twelve leads by their names, ``(12, samples)`` in mV, NaN where a cell is empty.

    Raises:
        DataError: It can't be read, lacks a lead, or holds no number.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.read(table))))
    except (OSError, csv.Error) as error:
        raise DataError(f"can't read {table}: {in_one_line(error)}") from None
    names = [label_table.plain_name(name) for name in rows[0]] if rows else []
    if missing := [lead for lead in LEADS if lead.casefold() not in names]:
        raise DataError(f"{table} has no column {some(missing, 12)}; its first line is {some(names, 12)!r}")
    order = [names.index(lead.casefold()) for lead in LEADS]
    try:
        values = [
            [float(line[at]) if line[at].strip() else np.nan for at in order] for line in rows[1:] if line
        ]
    except (ValueError, IndexError) as error:
        raise DataError(f"{table} is damaged: {in_one_line(error)}") from None
    return np.ascontiguousarray(np.array(values, np.float32).reshape(-1, len(LEADS)).T)


def _listed(table: Path) -> Iterator[tuple[str, float, int]]:
    """Yield name, rate in Hz and length of the records that a table lists."""
    lines = label_table.lines(table)
    names = [label_table.plain_name(name) for name in lines[0][1]] if lines else []
    try:
        at, rate = names.index("id"), names.index("fs")
    except ValueError:
        raise DataError(f"{table} has no columns id and fs: its first line is {some(names, 6)!r}") from None
    length = names.index("siglen") if "siglen" in names else None
    for number, line in lines[1:]:
        try:
            yield line[at].strip(), float(line[rate]), 0 if length is None else int(float(line[length]))
        except (ValueError, IndexError):
            raise DataError(f"{table} line {number} is no record: {line}") from None


class KagglePages(PictureSet):
    """A folder of such records; for labels there are none."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by its table and what it names; never raises."""
        table = file_there(path, TABLE) if path.is_dir() else None
        head = label_table.first_lines(table, 1) if table else []
        names = [label_table.plain_name(name) for name in head[0]] if head else []
        return {"id", "fs"} <= set(names) and folder_there(path, FOLDER) is not None

    def listing(self, split: str) -> Listing:
        """Refuse it: nothing tells what the hearts have."""
        raise DataError(
            f"{self.path} holds pictures with their signals and no labels, and task {self.asked.task.name!r}"
            " asks for labels; it is for the task that turns pictures into signals (--task paper)"
        )
