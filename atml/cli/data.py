"""`atml score`, `atml data` and `atml tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.options import (
    STUDIES,
    AsJson,
    Default,
    Lead,
    SamplingRate,
    Storage,
    VfAmplitude,
    VtRate,
    Window,
    of_the_rule,
    show,
)
from atml.errors import InputError

data_app = typer.Typer(help="Look at data before they are used, or fetch some.", no_args_is_help=True)
tasks_app = typer.Typer(cls=Default, help="List the tasks, or check them.")


def score(
    export: Annotated[Path, typer.Argument(help="Export folder, or an ONNX file of ours.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Test data; may be given several times. Left out: synthetic ECG."),
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Official rule. [default: the task's]")] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Measured on your device.", metavar="MS")
    ] = None,
    size_kib: Annotated[
        float | None, typer.Option(min=0, help="Of your whole executable.", metavar="KIB")
    ] = None,
    vf_amplitude: VfAmplitude = None,
    vt_rate: VtRate = None,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    objective: Annotated[
        Path | None, typer.Option(help="Objective file the model was searched with, if not the task's.")
    ] = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Score an export on test data by an official rule. Every look at a test set is counted."""
    from atml import task_files
    from atml.artifacts import model
    from atml.scoring.evaluation import score_export
    from atml.storage import Store

    definition = task_files.find(model.load(export).task.name, objective=objective)
    store = Store(storage)
    report = score_export(
        export,
        data or None,
        label=definition.label,
        labels_hash=definition.labels_hash,
        looks=store,
        rule=rule or definition.rule,
        latency_ms=latency_ms,
        size_kib=size_kib,
        options=of_the_rule(vf_amplitude, vt_rate),
        leads=tuple(lead or ()),
        sampling_rate=sampling_rate,
    )
    show(report.to_dict() if json else report.render(), json)


@data_app.command("inspect")
def data_inspect(
    directories: Annotated[
        list[Path], typer.Argument(help="Folder, archive, .npz or .mat, or a WFDB folder.", metavar="DIR...")
    ],
    task: Annotated[str, typer.Option(help="Task whose labels and window apply.")] = "afib",
    window: Window = None,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    json: AsJson = False,
) -> None:
    """Show subjects, rhythms, lengths, faults, and what would be left out and why."""
    from atml import data, task_files
    from atml.cli import listings

    definition = task_files.find(task, window=window)
    found = data.inspect(
        directories,
        task=definition.task,
        label=definition.label,
        sampling_rate=sampling_rate,
        leads=tuple(lead or ()),
    )
    show(listings.inspection(found) if json else listings.inspection_table(found), json)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="vfdb, cudb, mitdb or afdb.", metavar="NAME")],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to write. [default: ./NAME]", metavar="DIR", show_default=False),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A mirror with the layout of PhysioNet's file server.")
    ] = None,
) -> None:
    """Download a database from PhysioNet and verify it. The same line again goes on where it stopped."""
    from atml.data.download import fetch

    folder = fetch(name, to, url=url, say=show)
    show(f"{folder} is complete; look at it: atml data inspect {folder} --task defib")


@tasks_app.command("show")
def tasks(json: AsJson = False) -> None:
    """List the tasks found, and where each comes from."""
    from atml.cli import listings

    rows = listings.tasks()
    show(rows if json else listings.tasks_table(rows), json)


@tasks_app.command("check")
def tasks_check(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks. [default: all]")] = None,
) -> None:
    """Build, run, export and compare what each task's files describe."""
    from atml import task_files
    from atml.searching import task_check

    failed = 0
    for name in names or task_files.names():
        for check in task_check.check(name):
            show(
                f"{'ok    ' if check.ok else 'FAILED'}  {name}  {check.what}  {check.detail}".rstrip(), False
            )
            failed += not check.ok
    if failed:
        raise InputError(f"{failed} check(s) failed")
