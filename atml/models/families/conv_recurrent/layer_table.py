"""What a model card prints of a network: its layers, one by one, worked out from shapes alone."""

from __future__ import annotations

from atml.models.beat_view import beat_plan
from atml.models.config import ModelConfig
from atml.models.families.base import Layer
from atml.models.families.conv_recurrent.shapes import shapes
from atml.models.rr_series import rr_plan
from atml.tasks.task import Task


def layers(config: ModelConfig, task: Task) -> tuple[Layer, ...]:
    """List what a signal passes, from the input on; the sums are those of `cost_count`."""
    plan = shapes(config, task)
    times = plan.passes
    found = [Layer("input", (task.leads, task.window))]
    if config.normalise != "none":
        work = 0
        if config.normalise == "rr":
            work = task.leads * rr_plan(task.sampling_rate, task.window).operations
        elif config.normalise == "beat":
            work = task.leads * beat_plan(task).operations
        found.append(Layer(f"normalise: {config.normalise}", (times * plan.rows, task.window), macs=work))
    if config.upright:
        found.append(Layer("turned upright", (task.leads, task.window)))
    if config.decimation > 1:
        found.append(Layer(f"mean of {config.decimation} samples", (times * plan.rows, plan.decimated)))
    if config.each_lead:
        found.append(Layer("each lead by itself", (plan.rows, plan.decimated)))
    for c in plan.convs:
        kind = f"conv {c.kernel}" + (f" / {c.stride}" if c.stride > 1 else "")
        weights = c.inputs * c.outputs * c.kernel
        if c.separable:
            kind = "separable " + kind
            weights = c.inputs * c.kernel + c.inputs * c.outputs
        after = [config.activation] if config.norm == "none" else [f"{config.norm} norm", config.activation]
        batch_norm = config.norm == "batch"
        found.append(
            Layer(
                ", ".join([kind, *after]),
                (c.outputs, c.length_out),
                weights + c.outputs * ((0 if batch_norm else 1) + (0 if config.norm == "none" else 2)),
                2 * c.outputs if batch_norm else 0,
                times * weights * c.length_out,
            )
        )
    width = plan.width_in
    if config.patch > 1:
        found.append(Layer(f"patches of {config.patch} samples", (width, plan.steps)))
    if config.cell != "none":
        gates, ways = (4 if config.cell == "lstm" else 3), (2 if config.bidirectional else 1)
        for _ in range(config.layers):
            matrix = ways * gates * config.units * (width + config.units)
            name = config.cell.upper() + f" {config.units}" + (", both directions" if ways == 2 else "")
            parameters = matrix + 2 * ways * gates * config.units
            found.append(Layer(name, (plan.steps, plan.width), parameters, 0, times * matrix * plan.steps))
            width = plan.width
    attention = plan.width if config.pool == "attention" else 0
    work = times * 2 * attention * plan.steps
    found.append(Layer(f"pool: {config.pool}", (plan.features,), attention, 0, work))
    head = plan.features * len(task.classes)
    found.append(Layer("linear", (len(task.classes),), head + len(task.classes), 0, times * head))
    if config.each_lead:
        found.append(Layer(f"the largest of {times} leads", (len(task.classes),)))
    return tuple(found)
