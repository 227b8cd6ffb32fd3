"""`atml search`: the search for the best model of a task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import (
    STUDIES,
    AsJson,
    Data,
    Device,
    HangAfter,
    Labels,
    Lead,
    Objective,
    Prefer,
    SamplingRate,
    Storage,
    Unqualified,
    Window,
    seconds,
)


def search(
    task: Annotated[str, typer.Option(help="What to detect; see `atml tasks`.")] = "afib",
    data: Data = None,
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
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Seed of split, sampling and training. [default: 0]"),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Folds of the cross-validation by subject. [default: 5]")
    ] = None,
    fold_by: Annotated[
        str | None,
        typer.Option(
            help="What a fold holds out: subject, or set where several --data are given. [default: subject]",
            metavar="subject|set",
            show_default=False,
        ),
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(min=1, help="Largest ONNX file. [default: the task's]", metavar="KIB")
    ] = None,
    max_macs: Annotated[
        float | None, typer.Option(min=1, help="Most multiply-accumulates for one window.", metavar="N")
    ] = None,
    max_ram: Annotated[
        float | None, typer.Option(min=0.1, help="Most RAM for activations held at once.", metavar="KIB")
    ] = None,
    device: Device = "auto",
    hang_after: HangAfter = None,
    space: Annotated[Path | None, typer.Option(help="Search-space file instead of the task's.")] = None,
    objective: Objective = None,
    window: Window = None,
    lead: Lead = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            help="Share of the subjects, or their names between commas, kept for `atml score`, for data"
            " without a test split.",
            metavar="SHARE|NAMES",
        ),
    ] = None,
    sampling_rate: SamplingRate = None,
    labels: Labels = None,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after this many results without a better one; 0: never.")
    ] = 200,
    finalists: Annotated[
        int | None,
        typer.Option(min=1, help="Best trials that are trained again. [default: 4]", show_default=False),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Fresh seeds for each finalist. [default: 2, in a third of the trials' time]",
            show_default=False,
        ),
    ] = None,
    longer: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Try a final training so many times as long as a trial; 1: do not. [default: 4, in a"
            " third of the trials' time]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the exports.")] = Path("exports"),
    unqualified: Unqualified = False,
    prefer: Prefer = None,
    regions: Annotated[
        Path | None,
        typer.Option(help="Regions of another study, a JSON or avoid.txt file, to be tested first."),
    ] = None,
    learn_regions: Annotated[
        bool | None,
        typer.Option(
            "--learn-regions/--no-regions",
            help="Learn which regions to reject and avoid them. [default: off; on with --regions]",
            show_default=False,
        ),
    ] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Continue although space, data or settings changed.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Search, pick a winner on fresh seeds, export it. The same command continues where it stopped."""
    from atml.library.search_function import search as run
    from atml.searching import progress

    shown = progress.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        run(
            task,
            data,
            trials=trials,
            timeout=None if timeout is None else seconds(timeout),
            study=study,
            storage=storage,
            out=out,
            workers=workers,
            seed=seed,
            folds=folds,
            fold_by=fold_by,
            finalists=finalists,
            repeats=repeats,
            longer=longer,
            patience=patience,
            max_size=max_size,
            max_macs=max_macs,
            max_ram=max_ram,
            window=window,
            lead=lead or (),
            sampling_rate=sampling_rate,
            labels=labels,
            hold_out=hold_out,
            objective=objective,
            space=space,
            device=device,
            hang_after=None if hang_after is None else seconds(hang_after, "--hang-after"),
            unqualified=unqualified,
            prefer=prefer,
            regions=regions,
            learn_regions=learn_regions,
            accept_changes=accept_changes,
            progress=shown,
        )
    finally:
        shown.close()
