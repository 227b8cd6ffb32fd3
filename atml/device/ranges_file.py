"""The ranges of activations that an export carries, so that its C in integers needs no data."""

from __future__ import annotations

import json

from atml.arrays import Float32
from atml.artifacts.json_file import fields_of
from atml.artifacts.model import ExportedModel
from atml.device.calibration import Ranges, calibrate
from atml.device.quantised import W8A8, Quantised, quantise
from atml.device.reading import read
from atml.errors import ExportError
from atml.models.config import ModelConfig
from atml.tasks.task import Task

NAME = "ranges.json"


def contents(model: bytes, config: ModelConfig, task: Task, x: Float32) -> dict[str, bytes]:
    """Return the file by name, measured on training windows ``x (n, leads, samples)``.

    A network that has no form on a device has no such file.
    """
    try:
        ranges = calibrate(read(model, config, task), x)
    except ExportError:
        return {}
    return {NAME: f"{json.dumps(ranges.to_dict())}\n".encode()}


def quantised(exported: ExportedModel) -> Quantised:
    """Return an export as a program in integers.

    Raises:
        ExportError: it carries no ranges, as exports of earlier versions, or has no form in integers.
    """
    stored = {} if exported.folder is None else fields_of(exported.folder / NAME)
    program = read(exported.model, exported.config, exported.task)
    try:
        ranges = Ranges.from_dict(stored)
        if len(ranges.rows) != len(program.layers) + 1 or len(ranges.before) != len(program.layers):
            raise ValueError("of another network")
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(
            f"{exported.folder or exported.path} has no usable {NAME}, the ranges that {W8A8} needs:"
            " export the model again, or choose --format w8"
        ) from error
    return quantise(program, ranges)
