"""`atml report`: a study written up as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import STUDIES, AsJson, Storage, Study, StudyArgument, one_study, show, study_of

REPORT = "Report"


def report(
    name: StudyArgument = None,
    study: Study = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the reports.", metavar="FOLDER", rich_help_panel=REPORT)
    ] = Path("reports"),
    figures: Annotated[
        bool,
        typer.Option(
            "--figures/--no-figures",
            help="Write the charts as SVG and PNG files too.",
            show_default="yes",
            rich_help_panel=REPORT,
        ),
    ] = True,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Write up a study as one HTML file that opens offline: what was searched, how, and what came out."""
    from atml import report as reports
    from atml.storage import Store

    store = Store(storage, create=False)
    study = study_of(store, one_study(name, study))

    def say(line: str) -> None:
        sys.stderr.write(f"atml: {line}\n")

    written = reports.write(store, study, out, charts=figures, say=say)
    size = written.index.stat().st_size
    if json:
        fields = {"study": study, "report": str(written.index), "bytes": size}
        show({**fields, "figures": [str(file) for file in written.figures]}, True)
        return
    beside = f", {len(written.figures)} files of figures beside it" if written.figures else ""
    show(f"{written.index} is the report of study {study} ({size / 2**20:.1f} MB{beside})")
