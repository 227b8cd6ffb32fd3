"""The layers a network is made of, and the names they go by.

A convolutional block computes in either of two layouts: ``(n, channels, samples)``, on a GPU or under
autocast, and ``(samples, channels, n)`` with the kernels of `atml.models.time_major`, in float32 on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atml.models import time_major
from atml.models.beat_view import CHANNELS, BeatPlan, beat_plan, beat_view
from atml.models.rr_series import rr_series
from atml.tasks.task import Task

EPSILON = 1e-6
"""Added to a standard deviation or a magnitude before dividing: a flat window becomes zeros."""


def rows_of(kind: str) -> int:
    """Return how many rows `Normalise` of a kind makes of one lead."""
    return CHANNELS if kind == "beat" else 1


class Normalise(nn.Module):
    """Normalise every window and lead by itself; ``(n, leads, samples)`` in and ``(n, rows, samples)`` out.

    ``kind`` is "none"; "centre" (minus the mean); "zscore" (then over the population standard deviation
    + `EPSILON`); "maxabs" (minus the mean, then over the largest magnitude + `EPSILON`); "rr" (the RR
    intervals, see `atml.models.rr_series`), which alone asks for the ``sampling_rate``, in Hz; "beat" (the
    beat among its neighbours, see `atml.models.beat_view`), which asks for a ``plan``. All but "beat", which
    makes three rows of a lead, leave one.

    Example:
        >>> Normalise("maxabs")(torch.tensor([[[0.0, 2.0, 4.0]]])).round(decimals=3).tolist()
        [[[-1.0, 0.0, 1.0]]]
    """

    def __init__(self, kind: str, sampling_rate: float = 0, plan: BeatPlan | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.sampling_rate = sampling_rate
        self.plan = plan

    @classmethod
    def of(cls, kind: str, task: Task) -> Normalise:
        """Return the step for windows of a task.

        Raises:
            ConfigError: "beat" where windows are not cut round beats.
            ShapeError: "beat" where a window has no room for it.
        """
        return cls(kind, task.sampling_rate, beat_plan(task) if kind == "beat" else None)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        if self.kind == "none":
            return x
        if self.kind == "rr":
            return rr_series(x, self.sampling_rate)
        if self.kind == "beat":
            assert self.plan is not None
            return beat_view(x, self.plan)
        x = x - x.mean(-1, keepdim=True)
        if self.kind == "centre":
            return x
        if self.kind == "zscore":
            return x / ((x * x).mean(-1, keepdim=True).sqrt() + EPSILON)
        return x / (x.abs().amax(-1, keepdim=True) + EPSILON)


class Upright(nn.Module):
    """Turn every window and lead the way its third central moment is positive; ``(n, leads, samples)``.

    The R waves of an ECG are what stands out most, so that a recording and the same one with its electrodes
    exchanged look alike afterwards, whatever the network would have made of either.

    Example:
        >>> Upright()(torch.tensor([[[0.0, -3.0, 0.0, 0.0]]])).tolist()
        [[[-0.0, 3.0, -0.0, -0.0]]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply it; a window without skewness stays as it is."""
        centred = x - x.mean(-1, keepdim=True)
        moment = (centred * centred * centred).mean(-1, keepdim=True)
        return x * torch.where(moment < 0, -1.0, 1.0)


class Decimate(nn.Module):
    """Mean over ``factor`` neighbouring samples; what is left over at the end is dropped.

    Example:
        >>> Decimate(2)(torch.tensor([[[0.0, 2.0, 4.0, 6.0, 9.0]]])).tolist()
        [[[1.0, 5.0]]]
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, leads, samples // factor)``."""
        if self.factor == 1:
            return x
        n, leads, samples = x.shape
        after = samples // self.factor
        # A product with a constant vector is two to four times faster than pooling.
        rows = x[..., : after * self.factor].reshape(-1, self.factor)
        return torch.mv(rows, x.new_full((self.factor,), 1 / self.factor)).view(n, leads, after)


class Conv(nn.Conv1d):
    """A one-dimensional convolution with ``kernel // 2`` zeros on both sides."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias
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

    def time_major(self, x: Tensor, slope: float, pad: int) -> Tensor:
        """The training step of `forward`, then a leaky ReLU and padding; see `atml.models.time_major`."""
        return time_major.batch_norm(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            momentum=self.momentum,
            eps=self.eps,
            slope=slope,
            pad=pad,
        )


NORM: dict[str, Callable[[int], nn.Module]] = {
    "batch": BatchNorm,
    # One group: mean and variance over all channels and samples of a window.
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "none": lambda channels: nn.Identity(),
}

ACTIVATION: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.1, inplace=True),
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "tanh": nn.Tanh,
}


SLOPE: dict[type[nn.Module], float] = {nn.ReLU: 0.0, nn.LeakyReLU: 0.1}
"""Activations that batch normalisation does on the way: their slope below zero."""


class ConvBlock(nn.Module):
    """Convolution, norm, activation; ``(n, inputs, samples)`` to ``(n, outputs, samples / stride)``.

    Pads ``kernel // 2`` zeros on both sides. A separable block has a ``depthwise`` convolution (no bias)
    before ``conv``, which is then 1 wide; otherwise ``depthwise`` is None. ``conv`` has no bias where
    batch normalisation would cancel it.
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
        self.stride = stride
        self.pad = kernel // 2
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

    def time_major(self, x: Tensor, pad: int) -> Tensor:
        """The same on ``(samples, channels, n)``, in float32 on a CPU.

        ``x`` comes padded with the ``pad`` of this block; ``pad`` is how much the next one needs.
        """
        weight, norm = self.conv.weight, self.norm
        if self.depthwise is not None:
            # Nothing stands between the two, so they are one dense convolution of rank one per channel;
            # that is one product instead of many passes over memory.
            weight = weight * self.depthwise.weight.transpose(0, 1)
        offset = self.conv.bias
        if isinstance(norm, BatchNorm):
            if self.training:
                y = time_major.conv(x, weight, self.stride)
                slope = SLOPE.get(type(self.activation))
                if slope is not None:
                    return norm.time_major(y, slope, pad)
                return time_major.pad_time(self.activation(norm.time_major(y, 1.0, 0)), pad)
            gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
            weight = weight * gain[:, None, None]
            offset = norm.bias - norm.running_mean * gain
        y = time_major.conv(x, weight, self.stride)
        if offset is not None:
            y = y + offset[:, None]
        if isinstance(norm, nn.GroupNorm):
            y = norm(y.permute(2, 1, 0)).permute(2, 1, 0)
        return time_major.pad_time(self.activation(y), pad)


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
