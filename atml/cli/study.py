"""`atml study`: copies studies to another database, or deletes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.help_text import Commands
from atml.cli.shared_options import STUDIES, STUDY, Storage, StudyArgument, named_study, show
from atml.errors import InputError

if TYPE_CHECKING:
    from atml.storage.study_transfer import Contents

studies_app = Commands(
    no_args_is_help=True, help="Copy studies to another database, pack one into an archive, or delete one."
)

PLACE = "An SQLAlchemy URL, or the path of an SQLite file."

Named = Annotated[
    str | None,
    typer.Option(
        "--study",
        help="Study; it has to be named.",
        metavar="NAME",
        show_default="none",
        rich_help_panel=STUDY,
    ),
]


@studies_app.command()
def copy(
    source: Annotated[str, typer.Argument(help=f"Database to copy from. {PLACE}", metavar="FROM")],
    target: Annotated[
        str, typer.Argument(help="Database to copy to; made if it is not there.", metavar="TO")
    ],
    study: Annotated[
        list[str] | None,
        typer.Option(
            help="Study to copy. Repeat it for several.",
            metavar="NAME",
            show_default="all",
            rich_help_panel=STUDY,
        ),
    ] = None,
    as_name: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Name of the copy.",
            metavar="NAME",
            show_default="the study's",
            rich_help_panel=STUDY,
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Copy a study although it is running; its running trials wait in the copy.",
            rich_help_panel=STUDY,
        ),
    ] = False,
) -> None:
    """Copy studies: trials, regions, predictions, folders of exports, evaluations. Verified, or undone."""
    from atml.storage import study_transfer

    copied = study_transfer.copy(
        study_transfer.url(source), study_transfer.url(target), study or (), new_name=as_name, live=live
    )
    for one in copied.studies:
        waiting = f", {one.open} unfinished" if one.open else ""
        show(
            f"study {one.study}: {one.finished} finished trials{waiting}, {one.predictions} sets of"
            f" predictions, {_exports(one)}"
        )
    if copied.exports_left:
        show(f"{copied.exports_left} exports already belong to another study there and were left to it")
    counted = copied.new_evaluations
    evaluations = f" with {counted} evaluations of test sets" if counted else ""
    show(f"copied from {copied.source} to {copied.target}{evaluations}, read back and verified")


@studies_app.command()
def pack(
    name: StudyArgument = None,
    study: Named = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The archive to write.", metavar="FILE", show_default="NAME.tar.gz"),
    ] = None,
    storage: Storage = STUDIES,
) -> None:
    """Write a study into one archive: database, exports, scores and report, and no ECG."""
    from atml.artifacts.export import safe_name
    from atml.formatting import plural
    from atml.library import packing

    study = named_study(name, study)
    packed = packing.pack(storage, study, out or Path(f"{safe_name(study)}.tar.gz"))
    for folder in packed.gone:
        show(f"the export {folder} no longer exists and is not in the archive")
    size = packed.path.stat().st_size / 2**20
    show(
        f"{packed.path} ({size:.1f} MB) holds study {study}: {plural(packed.trials, 'trial')},"
        f" {plural(packed.exports, 'export')}, scores and report, no ECG; unpack it anywhere, and"
        " `atml best` works there"
    )


@studies_app.command()
def delete(
    name: StudyArgument = None,
    study: Named = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = STUDIES,
) -> None:
    """Delete a study. Its exports stay on disk, and evaluations of test sets stay counted."""
    import contextlib

    from atml.storage import Store, study_transfer

    study = named_study(name, study)
    with contextlib.closing(Store(storage, create=False)) as store:
        found = study_transfer.deletable(store, study)
        what = (
            f"study {study} in {store.name}: {found.trials} trials, {found.finished} of them finished,"
            f" {found.predictions} sets of predictions"
        )
        if not yes:
            if not sys.stdin.isatty():
                raise InputError(f"{what}: no terminal to confirm on; add --yes to delete it")
            show(what)
            show(f"{_exports(found)}, which stay on disk; evaluations of test sets stay counted")
            if not typer.confirm("Delete it for good?"):
                show("nothing was deleted")
                return
        study_transfer.delete(store, study)
        show(f"deleted {what}")


def _exports(found: Contents) -> str:
    return f"{found.exports} export" + ("" if found.exports == 1 else "s")
