"""`atml device`: an export's C, checked under emulation, and what it takes on a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.help_text import Commands
from atml.cli.reading_bar import working
from atml.cli.shared_options import (
    EXPORT,
    RULE,
    STUDIES,
    AsJson,
    Storage,
    Study,
    show,
    study_of,
    write_whole,
)
from atml.cli.values import milliseconds, whole
from atml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from atml.device.boards import Board
    from atml.device.checking import Checked
    from atml.library.board_estimate import OnBoard, Subject
    from atml.scoring.official_total import OfficialTotal

device_app = Commands(
    no_args_is_help=True,
    help="Check an export's C under emulation, estimate what a model takes on a board, or enter what was"
    " measured there.",
)

OnBoardNamed = Annotated[
    str,
    typer.Option("--board", help="Board: l432kc, f303k8, 2k0500, rp2040, g071rb, f746ng.", metavar="NAME"),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format: f32, w8 or w8a8.",
        metavar="NAME",
        show_default="that of its device/, else f32",
        rich_help_panel=EXPORT,
    ),
]
CompiledBy = Annotated[
    str,
    typer.Option(
        "--compiler", help="Compiler: zig or gcc.", metavar="NAME", show_default="zig", rich_help_panel=EXPORT
    ),
]


@device_app.command("check")
def check(
    export: Annotated[
        Path, typer.Argument(help="Export folder, or an ONNX file written by atml.", metavar="EXPORT")
    ],
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compile for: host, cortex-m0, cortex-m4, cortex-m7 or loongarch64. Repeat it for"
            " several.",
            metavar="NAME",
            show_default="host",
        ),
    ] = None,
    format: Format = None,
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
    from atml.device.folder import written_format
    from atml.device.program import F32

    exported = load(export)
    found = writing.in_format(exported, format or written_format(exported) or F32)
    sources = writing.files(found, target="host", hop=found.exported.task.window)
    x = checking.windows(found.exported.task, windows)
    results: list[Checked] = []
    with working("checking") as said:
        for name in target or ["host"]:
            said(f"checking {name}")
            results.append(checking.check(found.program, found.model, sources, x, name, compiler=compiler))
    show([one.to_dict() for one in results] if json else checked_table(results), json)
    for one in results:
        checking.demand(one)


def checked_table(results: Sequence[Checked]) -> RenderableType:
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


@device_app.command("estimate")
def estimate(
    what: Annotated[
        str | None,
        typer.Argument(
            help="Export folder, ONNX file of atml, or number of a trial.",
            metavar="EXPORT|TRIAL",
            show_default="the best trial",
        ),
    ] = None,
    board: OnBoardNamed = ...,  # type: ignore[assignment]
    format: Format = None,
    compiler: CompiledBy = "zig",
    rule: Annotated[
        str | None,
        typer.Option(
            help="Official rule that awards points for latency and size: iesd2024, iccad2022, iccad2023.",
            metavar="NAME",
            show_default="the task's",
            rich_help_panel=RULE,
        ),
    ] = None,
    study: Study = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Estimate milliseconds, flash and RAM on a board, by layer, and the official total."""
    from atml.device.boards import board_named
    from atml.library.board_estimate import on_board

    on = board_named(board)  # before anything is read
    subject = _subject(what, study, storage)
    found = on_board(subject, on, format=format, compiler=compiler, rule=_awarding(rule))
    show(found.to_dict() if json else screen(found), json)


@device_app.command("calibrate")
def calibrate(
    export: Annotated[
        Path,
        typer.Argument(
            help="Export folder, or an ONNX file of atml: what ran on the board.", metavar="EXPORT"
        ),
    ],
    board: OnBoardNamed = ...,  # type: ignore[assignment]
    measured: Annotated[
        float | None,
        typer.Option(
            parser=milliseconds,
            help="Time of one atml_run on the board; without it the program that measures it is written.",
            metavar="4.9ms",
            show_default="none",
        ),
    ] = None,
    format: Format = None,
    compiler: CompiledBy = "zig",
    json: AsJson = False,
) -> None:
    """Enter a latency measured on a board, which narrows every later estimate for it; or write timing.c."""
    from atml.device import in_words, measurements
    from atml.device.boards import board_named
    from atml.device.estimate import estimate as estimated
    from atml.library.board_estimate import of_export

    on = board_named(board)
    subject = of_export(export)
    if measured is None:
        show(_timing(export, on))
        return
    before = estimated(subject.program, on, format or subject.format, compiler=compiler)
    one = measurements.Measurement(
        board=on.name,
        milliseconds=measured,
        instructions=before.instructions,
        network=_network(subject),
        format=before.format,
        compiler=before.compiler,
    )
    mine = measurements.add(one)
    after = estimated(subject.program, on, before.format, compiler=compiler)
    if json:
        show({**after.to_dict(), "measured_ms": measured, "file": str(measurements.place())}, json)
        return
    low, _, high = on.cycles
    cycles = one.cycles(on)
    show(f"measured {measured:.4g} ms: {cycles:.2f} cycles an instruction on {on.title}")
    if not low <= cycles <= high:
        show(
            f"that is outside the {low:g} to {high:g} that the processor leads to expect: check the"
            " clock, -O2, the caches and the hardware floats of your build"
        )
    show(f"estimate before: {in_words.ms(before)}")
    show(f"estimate now: {in_words.ms(after)}, from {in_words.measurements(len(mine))}")
    show(f"kept in {measurements.place()} for every later estimate of {on.name}")


def _timing(export: Path, board: Board) -> str:
    from atml.device.c.fragments import FOLDER

    folder = export if export.is_dir() else export.parent
    sources = folder / "device"
    if not (sources / "model.h").is_file():
        raise InputError(
            f"{export} holds no device/model.h to time: atml best export --target {board.target} writes"
            " one; or enter a latency with --measured"
        )
    write_whole(sources / "timing.c", (FOLDER / "timing.c").read_text(encoding="utf-8"))
    return (
        f"wrote {sources / 'timing.c'}: build it with model.c for {board.title} (-std=c99 -O2), run"
        f" it there and enter what it prints: atml device calibrate {export} --board {board.name}"
        " --measured MILLISECONDSms"
    )


def _network(subject: Subject) -> str:
    program = subject.program
    return f"{subject.task.name}, {program.macs} MACs, {program.parameters} parameters"


def _awarding(rule: str | None) -> str | None:
    from atml.scoring.rules.awarded import contest_named

    if rule is not None:
        contest_named(rule)
    return rule


def _subject(what: str | None, study: str | None, storage: str) -> Subject:
    from atml.library.board_estimate import of_export, of_trial
    from atml.storage import Store

    if what is not None and (Path(what).exists() or not what.isdecimal()):
        return of_export(Path(what))
    named = study_of(Store(storage, create=False), study)
    return of_trial(storage, named, None if what is None else int(what))


def screen(found: OnBoard) -> RenderableType:
    """Lay out an estimate: the figures, the points, the table by layer."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from atml.device import in_words
    from atml.formatting import columns

    one, program = found.estimate, found.subject.program
    rows = in_words.rows(one, f"{found.subject.name}, {one.format}, {program.macs:,} MACs")
    rows += _points(found)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, words in rows:
        grid.add_row(name, Text(words))
    header = ("layer", "MACs", "instructions", "ms", "share", "weights, bytes", "RAM, bytes")
    cells = [
        (
            layer.name,
            f"{layer.macs:,}",
            f"{layer.instructions:,}",
            f"{layer.ms:.3g}",
            f"{100 * layer.instructions / max(1, one.instructions):.0f}%",
            f"{layer.flash_bytes:,}",
            f"{layer.ram_bytes:,}",
        )
        for layer in one.layers
    ]
    blocks: list[RenderableType] = [grid, Text(""), columns(header, cells, right=range(1, len(header)))]
    if found.official is not None and found.official.total is not None:
        blocks += [Text(""), leaderboard(found.official)]
    return Group(*blocks)


def _points(found: OnBoard) -> list[tuple[str, str]]:
    from atml.scoring.official_total import with_ends

    one = found.official
    if one is None:
        return []
    parts = ", ".join(f"{name} {points.value:.1f}" for name, points in one.points.items())
    if one.total is None:
        return [("points", f"{one.rule}: {parts}; F is not known without predictions")]
    rows = [("total", f"{one.rule}: {with_ends(one.total, 1)} of {one.best:g}: {parts}; F out of fold")]
    if found.subject.unqualified:
        rows.append(("unqualified", "; ".join(found.subject.unqualified)))
    return rows


def leaderboard(found: OfficialTotal) -> RenderableType:
    """Lay out a contest's leaderboard with the model in it, and what a reader of it has to know."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns
    from atml.scoring.official_total import leaderboard_rows

    header, rows = leaderboard_rows(found.to_dict())
    return Group(columns(header, rows, right=range(1, len(header))), Text("\n".join(found.notes())))
