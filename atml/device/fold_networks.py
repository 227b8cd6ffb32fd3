"""What a network that was just trained makes of windows in formats of fewer bits."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from atml.arrays import Float32
from atml.artifacts.backends import onnx_w8
from atml.artifacts.model import Session
from atml.data.dataset import Rows
from atml.device.program import W8
from atml.errors import AtmlError
from atml.models.network import Network
from atml.tasks.task import Task

BATCH = 256


def by_format(task: Task) -> Callable[[Network, Rows, Rows], dict[str, Float32]]:
    """Return what `atml.training.cross_validation.run` takes as ``quantise``.

    Networks of a family that has no form as a file are predicted in no format.
    """

    def logits(model: Network, trained: Rows, held_out: Rows) -> dict[str, Float32]:
        from atml.artifacts.export import onnx_bytes

        try:
            file = onnx_bytes(copy.deepcopy(model).cpu().eval(), task, {})
        except AtmlError:
            return {}
        run = Session(onnx_w8.quantised(file))
        parts = [run(held_out[at : at + BATCH]) for at in range(0, len(held_out), BATCH)]
        return {W8: np.concatenate([np.empty((0, run.classes), np.float32), *parts])}

    return logits
