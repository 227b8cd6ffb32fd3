"""What a program in integers takes of flash and RAM, by layer; code and the input step are not in it."""

from __future__ import annotations

from dataclasses import dataclass

from atml.device import memory
from atml.device.c.integers import rows_of
from atml.device.program import Conv, LayerNorm, Recurrent
from atml.device.quantised import Quantised, RecurrentIntegers, sigmoid_table


@dataclass(frozen=True)
class Size:
    """Bytes of one part: constants in ``flash``, rows and states in ``ram``."""

    name: str
    flash: int
    ram: int


def sizes(quantised: Quantised) -> list[Size]:
    """Return the bytes of the input, of each layer, of pool and head.

    The table of sigmoids is the first recurrent layer's, and so are the sums that such layers share.
    """
    program = quantised.program
    plan = memory.plan(program)
    cells = [layer for layer in program.layers if isinstance(layer, Recurrent)]
    shared = Size("", 2 * len(sigmoid_table()), 8 * max(map(rows_of, cells))) if cells else Size("", 0, 0)
    found = [Size("input", 0, 0)]
    for layer, numbers, ram in zip(program.layers, quantised.layers, plan.rows[:-1], strict=True):
        flash = 4 * numbers.bias.size + 2 * numbers.multiplier.size
        if isinstance(layer, Conv):
            skipped = max(layer.stride - layer.kernel, 0) / layer.kernel
            flash += layer.weight.size + round(layer.weight.size * skipped)
        elif isinstance(layer, Recurrent):
            flash += layer.ways * rows_of(layer) * (layer.inputs + layer.units) + shared.flash
            ram += layer.ways * layer.units * (6 if layer.cell == "lstm" else 2) + shared.ram
            if layer.ways == 2:
                ram += layer.steps * layer.outputs
            shared = Size("", 0, 0)
        if not isinstance(numbers, RecurrentIntegers):
            assert isinstance(layer, Conv | LayerNorm)
            flash += 2 * numbers.table.size
        found.append(Size(layer.name, flash, ram))
    pool, classes = program.pool, program.classes
    found.append(Size("pool", 2 * quantised.score.size, plan.rows[-1] + 4 * pool.features))
    found.append(Size("head", quantised.head.size + 8 * classes, 0))
    return found
