"""`atml bench`: what replicas of a model cost on this machine."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.reading_bar import working
from atml.cli.shared_options import AsJson, show, write_whole
from atml.cli.values import number, whole
from atml.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from atml.serving.replicas import Bench

MOST = 64


def counts(text: str) -> list[int]:
    """Return numbers of replicas; raises InputError for what is none.

    >>> counts("4,1,2,2")
    [1, 2, 4]
    """
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1 or found[-1] > MOST:
        raise InputError(
            f"--replicas {text!r}: must be whole numbers from 1 to {MOST} with commas, such as 1,2,4"
        )
    return found


def bench(
    export: Annotated[
        Path, typer.Argument(help="Export folder, or an ONNX file written by atml.", metavar="EXPORT")
    ],
    replicas: Annotated[
        str,
        typer.Option(help="How many at once, one after the other.", metavar="N,N..."),
    ] = "1,2,4,8",
    seconds: Annotated[
        float,
        typer.Option(
            parser=number(0.01), help="Time of each measurement.", metavar="SECONDS", show_default="3"
        ),
    ] = 3.0,
    batch: Annotated[
        int, typer.Option(parser=whole(1, 4096), help="Windows in each run of the model.", metavar="N")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the figures as JSON.", metavar="FILE", show_default="none"),
    ] = None,
    json: AsJson = False,
) -> None:
    """Measure latency, windows a second and memory of a model: one session, N sessions, N processes."""
    from atml.serving import replicas as measuring

    wanted = counts(replicas)
    if out is not None and not out.absolute().parent.is_dir():
        raise InputError(f"--out {out} can't be written: there is no folder {out.parent}")
    with working("measuring") as said:
        found = measuring.measure(export, wanted, seconds=seconds, batch=batch, say=said)
    if out is not None:
        write_whole(out, json_text.dumps(found.to_dict(), indent=1) + "\n", named=f"--out {out}")
    show(found.to_dict() if json else screen(found), json)
    if out is not None and not json:
        show(f"\nwrote {out}")


def screen(found: Bench) -> RenderableType:
    """Lay out the machine, the figures, and what has to be known to read them."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns, plural

    at, model = found.machine, found.model
    case = "page" if "pixels" in model else "window"
    memory = "" if at.memory_gib is None else f", {at.memory_gib:.0f} GiB"
    load = "" if at.load is None else f"; load average before: {at.load:.2f}"
    head = [
        f"{model['task']}, {model['bytes'] / 1024:.1f} KiB: {model['summary']}",
        f"{at.processor}{memory}{load}",
        f"onnxruntime {at.onnxruntime}, {plural(at.threads_a_session, 'thread')} a session;"
        f" {plural(found.batch, case)} a run, {found.seconds:g} s each after a warm-up",
    ]

    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}" if value < 10 else short(value)

    def short(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.1f}" if abs(value) < 100 else f"{value:{sign}.0f}"

    rows = [
        (
            row.way,
            str(row.replicas),
            f"{row.windows_per_s:,.0f}",
            ms(row.p50_ms),
            ms(row.p95_ms),
            ms(row.p99_ms),
            ms(row.max_ms),
            short(row.mib),
            "" if row.replicas == min(one.replicas for one in found.rows)
            else short(row.mib_each, "+"),
            short(row.others),
        )
        for row in found.rows
    ]  # fmt: skip
    header = ("replicas", "N", f"{case}s/s", "p50 ms", "p95", "p99", "max", "MiB", "each", "others")
    ways = (
        "shared: one session, N threads. sessions: N of them, N threads. processes: N.",
        "MiB: proportional memory (PSS) of all; each: what one more adds. others: cores",
        "that other programs kept busy. A replica asks again as soon as it is answered.",
    )
    return Group(
        *map(Text, head),
        Text(""),
        columns(header, rows, right=range(1, len(header))),
        Text(""),
        *map(Text, ways),
        *(Text(f"note: {note}") for note in found.notes),
    )
