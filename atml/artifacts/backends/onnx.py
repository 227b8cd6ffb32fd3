"""From a trained network to one ONNX graph, written node by node.

What a device wants and a general exporter does not give: batch normalisation folded into the convolution
before it, preprocessing inside the graph, whole LSTM and GRU operators, names a person can read, and no
file beside the model. Opset 13 and IR 7 are the lowest that have every operator used; the batch axis is
``n``, the others are fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from atml import __version__
from atml.arrays import Float32
from atml.artifacts.backends.onnx_maps import maps_graph
from atml.artifacts.model import MODEL, infer
from atml.errors import ExportError
from atml.formatting import utf8
from atml.models import build
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks.task import WAVEFORM, Task

OPSET = 13
IR_VERSION = 7
INPUT, PAGE = "ecg", "page"
"""Name of the input: of a signal, and of a picture."""
OUTPUT = "logits"
HEAD_BIAS = "head.bias"


class _Graph:
    """Nodes and stored arrays, in order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: dict[str, onnx.TensorProto] = {}

    def store(self, name: str, values: Tensor | npt.NDArray[Any]) -> str:
        """Keep an array under a name (once, if it is asked for again) and return the name."""
        if name not in self.stored:
            array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
            self.stored[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        *,
        name: str = "",
        skip: int = 0,
        more: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        """Append a node; see `atml.models.graph.Graph`."""
        outputs = [*[""] * skip, output, *more]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name or output, **attributes))
        return output


def graph(net: Network, task: Task, *, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Write ``net`` in evaluation mode: its input ``(n, *task.shape)`` to ``logits (n, classes)``, float32.

    The input is called "ecg", or "page" where the task is about pictures.

    ``metadata`` becomes the file's metadata properties. Raises AtmlError for a layer with no ONNX form here.
    """
    g = _Graph()
    if task.kind == WAVEFORM:
        return maps_graph(g, net, task, metadata or {})
    name = INPUT if task.picture is None else PAGE
    x = net.nodes(g, net.input_nodes(g, name))
    weight, bias = g.store("head.weight", net.head.weight), g.store(HEAD_BIAS, net.head.bias)
    x = net.vote_nodes(g, g.add("Gemm", [x, weight, bias], "head", transB=1))
    _mark_unusable(g, name, x, task)
    model = helper.make_model(
        helper.make_graph(
            g.nodes,
            task.name,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *task.shape])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(task.classes)])],
            list(g.stored.values()),
        ),
        producer_name="atml",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    _set_properties(model, metadata or {})
    return model


def _mark_unusable(g: _Graph, x: str, logits: str, task: Task) -> None:
    """Make all logits of a row NaN where a value of its input ``x`` is NaN or infinite, and change no others.

    Else the first Relu or MaxPool turns NaN into a number, and such windows get one fixed decision. The
    product with 0 takes no operator that a graph has not anyway.
    """
    each = list(range(2, 1 + len(task.shape)))
    mean = g.add("ReduceMean", [x], "usable", axes=each, keepdims=0)
    nothing = g.store("nothing", np.zeros((task.leads, len(task.classes)), np.float32))
    g.add("Gemm", [mean, nothing, logits], OUTPUT)


def operators(config: ModelConfig, task: Task) -> frozenset[str]:
    """Return the ONNX operators that a config's file is made of, from its graph with random weights.

    Raises:
        ConfigError: a config that can't be built.
    """
    return frozenset(node.op_type for node in graph(build(config, task).eval(), task).graph.node)


def _set_properties(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Set the metadata properties, which hold UTF-8 alone."""
    helper.set_model_props(model, {key: utf8(value).decode() for key, value in metadata.items()})


def lowered(model: bytes, by: Sequence[float], metadata: Mapping[str, str]) -> bytes:
    """Return an ONNX file of `graph` whose logits are lower ``by`` one number a class, with other metadata.

    Raises ExportError for a file without the last layer that `graph` writes.
    """
    proto = onnx.load_model_from_string(model)
    bias = next((one for one in proto.graph.initializer if one.name == HEAD_BIAS), None)
    if bias is None:
        raise ExportError(f"the model has no {HEAD_BIAS!r} to move its decision by; export it again")
    moved = numpy_helper.to_array(bias) - np.asarray(by, np.float32)
    bias.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), HEAD_BIAS))
    _set_properties(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    written: bytes = proto.SerializeToString(deterministic=True)
    return written


class Onnx:
    """The form that every export has; see `atml.artifacts.backends.base.Backend`."""

    name = "onnx"
    file_name = MODEL

    def write(self, net: Network, task: Task, metadata: Mapping[str, str]) -> bytes:
        """Write a checked ONNX file; the same network gives the same bytes."""
        proto = graph(net, task, metadata=metadata)
        onnx.checker.check_model(proto, full_check=True)
        written: bytes = proto.SerializeToString(deterministic=True)
        return written

    def run(self, model: bytes, x: Float32) -> Float32:
        """Logits ``(n, classes)`` of ``x (n, leads, samples)``, by onnxruntime on one thread."""
        return infer(model, x)
