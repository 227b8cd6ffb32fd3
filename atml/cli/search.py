"""`atml search`: the search for the best model of a task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import (
    DATA,
    EXPORT,
    STUDIES,
    STUDY,
    AsJson,
    Data,
    Device,
    HangAfter,
    Labels,
    Lead,
    LogTo,
    Objective,
    Prefer,
    SamplingRate,
    Space,
    Storage,
    Subjects,
    Task,
    Unqualified,
    Window,
    Workers,
)
from atml.cli.split_options import FoldBy, Folds, HoldOut, Seed
from atml.cli.values import TIME, duration, number, whole

LENGTH = "Length of the search"
LIMITS = "Limits of the model"
REGIONS = "Rejected regions"
THIRD = "in at most a third of the trials' time"


def search(
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
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Frozen test set: nobody of it may be among --data. Repeat it for several.",
            metavar="PATH",
            show_default="none; with --from, what that study kept for testing",
            rich_help_panel=DATA,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="Name of the study; a search of that name continues.",
            metavar="NAME",
            show_default="task and data set",
            rich_help_panel=STUDY,
        ),
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Earlier study whose finalists' parameters are tried first, trained anew on --data.",
            metavar="STUDY",
            show_default="none",
            rich_help_panel=STUDY,
        ),
    ] = None,
    storage: Storage = STUDIES,
    seed: Seed = None,
    folds: Folds = None,
    fold_by: FoldBy = None,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="Continue the study although its search space, objective or limits have changed.",
            rich_help_panel=STUDY,
        ),
    ] = False,
    trials: Annotated[
        int,
        typer.Option(
            parser=whole(1),
            help="Trials in all, including those of earlier runs.",
            metavar="N",
            rich_help_panel=LENGTH,
        ),
    ] = 100,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            help="Time for the whole job, finalists and exports included. The first export alone may end"
            " within a tenth of it more, 30 s at least.",
            metavar=TIME,
            show_default="no limit",
            rich_help_panel=LENGTH,
        ),
    ] = None,
    patience: Annotated[
        int,
        typer.Option(
            parser=whole(0),
            help="Stop after this many trials without a better one; 0 never stops.",
            metavar="N",
            rich_help_panel=LENGTH,
        ),
    ] = 200,
    max_size: Annotated[
        float | None,
        typer.Option(
            parser=number(1),
            help="Largest ONNX file.",
            metavar="KIB",
            show_default="the task's",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    max_macs: Annotated[
        float | None,
        typer.Option(
            parser=number(1),
            help="Most multiply-accumulates for one window.",
            metavar="N",
            show_default="the task's",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    max_ram: Annotated[
        float | None,
        typer.Option(
            parser=number(0.1),
            help="Most RAM for activations that are held at once.",
            metavar="KIB",
            show_default="the task's",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            help="Estimate every trial for this board: l432kc, f303k8, 2k0500, rp2040, g071rb or f746ng.",
            metavar="NAME",
            show_default="none",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format that sizes and estimates are of: as trained (f32), in 8 bits (w8), or activations"
            " too (w8a8).",
            metavar="FORMAT",
            show_default="f32",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    latency_ms: Annotated[
        float | None,
        typer.Option(
            parser=number(0),
            help="Longest time for one window on the board, by the middle of the estimate.",
            metavar="MS",
            show_default="none",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    flash_kib: Annotated[
        float | None,
        typer.Option(
            parser=number(0),
            help="Most flash of the board for code and weights.",
            metavar="KIB",
            show_default="none",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    ram_kib: Annotated[
        float | None,
        typer.Option(
            parser=number(0),
            help="Most RAM of the board: variables, stack and window.",
            metavar="KIB",
            show_default="none",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    finalists: Annotated[
        int | None,
        typer.Option(
            parser=whole(1),
            help="How many of the best trials are trained again on fresh seeds.",
            metavar="N",
            show_default=f"4, {THIRD}",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            parser=whole(1),
            help="Fresh seeds for each finalist.",
            metavar="N",
            show_default=f"2, {THIRD}",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    longer: Annotated[
        int | None,
        typer.Option(
            parser=whole(1),
            help="Try a final training this many times as long as a trial's; 1 tries none.",
            metavar="N",
            show_default=f"4, {THIRD}",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the exports.", metavar="FOLDER", rich_help_panel=EXPORT)
    ] = Path("exports"),
    unqualified: Unqualified = False,
    prefer: Prefer = None,
    workers: Workers = None,
    device: Device = "auto",
    hang_after: HangAfter = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="Regions of another study, as regions.json or avoid.txt, to test first.",
            metavar="FILE",
            show_default="none",
            rich_help_panel=REGIONS,
        ),
    ] = None,
    learn_regions: Annotated[
        bool | None,
        typer.Option(
            "--learn-regions/--no-regions",
            help="Learn which regions of the search space to reject, and avoid them.",
            show_default="off; on with --regions",
            rich_help_panel=REGIONS,
        ),
    ] = None,
    log_to: LogTo = None,
    json: AsJson = False,
) -> None:
    """Search for a model, choose the winner on fresh seeds and export it; run again, it continues."""
    from atml.library.search_function import search as run
    from atml.searching import progress

    shown = progress.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        run(
            task,
            data,
            trials=trials,
            timeout=timeout,
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
            board=board,
            format=format,
            latency_ms=latency_ms,
            flash_kib=flash_kib,
            ram_kib=ram_kib,
            window=window,
            lead=lead or (),
            sampling_rate=sampling_rate,
            labels=labels,
            subjects=subjects,
            hold_out=hold_out,
            objective=objective,
            space=space,
            device=device,
            hang_after=hang_after,
            unqualified=unqualified,
            prefer=prefer,
            regions=regions,
            learn_regions=learn_regions,
            accept_changes=accept_changes,
            log_to=log_to,
            from_study=from_study,
            test=test or (),
            progress=shown,
        )
    finally:
        shown.close()
