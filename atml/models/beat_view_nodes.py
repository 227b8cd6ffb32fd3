"""The input step "beat" as ONNX nodes; mirrors `atml.models.beat_view`."""

from __future__ import annotations

import numpy as np

from atml.models.beat_view import ALIKE_GAIN, CHANNELS, EPSILON, FLOOR, LARGEST, BeatPlan, beat_plan
from atml.models.graph import Graph
from atml.tasks.task import Task


def add_beat_view(g: Graph, x: str, task: Task) -> str:
    """Append the step to a graph; ``x (n, leads, samples)`` in, ``(n, 3 * leads, samples)`` out."""
    plan = beat_plan(task)
    if task.leads > 1:  # each lead by itself, as a window of its own
        x = g.add("Reshape", [x, g.store("one_lead", np.array([-1, 1, plan.window]))], "beat.leads")
    likeness, size = _compared(g, x, plan)
    rows = g.add(
        "Concat", [likeness, size, _shape(g, x, plan)], "beat.rows" if task.leads > 1 else "beat", axis=1
    )
    if task.leads == 1:
        return rows
    whole = g.store("all_rows", np.array([-1, CHANNELS * task.leads, plan.window]))
    return g.add("Reshape", [rows, whole], "beat")


def _compared(g: Graph, x: str, plan: BeatPlan) -> tuple[str, str]:
    """Likeness and size, ``(n, 1, samples)`` each."""
    minus = g.store("beat.minus", np.array([[[-1, 1]]], np.float32))
    slope = g.add("Conv", [x, minus], "beat.slopes", kernel_shape=[2], dilations=[2 * plan.step])
    slope = _pad(g, slope, "beat.slope", plan.step, plan.step)
    # Row k of the taps is the slopes, moved by k taps.
    taps = g.store("beat.tap", np.eye(plan.taps, dtype=np.float32)[:, None])
    about = g.add(
        "Conv",
        [slope, taps],
        "beat.about",
        kernel_shape=[plan.taps],
        dilations=[plan.step],
        pads=[plan.reach, plan.reach],
    )
    ends = (plan.beat - plan.reach, plan.beat + plan.reach + 1)
    product = g.add("MatMul", [_slice(g, slope, "beat.own", *ends, every=plan.step), about], "beat.product")
    squares = g.add("Mul", [about, about], "beat.squares")
    power = g.add("ReduceSum", [squares, g.store("beat.axis1", np.array([1]))], "beat.power", keepdims=1)
    size = g.add("Sqrt", [power], "beat.sizes")
    epsilon = _float(g, "beat.epsilon", EPSILON)
    own = g.add("Add", [_slice(g, size, "beat.its", plan.beat, plan.beat + 1), epsilon], "beat.its_size")
    largest = g.add("ReduceMax", [size], "beat.largest", axes=[2], keepdims=1)
    least = g.add("Mul", [largest, _float(g, "beat.floor", FLOOR)], "beat.share")
    least = g.add("Add", [least, epsilon], "beat.least")
    divisor = g.add("Mul", [own, g.add("Max", [size, least], "beat.at_least")], "beat.divisor")
    alike = g.add("Div", [product, divisor], "beat.alike")
    alike = g.add("Mul", [alike, _float(g, "beat.gain", ALIKE_GAIN)], "beat.scaled")
    size = g.add(
        "Min", [g.add("Div", [size, own], "beat.relative"), _float(g, "beat.most", LARGEST)], "beat.cut"
    )
    # Ones with zeros about the beat, put together when the model runs: the file holds the zeros alone.
    zeros = g.store("beat.zeros", np.zeros((1, 1, 2 * plan.hidden + 1), np.float32))
    before, after = plan.beat - plan.hidden, plan.window - plan.beat - plan.hidden - 1
    seen = _pad(g, zeros, "beat.seen", before, after, value=1.0)
    return g.add("Mul", [alike, seen], "beat.likeness"), g.add("Mul", [size, seen], "beat.size")


def _shape(g: Graph, x: str, plan: BeatPlan) -> str:
    """The beat's own shape, ``(n, 1, samples)``."""
    near = _slice(g, x, "beat.near", plan.beat - plan.before, plan.beat + plan.after + 1)
    near = g.add("Sub", [near, _slice(g, x, "beat.top", plan.beat, plan.beat + 1)], "beat.above")
    near = g.add("Sub", [near, g.add("ReduceMean", [near], "beat.mean", axes=[2])], "beat.centred")
    square = g.add("Mul", [near, near], "beat.square")
    spread = g.add("Sqrt", [g.add("ReduceMean", [square], "beat.variance", axes=[2])], "beat.deviation")
    spread = g.add("Add", [spread, _float(g, "beat.epsilon", EPSILON)], "beat.spread")
    near = g.add("Div", [near, spread], "beat.near_shape")
    return _pad(g, near, "beat.shape", plan.beat - plan.before, plan.window - plan.beat - plan.after - 1)


def _pad(g: Graph, x: str, name: str, before: int, after: int, *, value: float = 0.0) -> str:
    inputs = [x, g.store(f"{name}.pads", np.array([0, 0, before, 0, 0, after]))]
    return g.add("Pad", [*inputs, _float(g, f"{name}.value", value)] if value else inputs, name)


def _slice(g: Graph, x: str, name: str, start: int, stop: int, *, every: int = 1) -> str:
    numbers = {f"{name}.from": start, f"{name}.to": stop, "beat.axis2": 2}
    if every > 1:
        numbers["beat.every"] = every
    return g.add("Slice", [x, *(g.store(key, np.array([one])) for key, one in numbers.items())], name)


def _float(g: Graph, name: str, value: float) -> str:
    return g.store(name, np.array(value, np.float32))
