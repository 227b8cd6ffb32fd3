"""An exported ONNX file with its weights in 8 bits: a quarter of their size, and plain operators still.

Each row of a weight becomes whole numbers from -127 to 127 and one scale, that of its largest magnitude;
DequantizeLinear makes float32 of them when a runtime loads the file. Biases, norms, the few weights of an
attention pool and all that is worked out stay float32. onnxruntime's own quantisation leaves a GRU as it is;
this does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from atml.arrays import Float32

LARGEST = 127
"""Largest magnitude of a weight in 8 bits; -128 is left out, so that both signs are alike."""

_LAYERS = ("Conv", "Gemm", "LSTM", "GRU")
"""Operators whose second input is a weight; the scores of an attention pool stay as they are."""


def rows(weight: Float32) -> tuple[Float32, Float32]:
    """Return ``weight (rows, ...)`` as whole numbers of 8 bits, and the scale of each row.

    Example:
        >>> rows(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32))
        (array([[  64., -127.],
               [   0.,    0.]], dtype=float32), array([0.00787402, 1.        ], dtype=float32))
    """
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    scale = np.where(largest > 0, largest / np.float32(LARGEST), 1).astype(np.float32)
    shaped = scale.reshape(-1, *[1] * (weight.ndim - 1))
    return np.clip(np.round(weight / shaped), -LARGEST, LARGEST).astype(np.float32), scale


def quantised(model: bytes, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return an ONNX file of atml with its weights in 8 bits; ``metadata`` is added to what the file says."""
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    stored = {one.name: one for one in graph.initializer}
    before: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type not in _LAYERS or node.input[1] not in stored or not _is_layer(node):
            continue
        if node.op_type in ("LSTM", "GRU"):
            before += _cell(node, stored)
            continue
        name = node.input[1]
        weight = numpy_helper.to_array(stored[name])
        whole, scale = rows(weight)
        _store(stored, before, name, whole, scale, axis=0)
    nodes = [*before, *graph.node]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(stored.values())
    facts = {one.key: one.value for one in proto.metadata_props} | dict(metadata or {})
    helper.set_model_props(proto, facts)
    onnx.checker.check_model(proto, full_check=True)
    written: bytes = proto.SerializeToString(deterministic=True)
    return written


def _is_layer(node: onnx.NodeProto) -> bool:
    """Whether a node is one of the network's: the input steps and the mark of unusable windows are exact."""
    return str(node.input[1]).endswith((".weight", ".input")) and node.output[0] != "attention.score"


def _store(
    stored: dict[str, onnx.TensorProto],
    before: list[onnx.NodeProto],
    name: str,
    whole: Float32,
    scale: Float32,
    *,
    axis: int,
) -> None:
    """Replace a stored array by whole numbers, scales and the node that multiplies them."""
    del stored[name]
    parts = [f"{name}.whole", f"{name}.scale"]
    stored[parts[0]] = numpy_helper.from_array(whole.astype(np.int8), parts[0])
    stored[parts[1]] = numpy_helper.from_array(scale, parts[1])
    before.append(helper.make_node("DequantizeLinear", parts, [name], name=name, axis=axis))


def _cell(node: onnx.NodeProto, stored: dict[str, onnx.TensorProto]) -> list[onnx.NodeProto]:
    """Quantise both weights of a recurrent layer, with one scale for a row of the two."""
    made: list[onnx.NodeProto] = []
    weights = [numpy_helper.to_array(stored[name]) for name in node.input[1:3]]
    ways, height = weights[0].shape[:2]
    flat = [weight.reshape(ways * height, -1) for weight in weights]
    whole, scale = rows(np.concatenate(flat, 1))
    for place, part in ((1, whole[:, : flat[0].shape[1]]), (2, whole[:, flat[0].shape[1] :])):
        name, shape = node.input[place], (ways, height, part.shape[1])
        if ways == 1:
            _store(stored, made, name, part.reshape(shape), scale, axis=1)
            continue
        # A scale lies along one axis: the rows of both directions are one axis, and are told apart after.
        flat_name = f"{name}.flat"
        stored[flat_name] = stored.pop(name)
        _store(stored, made, flat_name, part, scale, axis=0)
        stored[f"{name}.shape"] = numpy_helper.from_array(np.array(shape), f"{name}.shape")
        made.append(helper.make_node("Reshape", [flat_name, f"{name}.shape"], [name], name=name))
    return made
