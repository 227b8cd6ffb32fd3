"""Confusion matrices side by side, as SVG written by hand: cells keep their shape on any page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from atml.arrays import Int64
from atml.formatting import sentence
from atml.report.page import Drawing
from atml.report.svg import text
from atml.report.theme import FONT, GREEN, INK, MUTED, RED

CELL = (84, 56)
"""Width and height of a cell, in units of which a screen shows about one to a px."""

LETTER = 7.0
"""Width of a letter, about."""


@dataclass(frozen=True)
class Counted:
    """Counts of decisions on one set of data, as `atml.report.kind.ReportKind.cells` has them."""

    title: str
    cells: Int64


def side_by_side(
    found: Sequence[Counted],
    names: Sequence[str],
    orders: tuple[Sequence[int], Sequence[int]],
    said: Sequence[str],
    runs: int,
) -> Drawing:
    """Draw a matrix for each set of data; ``said`` is a sentence on each.

    ``orders`` are the groups in the order of the rows (true) and of the columns (called). Counts out of fold
    are means over ``runs``.
    """
    rows, columns = (list(order) for order in orders)
    svg = confusions(
        [(one.title, one.cells[rows][:, columns]) for one in found],
        [names[row] for row in rows],
        [names[column] for column in columns],
    )
    mean = f" Counts out of fold are means of {runs} trainings." if runs > 1 else ""
    return Drawing("confusion", svg, f"{sentence('; '.join(said))}{mean}")


def confusions(found: Sequence[tuple[str, Int64]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Draw a matrix for each set: counts, and their share of the windows that truly are of the class.

    ``found`` has a title and counts ``(rows, columns)`` a set, true by called class; a cell is right where
    the names of its row and column are the same. What is right is green, what is wrong red, the deeper the
    larger its share.
    """
    wide, high = CELL
    left = 30.0 + LETTER * max(map(len, rows))
    across, down = len(columns) * wide, len(rows) * high
    step = across + 34
    at = 32 + down / 2
    turned = f'<g transform="rotate(-90 12 {at:.1f})">{text(12, at, "truly", MUTED, 12, "middle")}</g>'
    parts = [turned]
    # A phone shows two small ones beside each other.
    beside = min(len(found), 2 if len(columns) == 2 else 1)
    for number, (title, counts) in enumerate(found):
        place, row = number % beside, number // beside
        x, top = left + place * step, row * (down + 84)
        parts.append(text(x + across / 2, top + 16, title, INK, 12, "middle", bold=True))
        for r, (name, cells) in enumerate(zip(rows, counts, strict=True)):
            y = top + 26 + r * high
            if place == 0:
                parts.append(text(left - 8, y + high / 2 + 4, name, MUTED, 12, "end"))
            for c, (column, n) in enumerate(zip(columns, cells.tolist(), strict=True)):
                colour = GREEN if column == name else RED
                parts.append(_cell(x + c * wide, y, n, int(cells.sum()), colour))
        for c, name in enumerate(columns):
            parts.append(text(x + (c + 0.5) * wide, top + 42 + down, _short(name), MUTED, 12, "middle"))
        parts.append(text(x + across / 2, top + 58 + down, "called", MUTED, 12, "middle"))
    width, height = left + beside * step - 24, (len(found) - 1) // beside * (down + 84) + 66 + down
    font = escape(FONT)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}"'
        f' height="{height}" style="--paper-width:{0.19 * width:.0f}mm" font-family="{font}" font-size="12">'
        f"{''.join(parts)}</svg>"
    )


def _cell(x: float, y: float, count: int, whole: int, colour: str) -> str:
    wide, high = CELL
    share = count / whole if whole else 0.0
    said = f"{100 * share:.1f}%" if whole else "none"
    return (
        f'<rect x="{x + 1.5:.1f}" y="{y + 1.5:.1f}" width="{wide - 3}" height="{high - 3}" rx="4"'
        f' fill="{colour}" fill-opacity="{0.08 + 0.5 * share:.2f}"/>'
        + text(x + wide / 2, y + high / 2 - 2, f"{count:,}", INK, 15, "middle", bold=True)
        + text(x + wide / 2, y + high / 2 + 15, said, INK, 12, "middle")
    )


def _short(name: str) -> str:
    """Cut a name to what stands under a cell."""
    most = int(CELL[0] / LETTER)
    return name if len(name) <= most else f"{name[: most - 1]}…"
