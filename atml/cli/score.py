"""`atml score`: an export evaluated on test data by an official rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import (
    STUDIES,
    AsJson,
    Labels,
    Lead,
    Rule,
    RuleOption,
    SamplingRate,
    Storage,
    TrainedObjective,
    VfAmplitude,
    VtRate,
    rule_options,
    show,
)


def score(
    export: Annotated[Path, typer.Argument(help="Export folder, or an ONNX file written by atml.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Test data; may be given several times. Left out: synthetic ECG."),
    ] = None,
    rule: Rule = None,
    rule_option: RuleOption = None,
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
    labels: Labels = None,
    objective: TrainedObjective = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Score an export on test data by an official rule. Every evaluation of a test set is counted."""
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
        objective=objective,
        storage=storage,
    )
    show(found.to_dict() if json else str(found), json)
