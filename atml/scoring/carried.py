"""Evaluations of test sets that an export carries with it, so that they count wherever it is scored.

Beside the model lies `atml.artifacts.model.EVALUATIONS`: every evaluation known of the test sets that the
model was scored on, those of other models in the same database too. Subjects stand there as hashes. Exports
of earlier versions carry the reports in their ``scores/`` alone, with the number that each evaluation had.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atml.artifacts.model import EVALUATIONS, SCORES
from atml.formatting import utf8

KEYS = {"data_fingerprint": str, "export_sha256": str, "rule": str, "at": float, "people": dict}
"""What is kept of an evaluation; ``people`` are hashes of the names of subjects, by data set."""


def read(folder: Path | None) -> list[dict[str, Any]]:
    """Return the evaluations that an export carries; none for a file alone.

    Raises ValueError where the file is damaged.
    """
    file = None if folder is None else folder / EVALUATIONS
    if file is None or not file.is_file():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["evaluations"]
        found = [{key: row[key] for key in KEYS} for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged") from error
    if not all(isinstance(row[key], kind) for row in found for key, kind in KEYS.items()):
        raise ValueError(f"{file} is damaged")
    return found


def numbered(folder: Path | None, data_fingerprint: str) -> int:
    """Return the largest number that reports beside a model give evaluations of a test set; 0 for none."""
    files = [] if folder is None else (folder / SCORES).glob("*.json")
    largest = 0
    for file in files:
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            if report["data_fingerprint"] == data_fingerprint:
                largest = max(largest, int(report["look"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a file of somebody else's, or a damaged one
    return largest


def write(folder: Path, evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Add evaluations to those that an export carries; raises OSError where that can't be written."""
    try:
        before = read(folder)
    except ValueError:
        before = []
    every = {_identity(row): dict(row) for row in (*before, *evaluations)}
    rows = sorted(every.values(), key=lambda row: float(row["at"]))
    text = json.dumps({"evaluations": rows}, indent=1, ensure_ascii=False) + "\n"
    handle, name = tempfile.mkstemp(prefix=".evaluations-", dir=folder)
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(utf8(text))
        aside.chmod(0o644)
        aside.replace(folder / EVALUATIONS)
    finally:
        aside.unlink(missing_ok=True)


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in KEYS if key != "people")
