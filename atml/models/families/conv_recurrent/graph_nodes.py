"""The family's part of an ONNX graph, node by node.

Batch normalisation is folded into the convolution before it; LSTM and GRU are whole operators.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn

from atml.arrays import Float32
from atml.errors import AtmlError
from atml.models.blocks import BatchNorm, ConvBlock, Pool
from atml.models.graph import Graph
from atml.models.layer_nodes import activation, folded

_LSTM_GATES = (0, 3, 1, 2)
"""torch stacks input, forget, cell, output; ONNX wants input, output, forget, cell."""
_GRU_GATES = (1, 0, 2)
"""torch stacks reset, update, new; ONNX wants update, reset, hidden."""


def nodes(
    g: Graph,
    x: str,
    convs: Iterable[nn.Module],
    recurrent: nn.LSTM | nn.GRU | None,
    pool: Pool,
    *,
    patch: tuple[int, int, int] = (1, 1, 1),
) -> str:
    """Write the layers from ``x``, the name of ``(n, leads, samples)``, to the pool, whose name returns.

    ``patch`` holds the samples that a recurrent network reads at once, the leads and the samples of ``x``.
    """
    if patch[0] > 1:
        x = _patches(g, x, *patch)
    for i, block in enumerate(convs):
        assert isinstance(block, ConvBlock)
        x = _block(g, block, x, f"conv{i + 1}")
    if recurrent is not None:
        x = _recurrent(g, recurrent, x, only_last=pool.kind == "last")
    return _pool(g, pool, x, recurrent=recurrent is not None)


def _patches(g: Graph, x: str, size: int, leads: int, samples: int) -> str:
    """``(n, leads, samples)`` to ``(n, leads * size, steps)``."""
    steps = samples // size
    if samples % size:
        ends = (("from", 0), ("to", steps * size), ("axis", 2))
        x = g.add("Slice", [x, *(g.store(f"patch.{n}", np.array([v])) for n, v in ends)], "patch.whole")
    x = g.add("Reshape", [x, g.store("patch.parts", np.array([0, leads, steps, size]))], "patch.cut")
    x = g.add("Transpose", [x], "patch.turned", perm=[0, 1, 3, 2])
    return g.add("Reshape", [x, g.store("patch.shape", np.array([0, leads * size, steps]))], "patch")


def _block(g: Graph, block: ConvBlock, x: str, name: str) -> str:
    if block.depthwise is not None:
        x = _conv(g, block.depthwise, x, f"{name}.depthwise", block.depthwise.weight, None)
    weight, bias = block.conv.weight, block.conv.bias
    if isinstance(block.norm, BatchNorm):
        weight, bias = folded(weight, bias, block.norm)
    x = _conv(g, block.conv, x, name, weight, bias)
    if isinstance(block.norm, nn.GroupNorm):
        x = _group_norm(g, block.norm, x, f"{name}.norm")
    elif not isinstance(block.norm, BatchNorm | nn.Identity):
        raise AtmlError(f"norm {type(block.norm).__name__} has no ONNX form")
    return activation(g, block.activation, x, name)


def _conv(g: Graph, conv: nn.Conv1d, x: str, name: str, weight: Tensor, bias: Tensor | None) -> str:
    inputs = [x, g.store(f"{name}.weight", weight)]
    if bias is not None:
        inputs.append(g.store(f"{name}.bias", bias))
    attributes: dict[str, Any] = {"kernel_shape": list(conv.kernel_size)}
    # An attribute at its default is left out: each costs some 20 bytes.
    if conv.stride[0] > 1:
        attributes["strides"] = list(conv.stride)
    if int(conv.padding[0]):
        attributes["pads"] = [int(conv.padding[0])] * 2
    if conv.groups > 1:
        attributes["group"] = conv.groups
    return g.add("Conv", inputs, name, **attributes)


def _group_norm(g: Graph, norm: nn.GroupNorm, x: str, name: str) -> str:
    """One group of all channels is instance normalisation of the window laid out as one channel."""
    if norm.num_groups != 1:
        raise AtmlError(f"group norm of {norm.num_groups} groups has no ONNX form")
    flat = g.add("Reshape", [x, g.store("one_channel", np.array([0, 1, -1]))], f"{name}.flat")
    one, zero = g.store("one", np.ones(1, np.float32)), g.store("zero", np.zeros(1, np.float32))
    flat = g.add("InstanceNormalization", [flat, one, zero], f"{name}.unit", epsilon=norm.eps)
    shape = g.store(f"{name}.shape", np.array([0, norm.num_channels, -1]))
    x = g.add("Reshape", [flat, shape], f"{name}.channels")
    x = g.add("Mul", [x, g.store(f"{name}.weight", norm.weight.reshape(-1, 1))], f"{name}.scaled")
    return g.add("Add", [x, g.store(f"{name}.bias", norm.bias.reshape(-1, 1))], name)


def _recurrent(g: Graph, cell: nn.LSTM | nn.GRU, x: str, *, only_last: bool) -> str:
    """``(n, channels, steps)`` to ``(steps, n, width)``, or to the last states ``(n, width)``.

    ONNX gives the last state of each direction by itself, which is what the pool "last" takes.
    """
    op = "LSTM" if isinstance(cell, nn.LSTM) else "GRU"
    ways = 2 if cell.bidirectional else 1
    x = g.add("Transpose", [x], "steps", perm=[2, 0, 1])
    for layer in range(cell.num_layers):
        name = f"{op.lower()}{layer + 1}"
        stacked = [_gates(cell, layer, way) for way in range(ways)]
        inputs = [x]
        for part, key in enumerate(("input", "recurrent", "bias")):
            inputs.append(g.store(f"{name}.{key}", np.stack([arrays[part] for arrays in stacked])))
        attributes: dict[str, Any] = {"hidden_size": cell.hidden_size}
        if ways == 2:
            attributes["direction"] = "bidirectional"
        if op == "GRU":
            attributes["linear_before_reset"] = 1
        states = only_last and layer == cell.num_layers - 1
        # The last states are the operator's second output.
        x = g.add(op, inputs, f"{name}.last" if states else name, name=name, skip=int(states), **attributes)
        x = _joined(g, x, name, ways, ways * cell.hidden_size, states=states)
    return x


def _joined(g: Graph, x: str, name: str, ways: int, width: int, *, states: bool) -> str:
    """Put the two directions side by side: ``(ways, n, units)`` or ``(steps, ways, n, units)``."""
    if ways == 1:
        axis = g.store("axis0" if states else "axis1", np.array([0 if states else 1]))
        return g.add("Squeeze", [x, axis], f"{name}.out")
    x = g.add("Transpose", [x], f"{name}.ways", perm=[1, 0, 2] if states else [0, 2, 1, 3])
    shape = [0, width] if states else [0, 0, width]
    return g.add(
        "Reshape", [x, g.store("joined" + "x".join(map(str, shape)), np.array(shape))], f"{name}.out"
    )


def _gates(cell: nn.LSTM | nn.GRU, layer: int, way: int) -> tuple[Float32, Float32, Float32]:
    """Input weights, recurrent weights and both biases of one direction, gates in ONNX order."""
    order = _LSTM_GATES if isinstance(cell, nn.LSTM) else _GRU_GATES
    suffix = f"l{layer}" + ("_reverse" if way else "")

    def reordered(name: str) -> Float32:
        tensor: Tensor = getattr(cell, f"{name}_{suffix}")
        blocks = np.split(tensor.detach().cpu().numpy(), len(order))
        return np.concatenate([blocks[i] for i in order])

    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")])
    return reordered("weight_ih"), reordered("weight_hh"), bias


def _pool(g: Graph, pool: Pool, x: str, *, recurrent: bool) -> str:
    """Mirror `Pool` on ``(steps, n, width)`` after recurrent layers, else on ``(n, width, steps)``."""
    time = 0 if recurrent else 2
    if pool.kind == "mean":
        return g.add("ReduceMean", [x], "pooled", axes=[time], keepdims=0)
    if pool.kind == "max":
        return g.add("ReduceMax", [x], "pooled", axes=[time], keepdims=0)
    if pool.kind == "mean_max":
        mean = g.add("ReduceMean", [x], "pooled.mean", axes=[time], keepdims=0)
        largest = g.add("ReduceMax", [x], "pooled.max", axes=[time], keepdims=0)
        return g.add("Concat", [mean, largest], "pooled", axis=1)
    if pool.kind == "last":
        if recurrent:
            return x
        return g.add("Gather", [x, g.store("last", np.array(-1))], "pooled", axis=2)
    if pool.kind == "attention" and pool.score is not None:
        weight = pool.score.weight
        if recurrent:
            score = g.add("MatMul", [x, g.store("attention.weight", weight.T)], "attention.score")
        else:
            stored = g.store("attention.weight", weight.unsqueeze(2))
            score = g.add("Conv", [x, stored], "attention.score", kernel_shape=[1])
        share = g.add("Softmax", [score], "attention", axis=time)
        weighted = g.add("Mul", [x, share], "attended")
        return g.add("ReduceSum", [weighted, g.store("time", np.array([time]))], "pooled", keepdims=0)
    raise AtmlError(f"pool {pool.kind!r} has no ONNX form")
