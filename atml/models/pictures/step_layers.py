"""The steps of a network for pictures as torch layers, which write themselves as nodes too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atml.models.blocks import ACTIVATION, BatchNorm
from atml.models.graph import Graph
from atml.models.layer_nodes import activation, folded
from atml.models.pictures import steps
from atml.models.pictures.steps import Shape
from atml.models.pictures.token_layers import EncoderLayer, PatchLayer, TokenNormLayer


class ConvLayer(nn.Module):
    """See `steps.Conv`; where it has batch norm, a bias would be cancelled."""

    def __init__(self, step: steps.Conv, inputs: int) -> None:
        super().__init__()
        self.stride = step.stride
        # torch 2.13 writes beyond its memory where a kernel of one pixel strides over 8 channels, channels
        # innermost: the pixels between are left out before it.
        self.every = step.stride if step.kernel == 1 else 1
        self.conv = nn.Conv2d(
            inputs,
            step.outputs,
            step.kernel,
            stride=step.stride // self.every,
            padding=step.kernel // 2,
            groups=step.groups,
            bias=step.bias and not step.norm,
        )
        # After He et al., "Delving deep into rectifiers", 2015: deep networks begin with signals of one size.
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.norm = BatchNorm(step.outputs) if step.norm else None
        self.activation = ACTIVATION[step.activation]() if step.activation else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        if self.every > 1:
            x = x[..., :: self.every, :: self.every].contiguous(memory_format=torch.channels_last)
        out: Tensor = self.conv(x)
        if self.norm is not None:
            out = self.norm(out)
        return out if self.activation is None else self.activation(out)

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it; batch norm is folded into the convolution."""
        weight, bias = self.conv.weight, self.conv.bias
        if self.norm is not None:
            weight, bias = folded(weight, bias, self.norm)
        attributes: dict[str, Any] = {"kernel_shape": list(self.conv.kernel_size)}
        if self.stride > 1:
            attributes["strides"] = [self.stride] * 2
        if int(self.conv.padding[0]):
            attributes["pads"] = [int(self.conv.padding[0])] * 4
        if self.conv.groups > 1:
            attributes["group"] = self.conv.groups
        stored = [g.store(f"{name}.weight", weight)]
        if bias is not None:
            stored.append(g.store(f"{name}.bias", bias))
        x = g.add("Conv", [x, *stored], name, **attributes)
        return x if self.activation is None else activation(g, self.activation, x, name)


class NormActLayer(nn.Module):
    """See `steps.NormAct`."""

    def __init__(self, step: steps.NormAct, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm(channels)
        self.activation = ACTIVATION[step.activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        out: Tensor = self.activation(self.norm(x))
        return out

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        norm = self.norm
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * gain
        x = g.add("Mul", [x, g.store(f"{name}.gain", gain.float()[:, None, None])], f"{name}.scaled")
        x = g.add("Add", [x, g.store(f"{name}.shift", shift.float()[:, None, None])], name)
        return activation(g, self.activation, x, name)


class PoolLayer(nn.Module):
    """See `steps.Pool`."""

    def __init__(self, step: steps.Pool) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        step = self.step
        if step.kind == "max":
            return F.max_pool2d(x, step.kernel, step.stride, step.pad)
        return F.avg_pool2d(x, step.kernel, step.stride, step.pad, count_include_pad=False)

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        step = self.step
        attributes: dict[str, Any] = {"kernel_shape": [step.kernel] * 2, "strides": [step.stride] * 2}
        if step.pad:
            attributes["pads"] = [step.pad] * 4
        return g.add("MaxPool" if step.kind == "max" else "AveragePool", [x], name, **attributes)


class AddLayer(nn.Module):
    """See `steps.Add`."""

    def __init__(self, step: steps.Add, shape: Shape) -> None:
        super().__init__()
        self.body = Steps(step.body, shape)
        self.shortcut = Steps(step.shortcut, shape)
        self.activation = ACTIVATION[step.activation]() if step.activation else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out if self.activation is None else self.activation(out)

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        body = self.body.nodes(g, x, f"{name}.")
        x = g.add("Add", [body, self.shortcut.nodes(g, x, f"{name}.s")], name)
        return x if self.activation is None else activation(g, self.activation, x, name)


class JoinLayer(nn.Module):
    """See `steps.Join`."""

    def __init__(self, step: steps.Join, shape: Shape) -> None:
        super().__init__()
        self.body = Steps(step.body, shape)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return torch.cat([x, self.body(x)], 1)

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        return g.add("Concat", [x, self.body.nodes(g, x, f"{name}.")], name, axis=1)


class ExciteLayer(nn.Module):
    """See `steps.Excite`."""

    def __init__(self, step: steps.Excite, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, step.squeezed, 1)
        self.activation = ACTIVATION[step.activation]()
        self.excite = nn.Conv2d(step.squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        share = self.excite(self.activation(self.squeeze(x.mean((2, 3), keepdim=True))))
        out: Tensor = x * share.sigmoid()
        return out

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        share = g.add("ReduceMean", [x], f"{name}.mean", axes=[2, 3])
        for conv, part in ((self.squeeze, "squeezed"), (self.excite, "excited")):
            assert conv.bias is not None
            stored = [g.store(f"{name}.{part}.{n}", v) for n, v in (("w", conv.weight), ("b", conv.bias))]
            share = g.add("Conv", [share, *stored], f"{name}.{part}", kernel_shape=[1, 1])
            if part == "squeezed":
                share = activation(g, self.activation, share, f"{name}.{part}")
        return g.add("Mul", [x, g.add("Sigmoid", [share], f"{name}.share")], name)


def layer(step: steps.Step, shape: Shape) -> nn.Module:
    """Return the layer of a step for what has ``shape``, the batch left out."""
    match step:
        case steps.Conv():
            return ConvLayer(step, shape[0])
        case steps.NormAct():
            return NormActLayer(step, shape[0])
        case steps.Pool():
            return PoolLayer(step)
        case steps.Add():
            return AddLayer(step, shape)
        case steps.Join():
            return JoinLayer(step, shape)
        case steps.Excite():
            return ExciteLayer(step, shape[0])
        case steps.Patches():
            return PatchLayer(step, shape)
        case steps.Encoder():
            return EncoderLayer(step, shape[1])
        case steps.TokenNorm():
            return TokenNormLayer(shape[1])


class Steps(nn.Sequential):
    """The layers of several steps, one after the other; none at all gives back what comes in."""

    def __init__(self, wanted: Sequence[steps.Step], shape: Shape) -> None:
        layers = []
        for step in wanted:
            layers.append(layer(step, shape))
            shape = step.out(shape)
        super().__init__(*layers)

    def nodes(self, g: Graph, x: str, prefix: str) -> str:
        """Write them, named by ``prefix`` and their number from 1."""
        for number, one in enumerate(self, 1):
            x = one.nodes(g, x, f"{prefix}{number}")  # type: ignore[operator]
        return x
