"""Joining a study from any machine: all but the data comes from the study itself.

The texts of the search space and of the objective are kept in it, so that a user's own files need not be on
every machine; a file here whose code has the same hash is used in their place. Whoever can write to the
database can so run code on every machine that joins: it is to be trusted like a shared folder of programs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atml import task_files
from atml.data import cache
from atml.data.dataset import Dataset, DataSource
from atml.errors import StudyError, TaskFileError
from atml.searching.study import CODE, SOURCES, Plan, digest, plan_of, room_of, same_code
from atml.storage import Store
from atml.task_files.definition import TaskDefinition
from atml.task_files.loading import execute
from atml.training import fingerprint


def join(
    store: Store, name: str, paths: Sequence[Path], say: Callable[[str], None], *, strict: bool = True
) -> Plan:
    """Make ready to work on a study as it was made; ``paths`` say where its data are on this machine.

    Raises:
        StudyError: no such study; other code than it is searched with (unless ``strict`` is off), other data,
            or data that deal into other folds, the difference named.
        TaskFileError: its files are neither here nor kept in it.
    """
    spec = store.spec(name)
    if spec is None:
        known = ", ".join(store.studies())
        raise StudyError(
            f"no study {name!r} in {store.name}; there {'are: ' + known if known else 'is none'}"
        )
    kept = store.facts(name)
    if strict:
        same_code(name, kept.get(CODE), fingerprint.here())
    definition = _room(name, spec, kept.get(SOURCES) or {}, say)
    origin = _origin(name, spec, paths)
    dataset = definition.open(origin)
    _same_data(name, spec, dataset, origin)
    plan = plan_of(store, name, spec, definition, origin, dataset)
    split = digest(plan.folds)
    if spec.get("split", split) != split:
        raise StudyError(
            f"study {name!r} dealt its subjects into other folds ({spec['split'][:8]} there,"
            f" {split[:8]} here): install the same scikit-learn and numpy on every machine"
        )
    return plan


def _room(
    name: str, spec: dict[str, Any], texts: dict[str, str], say: Callable[[str], None]
) -> TaskDefinition:
    """Find the study's two files here, by their hashes, or write down the texts that it keeps."""
    here = task_files.names().get(spec["task"], {})
    found = {}
    for key, folder in (("space", "search_spaces"), ("objective", "objectives")):
        places = [Path(spec[f"{key}_path"]), *([here[folder]] if folder in here else [])]
        path = next((place for place in places if _hash(place) == spec[key]), None)
        if path is None and key not in texts:
            raise TaskFileError(
                f"study {name!r} keeps no text of its {places[0].name}, for an earlier atml made it, and no"
                " file here has the same code: start `atml search` where it was made once more"
            )
        if path is None:
            path = _written(texts[key], spec[key], places[0].name)
            say(f"{places[0].name} is taken from the study: {path}")
        found[key] = path
    return room_of(spec, found["space"], found["objective"])


def _hash(path: Path) -> str | None:
    """Return the hash of a file's code, None where it can't be had."""
    try:
        return execute(path)[2] if path.is_file() else None
    except (TaskFileError, OSError):
        return None


def _written(text: str, code_hash: str, file: str) -> Path:
    """Write a text to a private folder of the cache, whole or not at all; it may be there already."""
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


def _origin(name: str, spec: dict[str, Any], paths: Sequence[Path]) -> DataSource:
    """Return where the data are on this machine."""
    origin = DataSource.from_dict(spec)
    if paths and not origin.paths:
        raise StudyError(f"study {name!r} is one on synthetic data: leave --data out")
    origin = replace(origin, paths=tuple(paths) or origin.paths)
    gone = [str(path) for path in origin.paths if not path.exists()]
    if gone and not paths:
        raise StudyError(
            f"study {name!r} has its data at {' and '.join(gone)}, which is not on this machine: say where"
            " they are with --data PATH"
        )
    return origin


def _same_data(name: str, spec: dict[str, Any], dataset: Dataset, origin: DataSource) -> None:
    """Raise StudyError where the data here are not those of the study, and say what differs."""
    if dataset.fingerprint == spec["data_fingerprint"]:
        return
    subjects = len(np.unique(dataset.subject))
    there = (
        f"{spec['segments']} segments of {spec['subjects']} subjects there, " if "segments" in spec else ""
    )
    what = " and ".join(map(str, origin.paths)) or "the synthetic data here"
    raise StudyError(
        f"{what}: not the data of study {name!r}: {there}{len(dataset)} of {subjects} here; fingerprints"
        f" {spec['data_fingerprint'][:12]} there, {dataset.fingerprint[:12]} here"
    )
