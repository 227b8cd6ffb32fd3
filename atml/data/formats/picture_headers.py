"""WFDB headers that name pictures: ``# Image: r1-0.png``, and ``# Dx:`` or ``# Labels:`` (CinC 2024).

Codes after ``# Dx:`` are those of SNOMED CT; of the labels of the challenge those are known that a page is
labelled with here. Nothing tells which records share a patient.

Source: https://physionet.org/content/challenge-2024/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from atml.data import text
from atml.data.file_names import in_split
from atml.data.file_tree import file_there, find
from atml.data.formats.diagnosis_headers import diagnoses, first_header
from atml.data.formats.picture_set import Item, Listing, PictureSet
from atml.data.formats.recording_set import apart, splits_of
from atml.data.parsing import AboutPeople, Fault, some
from atml.formatting import plural
from atml.pages.condition_codes import labels as conditions
from atml.pages.conditions import CONDITIONS

_IMAGE = re.compile(r"^#\s*image\s*:(.*)$", re.IGNORECASE | re.MULTILINE)
_LABELS = re.compile(r"^#\s*labels\s*:(.*)$", re.IGNORECASE | re.MULTILINE)

CHALLENGE = {"afib/afl": "AF", "afib": "AF", "pvc": "PVC", "tachy": "TACHY", "brady": "BRADY"}
"""Labels of the challenge, in small letters, and the conditions that they mean."""


def images(header: Path) -> list[str]:
    """Return the pictures that a header names; nothing where it can't be read."""
    try:
        return [name.strip() for name in _IMAGE.findall(text.read(header)) if name.strip()]
    except OSError:
        return []


def labels(header: Path) -> dict[str, int | None] | None:
    """Return what a header says of each label: 1, 0, or None where nobody knows; None where it says nothing.

    Raises:
        OSError: It can't be read.
    """
    if (codes := diagnoses(header)) is not None:
        return {**dict.fromkeys(codes, 1), **conditions(codes)}
    if (found := _LABELS.search(text.read(header))) is None:
        return None
    names = [name.strip() for name in found[1].split(",") if name.strip()]
    has = {CHALLENGE.get(name.casefold(), name) for name in names}
    told: dict[str, int | None] = dict.fromkeys(CONDITIONS)
    told |= dict.fromkeys(CHALLENGE.values(), 0)
    return {**told, **dict.fromkeys(has, 1)}


class PictureHeaders(PictureSet):
    """A folder of such records."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell such a folder by its first header."""
        header = first_header(path) if path.is_dir() else None
        return header is not None and bool(images(header))

    @cached_property
    def _headers(self) -> list[str]:
        return [name for name in find(self.path).names if name.lower().endswith(".hea")]

    @cached_property
    def _labels(self) -> dict[str, dict[str, int | None] | None]:
        """Header -> its labels."""
        return {name: labels(self.path / name) for name in self._headers}

    @property
    def statements(self) -> Sequence[str]:
        """Return all names of labels."""
        return [name for told in self._labels.values() for name in told or ()]

    def splits(self) -> Sequence[str]:
        """Name the splits: those of train_data and test_data that hold records."""
        return splits_of(self._headers)

    def listing(self, split: str) -> Listing:
        """List the pages of a split, each record a subject."""
        found, told = Listing(), bool(self.splits())
        without: list[str] = []
        for header in self._headers:
            inside = in_split(header, split) if told else header
            if inside is None:
                continue
            folder = PurePosixPath(header).parent
            known = self._labels[header]
            pictures = images(self.path / header)
            if not pictures:
                without.append(header)
            elif known is None:
                detail = "names a picture and has no line '# Dx:' or '# Labels:': what it shows is not known"
                found.faults.append(Fault("header", header, detail))
            else:
                for picture in pictures:
                    name = str(folder / picture)
                    if file_there(self.path, name) is None:
                        detail = f"is not there, but {header} names it"
                        found.faults.append(Fault("missing", name, detail))
                    else:
                        found.items.append(Item(name, name, inside[:-4], known))
        found.notes += apart(self._headers, "records")
        found.notes.append(
            AboutPeople(
                "each record is taken for one subject: nothing here tells which records share a patient"
            )
        )
        if without:
            count = plural(len(without), "record")
            found.notes.append(f"{count} without a picture left out: {some(without)}")
        return found
