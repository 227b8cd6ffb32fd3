"""`atml digitize`: pictures of ECG pages back to signals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import AsJson, show
from atml.cli.values import number

SAID = "What the picture does not say"


def digitize(
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures of ECG pages of twelve leads: PNG, JPEG, TIFF, or PDF.", metavar="IMAGE..."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="New folder for a table and an overlay of each page, WFDB records and summary.json.",
            metavar="DIR",
        ),
    ],
    layout: Annotated[
        str | None,
        typer.Option(
            help="Layout of the leads: 3x4+1, 3x4, 6x2 or 12x1.",
            metavar="LAYOUT",
            show_default="by the number of rows",
            rich_help_panel=SAID,
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            parser=number(),
            help="Paper speed.",
            metavar="MM/S",
            show_default="by the calibration pulse, else 25",
            rich_help_panel=SAID,
        ),
    ] = None,
    gain: Annotated[
        float | None,
        typer.Option(
            parser=number(),
            help="Gain.",
            metavar="MM/MV",
            show_default="by the calibration pulse, else 10",
            rich_help_panel=SAID,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Export of a network that reads pages, of a search with --task paper.",
            metavar="EXPORT",
            show_default="read without a network",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Read the signals of ECG pages from pictures, scanned or photographed.

    What can't be read is refused, with the reason. Each lead has a confidence: look at the overlays.
    """
    from atml.library import digitisation

    found = digitisation.digitize(images, out=out, layout=layout, speed=speed, gain=gain, model=model)
    show(found.to_dict() if json else str(found), json)
    if not json:
        typer.echo(f"wrote {out}: tables, overlays, records/ in WFDB, summary.json")
