"""A trained network as a flat list of typed operations: what the C writer, the interpreter and the cost read.

A program is a chain. Rows (the channels of one time step) pass from operation to operation; an operation that
needs the whole window first (a layer norm, a recurrent layer of two directions) waits for all of its rows.
The order of every sum is fixed here: from the bias on (`Conv`, `Recurrent`, `Head`), kernel row by kernel row
and channel by channel. So the interpreter and C on any processor with IEEE floats give the same bits.

In a program of format `W8` weights are whole numbers from -127 to 127, still held as float32, and each row of
them has a ``scale``: sums begin at 0, and the whole sum is scaled before the bias is added.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atml.arrays import Float32
from atml.models.beat_view import CHANNELS, BeatPlan
from atml.models.rr_series import RRPlan

F32, W8 = "f32", "w8"
"""Formats: weights as they were trained, or as 8 bits with a scale a row."""

NO_SCALE: Float32 = np.zeros(0, np.float32)
"""The ``scale`` of weights in their own unit."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """What happens to a window ``(leads, samples)`` before the first layer.

    ``kind`` is that of `atml.models.config.ModelConfig.normalise`, with its widths in ``rr`` where that is
    "rr" and in ``beat`` where it is "beat", which alone makes three channels of a lead. Then every lead is
    turned ``upright``, and means over ``decimation`` samples are taken; rows hold ``patch`` of these means of
    each channel.
    """

    leads: int
    samples: int
    kind: str
    upright: bool = False
    decimation: int = 1
    patch: int = 1
    rr: RRPlan | None = None
    beat: BeatPlan | None = None

    @property
    def channels(self) -> int:
        """Channels of the signal that means are taken of."""
        return self.leads * (1 if self.beat is None else CHANNELS)

    @property
    def steps(self) -> int:
        """Rows that it gives."""
        return self.samples // self.decimation // self.patch

    @property
    def width(self) -> int:
        """Channels of each row."""
        return self.channels * self.patch


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolution over time, then an activation; ``weight (outputs, kernel, inputs)``, ``bias (outputs,)``.

    ``scale (outputs,)`` belongs to weights of 8 bits. ``pad`` rows of zeros stand before the window and after
    it. A ``depthwise`` one has a weight ``(outputs, kernel, 1)``, and each channel sees itself alone.
    ``steps`` rows come out.
    """

    name: str
    weight: Float32 = field(repr=False)
    bias: Float32 = field(repr=False)
    inputs: int
    stride: int
    pad: int
    steps: int
    depthwise: bool = False
    activation: str = "none"
    scale: Float32 = field(default_factory=lambda: NO_SCALE, repr=False)

    @property
    def outputs(self) -> int:
        """Channels of a row that comes out."""
        return int(self.weight.shape[0])

    @property
    def kernel(self) -> int:
        """Rows that one output looks at."""
        return int(self.weight.shape[1])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one window."""
        return int(self.weight.size) * self.steps


@dataclass(frozen=True, kw_only=True)
class LayerNorm:
    """Mean 0 and variance 1 over the whole window, gain and offset a channel, then an activation."""

    name: str
    gain: Float32 = field(repr=False)
    offset: Float32 = field(repr=False)
    epsilon: float
    steps: int
    activation: str = "none"

    @property
    def outputs(self) -> int:
        """Channels of a row, in and out."""
        return len(self.gain)


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """One layer of an LSTM or GRU over ``steps`` rows of ``inputs`` channels.

    ``weight (ways, units, gates, inputs)``, ``recurrent (ways, units, gates, units)``, both with ``scale
    (ways, units, gates)`` where they have 8 bits, ``bias (ways, units, 4)``. Gates of an "lstm" are input,
    output, forget and cell, whose two biases are added up already; of a "gru" update, reset and new, with the
    new gate's recurrent bias fourth. The second way reads time backwards; a row that comes out holds both,
    the first way first.
    """

    name: str
    cell: str
    weight: Float32 = field(repr=False)
    recurrent: Float32 = field(repr=False)
    bias: Float32 = field(repr=False)
    steps: int
    scale: Float32 = field(default_factory=lambda: NO_SCALE, repr=False)

    @property
    def ways(self) -> int:
        """1, or 2 for both directions."""
        return int(self.weight.shape[0])

    @property
    def units(self) -> int:
        """Units of one direction."""
        return int(self.weight.shape[1])

    @property
    def gates(self) -> int:
        """4 of an LSTM, 3 of a GRU."""
        return int(self.weight.shape[2])

    @property
    def inputs(self) -> int:
        """Channels of a row that comes in."""
        return int(self.weight.shape[3])

    @property
    def outputs(self) -> int:
        """Channels of a row that comes out."""
        return self.ways * self.units

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one window."""
        return int(self.weight.size + self.recurrent.size) * self.steps


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Leave time behind: "mean", "max", "mean_max", "last" or "attention" over ``steps`` rows of ``width``.

    ``turned`` channels at the end of a row, those of a second direction, have their last step at the first
    row. ``score (width,)`` weighs the channels for "attention", in every format as float; else it is empty.
    """

    kind: str
    width: int
    steps: int
    turned: int = 0
    score: Float32 = field(repr=False)

    @property
    def features(self) -> int:
        """Numbers that come out."""
        return self.width * (2 if self.kind == "mean_max" else 1)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The linear layer; ``weight (classes, features)``, ``bias (classes,)`` with the decision in it.

    ``scale (classes,)`` belongs to weights of 8 bits.
    """

    weight: Float32 = field(repr=False)
    bias: Float32 = field(repr=False)
    scale: Float32 = field(default_factory=lambda: NO_SCALE, repr=False)


Layer = Conv | LayerNorm | Recurrent


@dataclass(frozen=True, kw_only=True)
class Program:
    """One network: ``input``, then ``layers`` in order, ``pool`` and ``head``.

    Where ``passes`` is above 1 all of this is for one lead, and it is passed for each of so many; of each
    class the largest logit counts. ``positive`` is the class that a binary task looks for, which wins a tie;
    None where the first of the largest logits wins.
    """

    input: Input
    layers: tuple[Layer, ...]
    pool: Pool
    head: Head
    positive: int | None
    passes: int = 1

    @property
    def leads(self) -> int:
        """Leads of a window."""
        return self.input.leads * self.passes

    @property
    def format(self) -> str:
        """`F32` or `W8`."""
        return W8 if self.head.scale.size else F32

    @property
    def classes(self) -> int:
        """Logits that come out."""
        return len(self.head.bias)

    @property
    def parameters(self) -> int:
        """Numbers that are stored: weights, biases, gains and offsets."""
        return sum(array.size for array in self.arrays())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one window, those of layers, attention and head."""
        layers = sum(layer.macs for layer in self.layers if not isinstance(layer, LayerNorm))
        one = layers + 2 * self.pool.score.size * self.pool.steps + int(self.head.weight.size)
        return one * self.passes

    def arrays(self) -> list[Float32]:
        """Return what is stored, in order; scales are no parameters."""
        found: list[Float32] = []
        for layer in self.layers:
            if isinstance(layer, Conv):
                found += [layer.weight, layer.bias]
            elif isinstance(layer, LayerNorm):
                found += [layer.gain, layer.offset]
            else:
                found += [layer.weight, layer.recurrent, layer.bias]
        return [*found, self.pool.score, self.head.weight, self.head.bias]


def width_before(program: Program, place: int) -> int:
    """Return the channels of the rows that layer ``place`` gets; the pool's where it is beyond the last."""
    return program.layers[place - 1].outputs if place else program.input.width
