"""`atml data make pages`: pictures of ECG pages with their ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.help_text import Commands
from atml.cli.shared_options import AsJson, show
from atml.cli.values import whole

if TYPE_CHECKING:
    from atml.page_sets.page_set import Made

make_app = Commands(help="Make data.", no_args_is_help=True)


@make_app.callback()
def _make() -> None: ...


def _size(text: str) -> tuple[int, int]:
    rows, _, columns = text.partition("x")
    if not (rows.isascii() and rows.isdigit() and columns.isascii() and columns.isdigit()):
        raise typer.BadParameter("must be height x width in pixels, such as 512x672")
    return int(rows), int(columns)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


@make_app.command("pages")
def make_pages(
    out: Annotated[Path, typer.Option(help="Folder to write; new, or empty.", metavar="DIR")],
    hearts: Annotated[
        int | None,
        typer.Option(
            parser=whole(1),
            help="Hearts to draw, or records of --records to take. Of 12 hearts 2 are normal, the others have"
            " one to three of ten conditions.",
            metavar="N",
            show_default="12, or every record",
        ),
    ] = None,
    pages: Annotated[
        int,
        typer.Option(parser=whole(1, 100), help="Pages of each, each another 10 s.", metavar="N"),
    ] = 4,
    kind: Annotated[
        Any,
        typer.Option(
            parser=_names,
            help="Kinds of picture, with commas between; they take turns: clean, scan, mild (a careful"
            " photograph), photo (a careless one).",
            metavar="KIND,...",
            show_default="clean,scan,mild,photo",
        ),
    ] = None,
    layout: Annotated[
        Any,
        typer.Option(
            parser=_names,
            help="Layouts to draw from, with commas between: 3x4+1, 3x4, 6x2, 12x1.",
            metavar="LAYOUT,...",
            show_default="all",
        ),
    ] = None,
    size: Annotated[
        Any,
        typer.Option(parser=_size, help="Height x width of a picture, in pixels.", metavar="HxW"),
    ] = "512x672",
    seed: Annotated[
        int, typer.Option(parser=whole(0), help="The same seed gives the same bytes.", metavar="N")
    ] = 0,
    records: Annotated[
        Path | None,
        typer.Option(
            help="Folder of WFDB records of twelve leads, 10 s or longer, in place of drawn hearts.",
            metavar="DIR",
            show_default="drawn hearts",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make pictures of ECG pages, with signals, masks, geometry and labels.

    A heart, or record, is a subject: all its pages belong to one side of a split.
    """
    from dataclasses import asdict

    from atml.page_sets.page_set import Asked, make
    from atml.pages.page_layout import LAYOUTS
    from atml.pages.wear_ranges import KINDS

    made = make(
        out,
        Asked(
            hearts=hearts,
            pages=pages,
            kinds=tuple(KINDS) if kind is None else kind,
            layouts=tuple(LAYOUTS) if layout is None else layout,
            size=_size(size) if isinstance(size, str) else size,
            seed=seed,
            records=records,
        ),
    )
    show(asdict(made) if json else _told(made), json)


def _told(made: Made) -> str:
    """Say what was made, for a terminal."""
    from atml.formatting import plural

    lines = [f"{made.folder}: {plural(made.pages, 'page')} of {plural(made.subjects, 'subject')}"]
    if any(made.conditions.values()):
        lines.append("with " + ", ".join(f"{name} {n}" for name, n in made.conditions.items()))
    lines += [f"left out: {one}" for one in made.left_out]
    lines.append(f"look at {made.folder / 'contact_sheet.png'}; labels.csv has a line a page")
    return "\n".join(lines)
