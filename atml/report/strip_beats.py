"""The line above a strip that names its beats (SVG written by hand, in mm)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from atml.report.svg import text
from atml.report.theme import GREY, INK, MUTED, PURPLE, RED, SKY

HIGH, NEAR = 4.0, 7.0
"""Height of the line, and the least distance of two beats for the interval to be written between them."""

LETTER = 1.6
"""What half a letter more on either side takes of that distance: a name is in the middle of its beat."""

KINDS = {"V": RED, "S": PURPLE, "Q": GREY}
"""Colours of beats by symbol; those of others are in ink."""


def named(
    left: float,
    y: float,
    speed: float,
    beats: Sequence[tuple[float, str]],
    span: tuple[float, float] | None,
) -> list[str]:
    """Return the elements: symbols, a tick under each, intervals in ms between, and a line under a span.

    Args:
        left: Where the strip's paper begins.
        y: Its upper edge.
        speed: mm a second.
        beats: Seconds since the strip begins, and symbols, in order.
        span: The first and the last second to underline; None for none.
    """
    parts = []
    if span is not None:
        start, end = (left + speed * at for at in span)
        line = f"M{start - 1.5:.2f} {y - 0.5:.2f}H{end + 1.5:.2f}"
        parts.append(f'<path d="{line}" stroke="{SKY}" stroke-width="1"/>')
    for at, symbol in beats:
        x, colour = left + speed * at, KINDS.get(symbol, INK)
        parts.append(text(x, y - 1.6, symbol, colour, 3.1, "middle", bold=True))
        parts.append(f'<path d="M{x:.2f} {y - 1.1:.2f}v1.1" stroke="{colour}" stroke-width="0.25"/>')
    for (before, name), (at, other) in itertools.pairwise(beats):
        if speed * (at - before) >= NEAR + LETTER * (len(name) + len(other) - 2):
            middle = left + speed * (before + at) / 2
            parts.append(text(middle, y - 1.6, f"{1000 * (at - before):.0f}", MUTED, 2.2, "middle"))
    return parts
