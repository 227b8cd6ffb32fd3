"""The commands. Each handler parses, calls and prints; what a command needs is imported when it runs."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from atml.errors import AtmlError, InputError

if TYPE_CHECKING:
    from atml.store import Store

# The root of typer's own errors has no public name of its own across its versions.
_Usage: type[Exception] = typer.BadParameter.__mro__[2]


class _Default(TyperGroup):
    """A group whose first argument may be left to its ``show`` command: ``atml best [STUDY]``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not set(args) & {*self.commands, "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Turn a folder of labelled ECG into the smallest honest classifier for a device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
best_app = typer.Typer(cls=_Default, help="Show the best trials of a study, or export them.")
tasks_app = typer.Typer(cls=_Default, help="List the tasks, or check them.")
data_app = typer.Typer(help="Look at data before they are used.", no_args_is_help=True)
app.add_typer(best_app, name="best")
app.add_typer(tasks_app, name="tasks")
app.add_typer(data_app, name="data")

Storage = Annotated[str, typer.Option(help="Where studies are kept: an SQLAlchemy URL.", metavar="URL")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
STUDIES = "sqlite:///studies.db"


@app.command()
def search(
    task: Annotated[str, typer.Option(help="What to detect; see `atml tasks`.")] = "afib",
    data: Annotated[
        Path | None,
        typer.Option(help="Folder, .zip, .tar.* or .npz of labelled segments. Left out: synthetic ECG."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier runs included.")] = 100,
    timeout: Annotated[
        str | None, typer.Option(help="Time for the whole job, such as 2h, 90m or 1h30m.", metavar="TIME")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes. [default: one a core]", show_default=False)
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help="Name of the study. [default: task and data set]", show_default=False),
    ] = None,
    storage: Storage = STUDIES,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of split, sampling and training. [default: 0]")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Folds of the cross-validation by subject. [default: 5]")
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(min=1, help="Largest ONNX file. [default: the task's]", metavar="KIB")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    space: Annotated[Path | None, typer.Option(help="Search-space file instead of the task's.")] = None,
    objective: Annotated[Path | None, typer.Option(help="Objective file instead of the task's.")] = None,
    sampling_rate: Annotated[
        int | None, typer.Option(min=1, help="Rate of the files, if not the task's.", metavar="HZ")
    ] = None,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after this many results without a better one; 0: never.")
    ] = 200,
    finalists: Annotated[int, typer.Option(min=1, help="Best trials that are trained again.")] = 4,
    repeats: Annotated[int, typer.Option(min=1, help="Fresh seeds for each finalist.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the exports.")] = Path("exports"),
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on although space, data or settings changed.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Search, pick a winner on fresh seeds, export it. The same line again goes on where it stopped."""
    from atml import view
    from atml.search import Options
    from atml.search import search as run

    options = Options(
        task=task,
        data=data,
        trials=trials,
        timeout=None if timeout is None else seconds(timeout),
        workers=workers,
        study=study,
        storage=storage,
        seed=seed,
        folds=folds,
        max_size_kib=max_size,
        device=device,
        space=space,
        objective=objective,
        sampling_rate=sampling_rate,
        patience=patience,
        finalists=finalists,
        repeats=repeats,
        out=out,
        accept_changes=accept_changes,
    )
    shown = view.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        run(options, shown)
    finally:
        shown.close()


@app.command()
def status(storage: Storage = STUDIES, json: AsJson = False) -> None:
    """List every study: task, data, trials by state, best value, last activity."""
    from atml import tables
    from atml.store import Store

    rows = tables.status(Store(storage, create=False))
    _print(rows if json else tables.status_table(rows), json)


@best_app.command("show")
def best(
    study: Annotated[str | None, typer.Argument(help="Study. [default: the latest]")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many trials.")] = 10,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Show the best trials: value, four metrics, size, MACs, the config that made them."""
    from atml import tables
    from atml.store import Store

    store = Store(storage, create=False)
    name = _study(store, study)
    rows = tables.best(store, name, top)
    if not rows:
        raise InputError(
            f"study {name!r} has no trial that ran over every fold yet; go on with `atml search`"
        )
    _print(rows if json else tables.best_table(name, rows), json)


@best_app.command("export")
def best_export(
    study: Annotated[str | None, typer.Argument(help="Study. [default: the latest]")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many trials.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the exports.")] = Path("exports"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Train the best trials on all subjects and write them as ONNX. Finalists come before other trials."""
    from atml import tables, view
    from atml.search import Options, export_best
    from atml.store import Store

    store = Store(storage, create=False)
    name = _study(store, study)
    numbers = [row["trial"] for row in tables.best(store, name, top)]
    if not numbers:
        raise InputError(
            f"study {name!r} has no trial that ran over every fold yet; go on with `atml search`"
        )
    shown = view.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        summary = export_best(store, name, numbers, Options(device=device, out=out), shown)
    finally:
        shown.close()
    if not any(row["folder"] for row in summary["finalists"]):
        raise InputError(f"none of trials {numbers} of study {name!r} qualifies, so nothing was exported")


@app.command()
def score(
    export: Annotated[Path, typer.Argument(help="Export folder, or an ONNX file of ours.")],
    data: Annotated[Path | None, typer.Option(help="Test data. Left out: synthetic ECG.")] = None,
    rule: Annotated[str | None, typer.Option(help="Official rule. [default: the task's]")] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Measured on your device.", metavar="MS")
    ] = None,
    size_kib: Annotated[
        float | None, typer.Option(min=0, help="Of your whole executable.", metavar="KIB")
    ] = None,
    sampling_rate: Annotated[
        int | None, typer.Option(min=1, help="Rate of the files, if not the task's.", metavar="HZ")
    ] = None,
    objective: Annotated[
        Path | None, typer.Option(help="Objective file the model was searched with, if not the task's.")
    ] = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Score an export on test data by an official rule. Every look at a test set is counted."""
    from atml import exported, rooms
    from atml.score import score_export
    from atml.store import Store

    room = rooms.find(exported.load(export).task.name, objective=objective)
    store = Store(storage)
    report = score_export(
        export,
        data,
        label=room.label,
        objective_hash=room.objective_hash,
        looks=store,
        rule=rule or room.rule,
        latency_ms=latency_ms,
        size_kib=size_kib,
        sampling_rate=sampling_rate,
    )
    _print(report.to_dict() if json else report.render(), json)


@data_app.command("inspect")
def data_inspect(
    directory: Annotated[Path, typer.Argument(help="Folder, .zip, .tar.* or .npz.", metavar="DIR")],
    task: Annotated[str, typer.Option(help="Task whose labels and window apply.")] = "afib",
    sampling_rate: Annotated[
        int | None, typer.Option(min=1, help="Rate of the files, if not the task's.", metavar="HZ")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show subjects, labels, lengths, faults, and what would be dropped and why."""
    from atml import data, rooms, tables

    room = rooms.find(task)
    found = data.inspect(directory, task=room.task, label=room.label, sampling_rate=sampling_rate)
    _print(tables.inspection(found) if json else tables.inspection_table(found), json)


@tasks_app.command("show")
def tasks(json: AsJson = False) -> None:
    """List the tasks found, and where each comes from."""
    from atml import tables

    rows = tables.tasks()
    _print(rows if json else tables.tasks_table(rows), json)


@tasks_app.command("check")
def tasks_check(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks. [default: all]")] = None,
) -> None:
    """Build, run, export and compare what each task's files describe."""
    from atml import conformance, rooms

    failed = 0
    for name in names or rooms.names():
        for check in conformance.check(name):
            _print(
                f"{'ok    ' if check.ok else 'FAILED'}  {name}  {check.what}  {check.detail}".rstrip(), False
            )
            failed += not check.ok
    if failed:
        raise InputError(f"{failed} check(s) failed")


def seconds(text: str) -> float:
    """Read a duration such as "2h", "90m", "1h30m", "45s" or "3600"; raises InputError for anything else."""
    found = re.fullmatch(r"(?:(\d+\.?\d*)h)?(?:(\d+\.?\d*)m(?:in)?)?(?:(\d+\.?\d*)s?)?", text.strip().lower())
    hours, minutes, rest = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + rest
    if not total:
        raise InputError(f"--timeout {text!r} is no duration; write 2h, 90m, 1h30m or 45s")
    return total


def _study(store: Store, name: str | None) -> str:
    """Return the study asked for, the one last worked on when none was."""
    from atml import tables

    known = [row["study"] for row in tables.status(store)]
    if not known:
        raise InputError(f"no study in {store.name} yet; `atml search` makes one")
    if name is not None and name not in known:
        raise InputError(f"no study {name!r} in {store.name}; there are: {', '.join(known)}")
    return name or known[0]


def _print(what: Any, as_json: bool) -> None:
    if as_json:
        import json

        sys.stdout.write(json.dumps(what, indent=2, default=str) + "\n")
        return
    from rich.console import Console

    # Into a file or a pipe, a table is as wide as it needs to be.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(what, markup=False, soft_wrap=isinstance(what, str))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 2 for a user's mistake, 1 for a fault of ours, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors go to standard error in one line."""
    try:
        result = app(args=arguments, prog_name="atml", standalone_mode=False)
    except AtmlError as error:
        return _fail(str(error), error.exit_code)
    except _Usage as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "atml"
        return _fail(f"{error.format_message()} (see `{path} --help`)", 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(
            f"the disk is full: {error.filename or 'nothing more can be written'}; free some space", 2
        )
    except Exception:
        traceback.print_exc()
        return _fail("this is a fault in atml, please report the lines above", 1)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"atml: {' '.join(message.split())}\n")
    return code
