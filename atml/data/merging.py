"""Several data sets joined to one: their subjects stay apart, and the order of sets does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.arrays import Inputs, Int64
from atml.data import cache as store
from atml.data.formats import matlab_struct
from atml.data.labelling import duplicates
from atml.data.parsing import Files

PICTURE = 4
"""Axes of rows that are pictures: row, colour, and two of pixels."""

PUBLISHED = {
    "vfdb": "malignant-ventricular-ectopy",
    "cudb": "cu-ventricular-tachyarrhythmia",
    "mitdb": "mit-bih-arrhythmia",
    "afdb": "mit-bih-atrial-fibrillation",
}
"""What the folder of a set is called as it is published."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One split of one set: all rows of its parsed copy, and the numbers of those to ``keep``.

    ``key`` names the copy; ``x (n, leads, samples)``, ``digest (n, 16)``, ``files`` and ``y (n,)`` are of all
    rows. ``strange`` are rhythms that the task does not know, ``left_out`` counts subjects. ``bare`` says
    that the set does not tell train from test, ``records`` that its places name a recording and a time in it.
    """

    name: str
    path: str
    key: str
    x: Inputs
    digest: npt.NDArray[np.uint8]
    files: Files
    y: Int64
    keep: Int64
    notes: tuple[str, ...]
    strange: tuple[str, ...] = ()
    left_out: int = 0
    bare: bool = False
    records: bool = False


def kept(piece: Piece, root: Path) -> Piece:
    """Return the rows that a piece keeps: where not all, in a copy of their own, so mapped as well."""
    if len(piece.keep) == len(piece.y):
        return piece
    part = store.fetch(root / store.key(piece.key, piece.keep.tolist()), lambda: (_blocks(piece), {}, []))
    return _taken(piece, part.x)


def together(pieces: Sequence[Piece], root: Path) -> Piece:
    """Return the rows that several pieces keep as one, set after set by name, x in a copy of its own."""
    ordered = sorted(pieces, key=lambda piece: piece.name)
    key = store.key("several", [(piece.key, piece.keep.tolist()) for piece in ordered])
    joined = store.fetch(root / key, lambda: ([block for p in ordered for block in _blocks(p)], {}, []))
    taken = [_taken(piece, piece.x[:0]) for piece in ordered]
    files = [piece.files for piece in taken]
    names = np.repeat([piece.name for piece in taken], [len(piece.y) for piece in taken])
    digest = np.concatenate([piece.digest for piece in taken])
    place = np.concatenate([np.char.add(f"{piece.name}/", piece.files.place) for piece in taken])
    notes = [f"{piece.name}: {note}" for piece in pieces for note in piece.notes]
    for piece in pieces:
        others = [other.name for other in pieces if other is not piece]
        notes += same_patients(piece.notes, others, "given beside it")
    if pairs := duplicates(digest, names):
        first, second = (str(place[row]) for row in pairs[0])
        what = "pages" if joined.x.ndim == PICTURE else "windows"
        notes.append(f"{len(pairs)} {what} are the same in two sets, for example {first} and {second}")
    return Piece(
        name="+".join(piece.name for piece in pieces),
        path=" and ".join(piece.path for piece in pieces),
        key=key,
        x=joined.x,
        digest=digest,
        files=Files(
            place=place,
            subject=np.concatenate([item.subject for item in files]),
            rhythm=np.concatenate([item.rhythm for item in files]),
            given=np.concatenate([item.given for item in files]),
        ),
        y=np.concatenate([piece.y for piece in taken]),
        keep=np.arange(len(digest)),
        notes=tuple(notes),
        bare=all(piece.bare for piece in pieces),
        records=all(piece.records for piece in pieces),
    )


def same_patients(notes: Sequence[str], names: Sequence[str], which: str) -> list[str]:
    """Return a warning for each set in ``names`` that segments of a MATLAB file were taken from.

    The ``notes`` of the file name its sources. Patients have other names there, so it can't be found out
    which of them are in both; ``which`` describes the sets in the message.
    """
    found = []
    for source in [source for note in notes for source in matlab_struct.sources(note)]:
        short = source.casefold()
        words = [word for word in (short, PUBLISHED.get(short, "")) if len(word) > 2]
        for name in names:
            if any(word in name.casefold() for word in words):
                found.append(
                    f"segments of {source} may be of the same patients as {name}, {which}:"
                    " they have other names there and can't be matched"
                )
    return found


def _taken(piece: Piece, x: Inputs) -> Piece:
    """Return a piece of the rows that it keeps, with their ``x``."""
    keep = piece.keep
    return replace(
        piece,
        x=x,
        digest=piece.digest[keep],
        files=piece.files.take(keep),
        y=piece.y[keep],
        keep=np.arange(len(keep)),
    )


def _blocks(piece: Piece) -> list[store.Gathered]:
    """Return the rows that a piece keeps, which are gathered as they are written."""
    return [store.Gathered(piece.x, piece.keep)]
