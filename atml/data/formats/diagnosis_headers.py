"""WFDB records whose header says the diagnosis: ``# Dx: 426783006,164889003``, in folders of any depth.

So have the PhysioNet/CinC Challenges 2020 and 2021 and the Chapman-Shaoxing-Ningbo set it: twelve leads, a
signal in MATLAB's version 4, and codes of SNOMED CT. Nothing tells which records share a patient.

Source: https://physionet.org/content/challenge-2021/.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from atml.data import text
from atml.data.file_names import in_split
from atml.data.file_tree import DEPTH, file_there, find
from atml.data.formats import wfdb_header
from atml.data.formats.recording_set import Item, Listing, Opened, RecordingSet, apart, splits_of, wfdb_opened
from atml.data.formats.statements import CODES, decide
from atml.data.parsing import AboutPeople, Fault, some

_DX = re.compile(r"^#\s*dx\s*:(.*)$", re.IGNORECASE | re.MULTILINE)


def diagnoses(header: Path) -> list[str] | None:
    """Return the codes that a header names; None where it has no such line or can't be read."""
    try:
        found = _DX.search(text.read(header))
    except OSError:
        return None
    return None if found is None else [code.strip() for code in found[1].split(",") if code.strip()]


def first_header(folder: Path, depth: int = DEPTH) -> Path | None:
    """Return the first header in a folder or below, None where there is none; never raises."""
    headers: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.name.lower().endswith(".hea"):
                    headers.append(entry.path)
                elif depth and entry.is_dir():
                    folders.append(entry.path)
    except OSError:
        return None
    if headers:
        return Path(min(headers))
    below = (first_header(Path(one), depth - 1) for one in sorted(folders))
    return next((found for found in below if found is not None), None)


class DiagnosisHeaders(RecordingSet):
    """A folder of such records."""

    tells_rate = millivolts = True

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by a header with a diagnosis and no annotations beside it."""
        header = first_header(path) if path.is_dir() else None
        if header is None or file_there(header.parent, f"{header.stem}.atr"):
            return False
        return diagnoses(header) is not None

    @cached_property
    def codes(self) -> dict[str, list[str] | None]:
        """Header, relative to the set -> its codes."""
        names = [name for name in find(self.path).names if name.lower().endswith(".hea")]
        return {name: diagnoses(self.path / name) for name in names}

    @property
    def statements(self) -> Sequence[str]:
        """Return all codes, and what they may be called."""
        known = [name for code in CODES["SNOMED CT"] for names in code.values() for name in names]
        return [*known, *(code for codes in self.codes.values() for code in codes or ())]

    def splits(self) -> Sequence[str]:
        """Name the splits: those of train_data and test_data that hold records."""
        return splits_of(self.codes)

    def listing(self, split: str) -> Listing:
        """List the records of a split, each a subject."""
        wfdb_header.package()
        found, told = Listing(), bool(self.splits())
        several: list[str] = []
        for file, codes in self.codes.items():
            inside = in_split(file, split) if told else file
            if inside is None:
                continue
            name = inside[:-4]
            if codes is None:
                detail = "has no line '# Dx:', as other headers here have: its diagnosis is not known"
                found.faults.append(Fault("header", file, detail))
                continue
            rhythm = decide(codes, self.asked.label, "SNOMED CT")
            if "+" in rhythm:
                several.append(name)
            found.items.append(Item(file[:-4], name, name, rhythm))
        found.notes += apart(list(self.codes), "records")
        found.notes.append(
            AboutPeople(
                "each record is taken for one subject: nothing here tells which records share a patient"
            )
        )
        if several:
            found.notes.append(
                f"{len(several)} records have several diagnoses that are of no one class: {some(several)}"
            )
        return found

    def opened(self, item: Item) -> Opened:
        """Read the header of a record."""
        return wfdb_opened(self.path, item.file)
