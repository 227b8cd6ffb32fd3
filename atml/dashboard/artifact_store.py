"""Files that a study left on disk, as artifacts of the Dashboard: exports, scores, the report's figures.

They are read where they are: nothing is copied and nothing can be removed from here. What a person uploads
by the Dashboard goes to a folder beside the database.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import mimetypes
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST = 60
"""Files of one export or one report that are shown."""

_SHOWN = (".onnx", ".md", ".json", ".html", ".svg", ".png")
_MIME = {".onnx": "application/octet-stream", ".md": "text/markdown"}


@dataclass(frozen=True)
class Artifact:
    """A file as the Dashboard lists it: ``id`` in hexadecimal digits, ``name`` as shown."""

    id: str
    name: str
    path: Path

    def named(self, name: str) -> Artifact:
        """Return the same file under another name."""
        return dataclasses.replace(self, name=name)

    def meta(self) -> str:
        """Return what Optuna keeps of an artifact in an attribute, as JSON."""
        kind = _MIME.get(self.path.suffix) or mimetypes.guess_type(self.path.name)[0]
        fields = {"artifact_id": self.id, "filename": self.name, "encoding": None}
        return json.dumps({**fields, "mimetype": kind or "application/octet-stream"})


def of_folder(folder: Path, prefix: str = "") -> list[Artifact]:
    """List the files of a folder and of the folders in it, the shown kinds only, `MOST` at most."""
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix in _SHOWN and path.is_file())
    except OSError:
        return []  # gone, or closed to us: there is nothing to show
    files = [path for path in files if not any(part.startswith(".") for part in path.parts[-2:])]
    files.sort(key=lambda path: (len(path.relative_to(folder).parts), _SHOWN.index(path.suffix), path))
    return [
        Artifact(
            hashlib.sha256(os.fsencode(path)).hexdigest()[:32], f"{prefix}{path.relative_to(folder)}", path
        )
        for path in files[:MOST]
    ]


class Shelf:
    """An artifact store of Optuna's kind: files where they lie, uploads in a folder of their own."""

    def __init__(self, uploads: Path) -> None:
        self._uploads = uploads
        self._known: dict[str, Path] = {}

    def put(self, artifacts: Iterable[Artifact]) -> None:
        """Let these files be read by their ids."""
        self._known.update({one.id: one.path for one in artifacts})

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open a file by its id; raises Optuna's ArtifactNotFound where there is none."""
        try:
            return self._path(artifact_id).open("rb")
        except OSError as error:
            raise _not_found(artifact_id) from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep an upload."""
        path = self._path(artifact_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        with aside.open("wb") as file:
            shutil.copyfileobj(content_body, file)
        aside.replace(path)

    def remove(self, artifact_id: str) -> None:
        """Remove an upload; a file of an export or a report is none."""
        if artifact_id in self._known:
            raise _not_found(artifact_id)
        try:
            self._path(artifact_id).unlink()
        except OSError as error:
            raise _not_found(artifact_id) from error

    def _path(self, artifact_id: str) -> Path:
        if artifact_id in self._known:
            return self._known[artifact_id]
        if not set(artifact_id) <= set("0123456789abcdefABCDEF-"):
            raise _not_found(artifact_id)  # an id of the Dashboard's making never leaves the folder
        return self._uploads / artifact_id


def _not_found(artifact_id: str) -> Exception:
    from optuna.artifacts.exceptions import ArtifactNotFound

    return ArtifactNotFound(f"no artifact {artifact_id} here")
