"""Files of a set, found by what a table calls them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from atml.data.file_names import plain
from atml.data.file_tree import find
from atml.data.parsing import some
from atml.errors import DataError


class NamedFiles:
    """The files of a set, found by what a table calls them: a path, maybe without ending, or a bare name."""

    def __init__(self, folder: Path, endings: Sequence[str]) -> None:
        """Find files in ``folder`` and below that end in one of ``endings``, of several the first."""
        self.folder, self.endings = folder, tuple(endings)

    @cached_property
    def _by_path(self) -> dict[str, str]:
        """Path without ending -> the file, that of the first ending before all else."""
        found: dict[str, str] = {}
        for ending in reversed(self.endings):
            for name in find(self.folder).names:
                if name.lower().endswith(ending):
                    found[name[: -len(ending)]] = name
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Bare name -> the files."""
        found: dict[str, list[str]] = {}
        for stem, file in sorted(self._by_path.items()):
            found.setdefault(PurePosixPath(stem).name, []).append(file)
        return found

    @cached_property
    def _plain_paths(self) -> dict[str, str]:
        return {plain(name): file for name, file in self._by_path.items()}

    @cached_property
    def _plain_names(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, files in self._by_name.items():
            found.setdefault(plain(name), []).extend(files)
        return found

    def meant(self, name: str) -> list[str]:
        """Return the files that a table may mean, those of its very case before others."""
        name = name.replace("\\", "/").removeprefix("./")
        stem = name[: -len(PurePosixPath(name).suffix)] if PurePosixPath(name).suffix else name
        candidates = dict.fromkeys((name, stem)) if name else ()
        for one in candidates:
            if file := self._by_path.get(one) or self._plain_paths.get(plain(one)):
                return [file]
        for one in candidates if "/" not in name else ():
            if files := self._by_name.get(one) or self._plain_names.get(plain(one)):
                return files
        return []

    def find(self, name: str) -> str:
        """Return the file that a table means, "" where none is there; raises DataError for several."""
        files = self.meant(name)
        if len(files) > 1:
            raise DataError(
                f"{name!r} in the table of labels may be {some(files)}: give its folder there, or one of the"
                " folders with --labels FILE"
            )
        return files[0] if files else ""

    @property
    def all(self) -> set[str]:
        """All of them."""
        return set(self._by_path.values())
