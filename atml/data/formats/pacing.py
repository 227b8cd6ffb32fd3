"""Whether a record says that a pacemaker works in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from atml.data.file_tree import file_there
from atml.data.formats.annotation_file import Damaged, parse
from atml.data.formats.annotations import rhythm_of

_PACED = re.compile(r"\bpace(d|r|s|maker)?\b|\bpacing\b", re.IGNORECASE)
_NOT = re.compile(r"\b(no|not|without|non)\b[^.]{0,20}$", re.IGNORECASE)

SYMBOLS = ("/", "f", "^")
"""Paced beats, fusions of paced and normal ones, and spikes without a beat."""


def told(header: Path | None, comments: Sequence[str]) -> str:
    """Say where a record tells that it is paced: in its comments or the ``.atr`` beside it; "" for nowhere.

    Example:
        >>> told(None, ["69 M", "The rhythm is paced with a demand pacemaker."])
        "its header says 'The rhythm is paced with a demand pacemaker.'"
        >>> told(None, ["No pacemaker."])
        ''
    """
    for line in comments:
        found = _PACED.search(line)
        if found and not _NOT.search(line[: found.start()]):
            return f"its header says {line.strip()!r}"
    path = None if header is None else file_there(header.parent, f"{header.stem}.atr")
    if path is None:
        return ""
    try:
        marks, _ = parse(path.read_bytes())
    except (OSError, Damaged):
        return ""  # nothing is said; what reads annotations for their own sake says what is wrong
    beats = sum(symbol in SYMBOLS for symbol in marks.symbol)
    rhythm = any(
        symbol == "+" and rhythm_of(note) == "P"
        for symbol, note in zip(marks.symbol, marks.note, strict=True)
    )
    if not beats and not rhythm:
        return ""
    return (
        f"{path.name} marks {beats:,} paced beats or spikes" if beats else f"{path.name} names a paced rhythm"
    )
