"""What a report is made of: sections of blocks, plain values that know nothing of HTML.

A section says what it has to say in words; every picture and table brings a sentence, computed from the data,
that says what it shows. A part that has nothing to show says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A plain paragraph."""

    text: str


@dataclass(frozen=True)
class Chart:
    """A Plotly figure in the colours of `atml.report.theme`.

    ``name`` is unique in a report and safe as the name of a file; ``says`` is the sentence computed from the
    data. The figure's own ``layout.height`` (px) is kept, its width is the page's; one that can't be read
    on a phone names its least width in px, ``layout.meta = {"least": 640}``, and scrolls inside its box.
    """

    name: str
    figure: Figure
    says: str


@dataclass(frozen=True)
class Drawing:
    """A drawing of our own: one ``<svg>`` element with a ``viewBox``, in the colours of the theme.

    One that is ``wide`` can't be read when it is made as narrow as a phone: it scrolls inside its box, which
    shows what lies at this share of its width first.
    """

    name: str
    svg: str
    says: str
    wide: float | None = None


@dataclass(frozen=True)
class Grid:
    """A table. Cells are text; a column whose cells are all numbers or "-" is set to the right.

    So are those that ``right`` names, for the odd word among numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    says: str
    right: tuple[str, ...] = ()


@dataclass(frozen=True)
class Empty:
    """A part with nothing to show, and why."""

    why: str


@dataclass(frozen=True)
class Windows:
    """Windows to look through, drawn by the page's script: filtered by each of ``columns``, some at a time.

    Attributes:
        columns: Names of what a window is filtered by, such as "subject".
        rows: Words of each window under ``columns``, and its score, by which it can be cut off.
        score: What the score is.
        traces: Samples of each window as bytes of -127 to 127, the largest magnitude of all its samples as
            127, with that magnitude; None where it is not drawn.
        rate: Samples of a trace a second.
        unit: Unit of the magnitudes, "" where it is not known.
        says: The sentence computed from the data.
        what: What they are, several of them.
        places: Where each is from, "106 at 12:31.25"; none where that is not known.
        mark: The second of a window at which what it is about lies; None where it is all about it.
        pictures: PNG files that stand for traces where windows are pages.
        picture: Which of them each window has, -1 for none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], float], ...]
    score: str
    traces: tuple[tuple[bytes, float], ...]
    rate: float
    unit: str
    says: str
    what: str = "windows"
    places: tuple[str, ...] = ()
    mark: float | None = None
    pictures: tuple[bytes, ...] = ()
    picture: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fold:
    """Blocks that stay folded under a ``summary`` until somebody opens them; all are open in print."""

    summary: str
    blocks: tuple[Block, ...]


Block = Heading | Text | Chart | Drawing | Grid | Empty | Windows | Fold


@dataclass(frozen=True)
class Section:
    """One part of a report; ``anchor`` is its address in the page. One that is ``folded`` opens on demand."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False

    @property
    def flat(self) -> list[Block]:
        """Its blocks, those that are folded in their place."""
        return list(flat(self.blocks))


def flat(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield blocks in order, those that are folded in their place."""
    for block in blocks:
        if isinstance(block, Fold):
            yield from flat(block.blocks)
        else:
            yield block


def figures(sections: Sequence[Section]) -> Iterator[Chart | Drawing]:
    """Yield every picture of a report in order.

    Raises ValueError for a name that is used twice or that is no name of a file: a fault of a section.
    """
    seen: set[str] = set()
    for section in sections:
        for block in section.flat:
            if not isinstance(block, Chart | Drawing):
                continue
            if block.name in seen or not _NAME.fullmatch(block.name):
                raise ValueError(f"section {section.anchor!r}: figure name {block.name!r} can't be used")
            seen.add(block.name)
            yield block
