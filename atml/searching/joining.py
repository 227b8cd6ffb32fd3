"""Joining the search of a study from any machine: everything but the data comes from the study.

The study keeps the texts of its search space and its objective, so a user's own files need not be on every
machine; a file here whose code has the same hash is preferred. So everybody with write access to the database
can run code on every machine that joins: treat it like a shared folder of programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atml import task_files
from atml.data.dataset import Dataset, DataSource
from atml.errors import StudyError, TaskFileError
from atml.searching.kept_files import written
from atml.searching.plan import Plan, plan_of
from atml.searching.study_spec import CODE, SOURCES, check_code, definition_of, digest, note_earlier
from atml.storage import Store
from atml.task_files import builtin
from atml.task_files.definition import TaskDefinition
from atml.task_files.loading import execute
from atml.training import fingerprint


def join(
    store: Store, name: str, paths: Sequence[Path], say: Callable[[str], None], *, strict: bool = True
) -> Plan:
    """Return the plan of an existing study; ``paths`` are its data on this machine, if not where they were.

    Raises:
        StudyError: no such study, other code than it is searched with (if ``strict``), other data, or other
            folds of them.
        TaskFileError: its files are neither here nor in the study.
    """
    spec = store.spec(name)
    if spec is None:
        known = ", ".join(store.studies())
        raise StudyError(
            f"no study {name!r} in {store.name}; there {'are: ' + known if known else 'is none'}"
        )
    kept = store.facts(name)
    if strict:
        check_code(name, kept.get(CODE), fingerprint.here())
    definition = _definition(name, spec, kept.get(SOURCES) or {}, say)
    origin = _origin(name, spec, paths)
    dataset = definition.open(origin)
    _same_data(name, spec, dataset, origin)
    plan = plan_of(store, name, spec, definition, origin, dataset)
    split = digest(plan.folds)
    if spec.get("split", split) != split:
        raise StudyError(
            f"study {name!r} has other folds than this machine would make ({spec['split'][:8]} there,"
            f" {split[:8]} here): install the same scikit-learn and numpy on every machine"
        )
    return plan


def _definition(
    name: str, spec: dict[str, Any], texts: dict[str, str], say: Callable[[str], None]
) -> TaskDefinition:
    """Load the study's two files: from here where the hashes are equal, else from the texts in the study."""
    here = task_files.names().get(spec["task"], {})
    found = {}
    for key, folder in (("space", "search_spaces"), ("objective", "objectives")):
        places = [Path(spec[f"{key}_path"]), *([here[folder]] if folder in here else [])]
        if key == "space" and (former := builtin.earlier_space(spec["task"], spec["space"])):
            places.append(former)
        path = next((place for place in places if _hash(place) == spec[key]), None)
        if path is None and key not in texts:
            raise TaskFileError(
                f"study {name!r} was made by an earlier atml, which kept no text of {places[0].name}, and no"
                " file here has the same code: start `atml search` once more on the machine where it was made"
            )
        if path is None:
            path = written(texts[key], spec[key], places[0].name)
            say(f"{places[0].name} is taken from the study: {path}")
        found[key] = path
    definition = definition_of(spec, found["space"], found["objective"])
    note_earlier(name, definition, say)
    return definition


def _hash(path: Path) -> str | None:
    """Return the hash of a file's code, None for a file that is missing or broken."""
    try:
        return execute(path)[2] if path.is_file() else None
    except (TaskFileError, OSError):
        return None


def _origin(name: str, spec: dict[str, Any], paths: Sequence[Path]) -> DataSource:
    """Return the data source on this machine."""
    origin = DataSource.from_dict(spec)
    if paths and not origin.paths:
        raise StudyError(f"study {name!r} is on synthetic data: leave --data out")
    origin = replace(origin, paths=tuple(paths) or origin.paths)
    gone = [str(path) for path in origin.paths if not path.exists()]
    if gone and not paths:
        raise StudyError(
            f"study {name!r} has its data at {' and '.join(gone)}, which is not on this machine: give their"
            " place with --data PATH"
        )
    return origin


def _same_data(name: str, spec: dict[str, Any], dataset: Dataset, origin: DataSource) -> None:
    """Raise StudyError, which lists the difference, where the data here are not those of the study."""
    if dataset.fingerprint == spec["data_fingerprint"]:
        return
    subjects = len(np.unique(dataset.subject))
    there = f"{spec['segments']} windows of {spec['subjects']} subjects there, " if "segments" in spec else ""
    what = " and ".join(map(str, origin.paths)) or "the synthetic data here"
    raise StudyError(
        f"{what}: not the data of study {name!r}: {there}{len(dataset)} of {subjects} here; fingerprints"
        f" {spec['data_fingerprint'][:12]} there, {dataset.fingerprint[:12]} here"
    )
