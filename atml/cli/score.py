"""`atml score`: an export evaluated on test data by an official rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from atml.cli.shared_options import (
    DATA,
    RULE,
    STUDIES,
    AsJson,
    Labels,
    Lead,
    Rule,
    RuleOption,
    SamplingRate,
    Storage,
    Subjects,
    TrainedObjective,
    VfAmplitude,
    VtRate,
    rule_options,
    show,
)
from atml.cli.values import number


def score(
    export: Annotated[
        Path, typer.Argument(help="Export folder, or an ONNX file written by atml.", metavar="EXPORT")
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Test data. Repeat it for several sets.",
            metavar="PATH",
            show_default="synthetic ECG",
            rich_help_panel=DATA,
        ),
    ] = None,
    rule: Rule = None,
    rule_option: RuleOption = None,
    latency_ms: Annotated[
        float | None,
        typer.Option(
            parser=number(0),
            help="Latency of a window, measured on your device, where the rule awards points for it.",
            metavar="MS",
            show_default="none",
            rich_help_panel=RULE,
        ),
    ] = None,
    size_kib: Annotated[
        float | None,
        typer.Option(
            parser=number(0),
            help="Size of your whole executable, where the rule awards points for it.",
            metavar="KIB",
            show_default="none",
            rich_help_panel=RULE,
        ),
    ] = None,
    vf_amplitude: VfAmplitude = None,
    vt_rate: VtRate = None,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    labels: Labels = None,
    subjects: Subjects = None,
    objective: TrainedObjective = None,
    beats: Annotated[
        Literal["detected", "reference"],
        typer.Option(
            help="Beats that a model of single beats is judged on: those that atml's detector finds, or those"
            " of the reference, which shows what the classifier alone is worth.",
            metavar="WHICH",
            rich_help_panel=RULE,
        ),
    ] = "detected",
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Score an export on test data by an official rule; every evaluation of a test set is counted."""
    from atml.library.score_result import score as run

    found = run(
        export,
        data,
        rule=rule,
        latency_ms=latency_ms,
        size_kib=size_kib,
        rule_options=rule_options(rule_option, vf_amplitude, vt_rate),
        lead=lead or (),
        sampling_rate=sampling_rate,
        labels=labels,
        subjects=subjects,
        objective=objective,
        beats=beats,
        storage=storage,
    )
    show(found.to_dict() if json else str(found), json)
