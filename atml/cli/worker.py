"""`atml worker`: trains trials of a study from any machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from atml.cli.shared_options import STUDIES, AsJson, DataHere, Device, HangAfter, Storage, seconds


def worker(
    study: Annotated[str, typer.Option(help="Study to work on, made by `atml search`.")],
    storage: Storage = STUDIES,
    data: DataHere = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes. [default: one a core]", show_default=False)
    ] = None,
    device: Device = "auto",
    timeout: Annotated[
        str | None, typer.Option(help="Stop after this time, such as 2h or 90m.", metavar="TIME")
    ] = None,
    hang_after: HangAfter = None,
    json: AsJson = False,
) -> None:
    """Train trials of a study from any machine, until it has as many as `atml search` asked for."""
    from atml.searching import progress
    from atml.searching.entry_points import join_and_work
    from atml.searching.search_options import Options
    from atml.storage import Store

    options = Options(
        workers=workers,
        device=device,
        timeout=None if timeout is None else seconds(timeout),
        hang_after=None if hang_after is None else seconds(hang_after, "--hang-after"),
    )
    store = Store(storage, create=False)
    shown = progress.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        join_and_work(store, study, tuple(data or ()), options, shown)
    finally:
        shown.close()
        store.close()
