"""What a config costs on the board that a search is for, known before it is trained."""

from __future__ import annotations

import dataclasses
from typing import Any

from atml.device import measurements
from atml.device.boards import board_named
from atml.device.formats import format_named
from atml.device.measurements import Measurement
from atml.device.program import F32
from atml.device.rates import rates
from atml.errors import InputError
from atml.models.budget import Budget, Cost
from atml.models.config import ModelConfig
from atml.tasks.task import Task


def costed(config: ModelConfig, task: Task, budget: Budget) -> Cost:
    """Return a config's cost in a budget's format, with the estimate for its board, if it has one.

    In the formats of fewer bits the file is that with weights of 8 bits. Latency is the middle of the
    estimate, RAM is variables, stack and the window.

    Raises:
        ConfigError: a config that can't be built.
        ExportError: a network that has no form on a device.
    """
    from atml import models

    cost = models.cost(config, task)
    if not budget.board and budget.format == F32:
        return cost
    from atml.artifacts.backends import onnx_w8
    from atml.artifacts.export import onnx_bytes
    from atml.device.estimate import estimate
    from atml.device.reading import read

    file = onnx_bytes(models.build(config, task).eval(), task, {})
    program = read(file, config, task) if budget.board else None
    if budget.format != F32:
        # An estimate of a file's size is above it; by how much the file shrinks is known to the byte.
        file, whole = onnx_w8.quantised(file), len(file)
        cost = dataclasses.replace(cost, size_bytes=cost.size_bytes - whole + len(file))
    if program is None:
        return cost
    found = estimate(program, budget.board, budget.format, measured=measurements_of(budget))
    return dataclasses.replace(
        cost,
        latency_ms=found.ms.value,
        flash_bytes=found.flash_bytes,
        board_ram_bytes=found.ram_needed,
    )


def check(budget: Budget, task: Task) -> None:
    """Raise InputError for a board or format without estimates, or limits of a board that is not named.

    So for a task about pictures: boards and their formats are for signals.
    """
    asked = f"--board {budget.board}" if budget.board else f"--format {budget.format}"
    if task.picture is not None and (budget.board or budget.format != F32):
        raise InputError(f"{asked} is for signals, and task {task.name!r} is about pictures: leave it out")
    format_named(budget.format)
    if budget.board:
        rates(board_named(budget.board).target, budget.format)
        return
    limits = {
        "--latency-ms": budget.latency_ms,
        "--flash-kib": budget.flash_kib,
        "--ram-kib": budget.board_ram_kib,
    }
    for option, most in limits.items():
        if most is not None:
            raise InputError(f"{option} {most:g} is of a board: name it, as --board l432kc")


def named(board: str | None) -> str | None:
    """Return the name of a board as a study keeps it, whatever the case; None for no board.

    Example:
        >>> named("L432KC"), named(None)
        ('l432kc', None)
    """
    return board_named(board).name if board else None


def measurements_of(budget: Budget) -> list[Measurement]:
    """Return the measurements of its board that a budget has."""
    return [Measurement(**one) for one in budget.measured]


def measured(board: str | None) -> list[dict[str, Any]]:
    """Return what was measured on a board so far, as a study keeps it."""
    return [dataclasses.asdict(one) for one in measurements.read() if one.board == board]
