"""The two files of a study, its search space and its objective: here, or from the texts that it keeps."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from atml.data import cache
from atml.errors import TaskFileError
from atml.searching.study_spec import SOURCES, definition_of
from atml.storage import Store
from atml.task_files.definition import TaskDefinition
from atml.task_files.loading import execute


def task_of(store: Store, name: str, spec: dict[str, Any]) -> TaskDefinition:
    """Load the task of a study from its two files; one that is not there any more from the study's text.

    Raises what `definition_of` raises.
    """
    texts = store.facts(name).get(SOURCES) or {}
    found = {}
    for key in ("space", "objective"):
        path = Path(spec[f"{key}_path"])
        found[key] = path if path.is_file() or key not in texts else written(texts[key], spec[key], path.name)
    return definition_of(spec, found["space"], found["objective"])


def written(text: str, code_hash: str, file: str) -> Path:
    """Write a text to a private folder of the cache, whole or not at all, and return its path."""
    folder = cache.root(None) / "rooms" / code_hash
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / file
        aside = folder / f".{file}.{uuid.uuid4().hex}"
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise TaskFileError(
            f"{folder} can't be written: {error.strerror}; set ATML_CACHE to another"
        ) from error
    if (found := execute(path)[2]) != code_hash:
        raise TaskFileError(
            f"the text of {file} in the study is not what its hash says ({found}, not {code_hash})"
        )
    return path
