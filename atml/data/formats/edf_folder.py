"""Folders of EDF and EDF+ files whose annotations name the rhythms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from atml.data.file_names import in_split
from atml.data.file_tree import find, folder_there
from atml.data.formats import edf_file
from atml.data.formats.recording_set import Item, Listing, Opened, RecordingSet, apart, splits_of
from atml.data.formats.wfdb_header import Unusable
from atml.data.parsing import SPLITS, AboutPeople, some
from atml.errors import DataError


class EdfFolder(RecordingSet):
    """A folder of such files. Those of one patient's code are of one subject."""

    tells_rate = millivolts = True

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell a folder with EDF files and no WFDB headers, itself or in its train_data and test_data."""
        places = (path, *(folder_there(path, f"{split}_data") for split in SPLITS))
        try:
            files = [file for place in places if place and place.is_dir() for file in place.iterdir()]
        except OSError:
            return False
        there = {file.suffix.lower() for file in files if not file.name.startswith(".")}
        return ".hea" not in there and not there.isdisjoint(edf_file.ENDINGS)

    @cached_property
    def _files(self) -> list[str]:
        return [name for name in find(self.path).names if name.lower().endswith(edf_file.ENDINGS)]

    def splits(self) -> Sequence[str]:
        """Name the splits: those of train_data and test_data that hold files."""
        return splits_of(self._files)

    def listing(self, split: str) -> Listing:
        """List the files of a split that have annotations; raises DataError where none has."""
        edf_file.package()
        told, found = bool(self.splits()), Listing()
        silent: list[str] = []
        people: dict[str, str] = {}
        for file in self._files:
            inside = in_split(file, split) if told else file
            if inside is None:
                continue
            name = inside[: -len(Path(file).suffix)]
            try:
                code, annotated = edf_file.about(self.path / file, file)
            except Unusable as error:
                found.faults.append(error.fault)
                continue
            if not annotated:
                silent.append(name)
                continue
            people[name] = code
            found.items.append(Item(file, name, code or name, None))
        if silent and not found.items:
            raise DataError(
                f"{self.path} holds {some(silent)} without annotations, and says their labels nowhere else: "
                "give a table with --labels FILE, whose first line is 'file,label' or 'file,label,patient'"
            )
        if silent:
            found.notes.append(f"{len(silent)} files have no annotations and are left out: {some(silent)}")
        found.notes += apart(self._files, "files")
        if nameless := [name for name, code in people.items() if not code]:
            found.notes.append(
                AboutPeople(
                    f"{len(nameless)} files name no patient, and each is taken for one subject:"
                    f" {some(nameless)}"
                )
            )
        return found

    def opened(self, item: Item) -> Opened:
        """Read the header of a file."""
        return edf_file.opened(self.path / item.file, item.file)
