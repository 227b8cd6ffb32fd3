"""What a config costs on a device, from its shapes alone: a search asks before it trains."""

from __future__ import annotations

from atml.models.beat_view import beat_plan
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent.shapes import Shapes, shapes
from atml.models.rr_series import rr_plan
from atml.tasks.task import Task

FLOAT = 4

# Bytes of an exported file beside its weights, fitted to files of `atml.artifacts.backends.onnx` and
# rounded up.
GRAPH_BYTES = 3000
"""Header, input, output, normalisation, head, and metadata with up to 1 KiB of subjects' names."""
CONV_BYTES = 215
LAYER_NORM_BYTES = 545
DEPTHWISE_BYTES = 155
GATE_BYTES = 75
"""The second node of an activation that multiplies by a gate."""
CELL_BYTES = 275
TWO_WAY_BYTES = 125
UPRIGHT_BYTES = 650
PATCH_BYTES = 500
POOL_BYTES = {"mean_max": 165, "attention": 265}
EACH_LEAD_BYTES = 450


def cost(config: ModelConfig, task: Task) -> Cost:
    """Count parameters, multiply-accumulates and bytes of one window.

    ``macs`` counts the products of convolutions, recurrent cells, attention and the linear layer, as is
    usual, and no element-wise work but that of ``normalise`` "rr" and "beat", which consist of it.
    ``size_bytes`` is an upper estimate, above the file by at most 10% and 2 KiB: batch normalisation is
    folded into the convolution before it. ``peak_bytes`` takes norm and activation as done in place: the
    largest input plus output of any layer, of one lead where the leads pass one after another.

    Raises:
        ConfigError: an unknown name, or a number that can't be.
        ShapeError: layers that leave no signal to look at.
    """
    plan = shapes(config, task)
    parameters = fixed = macs = stored = extra = 0
    times = plan.passes
    peak = task.leads * task.window + (times * plan.rows * plan.decimated if config.decimation > 1 else 0)
    if config.normalise == "rr":
        rr = rr_plan(task.sampling_rate, task.window)
        macs += task.leads * rr.operations
        extra = rr.file_bytes(task.leads)
        peak = max(peak, task.leads * rr.peak)
    if config.normalise == "beat":
        beat = beat_plan(task)
        macs += task.leads * beat.operations
        extra = beat.file_bytes(task.leads)
        peak = max(peak, (task.leads + times * plan.rows) * task.window)
    of_input, macs = macs, 0
    per_norm = 0 if config.norm == "none" else 2
    for c in plan.convs:
        if c.separable:
            weights = c.inputs * c.kernel + c.inputs * c.outputs
            peak = max(peak, c.inputs * (c.length_in + c.length_out), (c.inputs + c.outputs) * c.length_out)
        else:
            weights = c.inputs * c.outputs * c.kernel
            peak = max(peak, c.inputs * c.length_in + c.outputs * c.length_out)
        macs += weights * c.length_out
        bias = 0 if config.norm == "batch" else c.outputs
        parameters += weights + bias + per_norm * c.outputs
        stored += weights + c.outputs + (2 * c.outputs if config.norm == "layer" else 0)
        fixed += 2 * c.outputs if config.norm == "batch" else 0
    if config.cell != "none":
        weights, products = _recurrent(config, plan)
        parameters += weights
        stored += weights
        macs += products
        widest = plan.width_in if config.layers == 1 else max(plan.width_in, plan.width)
        peak = max(peak, (widest + plan.width) * plan.steps)
    if config.pool == "attention":
        parameters += plan.width
        stored += plan.width
        macs += 2 * plan.width * plan.steps
    head = plan.features * len(task.classes)
    parameters += head + len(task.classes)
    stored += head + len(task.classes)
    macs += head
    return Cost(
        parameters=parameters,
        fixed=fixed,
        macs=of_input + times * macs,
        size_bytes=FLOAT * stored + _overhead(config, plan) + extra,
        peak_bytes=FLOAT * peak,
    )


def _overhead(config: ModelConfig, plan: Shapes) -> int:
    """Bytes of the file that hold no weights: nodes, names, metadata."""
    each = CONV_BYTES
    if config.norm == "layer":
        each += LAYER_NORM_BYTES
    if config.activation in ("silu", "hardswish"):
        each += GATE_BYTES
    total = GRAPH_BYTES + each * len(plan.convs) + DEPTHWISE_BYTES * sum(c.separable for c in plan.convs)
    total += UPRIGHT_BYTES * config.upright + PATCH_BYTES * (config.patch > 1)
    total += EACH_LEAD_BYTES * config.each_lead
    if config.cell != "none":
        total += config.layers * (CELL_BYTES + (TWO_WAY_BYTES if config.bidirectional else 0))
    return total + POOL_BYTES.get(config.pool, 0)


def _recurrent(config: ModelConfig, plan: Shapes) -> tuple[int, int]:
    """Return the weights of all recurrent layers, with both biases of each gate, and their products."""
    gates = 4 if config.cell == "lstm" else 3
    ways = 2 if config.bidirectional else 1
    weights = products = 0
    inputs = plan.width_in
    for _ in range(config.layers):
        matrix = ways * gates * config.units * (inputs + config.units)
        weights += matrix + 2 * ways * gates * config.units
        products += matrix * plan.steps
        inputs = plan.width
    return weights, products
