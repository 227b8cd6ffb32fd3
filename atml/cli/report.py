"""`atml report`: a study written up as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import STUDIES, AsJson, Storage, show, study_of


def report(
    study: Annotated[str | None, typer.Argument(help="Study. [default: the latest]")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("reports"),
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Write the charts as SVG and PNG files too.")
    ] = True,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Write up a study as one HTML file that opens offline: what was searched, how, and with what result."""
    from atml import report as reports
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, study)

    def say(line: str) -> None:
        sys.stderr.write(f"atml: {line}\n")

    written = reports.write(store, name, out, charts=figures, say=say)
    size = written.index.stat().st_size
    if json:
        fields = {"study": name, "report": str(written.index), "bytes": size}
        show({**fields, "figures": [str(file) for file in written.figures]}, True)
        return
    beside = f", {len(written.figures)} files of figures beside it" if written.figures else ""
    show(f"{written.index} is the report of study {name} ({size / 2**20:.1f} MB{beside})")
