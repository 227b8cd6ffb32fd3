"""What each event costs on each processor, fitted to counted programs by ``benchmarks/device_cost.py``.

`rates.json` is a table: a column for each compiler, target and format, a row for each event of
`atml.device.cost`. ``errors`` are those of programs that the fit did not see.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml.errors import InputError

FILE = Path(__file__).parent / "rates.json"

COMPILERS = ("zig", "gcc")
"""Compilers that a program's instructions and code are known for, the usual one first."""


@dataclass(frozen=True)
class Rates:
    """One column of the table.

    Attributes:
        compiler: Name and version of the compiler.
        instructions: Instructions that each event costs.
        code: Bytes of code that each piece takes.
        stack: Bytes of stack that each piece takes.
        error: Largest relative error of instructions, on programs that the fit did not see.
    """

    compiler: str
    instructions: dict[str, float]
    code: dict[str, float]
    stack: dict[str, float]
    error: float

    @staticmethod
    def total(counted: Counter[str], costs: dict[str, float]) -> float:
        """Sum how often each thing happens times what one costs."""
        return sum(count * costs.get(name, 0.0) for name, count in counted.items())


@functools.cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def columns() -> list[str]:
    """Return the names of the columns: compiler, target and format.

    Example:
        >>> columns()[0]
        'zig cortex-m0 f32'
    """
    return list(_table()["columns"])


def rates(target: str, format: str, compiler: str = COMPILERS[0]) -> Rates:
    """Return what events cost on a target.

    Raises:
        InputError: the table has no such column; the message lists what it has.

    Example:
        >>> rates("cortex-m4", "f32").compiler.startswith("zig")
        True
    """
    name = f"{compiler} {target} {format}"
    if name not in columns():
        known = ", ".join(columns())
        raise InputError(f"no estimate for {name!r} (compiler, target, format); known: {known}")
    table, at = _table(), columns().index(name)

    def column(part: str) -> dict[str, float]:
        return {key: costs[at] for key, costs in table[part].items()}

    about = table["columns"][name]
    return Rates(
        compiler=about["compiler"],
        instructions=column("instructions"),
        code=column("code"),
        stack=column("stack"),
        error=about["error"],
    )
