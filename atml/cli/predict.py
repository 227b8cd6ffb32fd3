"""`atml predict`: an export's decisions on recordings without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.reading_bar import waiting
from atml.cli.shared_options import AsJson, Lead, SamplingRate, show
from atml.cli.values import number

DECISIONS = "Decisions and episodes"


def predict(
    export: Annotated[
        Path, typer.Argument(help="Export folder, or an ONNX file written by atml.", metavar="EXPORT")
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="WFDB records or folders of them, .npy, .csv, .txt (a sample a line, a lead a column), or a"
            " set of segments as --data takes it; of pages pictures, PDFs or folders of them.",
            metavar="FILE...",
        ),
    ],
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    step: Annotated[
        float | None,
        typer.Option(
            parser=number(),
            help="Time from the start of one window to that of the next.",
            metavar="SECONDS",
            show_default="a window's length",
            rich_help_panel=DECISIONS,
        ),
    ] = None,
    of: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Class whose episodes are listed. Repeat it for several.",
            metavar="NAME",
            show_default="the positive class, or all",
            rich_help_panel=DECISIONS,
        ),
    ] = None,
    merge: Annotated[
        float,
        typer.Option(
            parser=number(0),
            help="Join episodes that are this far apart or less.",
            metavar="SECONDS",
            show_default="0",
            rich_help_panel=DECISIONS,
        ),
    ] = 0.0,
    shortest: Annotated[
        float,
        typer.Option(
            parser=number(0),
            help="Leave out episodes shorter than this.",
            metavar="SECONDS",
            show_default="0",
            rich_help_panel=DECISIONS,
        ),
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New folder for windows.csv, episodes.csv, recordings.csv and pictures, or pages.csv.",
            metavar="FOLDER",
            show_default="none",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Classify recordings without labels: windows, episodes, burden and alarms an hour; or pages."""
    from atml.library.prediction import predict as run

    with waiting("reading"):
        found = run(
            export,
            files,
            lead=lead or (),
            sampling_rate=sampling_rate,
            step=step,
            classes=of or (),
            merge_s=merge,
            shortest_s=shortest,
            out=out,
        )
    show(found.to_dict() if json else str(found), json)
    if out is not None and not json:
        typer.echo(f"wrote {out}: {found.WRITES}")
