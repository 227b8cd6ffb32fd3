"""A program in integers: weights and activations of 8 bits, state of 16, sums of 32 (format `W8A8`).

An activation of 8 bits means ``scale * (q - zero)``, with one `Grid` a tensor. Sums of products are exact in
32 bits; a multiplication by a whole number and a shift take them to the next grid. So every processor gets
the same integers, and `atml.device.integer_interpreter` says which. The input step is float32, as in every
format, and so is the scale of the logits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atml.arrays import Float32, Floats, Int64
from atml.device.arithmetic import activate, sigmoid
from atml.device.calibration import Range, Ranges
from atml.device.program import Conv, Head, LayerNorm, Pool, Program, Recurrent
from atml.errors import ExportError

W8A8 = "w8a8"
"""The format's name."""

LOWEST, HIGHEST = -128, 127
STATE = 15
"""Bits after the point of h, of sigmoid and of tanh."""
CELL = 16
"""Bits after the point of an LSTM's c, which has 32 bits."""
GATE = 12
"""Bits after the point of the sum of a gate and of a normalised value."""
FINE = 4
"""Bits that a sum has below the 8 by which an entry of a table is found."""
LIFT = 5
"""Bits by which the sums over a recurrent layer's input are moved up before they are scaled."""
FEATURE = 16
"""Parts of one step of the last grid in which features are counted."""
SCORE = 8191
"""Largest magnitude of a weight of an attention pool, 16 bits."""
MOST_INPUTS = 512
"""Beyond as many channels or units sums of 32 bits might overflow."""
MOST_STEPS = 8191
"""Beyond as many steps an LSTM's c might."""

NO_TABLE: Int64 = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Grid:
    """The values that 8 bits can say: ``scale * (q - zero)``."""

    scale: float
    zero: int

    @classmethod
    def over(cls, found: Range, least: float = 0.0) -> Grid:
        """Lay 256 steps of at least ``least`` over a range, one of them on 0.

        Example:
            >>> Grid.over((0.0, 25.5))
            Grid(scale=0.1, zero=-128)
        """
        low, high = min(found[0], 0.0), max(found[1], 0.0)
        scale = max((high - low) / 255, least) or 1.0
        return cls(scale, int(np.clip(round(LOWEST - low / scale), LOWEST, HIGHEST)))


@dataclass(frozen=True, kw_only=True)
class ConvIntegers:
    """Numbers of a `Conv`: ``weight (outputs, kernel, inputs)``, ``bias`` and ``multiplier (outputs,)``.

    ``bias`` holds what the ``zero`` of the rows that come in adds up to. A sum times its multiplier over
    2 ** ``shift``, plus ``zero_out``, is the activation in 8 bits. Where there is a ``table (257,)`` it has
    12 bits, and the activation lies between the two entries, of 16 bits, that its upper 8 bits say.
    """

    weight: Int64 = field(repr=False)
    bias: Int64 = field(repr=False)
    multiplier: Int64 = field(repr=False)
    table: Int64 = field(repr=False)
    shift: int
    zero: int
    zero_out: int


@dataclass(frozen=True, kw_only=True)
class NormIntegers:
    """Numbers of a `LayerNorm`, on values of `GATE` bits after the point; see `ConvIntegers`.

    ``bias`` is added before the multiplication; ``epsilon`` is in steps of the rows that come in.
    """

    bias: Int64 = field(repr=False)
    multiplier: Int64 = field(repr=False)
    table: Int64 = field(repr=False)
    shift: int
    zero_out: int
    epsilon: np.float32


@dataclass(frozen=True, kw_only=True)
class RecurrentIntegers:
    """Numbers of a `Recurrent`, in the shapes of its weights, and ``multiplier (ways, units, gates, 2)``.

    The two multipliers of a row take its sums over the input, `LIFT` bits up, with ``shift``, and over the
    state, with ``shift_state``, to `GATE` bits after the point. ``multiplier_out`` and ``shift_out`` take h
    to a row.
    """

    weight: Int64 = field(repr=False)
    recurrent: Int64 = field(repr=False)
    bias: Int64 = field(repr=False)
    multiplier: Int64 = field(repr=False)
    shift: int
    shift_state: int
    multiplier_out: int
    shift_out: int
    zero_out: int


Integers = ConvIntegers | NormIntegers | RecurrentIntegers


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """``program`` in integers: numbers of each of its ``layers``, of its pool and its head.

    ``input`` is the grid of the first rows, ``zero`` that of the pool's. ``score`` are an attention pool's
    weights and ``score_scale`` the unit of its sums, whose shares have ``share_bits`` after the point.
    ``head (classes, features)`` has a ``head_scale`` a class.
    """

    program: Program
    input: Grid
    layers: tuple[Integers, ...]
    zero: int
    score: Int64 = field(repr=False)
    score_scale: np.float32
    share_bits: int
    head: Int64 = field(repr=False)
    head_scale: Float32 = field(repr=False)

    @property
    def format(self) -> str:
        """`W8A8`."""
        return W8A8

    @property
    def parameters(self) -> int:
        """Numbers that were trained, those of `Program.parameters`."""
        return self.program.parameters

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one window."""
        return self.program.macs

    @property
    def positive(self) -> int | None:
        """The class that a binary task looks for, or None."""
        return self.program.positive


def quantise(program: Program, ranges: Ranges) -> Quantised:
    """Return a program in float32 as one in integers.

    The same program and ranges give the same integers everywhere.

    Raises:
        ExportError: a layer whose sums might overflow 32 bits.
    """
    grid = first = Grid.over(ranges.rows[0])
    layers: list[Integers] = []
    for layer, before, after in zip(program.layers, ranges.before, ranges.rows[1:], strict=True):
        made: Integers
        if isinstance(layer, Conv):
            made, grid = _conv(layer, grid, before, after)
        elif isinstance(layer, LayerNorm):
            made, grid = _norm(layer, grid, before, after)
        else:
            made, grid = _cell(layer, grid, after)
        layers.append(made)
    score, score_scale, share_bits = _score(program.pool, grid)
    head, head_scale = _head(program.head, grid)
    return Quantised(
        program=program,
        input=first,
        layers=tuple(layers),
        zero=grid.zero,
        score=score,
        score_scale=score_scale,
        share_bits=share_bits,
        head=head,
        head_scale=head_scale,
    )


def sigmoid_table() -> Int64:
    """Return sigmoid at 0, 1/16, ... 8, with `STATE` bits after the point: all that gates are worked out by.

    Example:
        >>> sigmoid_table()[[0, 16, 128]].tolist()
        [16384, 23955, 32757]
    """
    exact = sigmoid((np.arange(129) / 16).astype(np.float32)).astype(np.float64)
    table: Int64 = np.round(exact * 2**STATE).astype(np.int64)
    return table


def _rows(weight: Floats, bias: Floats, unit: float, most: float = np.inf) -> tuple[Int64, Floats, Int64]:
    """Return weights in 8 bits, the scale of each row and biases in whole sums; a row has one bias.

    A scale is at most ``most``, and never so small that the bias would leave 2 ** 24 sums in ``unit``.
    """
    flat = weight.reshape(*bias.shape, -1)
    scale = np.maximum(np.abs(flat).max(-1) / 127, np.abs(bias) / unit / 2**24)
    scale = np.minimum(np.where(scale > 1e-30, scale, 1.0), most)
    whole = np.clip(np.round(flat / scale[..., None]), -127, 127).astype(np.int64)
    bias = np.clip(np.round(bias / (scale * unit)), -(2**24), 2**24)
    return whole.reshape(weight.shape), scale, bias.astype(np.int64)


LARGEST_RATIO = 0.125
"""Of what `multipliers` can say: then a product of 47 bits is scaled in two of 32."""


def multipliers(ratio: Floats) -> tuple[Int64, int]:
    """Return ratios as whole numbers of 15 bits over a power of two, and its exponent, from 17 to 46.

    Example:
        >>> multipliers(np.array([0.1, -0.001]))
        (array([26214,  -262]), 18)
    """
    largest = float(np.abs(ratio).max())
    shift = 46 if largest == 0 else int(np.clip(14 - np.floor(np.log2(largest)), 17, 46))
    return np.clip(np.round(ratio * 2.0**shift), -32767, 32767).astype(np.int64), shift


def _grids(kind: str, before: Range, after: Range, least: float) -> tuple[Grid, Grid, Int64]:
    """Return the grid of sums, that of activations and the table between them, empty where they are one.

    The lowest step of what comes out of a ReLU is 0, so that staying within 8 bits is all that it does. Sums
    that a table follows have a grid of 12 bits. Entries of a table have 16: rounded to 8, they would be off
    in the same direction wherever most of the values are.
    """
    if kind in ("none", "relu"):
        grid = Grid.over(after, least)
        return grid, grid, NO_TABLE
    sums, out = Grid.over(before, least * 2**FINE), Grid.over(after)
    values = (np.arange(LOWEST, HIGHEST + 2) - sums.zero) * sums.scale
    exact = activate(values.astype(np.float32), kind).astype(np.float64) / out.scale + out.zero
    table = np.clip(np.round(256 * exact), 256 * LOWEST, 256 * HIGHEST).astype(np.int64)
    return Grid(sums.scale / 2**FINE, sums.zero * 2**FINE), out, table


def _conv(layer: Conv, grid: Grid, before: Range, after: Range) -> tuple[ConvIntegers, Grid]:
    weight = layer.weight.astype(np.float64)
    whole, scale, bias = _rows(weight, layer.bias.astype(np.float64), grid.scale)
    size = np.abs(whole).sum((1, 2))
    if size.max() * 256 >= 2**30:
        raise _too_wide(layer.name, whole[0].size)
    least = float(scale.max()) * grid.scale / LARGEST_RATIO
    sums, out, table = _grids(layer.activation, before, after, least)
    multiplier, shift = multipliers(scale * grid.scale / sums.scale)
    made = ConvIntegers(
        weight=whole,
        bias=bias - grid.zero * whole.sum((1, 2)),
        multiplier=multiplier,
        table=table,
        shift=shift,
        zero=grid.zero,
        zero_out=sums.zero,
    )
    return made, out


def _norm(layer: LayerNorm, grid: Grid, before: Range, after: Range) -> tuple[NormIntegers, Grid]:
    gain, offset = layer.gain.astype(np.float64), layer.offset.astype(np.float64)
    # The offset is added as part of what the gain multiplies, within 2 ** 26.
    least = np.abs(offset) / 2 ** (26 - GATE) + 1e-30
    gain = np.where(np.abs(gain) < least, np.copysign(least, gain), gain)
    ratio = gain / 2**GATE
    sums, out, table = _grids(layer.activation, before, after, float(np.abs(ratio).max()) / LARGEST_RATIO)
    multiplier, shift = multipliers(ratio / sums.scale)
    made = NormIntegers(
        bias=np.round(offset / ratio).astype(np.int64),
        multiplier=multiplier,
        table=table,
        shift=shift,
        zero_out=sums.zero,
        epsilon=np.float32(layer.epsilon / grid.scale**2),
    )
    return made, out


def _cell(layer: Recurrent, grid: Grid, after: Range) -> tuple[RecurrentIntegers, Grid]:
    if max(layer.inputs, layer.units) > MOST_INPUTS:
        raise _too_wide(layer.name, max(layer.inputs, layer.units))
    if layer.steps > MOST_STEPS:
        raise _too_wide(layer.name, layer.steps)
    gates = layer.gates
    bias = layer.bias.astype(np.float64)
    unit = grid.scale * 2.0 ** (GATE - LIFT)
    weight, scale, of_input = _rows(
        layer.weight.astype(np.float64), bias[..., :gates], grid.scale, LARGEST_RATIO / unit
    )
    of_state = np.zeros(bias[..., :gates].shape)
    if layer.cell == "gru":  # the new gate has a bias in either sum
        of_state[..., 2] = bias[..., 3]
    recurrent, state_scale, state_bias = _rows(
        layer.recurrent.astype(np.float64), of_state, 2.0**-STATE, 2.0 ** (STATE - GATE) * LARGEST_RATIO
    )
    of_input = of_input - grid.zero * weight.sum(-1)
    if layer.cell == "gru":
        of_input = np.concatenate([of_input, state_bias[..., 2:]], -1)
    by_input, shift = multipliers(scale * unit)
    by_state, shift_state = multipliers(state_scale * 2.0 ** (GATE - STATE))
    out = Grid.over(after, 2.0**-12)
    multiplier_out, shift_out = multipliers(np.array(2.0**-STATE / out.scale))
    made = RecurrentIntegers(
        weight=weight,
        recurrent=recurrent,
        bias=of_input,
        multiplier=np.stack([by_input, by_state], -1),
        shift=shift,
        shift_state=shift_state,
        multiplier_out=int(multiplier_out),
        shift_out=shift_out,
        zero_out=out.zero,
    )
    return made, out


def _score(pool: Pool, grid: Grid) -> tuple[Int64, np.float32, int]:
    """Return weights of an attention pool, the unit of their sums and the bits of shares."""
    if pool.kind != "attention":
        return NO_TABLE, np.float32(0), 0
    if pool.width > MOST_INPUTS:
        raise _too_wide("attention", pool.width)
    largest = float(np.abs(pool.score).max()) or 1.0
    whole = np.round(pool.score.astype(np.float64) / largest * SCORE).astype(np.int64)
    # All shares together, times an activation, keep within 32 bits.
    bits = min(STATE, int(np.log2((2**31 - 1) / (130 * pool.steps))))
    return whole, np.float32(largest / SCORE * grid.scale), bits


def _head(head: Head, grid: Grid) -> tuple[Int64, Float32]:
    if head.weight.shape[1] > 8 * MOST_INPUTS:
        raise _too_wide("head", head.weight.shape[1])
    whole, scale, _ = _rows(head.weight.astype(np.float64), np.zeros(len(head.bias)), 1.0)
    return whole, (scale * grid.scale / FEATURE).astype(np.float32)


def _too_wide(name: str, inputs: int) -> ExportError:
    return ExportError(f"{name!r} adds up {inputs:,} inputs, too many for sums of 32 bits; choose format w8")
