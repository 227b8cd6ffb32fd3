"""Layers that several families have, as nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from atml.errors import AtmlError
from atml.models.blocks import BatchNorm
from atml.models.graph import Graph


def folded(weight: Tensor, bias: Tensor | None, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does what it and ``norm`` do; worked out in float64."""
    gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = -norm.running_mean.double() if bias is None else bias.double() - norm.running_mean.double()
    scaled = weight.double() * gain.reshape(-1, *[1] * (weight.dim() - 1))
    return scaled.float(), (norm.bias.double() + shift * gain).float()


_Activation = Callable[[Graph, Any, str, str], str]
_ACTIVATIONS: dict[type[nn.Module], _Activation] = {
    nn.ReLU: lambda g, m, x, name: g.add("Relu", [x], f"{name}.relu"),
    nn.LeakyReLU: lambda g, m, x, name: g.add("LeakyRelu", [x], f"{name}.leaky_relu", alpha=m.negative_slope),
    nn.ELU: lambda g, m, x, name: g.add("Elu", [x], f"{name}.elu", alpha=m.alpha),
    nn.Tanh: lambda g, m, x, name: g.add("Tanh", [x], f"{name}.tanh"),
    nn.SiLU: lambda g, m, x, name: g.add("Mul", [x, g.add("Sigmoid", [x], f"{name}.gate")], f"{name}.silu"),
    # The HardSwish operator needs opset 14 and is a rarity on devices; its two parts are neither.
    nn.Hardswish: lambda g, m, x, name: g.add(
        "Mul", [x, g.add("HardSigmoid", [x], f"{name}.gate", alpha=1 / 6, beta=0.5)], f"{name}.hardswish"
    ),
}


def activation(g: Graph, module: nn.Module, x: str, name: str) -> str:
    """Append an activation and return the name of its output.

    Raises:
        AtmlError: one that has no form there.
    """
    if type(module) not in _ACTIVATIONS:
        raise AtmlError(f"activation {type(module).__name__} has no ONNX form")
    return _ACTIVATIONS[type(module)](g, module, x, name)
