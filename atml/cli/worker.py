"""`atml worker`: trains trials of a study from any machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from atml.cli.shared_options import (
    STUDIES,
    STUDY,
    WORKERS,
    AsJson,
    DataHere,
    Device,
    HangAfter,
    LogTo,
    Storage,
    StudyArgument,
    Workers,
    named_study,
)
from atml.cli.values import TIME, duration


def worker(
    name: StudyArgument = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="Study to join, made by `atml search`; it has to be named.",
            metavar="NAME",
            show_default="none",
            rich_help_panel=STUDY,
        ),
    ] = None,
    storage: Storage = STUDIES,
    data: DataHere = None,
    workers: Workers = None,
    device: Device = "auto",
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            help="Stop after this time.",
            metavar=TIME,
            show_default="no limit",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    hang_after: HangAfter = None,
    log_to: LogTo = None,
    json: AsJson = False,
) -> None:
    """Join a search from any machine, and train trials until it has as many as it was asked for."""
    from atml.searching import progress
    from atml.searching.entry_points import join_and_work
    from atml.searching.search_options import Options
    from atml.storage import Store

    options = Options(
        workers=workers,
        device=device,
        timeout=timeout,
        hang_after=hang_after,
        log_to=log_to,
    )
    joined = named_study(name, study)
    store = Store(storage, create=False)
    shown = progress.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        join_and_work(store, joined, tuple(data or ()), options, shown)
    finally:
        shown.close()
        store.close()
