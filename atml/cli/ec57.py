"""`atml ec57`: annotations of beats judged by a reference, as ANSI/AAMI EC57 does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import DATA, RULE, AsJson, show
from atml.cli.values import number


def ec57(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder of WFDB records: headers and annotation files. Signals are not read.",
            metavar="FOLDER",
            show_default=False,
        ),
    ],
    test: Annotated[
        str,
        typer.Option(
            help="Annotator that is judged: the ending of its files.",
            metavar="NAME",
            show_default=False,
            rich_help_panel=DATA,
        ),
    ],
    reference: Annotated[
        str,
        typer.Option(
            help="Annotator of the reference: the ending of its files.",
            metavar="NAME",
            rich_help_panel=DATA,
        ),
    ] = "atr",
    test_folder: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the files that are judged.",
            metavar="DIR",
            show_default="FOLDER",
            rich_help_panel=DATA,
        ),
    ] = None,
    learning: Annotated[
        float,
        typer.Option(
            parser=number(0),
            help="Learning period at the start of each record; any but 300 is marked non-standard.",
            metavar="SECONDS",
            rich_help_panel=RULE,
        ),
    ] = 300.0,
    window: Annotated[
        float,
        typer.Option(
            parser=number(0),
            help="Two beats this far apart may be the same; any but 150 is marked non-standard.",
            metavar="MS",
            rich_help_panel=RULE,
        ),
    ] = 150.0,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Earlier report to show the differences from: lines_beats.txt or sumstats_beats.txt, of this"
            " or another program.",
            metavar="FILE",
            show_default="none",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write the reports to, in the format of the standard's comparators.",
            metavar="DIR",
            show_default="none",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compare annotations of beats with a reference, beat by beat, as ANSI/AAMI EC57 does."""
    from atml.library.beat_comparison import compare_beats

    found = compare_beats(
        folder,
        reference=reference,
        test=test,
        test_folder=test_folder,
        learning=learning,
        window=window / 1000,
        against=against,
    )
    files = [] if out is None else found.write(out)
    show(found.to_dict() if json else str(found), json)
    if files and not json:
        show(f"\n{len(files)} reports written to {out}")
