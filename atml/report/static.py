"""Style and script of the page, which asks nothing of any server.

Colours come from `atml.report.theme` as CSS variables, one for each light colour, so that drawings and charts
change with the theme. Plotly lies in the page packed (gzip, base64): 2 MB instead of 5. A chart is drawn when
it is about to be seen, and all of them before printing.
"""

from __future__ import annotations

import json
import re
from importlib import resources

from atml.report import theme

_HEX = re.compile(r"#[0-9a-fA-F]{6}\b")


def variables(text: str) -> str:
    """Put CSS variables in place of the theme's colours, in a drawing."""
    return _HEX.sub(lambda m: f"var({_name(m[0])})" if m[0].lower() in theme.DARK else m[0], text)


def _name(colour: str) -> str:
    return f"--x{colour.lower().removeprefix('#')}"


def _colours(dark: bool) -> str:
    every = "".join(f"{_name(light)}:{night if dark else light};" for light, night in theme.DARK.items())
    return f"{every}color-scheme:{'dark' if dark else 'light'};"


def style() -> str:
    """Return the whole style sheet."""
    named = {"ink": theme.INK, "muted": theme.MUTED, "line": theme.GRID, "paper": theme.PAPER}
    named |= {"panel": theme.PANEL, "accent": theme.BLUE}
    light, dark = _colours(False), _colours(True)
    aliases = "".join(f"--{word}:var({_name(colour)});" for word, colour in named.items())
    return (
        f":root{{{light}{aliases}--font:{theme.FONT}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f":root[data-theme=dark]{{{dark}}}\n"
        f"@media print{{:root:root:root{{{light}}}}}\n{_file('page.css')}"
    )


def script() -> str:
    """Return the page's own script."""
    return _file("page.js").replace("__DARK__", json.dumps(theme.DARK))


def _file(name: str) -> str:
    return (resources.files("atml.report") / name).read_text(encoding="utf-8")
