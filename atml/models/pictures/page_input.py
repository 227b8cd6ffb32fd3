"""The input stage of networks for pictures: ink and grid, cut into views; in torch and as nodes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atml.models.config import ModelConfig
from atml.models.graph import Graph
from atml.models.pictures.page_views import ViewPlan, view_plan
from atml.tasks.task import Task

EPSILON = 1.0
"""Added to divisors, in levels of 0 to 255: black stays a number."""

WHITE = 255.0
"""The largest value of a colour; what lies beyond it, or below 0, is cut off."""

INK, GRID = 4.0, 2.0
"""What darkness and saturation, 0 to 1, are multiplied by: a line is thinner than a pixel, and pale."""


def paper_reach(height: int) -> tuple[int, int]:
    """Return the sides of the largest and of the mean that estimate the paper's brightness, in pixels.

    Both are odd; the first is wider than a trace and narrower than what a shadow changes over.

    Example:
        >>> paper_reach(256)
        (9, 19)
    """
    widest = 2 * (height // 64) + 1
    return max(3, widest), 2 * max(3, widest) + 1


def ink_rows(x: Tensor) -> Tensor:
    """Turn ``(n, 3, rows, columns)``, 0 black to 255 white, into ink and grid, ``(n, 2, rows, columns)``.

    - Ink: how much darker the brightest colour of a pixel is than the paper around it. A coloured grid is
      bright in one colour, and all but vanishes; a shadow darkens paper and ink alike.
    - Grid: how colourful a pixel is.

    Example:
        >>> page = torch.full((1, 3, 64, 64), 250.0)
        >>> page[..., 30, 30], page[:, 0, 40, 40] = 20.0, 150.0
        >>> rows = ink_rows(page)
        >>> [round(v, 2) for v in rows[0, :, 30, 30].tolist() + rows[0, :, 40, 40].tolist()]
        [3.68, 0.0, 0.02, 0.8]
    """
    brightest, darkest = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    largest, mean = paper_reach(x.shape[2])
    paper = F.max_pool2d(brightest, largest, 1, largest // 2)
    paper = F.avg_pool2d(paper, mean, 1, mean // 2, count_include_pad=False)
    ink = (1 - brightest / (paper + EPSILON)).clamp(0, 1) * INK
    grid = (brightest - darkest) / (brightest + EPSILON) * GRID
    return torch.cat([ink, grid], 1)


def standard_colours(x: Tensor) -> Tensor:
    """Give each colour of ``(n, 3, rows, columns)`` mean 0 and deviation 1 over its picture."""
    x = x - x.mean((2, 3), keepdim=True)
    return x / ((x * x).mean((2, 3), keepdim=True).sqrt() + EPSILON)


class PageInput(nn.Module):
    """``(n, 3, rows, columns)`` to ``(n, views, numbers, rows, columns)``; nothing in it is trained.

    ``config.normalise`` "ink" makes two numbers of a pixel, see `ink_rows`; "zscore" keeps the three colours.
    """

    def __init__(self, config: ModelConfig, task: Task) -> None:
        super().__init__()
        self.kind = config.normalise
        self.plan: ViewPlan = view_plan(config, task)
        assert task.picture is not None
        self.picture = task.picture

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        x = x.clamp(0, WHITE)
        x = ink_rows(x) if self.kind == "ink" else standard_colours(x)
        plan = self.plan
        parts = [x[..., box.top : box.bottom, box.left : box.right] for box in plan.boxes]
        views = torch.stack(parts, 1).flatten(0, 1)
        if plan.factor > 1:
            views = F.avg_pool2d(views, plan.factor)
        if plan.pooled != plan.shape:
            views = F.interpolate(views, plan.shape, mode="bilinear", align_corners=False)
        return views.view(len(x), len(parts), *views.shape[1:])

    def nodes(self, g: Graph, x: str) -> str:
        """Write the same as nodes; ``(n * views, numbers, rows, columns)`` comes out, as layers take it."""
        plan = self.plan
        x = g.add("Clip", [x, _float(g, "black", 0.0), _float(g, "white", WHITE)], "colours_of_page")
        x = _ink(g, x, self.picture[0]) if self.kind == "ink" else _standard(g, x)
        if len(plan.boxes) > 1:
            x = self._cut(g, x)
        if plan.factor > 1:
            sides = [plan.factor] * 2
            x = g.add("AveragePool", [x], "views.pooled", kernel_shape=sides, strides=sides)
        if plan.pooled != plan.shape:
            # Sizes would need the number of pages. Of scales a size is rounded down: the next number above is
            # never below it.
            ratios = np.array(plan.shape, np.float32) / np.array(plan.pooled, np.float32)
            scales = np.concatenate([np.ones(2, np.float32), np.nextafter(ratios, np.float32(np.inf))])
            stored = g.store("views.scales", scales)
            x = g.add(
                "Resize",
                [x, g.store("views.nothing", np.zeros(0, np.float32)), stored],
                "views.resized",
                mode="linear",
            )
        return x

    def _cut(self, g: Graph, x: str) -> str:
        """``(n, numbers, rows, columns)`` to ``(n * views, numbers, rows, columns)`` of a view."""
        plan = self.plan
        parts = []
        across = plan.boxes[0].left != plan.boxes[1].left
        axis = g.store("views.axis", np.array([3 if across else 2]))
        for name, box in zip(plan.names, plan.boxes, strict=True):
            ends = (box.left, box.right) if across else (box.top, box.bottom)
            bounds = [g.store(f"views.{end}", np.array([end])) for end in ends]
            parts.append(g.add("Slice", [x, *bounds, axis], f"view.{name}"))
        x = g.add("Concat", parts, "views.beside", axis=1)
        box = plan.boxes[0]
        shape = [-1, plan.rows, box.bottom - box.top, box.right - box.left]
        return g.add("Reshape", [x, g.store("views.shape", np.array(shape))], "views")


def _float(g: Graph, name: str, value: float) -> str:
    return g.store(name, np.array(value, np.float32))


def _ink(g: Graph, x: str, height: int) -> str:
    """Mirror `ink_rows`."""
    brightest = g.add("ReduceMax", [x], "brightest", axes=[1])
    darkest = g.add("ReduceMin", [x], "darkest", axes=[1])
    one = _float(g, "level", EPSILON)
    paper = brightest
    for op, name, side in zip(
        ("MaxPool", "AveragePool"), ("paper.largest", "paper"), paper_reach(height), strict=True
    ):
        paper = g.add(op, [paper], name, kernel_shape=[side] * 2, pads=[side // 2] * 4)
    share = g.add("Div", [brightest, g.add("Add", [paper, one], "paper.level")], "paper.share")
    bounds = [_float(g, "black", 0.0), one]
    dark = g.add("Clip", [g.add("Sub", [one, share], "ink.darker"), *bounds], "ink.dark")
    ink = g.add("Mul", [dark, _float(g, "ink.gain", INK)], "ink")
    span = g.add("Sub", [brightest, darkest], "grid.span")
    colour = g.add("Div", [span, g.add("Add", [brightest, one], "grid.level")], "grid.colour")
    grid = g.add("Mul", [colour, _float(g, "grid.gain", GRID)], "grid")
    return g.add("Concat", [ink, grid], "rows", axis=1)


def _standard(g: Graph, x: str) -> str:
    """Mirror `standard_colours`."""
    centred = g.add("Sub", [x, g.add("ReduceMean", [x], "colour.mean", axes=[2, 3])], "colour.centred")
    square = g.add("Mul", [centred, centred], "colour.square")
    spread = g.add(
        "Sqrt", [g.add("ReduceMean", [square], "colour.variance", axes=[2, 3])], "colour.deviation"
    )
    divisor = g.add("Add", [spread, _float(g, "level", EPSILON)], "colour.divisor")
    return g.add("Div", [centred, divisor], "colours")
