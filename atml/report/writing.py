"""Sections to one HTML file that opens offline, and its figures as files beside it.

What is written is whole or absent: the page and the folder of figures are made aside and renamed.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from atml import __version__
from atml.errors import InputError
from atml.formatting import utf8
from atml.report import static, theme
from atml.report.page import Block, Chart, Drawing, Empty, Fold, Grid, Heading, Section, Text, Windows

INDEX, FIGURES = "index.html", "figures"

WORDY = 30
"""Characters from which a cell that begins with a number is a sentence."""

LONG = 60
"""Characters from which a cell is a sentence, and its column is kept wide enough to read one."""


@dataclass(frozen=True)
class Head:
    """What stands above the sections.

    A title, what it is about, a sentence, tiles ``(name, value, note)``, and rows ``(name, words)``.
    """

    title: str
    kicker: str
    lead: str
    facts: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[str, str], ...]
    foot: str


def check_writable(folder: Path) -> None:
    """Raise InputError where a report can't be written to ``folder``; leaves nothing behind."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise NotADirectoryError(0, "it is no folder", str(there))
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    return InputError(f"{folder} can't be written: {reason}; name another folder with --out")


def publish(folder: Path, page: str, fill: Callable[[Path], None]) -> Path:
    """Write the page and what ``fill`` puts into the folder of figures, whole; return the page's path.

    Raises InputError where the folder can't be written; then what was there before is still there.
    """
    aside: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".new-*"):
            shutil.rmtree(left, ignore_errors=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        figures, old = aside / FIGURES, folder / FIGURES
        figures.mkdir()
        fill(figures)
        (aside / INDEX).write_bytes(utf8(page))
        before = old.exists()
        if before:
            old.rename(aside / "old")
        try:
            if any(figures.iterdir()):
                figures.rename(old)
            (aside / INDEX).replace(folder / INDEX)
        except OSError:
            if before:
                shutil.rmtree(old, ignore_errors=True)
                (aside / "old").rename(old)
            raise
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    return folder / INDEX


def html(head: Head, sections: Sequence[Section]) -> str:
    """Return the whole page."""
    charts = any(isinstance(block, Chart) for section in sections for block in section.flat)
    links = "".join(f'<li><a href="#{s.anchor}">{escape(s.title)}</a></li>' for s in sections)
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in head.facts
    )
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{_code(name, words)}</dd></div>" for name, words in head.rows
    )
    body = "".join(_section(section) for section in sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="atml {__version__}">\n'
        # Browsers ask for an icon where a page names none.
        f'<link rel="icon" href="data:,">\n<title>{escape(head.title)}</title>\n'
        f"<style>{static.style()}</style>\n</head>\n<body>\n"
        '<button class="theme" type="button">Dark</button>\n<div class="frame">\n'
        f'<header class="top"><p class="kicker">{escape(head.kicker)}</p><h1>{escape(head.title)}</h1>'
        f'<p class="lead">{escape(head.lead)}</p><dl class="facts">{facts}</dl>'
        f'<dl class="verdict">{rows}</dl></header>\n'
        '<div class="body">\n'
        '<nav class="contents" aria-label="Contents"><details open><summary>Contents</summary>'
        f"<ol>{links}</ol></details></nav>\n<main>\n{body}</main>\n</div>\n"
        f"<footer>{escape(head.foot)}</footer>\n</div>\n"
        "<noscript><p>Charts need JavaScript; sentences, tables and drawings don't.</p></noscript>\n"
        f"{_library() if charts else ''}<script>{static.script()}</script>\n</body>\n</html>\n"
    )


def _library() -> str:
    """Return Plotly, packed, and what all charts share."""
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
    return (
        f'<script type="application/json" id="layout">{_json(theme.layout())}</script>\n'
        f'<script type="text/plain" id="plotly">{packed}</script>\n'
    )


def _code(name: str, words: str) -> str:
    """Write a row of the verdict; paths and commands can be copied whole."""
    return f"<code>{escape(words)}</code>" if name in ("path", "next") else escape(words)


def _section(section: Section) -> str:
    title, blocks = f"<h2>{escape(section.title)}</h2>", _blocks(section.blocks)
    if section.folded:
        return (
            f'<section id="{section.anchor}" class="folded">\n<details><summary>{title}</summary>\n{blocks}\n'
            "</details></section>\n"
        )
    return f'<section id="{section.anchor}">\n{title}\n{blocks}\n</section>\n'


def _blocks(blocks: Sequence[Block]) -> str:
    return "\n".join(map(_block, blocks))


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h3>{escape(text)}</h3>"
        case Text(text):
            return f"<p>{escape(text)}</p>"
        case Empty(why):
            return f'<p class="empty">{escape(why)}</p>'
        case Drawing():
            return _drawing(block)
        case Chart():
            return _chart(block)
        case Grid():
            return _grid(block)
        case Windows():
            return _windows(block)
        case Fold(summary, blocks):
            return f"<details><summary>{escape(summary)}</summary>\n{_blocks(blocks)}\n</details>"


def _drawing(drawing: Drawing) -> str:
    sheet = static.variables(drawing.svg)
    if drawing.wide is not None:
        says = escape(drawing.says)
        sheet = (
            f'<div class="sheet" data-first="{drawing.wide:.3g}" tabindex="0" role="region"'
            f' aria-label="{says}">{sheet}</div>'
        )
    return (
        f'<figure class="drawing" id="figure-{drawing.name}">{sheet}'
        f"<figcaption>{escape(drawing.says)}</figcaption></figure>"
    )


def _chart(chart: Chart) -> str:
    fields = json.loads(chart.figure.to_json())
    layout = fields["layout"]
    layout.pop("template", None)
    layout.setdefault("height", theme.HEIGHT)
    payload = _json({"data": fields["data"], "layout": layout})
    return (
        f'<figure class="chart" id="figure-{chart.name}">'
        f'<div class="plot" role="img" aria-label="{escape(chart.says)}"'
        f' style="min-height:{layout["height"]}px"></div>'
        f'<script type="application/json" id="data-figure-{chart.name}">{payload}</script>'
        f"<figcaption>{escape(chart.says)}</figcaption></figure>"
    )


def _grid(grid: Grid) -> str:
    """Write a table; the page's script sorts and filters it, and on a phone a row is a few lines."""
    kinds = [_kind(grid, i) for i in range(len(grid.columns))]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, grid.columns, strict=True))
    pairs = " pairs" if len(grid.columns) < 3 else ""
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td{kind} data-name="{escape(name)}">{escape(text)}</td>'
            for kind, name, text in zip(kinds, grid.columns, row, strict=True)
        )
        + "</tr>"
        for row in grid.rows
    )
    return (
        f'<figure class="table{pairs}"><div class="scroll" tabindex="0" role="region"'
        f' aria-label="{escape(grid.says)}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f"</div><figcaption>{escape(grid.says)}</figcaption></figure>"
    )


def _windows(found: Windows) -> str:
    """Write windows as data that the page's script filters and draws."""
    data: dict[str, object] = {
        "columns": found.columns,
        "score": found.score,
        "rate": found.rate,
        "unit": found.unit,
        "what": found.what,
        "places": found.places,
        "mark": found.mark,
        "rows": [[*words, round(score, 3)] for words, score in found.rows],
        "traces": [[base64.b64encode(trace).decode(), float(f"{most:.4g}")] for trace, most in found.traces],
        "pictures": [base64.b64encode(picture).decode() for picture in found.pictures],
        "picture": found.picture,
    }
    return (
        '<div class="windows"><noscript><p class="empty">Windows are shown by JavaScript.</p></noscript>'
        f'<script type="application/json">{_json(data)}</script>'
        f'<p class="caption">{escape(found.says)}</p></div>'
    )


def _kind(grid: Grid, column: int) -> str:
    """Return the class of a column's cells: numbers to the right, long text not squeezed."""
    cells = [row[column] for row in grid.rows]
    if grid.columns[column] in grid.right or all(map(_number, cells)):
        return ' class="number"'
    return ' class="long"' if max(map(len, cells), default=0) > LONG else ""


def _number(text: str) -> bool:
    """Whether a cell is a number, with a unit or a sign or without."""
    first = text[1:2] if text[:1] in "+-<−" else text[:1]
    return text in ("", "-") or (len(text) < WORDY and first.isdigit())


def _json(value: object) -> str:
    """Write JSON that can't end the script element that holds it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
