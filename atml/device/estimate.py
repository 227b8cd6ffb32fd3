"""What a program will take on a board: instructions, milliseconds as an interval, flash, RAM and stack.

Nothing is compiled and no compiler is needed: `atml.device.cost` counts what the C does, `atml.device.rates`
says what that costs. Instructions, flash and RAM are near exact; milliseconds are an interval, wide until
someone measures on the board (`atml.device.measurements`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atml.device import cost, measurements
from atml.device.boards import Board, board_named
from atml.device.measurements import Measurement
from atml.device.program import LayerNorm, Program, Recurrent
from atml.device.quantised import W8A8, Quantised
from atml.device.rates import COMPILERS, Rates, rates
from atml.metrics import Interval


@dataclass(frozen=True)
class LayerEstimate:
    """One row of the table by layer.

    Attributes:
        name: A layer's name, or "input", "pool", "head".
        macs: Multiply-accumulates of one window.
        instructions: Instructions of one window.
        ms: Milliseconds, the likely figure.
        flash_bytes: Weights, scales and biases.
        ram_bytes: Buffers.
    """

    name: str
    macs: int
    instructions: int
    ms: float
    flash_bytes: int
    ram_bytes: int


@dataclass(frozen=True)
class Estimate:
    """What one program takes on one board.

    Attributes:
        board: The board.
        format: Format of the weights.
        compiler: Name and version of the compiler that the figures are for.
        instructions: Instructions of one `atml_run`.
        error: Largest relative error of instructions on networks that were counted to check the formula.
        ms: Milliseconds of one `atml_run`: likely, least and most.
        measured: How many measurements of this board the milliseconds are from; 0 for none.
        flash_bytes: Code, constants and first values of variables, all that the model needs.
        ram_bytes: Static variables of the model: exact for zig, at most 4 bytes more by GCC.
        stack_bytes: Stack of one `atml_run`; no counted program needs more than this says of it.
        window_bytes: The window, which the caller holds (``atml_push`` has a ring of that size).
        layers: The same by layer.
    """

    board: Board
    format: str
    compiler: str
    instructions: int
    error: float
    ms: Interval
    measured: int
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    window_bytes: int
    layers: tuple[LayerEstimate, ...]

    @property
    def flash_kib(self) -> float:
        """`flash_bytes` in KiB, as the contests' rules take a size."""
        return self.flash_bytes / 1024

    @property
    def ram_needed(self) -> int:
        """Bytes of RAM in use while it runs: variables, stack and the window."""
        return self.ram_bytes + self.stack_bytes + self.window_bytes

    @property
    def fits(self) -> bool:
        """Whether the board has that much flash and RAM."""
        return self.flash_kib <= self.board.flash_kib and self.ram_needed <= self.board.ram_kib * 1024

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        return {
            "board": self.board.name,
            "target": self.board.target,
            "megahertz": self.board.megahertz,
            "format": self.format,
            "compiler": self.compiler,
            "instructions": self.instructions,
            "instructions_error": self.error,
            "ms": {"low": self.ms.low, "likely": self.ms.value, "high": self.ms.high},
            "measured": self.measured,
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "stack_bytes": self.stack_bytes,
            "window_bytes": self.window_bytes,
            "fits": self.fits,
            "layers": [vars(one) for one in self.layers],
        }


def estimate(
    program: Program | Quantised,
    board: str | Board,
    format: str | None = None,
    *,
    compiler: str = COMPILERS[0],
    measured: Sequence[Measurement] | None = None,
) -> Estimate:
    """Return what a program takes on a board.

    ``format`` is the program's own if it is None; another one is estimated as if the program were written in
    it, as costs depend on shapes alone. ``measured`` are measurements of boards, by default those this user
    has entered.

    Raises:
        InputError: no such board, or no figures for the format or the compiler; the message lists the known.

    Example:
        >>> from atml.device import untrained
        >>> from atml.models.config import ModelConfig
        >>> from atml.tasks.task import Task
        >>> task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> config = ModelConfig(channels=(4,), kernels=(7,), strides=(2,))
        >>> found = estimate(untrained.program(config, task), "l432kc", measured=[])
        >>> found.ram_bytes, found.ms.low < found.ms.value < found.ms.high
        (100, True)
    """
    on = board if isinstance(board, Board) else board_named(board)
    if isinstance(program, Quantised):
        form, program = format or W8A8, program.program
    else:
        form = format or program.format
    known = rates(on.target, form, compiler)
    mine = measurements.read() if measured is None else measured
    cycles = measurements.cycles(on, mine)
    rows, ms_each = [], 1e-3 / on.megahertz
    for part, (flash, ram) in zip(cost.parts(program), cost.stored(program, form), strict=True):
        count = Rates.total(part.events, known.instructions)
        rows.append(
            LayerEstimate(
                name=part.name,
                macs=part.macs,
                instructions=round(count),
                ms=count * cycles.value * ms_each,
                flash_bytes=flash,
                ram_bytes=ram,
            )
        )
    instructions = sum(row.instructions for row in rows)
    constants = sum(row.flash_bytes for row in rows) + cost.table_bytes(program, form, wide=on.wide)
    return Estimate(
        board=on,
        format=form,
        compiler=known.compiler,
        instructions=instructions,
        error=known.error,
        ms=Interval(*(instructions * each * ms_each for each in (cycles.value, cycles.low, cycles.high))),
        measured=sum(one.board == on.name for one in mine),
        flash_bytes=round(constants + Rates.total(cost.code(program, form), known.code)),
        ram_bytes=ram_bytes(program, form, compiler),
        stack_bytes=round(Rates.total(cost.frames(program, form), known.stack)),
        window_bytes=4 * program.leads * program.input.samples,
        layers=tuple(rows),
    )


def ram_bytes(program: Program, format: str, compiler: str = COMPILERS[0]) -> int:
    """Return the bytes of static variables that a program has when it is linked with `atml_run` alone."""
    layers = program.layers
    found = sum(ram for _, ram in cost.stored(program, format)) + 4 * (len(layers) + 2)
    if format == W8A8:
        if any(isinstance(layer, LayerNorm) for layer in layers):
            found += 12  # what is known of the window that is being normalised
        found += 8 if program.pool.kind == "attention" else 0
        found += -found % 4
    only = layers[0]
    if compiler == "zig" and len(layers) == 1 and isinstance(only, Recurrent) and only.ways == 2:
        return found - 4  # it sees that the pool never waits for rows
    return found
