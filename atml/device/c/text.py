"""Numbers, arrays and tables as C has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from atml.arrays import Float32, Int64
from atml.device.program import Conv, Program, width_before
from atml.errors import ExportError

Array = TypeVar("Array", Float32, Int64)


def number(value: float | np.float32) -> str:
    """Write a number as the shortest C float that reads back as the same float32.

    Example:
        >>> number(0.1), number(np.float32(-3))
        ('0.1f', '-3.0f')
    """
    return f"{np.float32(value)!s}f"


def array(name: str, values: Float32 | Int64, kind: str = "float") -> str:
    """Return a constant array of numbers of a ``kind``."""
    flat = np.asarray(values).ravel()
    words = [number(float(value)) if kind == "float" else str(int(value)) for value in flat]
    lines: list[str] = []
    line = "   "
    for word in words:
        if len(line) + len(word) > 108:
            lines.append(line)
            line = "   "
        line += f" {word},"
    body = "\n".join([*lines, line])
    return f"static const {kind} {name}[{len(words)}] = {{\n{body}\n}};\n"


def identifier(name: str) -> str:
    """Return a layer's name as C has it."""
    return "".join(one if one.isalnum() else "_" for one in name)


def fields_of(values: Mapping[str, str]) -> str:
    """Return one row of a table, its values by the names of their fields."""
    return "    {" + ", ".join(f".{name} = {value}" for name, value in values.items()) + "},"


def table_of_layers(program: Program, variables: Sequence[str], rows: Sequence[str]) -> str:
    """Return the ``variables`` of a program's layers, what every program counts, and the table of layers."""
    parts = list(variables)
    if program.input.rr is not None:
        parts.append("static float series[SEEN * REACHED];")
    if program.input.beat is not None:
        parts.append("static float series[CHANNELS * REACHED + 2 * ALIKE];")
    parts.append("static int pooled; /* rows that the pool has seen */")
    parts.append("static int have[LAYERS + 1]; /* rows that wait in each layer */")
    return "\n".join(parts) + "\nstatic const layer layers[LAYERS + 1] = {\n" + "\n".join(rows) + "\n};\n"


def sliding(program: Program, place: int, layer: Conv) -> dict[str, str]:
    """Return the fields of a convolution in the table of layers that don't depend on the format."""
    kernel = max(layer.kernel, layer.stride)
    before = program.layers[place - 1].steps if place else program.input.steps
    tail = (layer.steps - 1) * layer.stride + kernel - layer.pad - before
    return {
        "kind": "CONV_EACH" if layer.depthwise else "CONV",
        "kernel": str(kernel),
        "stride": str(layer.stride),
        "pad": str(layer.pad),
        "tail": str(max(tail, 0)),
    }


MOST = 2**16 - 1
"""Largest size that the table of layers has room for."""


def check_sizes(program: Program) -> None:
    """Raise ExportError for a layer with a size beyond `MOST`."""
    for place, layer in enumerate(program.layers):
        sizes = [width_before(program, place), layer.outputs]
        if isinstance(layer, Conv):
            fields = sliding(program, place, layer)
            sizes += [int(fields[name]) for name in ("kernel", "stride", "pad", "tail")]
        if max(sizes) > MOST:
            raise ExportError(
                f"the model's layer {layer.name!r} has a size of {max(sizes):,}, and the C has room for"
                f" {MOST:,}: choose a smaller network"
            )


def widened(layer: Conv, weight: Array) -> Array:
    """Return weights ``(outputs, kernel, inputs)`` with zeros where a stride skips rows beyond the kernel."""
    return np.pad(weight, ((0, 0), (0, max(layer.stride - layer.kernel, 0)), (0, 0)))
