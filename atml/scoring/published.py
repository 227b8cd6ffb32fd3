"""Figures that others published, to stand beside ours: read from a small JSON file.

::

    {
     "format": 1,
     "task": "afib", "rule": "iesd2024",          # of atml, a list of several; whose "F", "G" and "total"
     "data": "IESD 2024, the contest's test subjects",
     "windows": 12604,                            # how many, and the names of its subjects: by these a
     "subjects": ["S66", "S67"],                  # comparison knows the same test set; may be left out
     "source": "the contest's leaderboard; ...",  # who says so, and what size and latency are of
     "notes": ["..."],                            # what a reader has to know, may be left out
     "entries": [
      {"name": "place 1", "metrics": {"F": 0.935, "G": 0.833}, "size_kib": 178, "latency_ms": 4.883}
     ]
    }

``metrics`` go by the keys that `atml score --json` has for the same figures. Whether they are of the data of
a comparison is worked out from ``windows`` and ``subjects``. Nothing is known of how single subjects were
decided: figures are shown, and nothing is tested with them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml.data import text
from atml.errors import InputError

FOLDER = Path(__file__).parent / "published_figures"
"""Files that come with atml."""

_KEYS = {"format", "task", "rule", "data", "windows", "subjects", "source", "notes", "entries"}
_ENTRY = {"name", "metrics", "size_kib", "latency_ms"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published model: its figures by key, its size in KiB and latency in ms where they are known."""

    name: str
    metrics: dict[str, float]
    size_kib: float | None
    latency_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Published:
    """Contents of a file; ``tasks`` and ``rule`` are names of atml, ``data`` and ``source`` are words.

    ``windows`` counts those of its test set, ``subjects`` names those that can be in it; None and () where
    the source does not say.
    """

    tasks: tuple[str, ...]
    rule: str
    data: str
    source: str
    notes: tuple[str, ...]
    entries: tuple[Entry, ...]
    windows: int | None = None
    subjects: tuple[str, ...] = ()


def known() -> list[str]:
    """Names of the files that come with atml."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Published:
    """Read a file by its path, or one that comes with atml by its name.

    Raises InputError for one that is not there or that says anything else than the format above.
    """
    path = FOLDER / f"{name}.json" if name in known() else Path(name)
    try:
        fields = json.loads(text.read(path))
    except OSError as error:
        raise InputError(
            f"--published {name}: {error.strerror}; name a JSON file, or one of {', '.join(known())}"
        ) from error
    except ValueError as error:
        raise InputError(f"--published {name} is no JSON: {error}") from error
    try:
        return _read(fields)
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"--published {name}: {what}; see `atml/scoring/published.py` for the format"
        ) from error


def _read(fields: Any) -> Published:
    _only(fields, _KEYS, "the file")
    if fields["format"] != 1:
        raise ValueError(f"format {fields['format']!r}, and this version reads 1")
    entries = tuple(_entry(one) for one in fields["entries"])
    if not entries:
        raise ValueError("no entries")
    notes = tuple(_text(note, "a note") for note in fields.get("notes", ()))
    words = {key: _text(fields[key], key) for key in ("rule", "data", "source")}
    given = fields["task"]
    tasks = tuple(_text(name, "a task") for name in (given if isinstance(given, list) else [given]))
    if not tasks:
        raise ValueError("no task")
    windows = fields.get("windows")
    if windows is not None and (not isinstance(windows, int) or isinstance(windows, bool) or windows < 1):
        raise ValueError(f"windows is {windows!r}, no count")
    subjects = tuple(_text(name, "a subject") for name in fields.get("subjects", ()))
    return Published(tasks=tasks, entries=entries, notes=notes, windows=windows, subjects=subjects, **words)


def _entry(fields: Any) -> Entry:
    _only(fields, _ENTRY, "an entry")
    name = _text(fields["name"], "a name")
    metrics = {str(key): _number(value, f"{name}: {key}") for key, value in fields["metrics"].items()}
    costs = {
        key: None if fields.get(key) is None else _number(fields[key], f"{name}: {key}")
        for key in ("size_kib", "latency_ms")
    }
    return Entry(name=name, metrics=metrics, **costs)


def _only(fields: Any, allowed: set[str], what: str) -> None:
    if not isinstance(fields, dict):
        raise TypeError(f"{what} is {type(fields).__name__}, not an object")
    strange = sorted(set(fields) - allowed)
    if strange:
        raise ValueError(f"{what} has {strange[0]!r}, which means nothing here")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{what} is {value!r}, not text")
    return value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{what} is {value!r}, no figure")
    return float(value)
