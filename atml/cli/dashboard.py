"""`atml dashboard`: studies in Optuna's Dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import (
    SERVER,
    STUDIES,
    Host,
    Port,
    Storage,
    Study,
    StudyArgument,
    one_study,
    show,
    study_of,
)
from atml.errors import InputError


def dashboard(
    name: StudyArgument = None,
    study: Study = None,
    port: Port = 8080,
    host: Host = "127.0.0.1",
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser",
            help="Open the page in a browser, where there is one.",
            show_default="yes",
            rich_help_panel=SERVER,
        ),
    ] = True,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Do not ask before listening where others can connect.", rich_help_panel=SERVER
        ),
    ] = False,
    reports: Annotated[
        Path, typer.Option(help="Folder of the reports, whose figures are shown too.", metavar="FOLDER")
    ] = Path("reports"),
    storage: Storage = STUDIES,
) -> None:
    """Show studies in Optuna's Dashboard: curves, importances, notes, regions, exports. Ctrl-C ends it."""
    from atml.dashboard import server as board
    from atml.listening import is_loopback
    from atml.storage import Store
    from atml.storage.optuna_internals import study_id

    local = is_loopback(host)
    if not local:
        _warn(host, yes)
    store = Store(storage, create=False)
    try:
        wanted = one_study(name, study)
        opened = wanted if wanted in store.studies() else _latest(storage, wanted)
        server = board.bind(board.application(store, reports, local=local), host, port)
        url = board.address(server, f"/dashboard/studies/{study_id(store.study(opened))}")
        show(f"study {opened} in {store.name}: {url}\nCtrl-C ends it")
        sys.stdout.flush()
        if browser and not board.open_browser(url):
            show("no browser could be opened here; open that address yourself")
            sys.stdout.flush()
        board.serve(server)
    finally:
        store.close()


def _latest(storage: str, study: str | None) -> str:
    """Return the most recently active study; raises InputError for a ``study`` that does not exist.

    This reads every trial of every study, so it uses a store of its own and closes it to free the memory.
    """
    from atml.storage import Store

    store = Store(storage, create=False)
    try:
        return study_of(store, study)
    finally:
        store.close()


def _warn(host: str, yes: bool) -> None:
    """Ask before other machines can connect; raises InputError where there is no terminal to ask at."""
    risk = (
        f"--host {host} can be reached from other machines, and the Dashboard has no login: anyone who"
        " connects sees every study of the database, and can add notes, files and studies"
    )
    if yes:
        sys.stderr.write(f"atml: {risk}\n")
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(f"{risk}; add --yes to do it anyway")
    if not typer.confirm(f"{risk}. Go on?"):
        raise typer.Abort
