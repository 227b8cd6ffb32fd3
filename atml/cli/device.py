"""`atml device`: an export's C, checked under emulation, estimated for a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.help_text import Commands
from atml.cli.shared_options import AsJson, show, waiting
from atml.cli.values import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from atml.device.checking import Checked

device_app = Commands(
    no_args_is_help=True, help="Check an export's C under emulation, or estimate what it takes on a board."
)

Export = Annotated[
    Path, typer.Argument(help="Export folder, or an ONNX file written by atml.", metavar="EXPORT")
]
Format = Annotated[
    str,
    typer.Option("--format", help="Weights as trained, or in 8 bits: f32 or w8.", metavar="FORMAT"),
]


@device_app.command("check")
def check(
    export: Export,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compile for: host, cortex-m0, cortex-m4, cortex-m7 or loongarch64. Repeat it for"
            " several.",
            metavar="NAME",
            show_default="host",
        ),
    ] = None,
    format: Format = "f32",
    compiler: Annotated[
        str | None,
        typer.Option(help="zig, gcc or clang.", metavar="NAME", show_default="the first that is here"),
    ] = None,
    windows: Annotated[
        int, typer.Option(parser=whole(1), help="Windows to compare on this machine.", metavar="N")
    ] = 1024,
    json: AsJson = False,
) -> None:
    """Compile an export's C, run it, and compare it with the ONNX file: logits, labels, bits.

    Other processors than this machine's are emulated; there instructions and stack are counted too.
    """
    from atml.artifacts.model import load
    from atml.device import checking, writing

    found = writing.in_format(load(export), format)
    sources = writing.files(found, target="host", hop=found.exported.task.window)
    x = checking.windows(found.exported.task, windows)
    results: list[Checked] = []
    with waiting("checking") as said:
        for name in target or ["host"]:
            said(f"checking {name}")
            results.append(checking.check(found.program, found.model, sources, x, name, compiler=compiler))
    show([one.to_dict() for one in results] if json else table(results), json)
    for one in results:
        checking.demand(one)


def table(results: Sequence[Checked]) -> RenderableType:
    """Lay out what checks found, one row a target."""
    from atml.formatting import columns

    def counted(value: int | None, unit: int = 1) -> str:
        return "-" if value is None else f"{value / unit:,.1f}" if unit > 1 else f"{value:,}"

    header = ("target", "compiler", "windows", "logits apart", "labels", "bits", "instructions", "stack B",
              "flash KiB", "RAM KiB")  # fmt: skip
    rows = [
        (
            one.title,
            one.compiler,
            f"{one.windows:,}",
            f"{one.apart:.1e}",
            "the same" if not one.flipped else f"{one.flipped} differ",
            "the same" if not one.other_bits else f"{one.other_bits} differ",
            counted(one.instructions),
            counted(one.stack),
            counted(one.flash, 1024),
            counted(one.ram, 1024),
        )
        for one in results
    ]
    return columns(header, rows, right=(2, 3, 6, 7, 8, 9))
