"""Regions as files: ``regions.json`` with all evidence, and ``avoid.txt`` for people.

A file says what one study found. In another study its boxes are no evidence; they are tested first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atml.data import text as texts
from atml.errors import RegionError
from atml.regions.box import Box, parse
from atml.regions.ledger import Ledger
from atml.regions.space import Space, check
from atml.regions.verdicts import Region, Status, meaning, row

FORMAT = "atml-regions"


def to_json(study: str, ledger: Ledger, regions: Sequence[Region], space: Space) -> dict[str, Any]:
    """Return every region of a study with its evidence, as JSON types."""
    return {
        "format": FORMAT,
        "version": 1,
        "study": study,
        "space": space.digest,
        "fingerprint": dict(ledger.fingerprint),
        "claim": str(ledger.claim),
        "meaning": meaning(ledger, regions),
        "p0": ledger.p0,
        "alpha": ledger.alpha,
        "regions": [row(region) for region in regions],
        "former": list(ledger.former),
    }


def to_text(study: str, ledger: Ledger, regions: Sequence[Region]) -> str:
    """Write the rejected boxes, one a line, and the lifted ones as comments; `read` reads it back."""
    lines = [
        f"# Regions of study {study}. Each says: {meaning(ledger, regions)}.",
    ]
    lines += [
        f"{r.box.words()}  # {r.words()}, {r.rejected and r.rejected.date()}"
        for r in regions
        if r.status == Status.REJECTED
    ]
    records = [r for r in regions if r.status == Status.RECORDED]
    lines += [f"# a record, not avoided: {r.box.words()} ({r.words()})" for r in records]
    lines += [f"# lifted: {r.box.words()} ({_flat(r.by)})" for r in regions if r.status == Status.LIFTED]
    return "\n".join(lines) + "\n"


def read(path: Path, space: Space) -> tuple[tuple[Box, str], ...]:
    """Read the rejected boxes of either kind of file, each with a note of where it comes from.

    Raises RegionError for a file that can't be read or is of neither kind, for one of another search space,
    and for boxes that are not of this space or together are all of it.
    """
    try:
        text = texts.read(path)
    except OSError as error:
        raise RegionError(f"{path} can't be read as regions: {error}") from error
    found = _json(path, text, space) if text.lstrip().startswith("{") else _lines(path, text)
    for box, _ in found:
        try:
            check(box, space)
        except RegionError as error:
            raise RegionError(f"{path}: {error}") from error
        if space.share(box) == 1.0:
            raise RegionError(f"{path}: region {box.words()!r} is the whole search space")
    if found and space.share(*(box for box, _ in found)) == 1.0:
        raise RegionError(f"{path}: its regions together are the whole search space; leave some of them out")
    return found


def _json(path: Path, text: str, space: Space) -> tuple[tuple[Box, str], ...]:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise RegionError(f"{path} is damaged: {error}") from error
    if fields.get("format") != FORMAT or not isinstance(fields.get("regions"), list):
        raise RegionError(f"{path} holds no regions; `atml regions export` writes them")
    if fields.get("version") != 1:
        raise RegionError(f"{path} has version {fields.get('version')!r}, 1 is known; install a newer atml")
    if fields.get("space") != space.digest:
        raise RegionError(
            f"{path} is about another search space (that of study {fields.get('study')!r}); "
            "an avoid.txt of it can be imported line by line"
        )
    study = fields.get("study")
    try:
        return tuple(
            (Box.from_dict(one["box"]), f"study {study}: {one['evidence']}")
            for one in fields["regions"]
            if one["status"] == Status.REJECTED
        )
    except (KeyError, TypeError) as error:
        raise RegionError(f"{path} is damaged: a region lacks {error}") from error


def _lines(path: Path, text: str) -> tuple[tuple[Box, str], ...]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            box = parse(line)
        except RegionError as error:
            raise RegionError(f"{path}, line {number}: {error}") from error
        if box is not None:
            found.append((box, f"{path.name}, line {number}"))
    return tuple(found)


def _flat(text: str) -> str:
    return " ".join(text.split())
