"""What a program keeps in RAM while it runs: numbers of each buffer, for the C writer and the cost model.

Rows go depth first: a convolution holds the rows that two outputs look at and passes them on at once, so the
activations of no layer are alive as a whole but before a layer norm or a layer of two directions.
"""

from __future__ import annotations

from dataclasses import dataclass

from atml.device.program import Conv, LayerNorm, Program, Recurrent, width_before


@dataclass(frozen=True)
class Plan:
    """Numbers in each buffer: the ``rows`` that each layer and the pool hold, and ``states`` a unit."""

    rows: tuple[int, ...]
    states: int


def plan(program: Program) -> Plan:
    """Work out the buffers of a program."""
    rows: list[int] = []
    cells = [layer for layer in program.layers if isinstance(layer, Recurrent)]
    for place, layer in enumerate(program.layers):
        if isinstance(layer, Conv):
            held = max(layer.kernel, layer.stride) + layer.stride + 1
        elif isinstance(layer, LayerNorm) or layer.ways == 2:
            held = layer.steps
        else:
            held = 2
        rows.append(held * width_before(program, place))
    rows.append(2 * program.pool.width)
    return Plan(tuple(rows), 2 if any(cell.cell == "lstm" for cell in cells) else 1)
