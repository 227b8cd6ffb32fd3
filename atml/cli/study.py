"""`atml study`: a study as a whole, copied elsewhere or deleted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.options import STUDIES, Storage, show
from atml.errors import InputError

if TYPE_CHECKING:
    from atml.storage.study_transfer import Contents

studies_app = typer.Typer(no_args_is_help=True, help="Copy whole studies between storages, or delete one.")

Place = "An SQLAlchemy URL, or the path of an SQLite file."


@studies_app.command()
def copy(
    source: Annotated[str, typer.Argument(help=f"Where they are. {Place}", metavar="FROM")],
    target: Annotated[str, typer.Argument(help="Where they go, made if it is not there.", metavar="TO")],
    study: Annotated[
        list[str] | None,
        typer.Option(help="Study; may be given several times. [default: all]", show_default=False),
    ] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", help="Name of the copy, where it is to have another.", metavar="NEW")
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Copy as it stands now what is being worked on; trials in hand wait there."
        ),
    ] = False,
) -> None:
    """Copy studies with trials, regions, predictions, exports' places and looks; compared, or not there."""
    from atml.storage import study_transfer

    copied = study_transfer.copy(
        study_transfer.url(source), study_transfer.url(target), study or (), new_name=as_name, live=live
    )
    for one in copied.studies:
        waiting = f", {one.open} to be gone on with" if one.open else ""
        show(
            f"study {one.study}: {one.finished} finished trials{waiting}, {one.predictions} sets of"
            f" predictions, {_exports(one)}"
        )
    if copied.exports_left:
        show(f"{copied.exports_left} exports there are another study's already, and stay so")
    looks = f" with {copied.new_looks} looks at test sets" if copied.new_looks else ""
    show(f"copied from {copied.source} to {copied.target}{looks}, read back and found the same")


@studies_app.command()
def delete(
    study: Annotated[str, typer.Argument(help="Study.", metavar="NAME")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = STUDIES,
) -> None:
    """Delete a study. Its exports stay on disk, and looks at test sets stay counted."""
    import contextlib

    from atml.storage import Store, study_transfer

    with contextlib.closing(Store(storage, create=False)) as store:
        found = study_transfer.look(store, study)
        what = (
            f"study {study} in {store.name}: {found.trials} trials, {found.finished} of them finished,"
            f" {found.predictions} sets of predictions"
        )
        if not yes:
            if not sys.stdin.isatty():
                raise InputError(f"{what}: say --yes to delete it, for there is no terminal to ask at")
            show(what)
            show(f"{_exports(found)}, which stay on disk; looks at test sets stay counted")
            if not typer.confirm("Delete it for good?"):
                show("nothing was deleted")
                return
        study_transfer.delete(store, study)
        show(f"deleted {what}")


def _exports(found: Contents) -> str:
    return f"{found.exports} export" + ("" if found.exports == 1 else "s")
