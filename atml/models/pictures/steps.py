"""What a network for pictures is made of, as plain data: shapes, parameters, products and bytes.

A family writes its networks as tuples of steps. What is built (`step_layers`), what it costs and what a model
card lists all follow from the same tuple, so that they can't differ. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from atml.errors import ShapeError

Shape = tuple[int, ...]
"""Channels, rows, columns; of tokens their number and width."""

NODE_BYTES = 105
"""Bytes of a node with the names of its output and weights in an exported file, fitted and rounded up."""
ARRAY_BYTES = 42
"""Bytes of a stored array beside its values."""
GATED = ("silu", "hardswish")
"""Activations that are two nodes."""


@dataclass(frozen=True)
class Count:
    """What a step costs for one view: trained and fixed numbers, products, and what it leaves in a file.

    ``stored`` are numbers in the file, ``arrays`` how many arrays they lie in, ``nodes`` its operators;
    ``peak`` is the largest input plus output of anything in it, in numbers.
    """

    parameters: int = 0
    fixed: int = 0
    macs: int = 0
    stored: int = 0
    arrays: int = 0
    nodes: int = 0
    peak: int = 0

    def __add__(self, other: Count) -> Count:
        """Return what two steps cost, one after the other."""
        return Count(
            self.parameters + other.parameters,
            self.fixed + other.fixed,
            self.macs + other.macs,
            self.stored + other.stored,
            self.arrays + other.arrays,
            self.nodes + other.nodes,
            max(self.peak, other.peak),
        )


def _activation_nodes(activation: str) -> int:
    return 0 if not activation else 2 if activation in GATED else 1


@dataclass(frozen=True)
class Conv:
    """A convolution with ``kernel // 2`` zeros around, batch norm where asked for, and an activation.

    Without a norm it has a bias, unless ``bias`` is False.
    """

    outputs: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    norm: bool = True
    bias: bool = True
    activation: str = "relu"

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out; raises ShapeError where nothing is left."""
        channels, *sides = shape
        pad = 2 * (self.kernel // 2)
        after = [(side + pad - self.kernel) // self.stride + 1 for side in sides]
        if min(after) < 1 or min(sides) < self.stride:
            raise ShapeError(
                f"a convolution of {self.kernel} with stride {self.stride} gets only"
                f" {sides[0]} x {sides[1]} pixels; use fewer layers, smaller strides or a larger size"
            )
        assert channels % self.groups == 0, f"{channels} channels in {self.groups} groups"
        return (self.outputs, *after)

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        out = self.out(shape)
        weights = self.outputs * shape[0] // self.groups * self.kernel**2
        offsets = self.norm or self.bias
        return Count(
            parameters=weights + self.outputs * (2 if self.norm else int(self.bias)),
            fixed=2 * self.outputs if self.norm else 0,
            macs=weights * out[1] * out[2],
            stored=weights + self.outputs * offsets,
            arrays=1 + offsets,
            nodes=1 + _activation_nodes(self.activation),
            peak=math.prod(shape) + math.prod(out),
        )

    def says(self) -> str:
        """Name it as a model card does."""
        kind = f"conv {self.kernel}" + (f" / {self.stride}" if self.stride > 1 else "")
        kind = f"{'depthwise ' if self.groups > 1 else ''}{kind}"
        return ", ".join([kind, *["batch norm"] * self.norm, *[self.activation] * bool(self.activation)])


@dataclass(frozen=True)
class NormAct:
    """Batch norm and an activation before a convolution, as dense networks have it."""

    activation: str = "relu"

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out."""
        return shape

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        channels = shape[0]
        return Count(
            parameters=2 * channels,
            fixed=2 * channels,
            stored=2 * channels,
            arrays=2,
            nodes=2 + _activation_nodes(self.activation),
            peak=2 * math.prod(shape),
        )

    def says(self) -> str:
        """Name it as a model card does."""
        return f"batch norm, {self.activation}"


@dataclass(frozen=True)
class Pool:
    """The "max" or "mean" over squares of ``kernel`` pixels, ``kernel // 2`` around where ``padded``."""

    kind: str
    kernel: int = 2
    stride: int = 2
    padded: bool = False

    @property
    def pad(self) -> int:
        """Pixels around."""
        return self.kernel // 2 if self.padded else 0

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out; raises ShapeError where nothing is left."""
        channels, *sides = shape
        after = [(side + 2 * self.pad - self.kernel) // self.stride + 1 for side in sides]
        if min(after) < 1:
            raise ShapeError(
                f"a pool of {self.kernel} x {self.kernel} gets only {sides[0]} x {sides[1]} pixels;"
                " use fewer layers, smaller strides or a larger size"
            )
        return (channels, *after)

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        return Count(nodes=1, peak=math.prod(shape) + math.prod(self.out(shape)))

    def says(self) -> str:
        """Name it as a model card does."""
        return f"{self.kind} pool {self.kernel}" + (f" / {self.stride}" if self.stride > 1 else "")


@dataclass(frozen=True)
class Add:
    """``body`` of what comes in, plus ``shortcut`` of it (empty: itself), and an activation."""

    body: tuple[Step, ...]
    shortcut: tuple[Step, ...] = ()
    activation: str = ""

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out."""
        return after(self.body, shape)

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        out = math.prod(self.out(shape))
        extra = Count(nodes=1 + _activation_nodes(self.activation), peak=2 * out)
        # While the body is worked out, what came in is kept.
        kept = Count(peak=total(self.body, shape).peak + math.prod(shape))
        return total(self.body, shape) + total(self.shortcut, shape) + extra + kept

    def says(self) -> str:
        """Name it as a model card does."""
        return "block: " + "; ".join(step.says() for step in self.body) + "; added"


@dataclass(frozen=True)
class Join:
    """What comes in, and ``body`` of it beside it, as more channels."""

    body: tuple[Step, ...]

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out."""
        more, *sides = after(self.body, shape)
        assert tuple(sides) == tuple(shape[1:])
        return (shape[0] + more, *sides)

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        body = total(self.body, shape)
        kept = Count(nodes=1, peak=max(body.peak + math.prod(shape), 2 * math.prod(self.out(shape))))
        return body + kept

    def says(self) -> str:
        """Name it as a model card does."""
        return "dense layer: " + "; ".join(step.says() for step in self.body)


@dataclass(frozen=True)
class Excite:
    """Squeeze and excitation: channels weighed by two layers that see the mean of each (Hu et al. 2018)."""

    squeezed: int
    activation: str = "silu"

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out."""
        return shape

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        weights = 2 * shape[0] * self.squeezed
        numbers = weights + shape[0] + self.squeezed
        return Count(
            parameters=numbers,
            macs=weights,
            stored=numbers,
            arrays=4,
            nodes=5 + _activation_nodes(self.activation),
            peak=2 * math.prod(shape),
        )

    def says(self) -> str:
        """Name it as a model card does."""
        return f"squeeze and excitation {self.squeezed}"


@dataclass(frozen=True)
class Patches:
    """Squares of ``side`` pixels as tokens of ``width`` numbers, with learned places; ``(tokens, width)``.

    ``token`` puts one more in front of them, which the classifier reads.
    """

    width: int
    side: int
    token: bool = False

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out; raises ShapeError where nothing is left."""
        _, rows, columns = shape
        count = (rows // self.side) * (columns // self.side)
        if count < 1:
            raise ShapeError(
                f"patches of {self.side} pixels do not fit {rows} x {columns} pixels; use smaller ones"
            )
        return (count + self.token, self.width)

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        tokens, _ = self.out(shape)
        weights = self.width * shape[0] * self.side**2
        numbers = weights + self.width + self.width * tokens + self.width * self.token
        return Count(
            parameters=numbers,
            macs=weights * (tokens - self.token),
            stored=numbers,
            arrays=5 + self.token,
            nodes=4 + 3 * self.token,
            peak=math.prod(shape) + tokens * self.width,
        )

    def says(self) -> str:
        """Name it as a model card does."""
        return f"patches of {self.side} x {self.side}, with places"


@dataclass(frozen=True)
class Encoder:
    """One layer of a transformer, norms first: attention of ``heads``, then ``hidden`` units with GELU."""

    heads: int
    hidden: int

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out."""
        return shape

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        tokens, width = shape
        matrices = 4 * width**2 + 2 * width * self.hidden
        numbers = matrices + 4 * width + self.hidden + width + 4 * width
        return Count(
            parameters=numbers,
            macs=matrices * tokens + 2 * tokens**2 * width,
            stored=numbers,
            arrays=22,
            nodes=44,
            peak=2 * tokens * width + max(tokens * self.hidden, 3 * tokens * width + self.heads * tokens**2),
        )

    def says(self) -> str:
        """Name it as a model card does."""
        return f"transformer layer, {self.heads} heads, {self.hidden} units"


@dataclass(frozen=True)
class TokenNorm:
    """Layer normalisation of each token."""

    def out(self, shape: Shape) -> Shape:
        """Shape of what it puts out."""
        return shape

    def count(self, shape: Shape) -> Count:
        """Return what it costs."""
        width = shape[1]
        return Count(parameters=2 * width, stored=2 * width, arrays=4, nodes=9, peak=2 * math.prod(shape))

    def says(self) -> str:
        """Name it as a model card does."""
        return "layer norm"


Step = Conv | NormAct | Pool | Add | Join | Excite | Patches | Encoder | TokenNorm


def after(steps: Iterable[Step], shape: Shape) -> Shape:
    """Return the shape after all steps.

    Example:
        >>> after((Conv(8, 5, 2), Pool("max"), Add((Conv(8),))), (2, 128, 67))
        (8, 32, 17)
    """
    for step in steps:
        shape = step.out(shape)
    return shape


def total(steps: Iterable[Step], shape: Shape) -> Count:
    """Add up what all steps cost."""
    whole = Count()
    for step in steps:
        whole += step.count(shape)
        shape = step.out(shape)
    return whole


@dataclass(frozen=True)
class Trunk:
    """The part of a network that sees one view: ``steps``, a pool over what is left, a linear layer.

    ``pool`` is "mean", "max", "mean_max" or "first" (the first token); ``described`` the width of a linear
    layer after it, 0 for none.
    """

    steps: tuple[Step, ...]
    pool: str = "mean"
    described: int = 0

    def features(self, shape: Shape) -> int:
        """Count the numbers that describe a view of ``shape``."""
        if self.described:
            return self.described
        return self.pooled(shape)

    def pooled(self, shape: Shape) -> int:
        """Count the numbers after the pool."""
        last = after(self.steps, shape)
        return (last[0] if len(last) == 3 else last[1]) * (2 if self.pool == "mean_max" else 1)
