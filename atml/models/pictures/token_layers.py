"""Layers of a vision transformer, which write themselves as nodes too (Dosovitskiy et al. 2021)."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atml.models.graph import Graph
from atml.models.pictures import steps
from atml.models.pictures.steps import Shape


class PatchLayer(nn.Module):
    """See `steps.Patches`: ``(n, channels, rows, columns)`` to ``(n, tokens, width)``."""

    def __init__(self, step: steps.Patches, shape: Shape) -> None:
        super().__init__()
        tokens, width = step.out(shape)
        self.step = step
        self.conv = nn.Conv2d(shape[0], width, step.side, stride=step.side)
        self.token = nn.Parameter(torch.zeros(1, 1, width)) if step.token else None
        self.places = nn.Parameter(torch.empty(1, tokens, width))
        nn.init.trunc_normal_(self.places, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        x = self.conv(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1).to(x.dtype), x], 1)
        return x + self.places

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        side, width = [self.step.side] * 2, self.step.width
        assert self.conv.bias is not None
        stored = [
            g.store(f"{name}.{n}", v) for n, v in (("weight", self.conv.weight), ("bias", self.conv.bias))
        ]
        x = g.add("Conv", [x, *stored], f"{name}.cut", kernel_shape=side, strides=side)
        x = g.add("Reshape", [x, g.store(f"{name}.flat", np.array([0, width, -1]))], f"{name}.beside")
        x = g.add("Transpose", [x], f"{name}.tokens", perm=[0, 2, 1])
        if self.token is not None:
            # One token a picture: a column of zeros of the batch's length, plus the token.
            first = g.add("ReduceMean", [x], f"{name}.any", axes=[1])
            none = g.add("Mul", [first, g.store(f"{name}.zero", np.zeros(1, np.float32))], f"{name}.none")
            token = g.add("Add", [none, g.store(f"{name}.token", self.token)], f"{name}.first")
            x = g.add("Concat", [token, x], f"{name}.all", axis=1)
        return g.add("Add", [x, g.store(f"{name}.places", self.places)], name)


class TokenNormLayer(nn.LayerNorm):
    """See `steps.TokenNorm`."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        return _layer_norm(g, self, x, name)


class EncoderLayer(nn.Module):
    """See `steps.Encoder`."""

    def __init__(self, step: steps.Encoder, width: int) -> None:
        super().__init__()
        self.heads = step.heads
        self.before = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.between = nn.LayerNorm(width, eps=1e-6)
        self.hidden = nn.Linear(width, step.hidden)
        self.out = nn.Linear(step.hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to ``(n, tokens, width)``."""
        n, tokens, width = x.shape
        parts = self.qkv(self.before(x)).view(n, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + self.joined(seen)
        out: Tensor = x + self.out(F.gelu(self.hidden(self.between(x))))
        return out

    def nodes(self, g: Graph, x: str, name: str) -> str:
        """Write it."""
        width = self.qkv.in_features
        each = width // self.heads
        parts = _linear(g, self.qkv, _layer_norm(g, self.before, x, f"{name}.n1"), f"{name}.qkv")
        shape = g.store(f"{name}.shape", np.array([0, 0, 3, self.heads, each]))
        parts = g.add("Reshape", [parts, shape], f"{name}.parts")
        parts = g.add("Transpose", [parts], f"{name}.turned", perm=[2, 0, 3, 1, 4])
        q, k, v = (
            g.add("Gather", [parts, g.store(f"part{at}", np.array(at))], f"{name}.{part}", axis=0)
            for at, part in enumerate("qkv")
        )
        scale = g.store(f"{name}.scale", np.array(1 / math.sqrt(each), np.float32))
        k = g.add("Transpose", [k], f"{name}.kt", perm=[0, 1, 3, 2])
        score = g.add("MatMul", [g.add("Mul", [q, scale], f"{name}.qs"), k], f"{name}.score")
        share = g.add("Softmax", [score], f"{name}.share", axis=3)
        seen = g.add(
            "Transpose", [g.add("MatMul", [share, v], f"{name}.seen")], f"{name}.st", perm=[0, 2, 1, 3]
        )
        seen = g.add("Reshape", [seen, g.store(f"{name}.flat", np.array([0, 0, width]))], f"{name}.all")
        x = g.add("Add", [x, _linear(g, self.joined, seen, f"{name}.joined")], f"{name}.attended")
        hidden = _linear(g, self.hidden, _layer_norm(g, self.between, x, f"{name}.n2"), f"{name}.hidden")
        out = _linear(g, self.out, _gelu(g, hidden, f"{name}.gelu"), f"{name}.out")
        return g.add("Add", [x, out], name)


def _linear(g: Graph, linear: nn.Linear, x: str, name: str) -> str:
    assert linear.bias is not None
    x = g.add("MatMul", [x, g.store(f"{name}.weight", linear.weight.T)], f"{name}.product")
    return g.add("Add", [x, g.store(f"{name}.bias", linear.bias)], name)


def _layer_norm(g: Graph, norm: nn.LayerNorm, x: str, name: str) -> str:
    centred = g.add("Sub", [x, g.add("ReduceMean", [x], f"{name}.mean", axes=[2])], f"{name}.centred")
    square = g.add("Mul", [centred, centred], f"{name}.square")
    spread = g.add("ReduceMean", [square], f"{name}.variance", axes=[2])
    epsilon = g.store("token.epsilon", np.array(norm.eps, np.float32))
    spread = g.add("Sqrt", [g.add("Add", [spread, epsilon], f"{name}.above")], f"{name}.deviation")
    x = g.add("Div", [centred, spread], f"{name}.unit")
    x = g.add("Mul", [x, g.store(f"{name}.weight", norm.weight)], f"{name}.scaled")
    return g.add("Add", [x, g.store(f"{name}.bias", norm.bias)], name)


def _gelu(g: Graph, x: str, name: str) -> str:
    """``x / 2 * (1 + erf(x / sqrt 2))``."""
    root = g.store("gelu.root", np.array(math.sqrt(0.5), np.float32))
    half, one = (g.store(f"gelu.{n}", np.array(v, np.float32)) for n, v in (("half", 0.5), ("one", 1.0)))
    share = g.add("Erf", [g.add("Mul", [x, root], f"{name}.rooted")], f"{name}.erf")
    share = g.add("Mul", [g.add("Add", [share, one], f"{name}.above"), half], f"{name}.share")
    return g.add("Mul", [x, share], name)
