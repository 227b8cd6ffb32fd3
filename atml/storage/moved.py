"""Paths that a study keeps, found again after its folder was moved or copied to another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PATHS = ("space_path", "objective_path", "labels", "subjects_by")
"""Settings of a study that hold one path; "data" holds several, or none. The last may hold a pattern."""


def found_again(
    path: Path, folders: Sequence[Path], right: Callable[[Path], bool] = lambda candidate: True
) -> Path:
    """Return a path as it is where something is there, else where it lies now; else as it is.

    Below each of ``folders`` its longest ending is looked for first: what was
    ``/home/me/work/exports/small/96-91-t0132`` is found as ``exports/small/96-91-t0132`` in a copy of the
    folder ``work``. ``right`` tells whether a candidate is the thing itself.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     (Path(name) / "data").mkdir()
        ...     found_again(Path("/gone/work/data"), [Path(name)]) == Path(name) / "data"
        True
    """
    if path.is_absolute() and path.exists():
        return path
    return next((candidate for candidate in _endings(path, folders) if right(candidate)), path)


def _endings(path: Path, folders: Sequence[Path]) -> Iterator[Path]:
    parts = path.parts[1:] if path.is_absolute() else path.parts
    for first in range(len(parts)):
        for folder in folders:
            candidate = folder.joinpath(*parts[first:])
            if candidate.exists():
                yield candidate


def settings(spec: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return a study's settings with the places where its data and its two files lie now."""
    found = dict(spec)
    for key in PATHS:
        if isinstance(spec.get(key), str) and (key != "subjects_by" or Path(spec[key]).is_absolute()):
            found[key] = str(found_again(Path(spec[key]), folders))
    data = spec.get("data")
    if isinstance(data, str):
        found["data"] = str(found_again(Path(data), folders))
    elif data:
        found["data"] = [str(found_again(Path(path), folders)) for path in data]
    return found


def export(folder: Path, sha256: str, folders: Sequence[Path]) -> Path:
    """Return the folder of an export: where it was, or where the same model lies now."""

    def same(candidate: Path) -> bool:
        model = candidate / "model.onnx"
        return model.is_file() and hashlib.sha256(model.read_bytes()).hexdigest() == sha256

    return found_again(folder, folders, same)
