"""`atml tasks`: the available tasks, listed or checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.help_text import Commands, Default
from atml.cli.shared_options import AsJson, show
from atml.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

tasks_app = Commands(
    cls=Default, help="List the tasks (`atml tasks` alone is `atml tasks show`), or check them."
)


@tasks_app.command("show")
def tasks_show(json: AsJson = False) -> None:
    """List the available tasks and their files."""
    found = rows()
    show(found if json else table(found), json)


@tasks_app.command("check")
def tasks_check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Tasks.", metavar="[TASK]...", show_default="all")
    ] = None,
) -> None:
    """Check each task: build, run, export and compare a model from its files."""
    from atml import task_files
    from atml.searching import task_check

    failed = 0
    for name in names or task_files.names():
        for check in task_check.check(name):
            result = "ok    " if check.ok else "FAILED"
            show(f"{result}  {name}  {check.what}  {check.detail}".rstrip())
            failed += not check.ok
    if failed:
        raise InputError(f"{failed} check(s) failed")


def rows() -> list[dict[str, Any]]:
    """Return one row for each task: its files, what they replace, or why it can't be used."""
    from atml import task_files
    from atml.errors import TaskFileError

    made: list[dict[str, Any]] = []
    for name, files in task_files.names().items():
        missing = [kind for kind in task_files.FOLDERS if kind not in files]
        notes = [f"no {kind}/{name}.py" for kind in missing]
        seconds = classes = picture = None
        beats = False
        objectives: list[str] = []
        if not missing:
            try:
                definition = task_files.find(name)
                task = definition.task
                classes, picture = list(task.classes), task.picture
                seconds = None if picture else task.seconds
                objectives = list(definition.objectives)
                beats = definition.task.around_beats
                notes += definition.notes()
            except TaskFileError as error:
                notes.append(str(error))
        made.append(
            {
                "task": name,
                "seconds": seconds,
                **({"picture": list(picture)} if picture else {}),
                "classes": classes,
                "around_beats": beats,
                "objectives": objectives,
                "files": {kind: str(path) for kind, path in files.items()},
                "notes": notes,
            }
        )
    return made


def _decided_on(row: dict[str, Any]) -> str:
    """Say what one decision is made on: seconds of a signal, or the pixels of a picture."""
    if "picture" in row:
        return "picture of {} x {}".format(*row["picture"])
    if row["seconds"] is None:
        return "-"
    return f"{row['seconds']:g} s{' round a beat' if row['around_beats'] else ''}"


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `rows`."""
    from atml.formatting import columns

    cells = [
        (
            r["task"],
            _decided_on(r),
            ", ".join(r["classes"] or ()),
            "\n".join(r["objectives"]),
            "\n".join(r["files"].values()),
            "\n".join(r["notes"]),
        )
        for r in rows
    ]
    return columns(("task", "window", "classes", "objectives", "files", "notes"), cells)
