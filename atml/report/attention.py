"""How much each moment of a window weighs where a network pools by attention, read from the exported file.

Attention pooling adds up its time steps weighted by a softmax over time (Bahdanau et al. 2015, without a
query). The weights are in the file: the tensor "attention". They say what the last layer is fed with; what a
step has seen is more than its own moment, by the kernels before it, and all of the window where a recurrent
layer runs both ways.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from atml.arrays import Float32, Floats
from atml.artifacts.model import ExportedModel, Session
from atml.errors import ExportError
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent.shapes import shapes
from atml.tasks.task import Task

TENSOR = "attention"
"""Name of the weights in the file."""

LIMITS = (
    "The purple lane is attention: how much each moment weighs in the sum that the last layer gets, 1 where"
    " all weigh the same. A moment there has seen its surroundings as well, and with a recurrent layer more"
    " than these."
)
"""What a reader of such a lane has to know."""


class Attention:
    """The weights of an exported file over time; raises ExportError where it has none."""

    def __init__(self, exported: ExportedModel) -> None:
        if exported.config.pool != "attention":
            raise ExportError(f"its pool is {exported.config.pool!r}, which has no weights over time")
        self._session = Session(_with_weights(exported.model))
        self._nearest = nearest(exported.config, exported.task)

    def __call__(self, x: Float32) -> Floats:
        """Return the weights of one window ``x (leads, samples)``, ``(samples,)``: 1 is an even share.

        A sample has the weight of the step that is nearest to it; where the network sees each lead by itself,
        the mean of the leads' weights.

        Raises:
            ExportError: onnxruntime can't run the model, or the window does not fit it.
        """
        found = self._session(np.ascontiguousarray(x[None], np.float32)).astype(np.float64)
        weights = found.mean(axis=0)  # of the leads, where each passes by itself
        return np.asarray((weights * len(weights))[self._nearest])


def nearest(config: ModelConfig, task: Task) -> np.ndarray:
    """Return for each sample of a window the time step of the pool whose middle is nearest, ``(samples,)``.

    Example:
        >>> task = Task(name="t", classes=("a", "b"), positive=1, sampling_rate=100, window=12)
        >>> config = ModelConfig(decimation=2, channels=(4,), kernels=(3,), strides=(2,), pool="attention")
        >>> nearest(config, task).tolist()
        [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    """
    plan = shapes(config, task)
    place = np.arange(plan.steps, dtype=np.float64)
    if config.patch > 1:
        place = (place + 0.5) * config.patch - 0.5
    for conv in reversed(plan.convs):
        place = place * conv.stride + (conv.kernel - 1) / 2 - conv.kernel // 2
    place = (place + 0.5) * config.decimation - 0.5
    away = np.abs(np.arange(task.window)[:, None] - place[None, :])
    return np.asarray(away.argmin(axis=1))


def _with_weights(model: bytes) -> bytes:
    """Return a model whose only output are the weights, ``(n, steps)``."""
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    node = next((one for one in graph.node if TENSOR in one.output), None)
    if node is None:
        raise ExportError(f"the file has no tensor {TENSOR!r}")
    # After recurrent layers time comes first: (steps, n, 1), else (n, 1, steps).
    axis = next((int(one.i) for one in node.attribute if one.name == "axis"), -1)
    perm = [1, 2, 0] if axis == 0 else [0, 1, 2]
    graph.node.append(helper.make_node("Transpose", [TENSOR], [f"{TENSOR}.turned"], perm=perm))
    graph.initializer.append(helper.make_tensor(f"{TENSOR}.shape", TensorProto.INT64, [2], [0, -1]))
    graph.node.append(
        helper.make_node("Reshape", [f"{TENSOR}.turned", f"{TENSOR}.shape"], [f"{TENSOR}.weights"])
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(f"{TENSOR}.weights", TensorProto.FLOAT, ["n", 0]))
    return bytes(proto.SerializeToString())
