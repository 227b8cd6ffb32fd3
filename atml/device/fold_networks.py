"""What a network that was just trained makes of windows in formats of fewer bits."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable

import numpy as np

from atml.arrays import Float32, evenly
from atml.artifacts.backends import onnx_w8
from atml.artifacts.model import Session
from atml.data.dataset import Rows
from atml.device import calibration, integer_interpreter
from atml.device.program import W8
from atml.device.quantised import W8A8, quantise
from atml.device.reading import read
from atml.errors import AtmlError, ExportError
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks.task import Task

BATCH = 256


def by_format(config: ModelConfig, task: Task) -> Callable[[Network, Rows, Rows], dict[str, Float32]]:
    """Return what `atml.training.cross_validation.run` takes as ``quantise``, for networks of a config.

    Activations of 8 bits are calibrated on rows that the network was trained on. Networks of a family that
    has no form as a file are predicted in no format, and those without one in integers in 8-bit weights only.
    """

    def logits(model: Network, trained: Rows, held_out: Rows) -> dict[str, Float32]:
        from atml.artifacts.export import onnx_bytes

        try:
            file = onnx_bytes(copy.deepcopy(model).cpu().eval(), task, {})
        except AtmlError:
            return {}
        run = Session(onnx_w8.quantised(file))
        found = {W8: _joined(run, held_out, run.classes)}
        with contextlib.suppress(ExportError):
            program = read(file, config, task)
            some = trained.rows[evenly(len(trained), calibration.WINDOWS)]
            whole = quantise(program, calibration.calibrate(program, Rows(trained.x, some)[:]))
            found[W8A8] = _joined(functools.partial(integer_interpreter.run, whole), held_out, run.classes)
        return found

    return logits


def _joined(run: Callable[[Float32], Float32], rows: Rows, classes: int) -> Float32:
    parts = [run(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)]
    return np.concatenate([np.empty((0, classes), np.float32), *parts])
