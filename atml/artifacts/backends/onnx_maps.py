"""A network that gives maps of a picture in place of logits, as one ONNX graph for pictures of any size.

Batch normalisation is folded into the convolution before it. Rows and columns have to be multiples of
``2 ** (depth - 1)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import Tensor, nn

from atml import __version__
from atml.formatting import utf8
from atml.models.graph import Graph
from atml.models.network import Network
from atml.models.unet import OUTPUTS, Block, UNet
from atml.tasks.task import Task

OPSET, IR_VERSION = 13, 7

INPUT, OUTPUT = "page", "maps"


class _Writing(Graph, Protocol):
    nodes: list[onnx.NodeProto]
    stored: dict[str, onnx.TensorProto]


def maps_graph(g: _Writing, network: Network, task: Task, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Write a `UNet` in evaluation mode: ``page (n, 3, rows, columns)``, 0 to 255, to ``maps``, float32.

    Raises:
        TypeError: It is another network.
    """
    net = cast("UNet", network)
    if not isinstance(net, UNet):
        raise TypeError(f"{type(network).__name__} gives no maps of a picture")
    half, one = (g.store(name, np.array(value, np.float32)) for name, value in (("half", 127.5), ("one", 1)))
    x = g.add("Sub", [g.add("Div", [INPUT, half], "scaled"), one], "input")
    place = _place(g) if net.config.coordinates else ""
    kept: list[tuple[str, str]] = []
    for level, block in enumerate(net.down):
        if level:
            x = g.add("MaxPool", [x], f"pool{level}", kernel_shape=[2, 2], strides=[2, 2])
            place = place and g.add(
                "AveragePool", [place], f"place{level}", kernel_shape=[2, 2], strides=[2, 2]
            )
        x = _block(g, cast("Block", block), x, place, f"down{level}")
        kept.append((x, place))
    scales = g.store("double", np.array([1, 1, 2, 2], np.float32))
    for level in reversed(range(len(net.up))):
        beside, place = kept[level]
        x = g.add(
            "Resize",
            [x, "", scales],
            f"larger{level}",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        x = g.add("Concat", [x, beside], f"joined{level}", axis=1)
        x = _block(g, cast("Block", net.up[level]), x, place, f"up{level}")
    weight, bias = g.store("head.weight", net.head.weight), g.store("head.bias", net.head.bias)
    g.add("Conv", [x, weight, bias], OUTPUT, kernel_shape=[1, 1])
    shape: list[str | int | None] = ["n", 3, "rows", "columns"]
    model = helper.make_model(
        helper.make_graph(
            g.nodes,
            task.name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", OUTPUTS, *shape[2:]])],
            list(g.stored.values()),
        ),
        producer_name="atml",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    if metadata:
        helper.set_model_props(model, {key: utf8(value).decode() for key, value in metadata.items()})
    return model


def _place(g: Graph) -> str:
    """Write x and y of every pixel's middle from -1 to 1, ``(n, 2, rows, columns)``."""
    one = g.add("Mul", [INPUT, g.store("nothing", np.zeros(1, np.float32))], "zeros")
    one = g.add("Add", [one, g.store("unit", np.ones(1, np.float32))], "ones")
    each = []
    for name, axis in (("x", 3), ("y", 2)):
        plane = g.add(
            "Slice",
            [one, *(g.store(f"{name}.{part}", np.array([v], np.int64)) for part, v in _FIRST)],
            f"{name}.ones",
        )
        sums = g.add("CumSum", [plane, g.store(f"{name}.axis", np.array(axis, np.int64))], f"{name}.count")
        total = g.add("ReduceMax", [sums], f"{name}.whole", axes=[axis], keepdims=1)
        middle = g.add("Sub", [sums, g.store("place.half", np.array(0.5, np.float32))], f"{name}.middle")
        share = g.add("Div", [middle, total], f"{name}.share")
        double = g.add("Mul", [share, g.store("place.two", np.array(2, np.float32))], f"{name}.double")
        each.append(g.add("Sub", [double, g.store("one", np.array(1, np.float32))], f"{name}.place"))
    return g.add("Concat", each, "place0", axis=1)


_FIRST = (("starts", 0), ("ends", 1), ("axes", 1))


def _block(g: Graph, block: Block, x: str, place: str, name: str) -> str:
    if block.coordinates:
        x = g.add("Concat", [x, place], f"{name}.with_place", axis=1)
    for number, part in enumerate((block.one, block.two)):
        x = _convolution(g, part, x, f"{name}.{number}")
    return x


def _convolution(g: Graph, part: nn.Sequential, x: str, name: str) -> str:
    *convolutions, norm, _ = part
    assert isinstance(norm, nn.BatchNorm2d)
    for number, convolution in enumerate(convolutions):
        assert isinstance(convolution, nn.Conv2d)
        weight: Tensor = convolution.weight.detach()
        inputs = [x]
        last = number == len(convolutions) - 1
        if last:
            assert norm.running_var is not None and norm.running_mean is not None
            factor = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
            weight = weight * factor[:, None, None, None]
            bias = norm.bias.detach() - norm.running_mean * factor
        inputs.append(g.store(f"{name}.{number}.weight", weight))
        if last:
            inputs.append(g.store(f"{name}.{number}.bias", bias))
        size, pad = convolution.kernel_size[0], int(convolution.kernel_size[0] // 2)
        x = g.add(
            "Conv",
            inputs,
            f"{name}.{number}",
            kernel_shape=[size, size],
            pads=[pad] * 4,
            group=convolution.groups,
        )
    return g.add("Relu", [x], name)
