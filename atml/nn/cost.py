"""What a config costs on a device, from its shapes alone: a search asks before it trains."""

from __future__ import annotations

from atml.nn.shapes import Shapes, shapes
from atml.types import Cost, ModelConfig, Task

FLOAT = 4
GRAPH_BYTES = 1500
"""Header, names, metadata and the fixed nodes of an exported file, about."""
NODE_BYTES = 150
"""One more layer in the graph, about."""


def cost(config: ModelConfig, task: Task) -> Cost:
    """Count parameters, multiply-accumulates and bytes of one window.

    ``macs`` counts the products of convolutions, recurrent cells, attention and the linear layer, as is
    usual, and no element-wise work. ``size_bytes`` is an estimate within a few percent: batch
    normalisation is folded into the convolution before it. ``peak_bytes`` takes norm and activation as
    done in place: the largest input plus output of any layer.

    Raises:
        ConfigError: an unknown name, or a number that can't be.
        ShapeError: layers that leave no signal to look at.
    """
    plan = shapes(config, task)
    parameters = fixed = macs = stored = 0
    peak = task.leads * (task.window + (plan.decimated if config.decimation > 1 else 0))
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
    nodes = len(plan.convs) * (3 if config.separable else 2) + (config.layers if config.cell != "none" else 0)
    return Cost(
        parameters=parameters,
        fixed=fixed,
        macs=macs,
        size_bytes=FLOAT * stored + GRAPH_BYTES + NODE_BYTES * nodes,
        peak_bytes=FLOAT * peak,
    )


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
