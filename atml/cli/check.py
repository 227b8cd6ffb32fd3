"""`atml check`: machine and data before a search, three short trainings, and what the search would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.reading_bar import waiting
from atml.cli.shared_options import (
    STUDIES,
    STUDY,
    AsJson,
    Data,
    Device,
    Labels,
    Lead,
    Objective,
    SamplingRate,
    Space,
    Storage,
    Subjects,
    Task,
    Window,
    Workers,
    show,
)
from atml.cli.split_options import FoldBy, Folds, HoldOut, Seed
from atml.cli.values import whole

if TYPE_CHECKING:
    from rich.console import RenderableType

    from atml.preflight.checks import Preflight


def check(
    task: Task = "afib",
    space: Space = None,
    objective: Objective = None,
    window: Window = None,
    data: Data = None,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    labels: Labels = None,
    subjects: Subjects = None,
    hold_out: HoldOut = None,
    storage: Storage = STUDIES,
    seed: Seed = None,
    folds: Folds = None,
    fold_by: FoldBy = None,
    trials: Annotated[
        int, typer.Option(parser=whole(1), help="Trials to forecast.", metavar="N", rich_help_panel=STUDY)
    ] = 100,
    workers: Workers = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Check machine and data before a search, and forecast how long it takes. Nothing is kept.

    Ends with exit code 0 where all is fine, 1 with warnings, 2 where a search would refuse.
    """
    from atml import task_files
    from atml.data.dataset import DataSource
    from atml.preflight.checks import check as run

    with waiting("looking at machine and data, training three configs"):
        found = run(
            task_files.find(task, space=space, objective=objective, window=window),
            DataSource(
                paths=tuple(data or ()),
                sampling_rate=sampling_rate,
                leads=tuple(lead or ()),
                labels=labels,
                subjects=subjects or "",
            ),
            storage=storage,
            workers=workers,
            wanted=device,
            hold_out=hold_out,
            seed=seed or 0,
            folds=folds,
            fold_by=fold_by,
            trials=trials,
        )
    show(found.to_dict() if json else table(found), json)
    if found.level:
        raise typer.Exit(int(found.level))


def table(found: Preflight) -> RenderableType:
    """Lay it out: the machine, the data, the trainings, the forecast, and what was found, the worst first."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns, plural

    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    devices = ", ".join(dict.fromkeys(found.devices))
    parts: list[RenderableType] = [Text(versions), Text(f"{plural(found.workers, 'worker')} on {devices}")]
    if found.data is not None:
        rows = [
            (name, f"{count:,}", str(found.data.people[name])) for name, count in found.data.windows.items()
        ]
        parts.append(Text(f"{found.data.name}: {plural(found.data.subjects, 'subject')}"))
        parts.append(columns(("class", "windows", "subjects"), rows, right=(1, 2)))
    if found.rehearsals:
        lines = [
            (
                one.name,
                f"{one.steps} of {one.of}",
                f"{one.step_ms:.1f}",
                f"{one.trial_s:.0f}",
                f"{one.size_kib:.1f}",
            )
            for one in found.rehearsals
        ]
        heads = ("training", "steps done", "ms a step", "s a trial", "KiB")
        parts.append(columns(heads, lines, right=(1, 2, 3, 4)))
    if found.forecast is not None:
        parts.append(Text(found.forecast.text()))
    words = ("fine", "WARNING", "REFUSED")
    for one in sorted(found.findings, key=lambda one: -one.level):
        parts.append(Text(f"{words[one.level]}: {one.text}"))
    return Group(*parts)
