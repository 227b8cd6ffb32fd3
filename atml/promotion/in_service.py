"""Which export is in service: what a log comes to, and a small file beside it that programs read.

The log is what counts. `POINTER` is written anew from it after every entry, whole or not at all, and mended
where it does not agree: a power cut between the two leaves it one entry behind, never wrong for long.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atml.artifacts.json_file import fields_of
from atml.artifacts.model import ExportedModel
from atml.errors import InputError
from atml.formatting import utf8
from atml.promotion.decision import Outcome
from atml.promotion.log import BACK, DECIDED, Entry

POINTER = "champion.json"
"""File beside a log that says which export is in service: its folder, its hash, since when."""


@dataclass(frozen=True, kw_only=True)
class ModelId:
    """An export as a log names it: where it lay, the sha256 of its file, what it was trained on."""

    export: str
    sha256: str
    study: str
    trial: int
    data: str
    data_fingerprint: str

    @classmethod
    def of(cls, exported: ExportedModel) -> ModelId:
        """Name an export."""
        return cls(
            export=str((exported.folder or exported.path).resolve()),
            sha256=exported.sha256,
            study=exported.study,
            trial=exported.trial,
            data=exported.data_name,
            data_fingerprint=exported.data_fingerprint,
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ModelId:
        """Rebuild it from `to_dict`."""
        return cls(**{key: fields[key] for key in cls.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Placed:
    """A model in service, and the entry that put it there."""

    model: ModelId
    entry: Entry


def history(entries: Sequence[Entry]) -> list[Placed]:
    """Return the models that one can go back to, the one in service last; empty where nothing was decided.

    The first is the champion of the first decision. A promotion adds the challenger; going back takes away
    what came after the model that is gone back to.
    """
    found: list[Placed] = []
    for entry in entries:
        if entry["event"] == DECIDED:
            if not found:
                found.append(Placed(ModelId.from_dict(entry["champion"]), entry))
            if entry["outcome"] == Outcome.PROMOTED:
                found.append(Placed(ModelId.from_dict(entry["challenger"]), entry))
        elif entry["event"] == BACK:
            target = ModelId.from_dict(entry["to"])
            kept = [at for at, one in enumerate(found[:-1]) if one.model.sha256 == target.sha256]
            found = [*found[: kept[-1]], Placed(target, entry)] if kept else [*found, Placed(target, entry)]
    return found


def in_service(entries: Sequence[Entry]) -> Placed | None:
    """Return the model in service; None where nothing was decided yet."""
    found = history(entries)
    return found[-1] if found else None


def check_pointer(log: Path) -> None:
    """Raise InputError where the pointer beside a log is of another log, or no file that can be replaced."""
    file = log.absolute().parent / POINTER
    if not file.exists():
        return
    theirs = fields_of(file).get("log")
    if not file.is_file() or theirs != log.name:
        whose = f"is of the log {theirs}" if theirs else "is no file of atml's"
        raise InputError(f"{file} {whose}: keep --log {log} in a folder of its own")


def point(log: Path, entries: Sequence[Entry]) -> Path | None:
    """Write which model is in service beside the log, where that isn't there already; return the file.

    Raises InputError where it can't be written. None where nothing is in service.
    """
    now = in_service(entries)
    if now is None:
        return None
    file = log.absolute().parent / POINTER
    fields = {
        **now.model.to_dict(),
        "since": now.entry["at"],
        "entry": now.entry["n"],
        "log": log.name,
    }
    if fields_of(file) == fields:
        return file
    aside = file.with_name(f".{POINTER}.{os.getpid()}")
    try:
        aside.write_bytes(utf8(json.dumps(fields, indent=1, ensure_ascii=False) + "\n"))
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise InputError(
            f"{file} can't be written: {error.strerror or error}; the log {log} is right"
        ) from error
    return file
