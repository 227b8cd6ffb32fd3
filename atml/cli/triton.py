"""`atml triton`: exported models as a model repository for Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.serve import Exports
from atml.cli.shared_options import show
from atml.cli.values import whole


def triton(
    exports: Exports,
    out: Annotated[
        Path,
        typer.Option(help="Model repository, new or with other models in it.", metavar="FOLDER"),
    ],
    instances: Annotated[
        int, typer.Option(parser=whole(1), help="Copies of each model that run at once.", metavar="N")
    ] = 1,
    max_batch: Annotated[
        int, typer.Option(parser=whole(1), help="Windows that Triton may put into one batch.", metavar="N")
    ] = 64,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a model of the same name that atml did not write.")
    ] = False,
) -> None:
    """Write a model repository for NVIDIA's Triton Inference Server: config.pbtxt, labels, ONNX files."""
    from atml.serving import names
    from atml.serving import triton as repository

    loaded = names.loaded(exports)
    for place in repository.write(loaded, out, instances=instances, max_batch=max_batch, force=force):
        show(f"wrote {place}: {repository.CONFIG}, {repository.LABELS} and 1/model.onnx")
    show(f"\nnext: tritonserver --model-repository={out}")
