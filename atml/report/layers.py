"""A network drawn as a row of boxes: what each layer is, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from atml.formatting import plural
from atml.models import families
from atml.models.config import CONV_RECURRENT, ModelConfig
from atml.models.families.conv_recurrent.shapes import shapes
from atml.report.svg import text
from atml.report.theme import BLUE, FONT, GREEN, GREY, INK, MUTED, ORANGE, PANEL, PURPLE
from atml.tasks.task import Task

WIDTH, GAP, HEIGHT = 104, 26, 176
ROW = 4
"""Boxes in a row; a longer network goes on below."""


@dataclass(frozen=True)
class Layer:
    """One box: a title, what it does, and ``leaves``, channels times samples or the like."""

    title: str
    detail: str
    leaves: str
    colour: str


def layers(config: ModelConfig, task: Task) -> list[Layer]:
    """Follow a window through a network; raises ConfigError for one that can't be."""
    if config.family != CONV_RECURRENT:
        rows = families.of(config).layers(config, task)
        return [Layer(row.name, "", " × ".join(map(str, row.shape)), GREY) for row in rows]
    plan = shapes(config, task)
    channels = plan.passes * plan.rows
    seconds = task.window / task.sampling_rate
    found = [Layer("ECG", f"{seconds:g} s at {task.sampling_rate} Hz", f"{task.leads} × {task.window}", GREY)]
    if config.normalise != "none":
        found.append(Layer("normalise", f"{config.normalise}, a window", f"{channels} × {task.window}", GREY))
    if config.upright:
        found.append(Layer("turn upright", "third moment ≥ 0", f"{task.leads} × {task.window}", GREY))
    if config.decimation > 1:
        detail = f"mean of {config.decimation}"
        found.append(Layer("decimate", detail, f"{channels} × {plan.decimated}", GREY))
    if config.each_lead:
        found.append(Layer("each lead", "by itself", f"{plan.rows} × {plan.decimated}", GREY))
    for conv in plan.convs:
        kind = "separable" if conv.separable else "convolution"
        step = f", step {conv.stride}" if conv.stride > 1 else ""
        found.append(Layer(kind, f"kernel {conv.kernel}{step}", f"{conv.outputs} × {conv.length_out}", BLUE))
    if config.patch > 1:
        found.append(
            Layer("patches", f"{config.patch} samples each", f"{plan.width_in} × {plan.steps}", GREY)
        )
    if config.cell != "none":
        deep = f"{config.layers} × " if config.layers > 1 else ""
        name = config.cell.upper() + (", two-way" if config.bidirectional else "")
        found.append(Layer(name, f"{deep}{config.units} units", f"{plan.width} × {plan.steps}", PURPLE))
    pool = config.pool.replace("_", " and ")
    found.append(Layer("pool", f"{pool} over time", str(plan.features), GREEN))
    classes = len(task.classes)
    found.append(
        Layer(
            "linear",
            "with the threshold" if task.positive is not None else "with the offsets",
            plural(classes, "logit"),
            ORANGE,
        )
    )
    if config.each_lead:
        found.append(Layer("vote", f"largest of {task.leads}", plural(classes, "logit"), ORANGE))
    return found


def drawing(found: Sequence[Layer]) -> str:
    """Draw layers as SVG, `ROW` of them in a line."""
    rows = [found[at : at + ROW] for at in range(0, len(found), ROW)]
    across = min(len(found), ROW)
    width, height = across * WIDTH + (across - 1) * GAP + 4, len(rows) * 104 + (len(rows) - 1) * 22 + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' font-family="{escape(FONT, True)}"'
        f' role="img" style="--paper-width:{0.19 * width:.0f}mm">'
    ]
    for r, row in enumerate(rows):
        top = 2 + r * 126
        boxes = [(2 + i * (WIDTH + GAP), layer) for i, layer in enumerate(row)]
        parts += [_box(left, top, layer) for left, layer in boxes]
        parts += [_arrow(a + WIDTH, b, top + 36) for (a, _), (b, _) in pairwise(boxes)]
        if r < len(rows) - 1:
            parts.append(text(width - 2, top + 118, "goes on below", MUTED, 10, "end"))
    return "".join(parts) + "</svg>"


def _box(left: int, top: int, layer: Layer) -> str:
    middle = left + WIDTH / 2
    return (
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="72" rx="8" fill="{PANEL}"'
        f' stroke="{layer.colour}" stroke-width="1.5"/>'
        f"{text(middle, top + 30, layer.title, INK, 13, 'middle', bold=True)}"
        f"{text(middle, top + 50, layer.detail, MUTED, 10.5, 'middle')}"
        f"{text(middle, top + 92, layer.leaves, INK, 12, 'middle')}"
    )


def _arrow(left: int, right: int, y: int) -> str:
    return (
        f'<path d="M{left + 5} {y}H{right - 6}m-5 -4l5 4l-5 4" fill="none" stroke="{GREY}" stroke-width="1.5"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
    )
