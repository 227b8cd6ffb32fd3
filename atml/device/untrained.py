"""The program of a config before anything is trained: what it will cost depends on shapes alone."""

from __future__ import annotations

from atml.device.program import Program
from atml.models.config import ModelConfig
from atml.tasks.task import Task


def program(config: ModelConfig, task: Task) -> Program:
    """Return the program of a network with the weights that it begins with.

    Raises:
        ShapeError: the config leaves nothing of a window.
        ExportError: a network that has no form on a device.

    Example:
        >>> task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> program(ModelConfig(channels=(4,), kernels=(7,), strides=(2,)), task).macs
        17508
    """
    from atml import models
    from atml.artifacts.export import onnx_bytes
    from atml.device import reading

    reading.check_task(task)
    network = models.build(config, task).eval()
    return reading.read(onnx_bytes(network, task, {}), config, task)
