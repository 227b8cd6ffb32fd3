"""Pairs of annotation files and what the standard's comparator printed of them: `tests/fixtures/ec57`."""

from __future__ import annotations

import functools
from pathlib import Path

from atml.data.formats.annotation_file import parse
from atml.data.formats.annotations import Marks
from atml.scoring.rules.ec57 import OFFICIAL, Comparison, compare

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "ec57"
SETS = ("edge_360", "edge_250", "mitdb", "gqrs")
RECORDS = {name: (FOLDER / name / "RECORDS").read_text().split() for name in SETS}


def marks(of: str, record: str, annotator: str) -> Marks:
    return parse((FOLDER / of / f"{record}.{annotator}").read_bytes())[0]


def header(of: str, record: str) -> tuple[float, int]:
    """Rate in Hz and length in samples."""
    words = (FOLDER / of / f"{record}.hea").read_text().split()
    return float(words[2]), int(words[3])


@functools.cache
def compared(of: str) -> dict[str, Comparison]:
    return {record: pair(of, record) for record in RECORDS[of]}


def pair(of: str, record: str, **options) -> Comparison:
    rate, length = header(of, record)
    return compare(
        marks(of, record, "atr"),
        marks(of, record, "tst"),
        rate,
        **{"length": length, "classes": OFFICIAL, **options},
    )


def printed(of: str, name: str) -> str:
    return (FOLDER / of / f"{name}.txt").read_bytes().decode()
