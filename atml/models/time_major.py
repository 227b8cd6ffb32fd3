"""Convolution and batch normalisation on a CPU, in the layout that suits narrow networks.

Networks that end on a device have 3 to 32 channels. oneDNN pads channels to 16 and batch normalisation
walks them in short strides, so most of a training step goes into moving zeros. Here a batch is held as
``(samples, channels, n)``: the windows of the batch lie side by side in memory, so vector instructions
are full whatever the number of channels. The window that one output sample looks at, ``kernel x
channels`` rows of ``n``, is one block of memory, and so is the next window, ``stride`` samples on: all
outputs are one batched matrix product over overlapping views, with no copy (no im2col). The gradient of
the input is the same product once more, over windows of the gradient.

Both functions compute what ``conv1d`` and ``batch_norm`` compute, in float32, to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 1 << 17
"""Elements that are worked on at a time where several passes follow each other: half a MiB stays in L2."""


def windows(x: Tensor, count: int, step: int, rows: int) -> Tensor:
    """View ``x (samples, channels, n)`` as ``count`` windows of ``rows`` samples, ``step`` samples apart.

    Returns ``(count, rows * channels, n)``; windows overlap where ``rows > step``, so it is read only.
    """
    _, c, n = x.shape
    return x.as_strided((count, rows * c, n), (step * c * n, n, 1), x.storage_offset())


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        outputs, c, k = weight.shape
        count = (x.shape[0] - k) // stride + 1
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        flat = weight.transpose(1, 2).reshape(1, outputs, k * c).expand(count, -1, -1)
        return torch.bmm(flat, windows(x, count, stride, k))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        s: int = ctx.stride
        dy: Tensor = grads[0].contiguous()
        outputs, c, k = weight.shape
        count, _, n = dy.shape
        dw = torch.bmm(dy, windows(x, count, s, k).transpose(1, 2)).sum(0)
        dw = dw.view(outputs, k, c).transpose(1, 2)
        if not ctx.needs_input_grad[0]:
            return None, dw, None
        # dx[s * q + r] = sum over i of weight[..., r + s * i]^T dy[q - i]: a convolution of stride 1
        # over dy with `taps` rows, for the s samples of one q at once.
        taps, blocks = -(-k // s), -(-x.shape[0] // s)
        padded = dy.new_empty(taps - 1 + blocks, outputs, n)
        padded[: taps - 1].zero_()
        padded[taps - 1 : taps - 1 + count] = dy
        padded[taps - 1 + count :].zero_()
        back = F.pad(weight, (0, s * taps - k)).view(outputs, c, taps, s).flip(2)
        back = back.permute(3, 1, 2, 0).reshape(1, s * c, taps * outputs).expand(blocks, -1, -1)
        dx = torch.bmm(back, windows(padded, blocks, 1, taps))
        return dx.view(blocks * s, c, n)[: x.shape[0]], dw, None


def conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve ``x (samples, inputs, n)``, already padded, with ``weight (outputs, inputs, kernel)``.

    Returns ``((samples - kernel) // stride + 1, outputs, n)``.
    """
    out: Tensor = _Conv.apply(x.contiguous(), weight, stride)  # type: ignore[no-untyped-call]
    return out


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        gain: Tensor,
        offset: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
        slope: float,
        pad: int,
    ) -> Tensor:
        t, c, n = y.shape
        count = t * n
        # Sums over the batch in float32, over time in float64: the mean of squares minus the squared
        # mean stays good for signals far from zero.
        total = torch.mv(y.view(t * c, n), y.new_ones(n)).view(t, c).double().sum(0)
        squares = torch.linalg.vector_norm(y, dim=2).double().square_().sum(0)
        mean = total / count
        var = (squares / count - mean * mean).clamp_min_(0)
        invstd = (var + eps).rsqrt().float()
        running_var.lerp_((var * (count / max(count - 1, 1))).float(), momentum)
        mean = mean.float()
        running_mean.lerp_(mean, momentum)
        a = (gain * invstd)[:, None]
        b = offset[:, None] - mean[:, None] * a
        z = y.new_empty(t + 2 * pad, c, n)
        z[:pad].zero_()
        z[pad + t :].zero_()
        rows = max(1, BLOCK // (c * n))
        for at in range(0, t, rows):
            part = z[pad + at : pad + min(at + rows, t)]
            torch.mul(y[at : at + rows], a, out=part)
            part.add_(b)
            if slope == 0.0:
                part.relu_()
            elif slope != 1.0:
                F.leaky_relu_(part, slope)
        ctx.save_for_backward(y, gain, mean, invstd, z)
        ctx.slope, ctx.pad, ctx.eps = slope, pad, eps
        return z

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        y, gain, mean, invstd, z = ctx.saved_tensors
        inner = slice(ctx.pad, ctx.pad + y.shape[0])
        # What comes from recurrent layers or pooling lies batch first: one copy is faster than strides.
        g = grads[0][inner].contiguous()
        if ctx.slope == 0.0:
            g = torch.ops.aten.threshold_backward(g, z[inner], 0)
        elif ctx.slope != 1.0:
            g = torch.ops.aten.leaky_relu_backward(g, z[inner], ctx.slope, True)
        dy, dgain, doffset = torch.ops.aten.native_batch_norm_backward(
            g, y, gain, None, None, mean, invstd, True, ctx.eps, [True, True, True]
        )
        return dy, dgain, doffset, None, None, None, None, None, None


def batch_norm(
    y: Tensor,
    gain: Tensor,
    offset: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    *,
    momentum: float,
    eps: float,
    slope: float = 1.0,
    pad: int = 0,
) -> Tensor:
    """Batch normalisation while training, a leaky ReLU and zero padding, in one go.

    ``y (samples, channels, n)`` to ``(samples + 2 * pad, channels, n)``. ``slope`` is that of negative
    values: 0 is ReLU, 1 leaves them alone. Updates the running statistics in place.
    """
    out: Tensor = _BatchNorm.apply(  # type: ignore[no-untyped-call]
        y, gain, offset, running_mean, running_var, momentum, eps, slope, pad
    )
    return out


def pad_time(x: Tensor, pad: int) -> Tensor:
    """Put ``pad`` samples of zeros before and after ``x (samples, channels, n)``."""
    return F.pad(x, (0, 0, 0, 0, pad, pad)) if pad else x
