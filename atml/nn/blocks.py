"""The layers a network is made of, and the names they go by.

Convolutional layers hold the signal as ``(n, channels, 1, samples)`` in channels-last memory: oneDNN is
faster there than on ``(n, channels, samples)``, and what the recurrent layers want, ``(n, samples,
channels)``, is the same memory seen another way.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6
"""Added to a standard deviation or a magnitude before dividing: a flat segment becomes zeros."""


class Normalise(nn.Module):
    """Normalise every segment and lead by itself; ``(n, leads, samples)`` in and out.

    ``kind`` is "none"; "centre" (minus the mean); "zscore" (then over the population standard deviation
    + `EPSILON`); "maxabs" (minus the mean, then over the largest magnitude + `EPSILON`).
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        if self.kind == "none":
            return x
        x = x - x.mean(-1, keepdim=True)
        if self.kind == "centre":
            return x
        if self.kind == "zscore":
            return x / ((x * x).mean(-1, keepdim=True).sqrt() + EPSILON)
        return x / (x.abs().amax(-1, keepdim=True) + EPSILON)


class Decimate(nn.Module):
    """Mean over ``factor`` neighbouring samples; what is left over at the end is dropped."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, leads, samples // factor)``."""
        return x if self.factor == 1 else F.avg_pool1d(x, self.factor)


class Conv(nn.Conv1d):
    """A one-dimensional convolution with ``kernel // 2`` zeros on both sides.

    ``weight (outputs, inputs / groups, kernel)``; computes on ``(n, channels, 1, samples)``.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve along the last axis."""
        # conv1d would copy to channels-first memory; the same product as conv2d keeps channels last.
        return F.conv2d(
            x,
            self.weight.unsqueeze(2),
            self.bias,
            stride=(1, self.stride[0]),
            padding=(0, int(self.padding[0])),
            groups=self.groups,
        )


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the second; running statistics are the only buffers."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the batch while training, by the running statistics afterwards."""
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )


NORM: dict[str, Callable[[int], nn.Module]] = {
    "batch": BatchNorm,
    # One group: mean and variance over all channels and samples of a segment.
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "none": lambda channels: nn.Identity(),
}

ACTIVATION: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "tanh": nn.Tanh,
}


class ConvBlock(nn.Module):
    """Convolution, norm, activation; ``(n, inputs, 1, samples)`` to ``(n, outputs, 1, samples / stride)``.

    A separable block has a ``depthwise`` convolution (no bias) before ``conv``, which is then 1 wide;
    otherwise ``depthwise`` is None. ``conv`` has no bias where batch normalisation would cancel it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        *,
        separable: bool,
        norm: str,
        activation: str,
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        self.depthwise: Conv | None = None
        if separable:
            self.depthwise = Conv(inputs, inputs, kernel, stride=stride, groups=inputs, bias=False)
            self.conv = Conv(inputs, outputs, 1, bias=bias)
        else:
            self.conv = Conv(inputs, outputs, kernel, stride=stride, bias=bias)
        self.norm = NORM[norm](outputs)
        self.activation = ACTIVATION[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in order."""
        if self.depthwise is not None:
            x = self.depthwise(x)
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out


CELL: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class Pool(nn.Module):
    """Leave time behind: ``(n, steps, width)`` to ``(n, features)``.

    "mean", "max", "mean_max" (both, mean first), "last" (the last step; of a bidirectional cell's second
    half the first step, which is where it ends), "attention" (weights from a softmax over time of a
    learned linear score, ``score`` without bias).
    """

    def __init__(self, kind: str, width: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.width = width
        self.bidirectional = bidirectional
        self.score = nn.Linear(width, 1, bias=False) if kind == "attention" else None

    def forward(self, x: Tensor) -> Tensor:
        """Pool over the second axis."""
        if self.kind == "mean":
            return x.mean(1)
        if self.kind == "max":
            return x.amax(1)
        if self.kind == "mean_max":
            return torch.cat([x.mean(1), x.amax(1)], 1)
        if self.kind == "last":
            if not self.bidirectional:
                return x[:, -1]
            half = self.width // 2
            return torch.cat([x[:, -1, :half], x[:, 0, half:]], 1)
        assert self.score is not None
        share = self.score(x).softmax(1)
        out: Tensor = (share.transpose(1, 2) @ x).squeeze(1)
        return out
