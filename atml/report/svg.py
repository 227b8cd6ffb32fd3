"""Words in drawings that are written by hand."""

from __future__ import annotations

from html import escape


def text(
    x: float, y: float, words: str, colour: str, size: float, anchor: str = "start", *, bold: bool = False
) -> str:
    """Return a ``<text>`` element; ``anchor`` is the end of the words, or the middle, that lies at ``x``."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" fill="{colour}" font-size="{size:g}" text-anchor="{anchor}"{weight}>'
        f"{escape(words)}</text>"
    )
