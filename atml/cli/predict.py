"""`atml predict`: an export's decisions on recordings without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import AsJson, Lead, SamplingRate, show


def predict(
    export: Annotated[Path, typer.Argument(help="Export folder, or an ONNX file written by atml.")],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="WFDB records or folders of them, .npy, .csv, .txt (a sample a line, a lead a column), or a"
            " set of segments as --data takes it."
        ),
    ],
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    step: Annotated[
        float | None,
        typer.Option(
            help="From one window to the next. [default: a window]", metavar="SECONDS", show_default=False
        ),
    ] = None,
    of: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Episodes of this class; may be given several times. [default: the positive class, or all]",
            show_default=False,
        ),
    ] = None,
    merge: Annotated[
        float, typer.Option(min=0, help="Episodes this much apart, or less, are one.", metavar="SECONDS")
    ] = 0.0,
    shortest: Annotated[
        float, typer.Option(min=0, help="Leave out shorter episodes.", metavar="SECONDS")
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(help="New folder for windows.csv, episodes.csv, recordings.csv and pictures."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Decide on recordings without labels: windows, episodes, burden and alarms an hour."""
    from atml.library.prediction import predict as run

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
        typer.echo(f"wrote {out}: windows.csv, episodes.csv, recordings.csv and pictures (.html)")
