"""From an exported ONNX file to a program, so that what runs on a board is the file that was judged.

Files of every version of atml are read; a graph of other operators, a family of a user's own, is refused.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from atml.arrays import Float32
from atml.device.program import NO_SCALE, Conv, Head, Input, Layer, LayerNorm, Pool, Program, Recurrent
from atml.errors import ExportError
from atml.models.beat_view import beat_plan
from atml.models.config import ModelConfig
from atml.models.rr_series import rr_plan
from atml.tasks.task import Task

_SINGLE = {"Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Tanh": "tanh"}
_GATED = {"Sigmoid": "silu", "HardSigmoid": "hardswish"}


def read(model: bytes, config: ModelConfig, task: Task) -> Program:
    """Return the program of an ONNX file that `atml.artifacts.backends.onnx` wrote for a config.

    Raises:
        ExportError: a graph with an operator, or in an order, that has no form on a device; a task of
            pictures.
    """
    check_task(task)
    return _Reader(onnx.load_model_from_string(model).graph, config, task).program()


def check_task(task: Task) -> None:
    """Raise ExportError for a task about pictures: C and estimates of boards are for signals.

    Example:
        >>> check_task(Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(192, 256), leads=3))
        Traceback (most recent call last):
        atml.errors.ExportError: task 'p' is about pictures, and boards and C are for signals: onnxruntime
        runs the file
    """
    if task.picture is not None:
        raise ExportError(
            f"task {task.name!r} is about pictures, and boards and C are for signals: onnxruntime runs the"
            " file"
        )


class _Reader:
    """Follows a graph from the input stage to the logits."""

    def __init__(self, graph: onnx.GraphProto, config: ModelConfig, task: Task) -> None:
        self.config, self.task = config, task
        self.stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self.made_by: dict[str, onnx.NodeProto] = {}
        self.used_by: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            self.made_by.update({name: node for name in node.output if name})
            for name in node.input:
                self.used_by[name].append(node)

    def program(self) -> Program:
        source = self._input()
        x = self._end_of_input()
        layers: list[Layer] = []
        width, steps = source.width, source.steps
        while (node := self._next(x)).op_type in ("Conv", "Transpose") and not self._scores(node):
            layer: Layer
            if node.op_type == "Conv":
                layer, x = self._conv(node, width, steps)
                layers.append(layer)
                width, steps = layer.outputs, layer.steps
                normed = self._norm(x, steps)
                if normed is not None:
                    layer, x = normed
                    layers.append(layer)
            else:
                some, x = self._cells(node.output[0], steps)
                layers += some
                width = some[-1].outputs
        if not layers:  # a family of a user's own
            raise _no_form(node)
        pool, x = self._pool(x, layers, width, steps)
        return Program(
            input=source,
            layers=tuple(layers),
            pool=pool,
            head=self._head(x),
            positive=self.task.positive,
            passes=self.task.leads // source.leads,
        )

    def _input(self) -> Input:
        config, task = self.config, self.task
        return Input(
            leads=1 if config.each_lead else task.leads,
            samples=task.window,
            kind=config.normalise,
            upright=config.upright,
            decimation=config.decimation,
            patch=config.patch,
            rr=rr_plan(task.sampling_rate, task.window) if config.normalise == "rr" else None,
            beat=beat_plan(task) if config.normalise == "beat" else None,
        )

    def _end_of_input(self) -> str:
        """Name of what the first layer gets."""
        config = self.config
        ends = {
            "none": "lead" if config.each_lead else "ecg",
            "centre": "centred",
            "rr": "intervals",
            "beat": "beat",
        }
        name = ends.get(config.normalise, "normalised")
        if config.upright:
            name = "upright"
        if config.decimation > 1:
            name = "decimated"
        if config.patch > 1:
            name = "patch"
        if name != "ecg" and name not in self.made_by:
            raise ExportError(f"the model's graph has no {name!r} for its config; export the model again")
        return name

    def _next(self, x: str) -> onnx.NodeProto:
        """Return the first node that uses ``x``, but for the mark of unusable windows."""
        found = [node for node in self.used_by[x] if node.output[0] not in ("usable", "mean")]
        if not found:
            raise ExportError(f"the model's graph ends at {x!r}; export the model again")
        return found[0]

    def _conv(self, node: onnx.NodeProto, width: int, steps: int) -> tuple[Conv, str]:
        attributes = _attributes(node)
        weight, scale = self._rows(node.input[1])
        weight = np.ascontiguousarray(weight.transpose(0, 2, 1))
        outputs, kernel, _ = weight.shape
        groups, pads = attributes.get("group", 1), attributes.get("pads", [0, 0])
        if groups not in (1, width) or (groups > 1 and outputs != width) or pads[0] != pads[1]:
            raise _no_form(node)
        stride, pad = attributes.get("strides", [1])[0], pads[0]
        bias = self._array(node.input[2]) if len(node.input) > 2 else np.zeros(outputs, np.float32)
        conv = Conv(
            name=node.name,
            weight=weight,
            bias=bias,
            inputs=width,
            stride=stride,
            pad=pad,
            steps=(steps + 2 * pad - kernel) // stride + 1,
            depthwise=groups > 1,
            scale=scale,
        )
        activation, x = self._activation(node.output[0])
        return dataclasses.replace(conv, activation=activation), x

    def _activation(self, x: str) -> tuple[str, str]:
        """Return the activation that follows ``x``, "none" for none, and the name of what it gives."""
        node = self._next(x)
        if node.op_type in _SINGLE:
            return _SINGLE[node.op_type], node.output[0]
        if node.op_type in _GATED or (
            node.op_type == "Mul" and self._maker(node.input[1]).op_type in _GATED and x in node.input
        ):
            gate = node if node.op_type in _GATED else self._maker(node.input[1])
            product = self._next(gate.output[0])
            return _GATED[gate.op_type], product.output[0]
        return "none", x

    def _norm(self, x: str, steps: int) -> tuple[LayerNorm, str] | None:
        """Return the layer norm that follows a convolution, where one does."""
        node = self._next(x)
        if node.op_type != "Reshape" or not node.output[0].endswith(".norm.flat"):
            return None
        unit = self._next(node.output[0])
        scaled = self._next(self._next(unit.output[0]).output[0])
        moved = self._next(scaled.output[0])
        if (unit.op_type, scaled.op_type, moved.op_type) != ("InstanceNormalization", "Mul", "Add"):
            raise _no_form(node)
        activation, x = self._activation(moved.output[0])
        norm = LayerNorm(
            name=moved.output[0],
            gain=self._array(scaled.input[1]).ravel(),
            offset=self._array(moved.input[1]).ravel(),
            epsilon=float(np.float32(_attributes(unit)["epsilon"])),
            steps=steps,
            activation=activation,
        )
        return norm, x

    def _cells(self, x: str, steps: int) -> tuple[list[Recurrent], str]:
        found: list[Recurrent] = []
        while (node := self._next(x)).op_type in ("LSTM", "GRU"):
            found.append(self._cell(node, steps))
            name = next(output for output in node.output if output)
            after = self._next(name)
            x = after.output[0]
            if after.op_type == "Transpose":
                x = self._next(x).output[0]
            elif after.op_type != "Squeeze":
                raise _no_form(after)
        if not found:
            raise _no_form(node)
        return found, x

    def _cell(self, node: onnx.NodeProto, steps: int) -> Recurrent:
        attributes = _attributes(node)
        gru = node.op_type == "GRU"
        gates = 3 if gru else 4
        w, scale = self._rows(node.input[1])
        r, of_recurrent = self._rows(node.input[2])
        b = self._array(node.input[3])
        if not np.array_equal(scale, of_recurrent):
            raise _no_form(node)
        ways, units = w.shape[0], attributes["hidden_size"]
        if gru and not attributes.get("linear_before_reset"):
            raise _no_form(node)
        of_input, of_state = (part.reshape(ways, gates, units) for part in np.split(b, 2, axis=1))
        bias = np.zeros((ways, 4, units), np.float32)
        bias[:, :gates] = of_input
        if gru:
            bias[:, :2] += of_state[:, :2]
            bias[:, 3] = of_state[:, 2]
        else:
            bias += of_state
        return Recurrent(
            name=node.name,
            cell=node.op_type.lower(),
            weight=np.ascontiguousarray(w.reshape(ways, gates, units, -1).transpose(0, 2, 1, 3)),
            recurrent=np.ascontiguousarray(r.reshape(ways, gates, units, units).transpose(0, 2, 1, 3)),
            bias=np.ascontiguousarray(bias.transpose(0, 2, 1)),
            steps=steps,
            scale=np.ascontiguousarray(scale.reshape(ways, gates, units).transpose(0, 2, 1))
            if scale.size
            else scale,
        )

    def _scores(self, node: onnx.NodeProto) -> bool:
        return bool(node.output[0] == "attention.score")

    def _pool(self, x: str, layers: list[Layer], width: int, steps: int) -> tuple[Pool, str]:
        kind = self.config.pool
        score = np.zeros(0, np.float32)
        if kind == "attention":
            score = self._array("attention.weight").ravel()
        last = layers[-1]
        two = isinstance(last, Recurrent) and last.ways == 2
        recurrent = isinstance(last, Recurrent)
        end = x if kind == "last" and recurrent else "pooled"
        if end not in self.made_by:
            raise ExportError(f"the model's graph has no pool {kind!r}; export the model again")
        if end != x and not self._reads(end, x):
            raise _no_form(self._next(x))
        turned = width // 2 if two else 0
        pool = Pool(kind=kind, width=width, steps=steps, turned=turned, score=score)
        return pool, end

    def _reads(self, name: str, x: str) -> bool:
        """Whether what makes ``name`` gets ``x`` within the three operators that a pool has."""
        makers = [self._maker(name)]
        for _ in range(3):
            inputs = [one for node in makers for one in node.input]
            if x in inputs:
                return True
            makers = [self._maker(one) for one in inputs]
        return False

    def _head(self, x: str) -> Head:
        node = self._next(x)
        if node.op_type != "Gemm":
            raise _no_form(node)
        weight, scale = self._rows(node.input[1])
        return Head(weight=weight, bias=self._array(node.input[2]), scale=scale)

    def _maker(self, name: str) -> onnx.NodeProto:
        return self.made_by.get(name, onnx.NodeProto())

    def _array(self, name: str) -> Float32:
        if name not in self.stored:
            raise ExportError(f"the model's graph has no stored {name!r}; export the model again")
        return np.asarray(self.stored[name], np.float32)

    def _rows(self, name: str) -> tuple[Float32, Float32]:
        """Return stored weights and their scales, none for weights in their own unit.

        Weights of 8 bits go through DequantizeLinear, and those of two directions through Reshape.
        """
        node, shape = self._maker(name), None
        if node.op_type == "Reshape":
            shape = self.stored[node.input[1]]
            node = self._maker(node.input[0])
        if node.op_type != "DequantizeLinear":
            return self._array(name), NO_SCALE
        values, scale = self._array(node.input[0]), self._array(node.input[1]).ravel()
        return values if shape is None else values.reshape(shape), scale


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def _no_form(node: onnx.NodeProto) -> ExportError:
    return ExportError(
        f"the model's {node.op_type} {node.name!r} has no form on a device; networks of the family"
        " 'conv_recurrent' have one"
    )
