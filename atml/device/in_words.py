"""An estimate in words, as the command line and the report give it."""

from __future__ import annotations

from atml.device.estimate import Estimate
from atml.formatting import plural


def milliseconds(number: float) -> str:
    """Write milliseconds without an exponent.

    Example:
        >>> milliseconds(4.3802), milliseconds(2163.4)
        ('4.38', '2,163')
    """
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"


def ends(found: Estimate) -> str:
    """Write the interval of milliseconds: "3.83 to 6.02"."""
    return f"{milliseconds(found.ms.low)} to {milliseconds(found.ms.high)}"


def ms(found: Estimate) -> str:
    """Write milliseconds with their interval: "4.38 ms, 3.83 to 6.02"."""
    return f"{milliseconds(found.ms.value)} ms, {ends(found)}"


def measurements(count: int) -> str:
    """Say how many measurements of a board there are.

    Example:
        >>> measurements(2)
        '2 measurements on this board'
    """
    return f"{plural(count, 'measurement')} on this board"


def because(found: Estimate) -> str:
    """Say what the milliseconds are from: "nobody measured yet", or how many measurements."""
    return f"from {measurements(found.measured)}" if found.measured else "nobody measured yet"


def kib(size: float) -> str:
    """Write a board's memory, given in KiB.

    Example:
        >>> kib(64), kib(524288)
        ('64 KiB', '512 MiB')
    """
    return f"{size:,g} KiB" if size < 10 * 1024 else f"{size / 1024:,g} MiB"


def rows(found: Estimate, model: str) -> list[tuple[str, str]]:
    """Return an estimate as rows ``(name, words)``; ``model`` says what runs.

    Example:
        >>> from atml.device import untrained
        >>> from atml.device.estimate import estimate
        >>> from atml.models.config import ModelConfig
        >>> from atml.tasks.task import Task
        >>> task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> program = untrained.program(ModelConfig(channels=(4,), kernels=(7,), strides=(2,)), task)
        >>> dict(rows(estimate(program, "l432kc", measured=[]), "a network"))["board"]
        'STM32L432KC (ICCAD 2022 and 2023), 80 MHz'
    """
    board = found.board
    said = [
        ("board", f"{board.title}, {board.megahertz:g} MHz"),
        ("model", f"{model}, as {found.compiler} -O2 writes it"),
        (
            "instructions",
            f"{found.instructions:,}, within {100 * found.error:.1f}% of what was counted in checks",
        ),
        ("latency", f"{ms(found)}: {because(found)}"),
        ("flash", f"{found.flash_bytes:,} bytes ({found.flash_kib:.1f} KiB) of {kib(board.flash_kib)}"),
        (
            "RAM",
            f"{found.ram_needed:,} bytes of {kib(board.ram_kib)}: {found.ram_bytes:,} variables, at most"
            f" {found.stack_bytes:,} stack, {found.window_bytes:,} window",
        ),
    ]
    if not found.fits:
        said.append(("fits", "no: it needs more than the board has"))
    return said
