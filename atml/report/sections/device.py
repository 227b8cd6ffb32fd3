"""What the winner takes on a board, by layer and by buffer; fewer bits; what was checked of its C."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from atml.device import cost, in_words
from atml.device.boards import BOARDS, Board
from atml.device.estimate import Estimate
from atml.device.folder import FOLDER, REPORT
from atml.device.program import F32, Program
from atml.device.quantised import W8A8
from atml.formatting import listed, plural, sentence
from atml.models.budget import Budget
from atml.report.contest_places import contest_places
from atml.report.device_charts import Part, memory, percent, timeline
from atml.report.fewer_bits import in_fewer_bits
from atml.report.material import Material
from atml.report.on_device import OnDevice
from atml.report.page import Block, Chart, Empty, Fold, Grid, Heading, Text
from atml.report.sections.task_description import task_of
from atml.scoring.official_total import data_in_words, official_total, tables_of
from atml.scoring.rules.awarded import CONTESTS

SAME = 0.005
"""Relative difference below which two estimates are the same."""


def contents(material: Material) -> list[Block]:
    """Show what the winner takes, where its time and memory go, fewer bits, and what was checked."""
    device, task = material.device, task_of(material)
    if task is not None and task.picture is not None:
        return [
            Empty("Networks of pictures have no C and no estimate for a board: onnxruntime runs the file.")
        ]
    if device.program is None:
        return [Empty(sentence(f"nothing can be estimated for a board: {device.why}"))]
    board = device.shown
    found, why = device.estimate(board)
    if found is None:
        blocks: list[Block] = [Empty(sentence(f"no estimate for {board.title}: {why}")), _boards(device)]
    else:
        blocks = [
            Text(_said(device, found)),
            *_figures(material, found),
            *_layers(found),
            *_memory(device.program, found),
            *_official(material, found),
        ]
    estimates = {name: one for name in device.formats if (one := device.estimate(board, name)[0]) is not None}
    blocks += [Heading("In fewer bits"), *in_fewer_bits(material, task_of(material), estimates)]
    return [*blocks, Heading("What was checked"), *_checked(material, found)]


# --- figures


def _said(device: OnDevice, found: Estimate) -> str:
    room = "it fits" if found.fits else "it does not fit"
    lead = (
        f"On {found.board.title} a window takes {in_words.ms(found)} ({in_words.because(found)}), as"
        f" {found.format}; {found.flash_kib:.1f} KiB of flash and {found.ram_needed / 1024:.1f} KiB of RAM:"
        f" {room}."
    )
    named = Budget.of_spec(device.material.spec).board
    if named and device.board is None:
        lead += f" The study was for the board {named!r}, which this version does not know."
    elif not named:
        lead += (
            " The study names no board, so this one is shown; a search for one (`atml search --board NAME`)"
            " counts what its trials take there."
        )
    if not found.measured:
        lead += (
            " Milliseconds are what its processor leads to expect, an interval and no measurement: `atml"
            f" device calibrate EXPORT --board {found.board.name} --measured MILLISECONDSms` narrows it."
        )
    return lead


def _figures(material: Material, found: Estimate) -> list[Block]:
    device = material.device
    assert device.program is not None
    model = f"{device.what}, {found.format}, {device.program.macs:,} MACs"
    rows = in_words.rows(found, model)
    asked = _asked(material, found)
    if asked:
        rows.append(("asked for", asked))
    counted = _counted(material, found)
    if counted:
        rows.append(("in the search", counted))
    says = (
        "Instructions, flash and RAM follow from the network's shapes alone; the caller holds the window, and"
        " the stack is an upper end."
    )
    grid = Grid(("what", "estimate"), tuple(rows), says)
    every = _boards(device)
    return [grid, every if device.board is None else Fold("On other boards", (every,))]


def _asked(material: Material, found: Estimate) -> str:
    """Say which limits of the board the search kept, and whether the whole interval keeps that of latency."""
    budget = Budget.of_spec(material.spec)
    limits = [
        f"at most {most:g} {unit}"
        for most, unit in (
            (budget.latency_ms, "ms"),
            (budget.flash_kib, "KiB of flash"),
            (budget.board_ram_kib, "KiB of RAM"),
        )
        if most is not None
    ]
    said = listed(limits)
    if budget.latency_ms is not None and found.ms.high > budget.latency_ms:
        kept = "the middle" if found.ms.value <= budget.latency_ms else "the low end"
        said += f"; {kept} of the interval keeps the latency" if found.ms.low <= budget.latency_ms else ""
    return said


def _counted(material: Material, found: Estimate) -> str:
    """Say what the search had counted for the winner, "" where that is the same."""
    cost = None if material.best is None else material.best.cost
    if cost is None or cost.board is None or material.device.board is None:
        return ""
    before, kib = cost.board
    if abs(before / found.ms.value - 1) < SAME and abs(kib / found.flash_kib - 1) < SAME:
        return ""
    return (
        f"{in_words.milliseconds(before)} ms and {kib:.1f} KiB of flash were counted, by the measurements and"
        " the version that it had"
    )


def _boards(device: OnDevice) -> Grid:
    """Give every board a row."""
    rows, gone = [], []
    for board in BOARDS.values():
        found, why = device.estimate(board)
        rows.append(_board(board, found))
        if found is None:
            gone.append(f" {board.title}: {why.partition(';')[0]}.")
    says = (
        f"The same network as {device.format} on every board that is known, by name; milliseconds are the"
        f" likely figure and the ends of its interval.{''.join(gone)}"
    )
    header = ("board", "MHz", "ms", "low to high", "measured", "flash KiB", "RAM KiB", "fits")
    return Grid(header, tuple(rows), says)


def _board(board: Board, found: Estimate | None) -> tuple[str, ...]:
    if found is None:
        return (board.name, f"{board.megahertz:g}", *["-"] * 6)
    return (
        board.name,
        f"{board.megahertz:g}",
        in_words.milliseconds(found.ms.value),
        in_words.ends(found),
        f"{found.measured}" if found.measured else "nobody",
        f"{found.flash_kib:.1f}",
        f"{found.ram_needed / 1024:.1f}",
        "yes" if found.fits else "no",
    )


def _official(material: Material, found: Estimate) -> list[Block]:
    """Show what the contest of the task would award, as the export says or else as the study's figures do."""
    source, definition, spec = material.outcome.source, material.definition, material.spec
    if source is None or definition is None or definition.rule not in CONTESTS:
        return []
    figures = source.figures
    if not figures.get("official"):
        tables = tables_of({"runs": [], **figures})
        data = data_in_words(bool(spec.get("synthetic")), str(spec.get("data_name")))
        judged = tables.get(found.format) or tables.get(F32, ())
        total = official_total(definition.rule, judged, found.ms, found.flash_kib, data)
        figures = {"official": total.to_dict()}
    return contest_places(figures)


# --- by layer


def _layers(found: Estimate) -> list[Block]:
    layers = found.layers
    parts = percent([one.instructions for one in layers])
    macs = percent([one.macs for one in layers])
    most = max(range(len(layers)), key=lambda at: layers[at].instructions)
    rows = tuple(
        (
            one.name,
            f"{one.macs:,}",
            share_of_macs,
            f"{one.instructions:,}",
            in_words.milliseconds(one.ms),
            share,
            f"{one.flash_bytes:,}",
            f"{one.ram_bytes:,}",
        )
        for one, share, share_of_macs in zip(layers, parts, macs, strict=True)
    )
    whole_ms = in_words.milliseconds(found.ms.value)
    whole = (
        "together",
        f"{sum(one.macs for one in layers):,}",
        "100%",
        f"{found.instructions:,}",
        whole_ms,
        "100%",
        f"{sum(one.flash_bytes for one in layers):,}",
        f"{sum(one.ram_bytes for one in layers):,}",
    )
    says = (
        f"{layers[most].name} takes {parts[most]} of {whole_ms} ms, and has {macs[most]} of"
        f" {sum(one.macs for one in layers):,} MACs. Layers take turns while a window runs, and a bar is the"
        " sum of its turns; a share of milliseconds is that of instructions."
    )
    header = ("layer", "MACs", "of MACs", "instructions", "ms", "of ms", "weights, bytes", "buffers, bytes")
    table = Grid(
        header,
        (*rows, whole),
        f"The same in figures, on {found.board.title} as {found.format}.",
        right=header[1:],
    )
    return [
        Heading("Where the time goes"),
        Chart("device-time", timeline(layers), says),
        Fold("Layers in figures", (table,)),
    ]


# --- memory


def flash_map(program: Program, found: Estimate) -> list[Part]:
    """Return what flash holds, in bytes that sum to the estimate's flash."""
    weights = [Part(one.name, "weights", one.flash_bytes) for one in found.layers if one.flash_bytes]
    tables = cost.table_bytes(program, found.format, wide=found.board.wide)
    code = found.flash_bytes - tables - sum(one.size for one in weights)
    return [Part("code", "code", code), Part("table of layers", "tables", tables), *weights]


def ram_map(found: Estimate) -> list[Part]:
    """Return what RAM holds while it runs, in bytes that sum to what the estimate needs."""
    buffers = [Part(one.name, "buffers", one.ram_bytes) for one in found.layers if one.ram_bytes]
    rest = found.ram_bytes - sum(one.size for one in buffers)
    others = [("variables", rest), ("stack", found.stack_bytes), ("window", found.window_bytes)]
    return [*buffers, *(Part(name, name, size) for name, size in others)]


def _memory(program: Program, found: Estimate) -> list[Block]:
    board, flash, ram = found.board, flash_map(program, found), ram_map(found)
    weights = sum(one.size for one in flash if one.kind == "weights")
    largest = max(ram, key=lambda one: one.size)
    return [
        Heading("Where the memory goes"),
        Chart(
            "device-flash",
            memory(flash, "KiB of flash"),
            f"Flash: {found.flash_bytes:,} bytes of {in_words.kib(board.flash_kib)}, {flash[0].size:,} of"
            f" them code, {weights:,} weights with their scales and biases, and {flash[1].size:,} the table"
            " of layers.",
        ),
        Chart(
            "device-ram",
            memory(ram, "KiB of RAM"),
            f"RAM while it runs: {found.ram_needed:,} bytes of {in_words.kib(board.ram_kib)}, the largest"
            f" part {largest.name} with {largest.size:,}. Layers hold the rows that they look at, not a whole"
            " activation.",
        ),
    ]


# --- what was checked


def _checked(material: Material, found: Estimate | None) -> list[Block]:
    device, winner = material.device, material.winner
    if winner is None:
        return [Empty(sentence(f"no C was written: {material.outcome.exported[1]}"))]
    target = device.shown.target
    exported = material.outcome.exported[0]
    marked = " --unqualified" if exported is not None and exported.unqualified else ""
    command = f"`atml best export {shlex.quote(material.study)}{marked} --target {target}`"
    if not device.written:
        return [
            Empty(
                f"No C of this export was written. {command} writes it, compiles it where a compiler is, and"
                " compares its decisions with those of the ONNX file."
            )
        ]
    written: dict[str, Any] = device.written
    checked, unchecked = (_dicts(written.get("checked")), written.get("unchecked") or [])
    said = (
        f"{FOLDER}/ of {winner.folder.name} is for {written.get('target', '?')}, weights"
        f" {written.get('format', '?')}."
    )
    if device.outdated:
        said += f" It was written of another file than this export has now: {command} writes it again."
    blocks: list[Block] = [Text(said)]
    if checked:
        blocks.append(_checks(checked, found, str(written.get("format"))))
    else:
        blocks.append(
            Empty(
                f"Its {REPORT} names no check: `atml device check {shlex.quote(str(winner.folder))}"
                f" --target {target}` checks it."
            )
        )
    return [*blocks, *(Empty(sentence(str(one))) for one in unchecked)]


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _checks(checked: Sequence[dict[str, Any]], found: Estimate | None, form: str) -> Grid:
    def count(value: Any) -> str:
        return f"{value:,}" if isinstance(value, int) else "-"

    rows = tuple(
        (
            str(one.get("title") or one.get("target")),
            str(one.get("compiler", "-")),
            count(one.get("windows")),
            f"{float(one.get('apart') or 0.0):.1e}",
            _same(one.get("flipped")),
            _same(one.get("other_bits")),
            count(one.get("instructions")),
            count(one.get("stack")),
            count(one.get("flash")),
            count(one.get("ram")),
        )
        for one in checked
    )
    windows = sum(one["windows"] for one in checked if isinstance(one.get("windows"), int))
    wrong = sum(one.get("flipped") or 0 for one in checked)
    says = (
        "The C was compiled, run here or under emulation, and compared with"
        f" {'the reference in numpy' if form == W8A8 else 'the ONNX file'} on {plural(windows, 'window')}:"
        f" {wrong or 'no'} decision{' differs' if wrong == 1 else 's differ'}."
        " Bits are compared with the interpreter's; stack, flash and RAM are in bytes."
    )
    header = ("target", "compiler", "windows", "logits apart", "labels", "bits", "instructions", "stack",
              "flash", "RAM")  # fmt: skip
    counted = next(
        (
            int(one["instructions"])
            for one in checked
            if found is not None and one.get("target") == found.board.target and one.get("instructions")
        ),
        None,
    )
    if found is not None and counted and form == found.format:
        apart = 100 * (found.instructions / counted - 1)
        says += (
            f" On {found.board.target} {counted:,} instructions were counted; the estimate has {apart:+.1f}%."
        )
    return Grid(header, rows, says)


def _same(count: Any) -> str:
    return "-" if count is None else "the same" if not count else f"{count} differ"
