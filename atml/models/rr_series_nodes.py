"""The input step "rr" as ONNX nodes; mirrors `atml.models.rr_series`, addition by addition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atml.ecg.beats import FRACTION
from atml.models.graph import FLOAT, INT32, Graph
from atml.models.rr_series import GAIN, RRPlan, rr_plan
from atml.tasks.task import Task


def add_rr_series(g: Graph, x: str, task: Task) -> str:
    """Append the step to a graph; ``x (n, leads, samples)`` in, the returned name's values the same shape."""
    plan = rr_plan(task.sampling_rate, task.window)
    beat = _beats(g, x, plan, task.leads)
    beats = [beat, _ints(g, "most", plan.most)]
    g.add("TopK", beats, "is_beat", name="places", more=["places"], axis=2)
    # Of equal values TopK gives the one that comes first: the beats in order of time, then others, whose
    # "intervals" become 0.
    at = g.add("Cast", ["places"], "at", to=FLOAT)
    samples = _difference(g, at, "rr", task.leads)
    bounds = [_float(g, "shortest", plan.reach), _float(g, "longest", plan.longest)]
    share = g.add(
        "Mul", [g.add("Clip", [samples, *bounds], "rr.cut"), _float(g, "usual", 1 / plan.usual)], "rr.share"
    )
    scaled = g.add("Mul", [g.add("Log", [share], "rr.log"), _float(g, "gain", GAIN)], "rr.scaled")
    real = _slice(g, "is_beat", "rr.real", 1, plan.most)
    series = g.add("Mul", [scaled, real], "rr.series")
    count = g.add("CumSum", [beat, g.store("axis2", np.array(2, np.int32))], "count")
    last = g.add("Sub", [count, _float(g, "two", 2)], "last")
    last = g.add("Clip", [last, _float(g, "zero0", 0), _float(g, "end", plan.most - 2)], "last.cut")
    last = g.add("Cast", [last], "last.place", to=INT32)
    return g.add("GatherElements", [series, last], "intervals", axis=2)


def _beats(g: Graph, x: str, plan: RRPlan, leads: int) -> str:
    slope = _difference(g, x, "slope", leads, apart=2 * plan.step)
    before = plan.box // 2
    squares = g.add("Mul", [slope, slope], "squares")
    squares = _pad(g, squares, "squares.pad", plan.step + before, plan.step + plan.box - 1 - before)
    energy, width, samples = squares, 1, plan.window + plan.box - 1
    pair = g.store("pair", np.ones((leads, 1, 2), np.float32))
    for bit in f"{plan.box:b}"[1:]:
        # Two products by 1 and one addition: exact but for the one rounding that torch does as well.
        energy = _conv(g, energy, pair, f"energy{2 * width}", leads, apart=width)
        width *= 2
        if bit == "1":
            inner = _slice(g, energy, f"energy{width}.cut", 0, samples - width)
            late = _slice(g, squares, f"squares{width}", width, samples)
            width += 1
            energy = g.add("Add", [inner, late], f"energy{width}")
    least = _least(g, energy, plan)
    first, second, apart = plan.pools
    around = _pad(g, energy, "energy.pad", plan.reach, plan.reach)
    around = g.add("MaxPool", [around], "around", kernel_shape=[first])
    spread: dict[str, Any] = {"dilations": [apart]} if apart > 1 else {}
    around = g.add("MaxPool", [around], "largest", kernel_shape=[second], **spread)
    both = [g.add("Equal", [energy, around], "summit"), g.add("Greater", [energy, least], "high")]
    top = g.add("Cast", [g.add("And", both, "top")], "tops", to=FLOAT)
    return g.add("Relu", [_difference(g, top, "rise", leads, pads=[1, 0])], "beat")


def _least(g: Graph, energy: str, plan: RRPlan) -> str:
    """The energy that a beat has to be above: `FRACTION` of the median of the roots, squared again."""
    each = g.add("MaxPool", [energy], "seconds", kernel_shape=[plan.second], strides=[plan.second])
    half = plan.seconds // 2 + 1
    roots = [g.add("Sqrt", [each], "roots"), _ints(g, "half", half)]
    g.add("TopK", roots, "upper", more=["uppers"], axis=2)
    middle = _slice(g, "upper", "middle", (plan.seconds - 1) // 2, half)
    if plan.seconds % 2 == 0:
        middle = g.add("ReduceMean", [middle], "median", axes=[2])
    least = g.add("Mul", [middle, _float(g, "fraction", FRACTION)], "least")
    return g.add("Mul", [least, least], "least.energy")


def _difference(g: Graph, x: str, name: str, leads: int, *, apart: int = 1, pads: Sequence[int] = ()) -> str:
    """Each value less the one ``apart`` before it."""
    weight = g.store("minus", np.tile(np.array([-1, 1], np.float32), (leads, 1, 1)))
    return _conv(g, x, weight, name, leads, apart=apart, pads=pads)


def _conv(
    g: Graph, x: str, weight: str, name: str, leads: int, *, apart: int, pads: Sequence[int] = ()
) -> str:
    attributes: dict[str, Any] = {"kernel_shape": [2]}
    if apart > 1:
        attributes["dilations"] = [apart]
    if pads:
        attributes["pads"] = list(pads)
    if leads > 1:
        attributes["group"] = leads
    return g.add("Conv", [x, weight], name, **attributes)


def _pad(g: Graph, x: str, name: str, before: int, after: int) -> str:
    return g.add("Pad", [x, g.store(f"{name}s", np.array([0, 0, before, 0, 0, after]))], name)


def _slice(g: Graph, x: str, name: str, start: int, stop: int) -> str:
    inputs = [_ints(g, f"from{start}", start), _ints(g, f"to{stop}", stop), _ints(g, "axes2", 2)]
    return g.add("Slice", [x, *inputs], name)


def _ints(g: Graph, name: str, value: int) -> str:
    return g.store(name, np.array([value]))


def _float(g: Graph, name: str, value: float) -> str:
    return g.store(name, np.array(value, np.float32))
