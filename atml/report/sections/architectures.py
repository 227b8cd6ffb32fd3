"""Architectures that were tried, the winner layer by layer, and how its last layer decides."""

from __future__ import annotations

from atml.data.cases import case_of
from atml.formatting import listed, plural, sentence
from atml.models import families
from atml.models.config import ModelConfig
from atml.report import kind as report_kind
from atml.report.comparable import family
from atml.report.groups import READING, comparison
from atml.report.layers import drawing, layers
from atml.report.material import Material
from atml.report.page import Block, Drawing, Empty, Grid, Heading, Text
from atml.report.sections.task_description import task_of
from atml.tasks.task import MULTILABEL, Task
from atml.training.records import TrialRecord


def contents(material: Material) -> list[Block]:
    """Compare families and parts of networks, draw the winner, explain its last layer."""
    if not material.finished:
        return [Empty("No trial has come to an end yet.")]
    kinds = comparison(material.finished, family, "family", "families")
    blocks: list[Block] = [
        Text(_about(material)),
        Text(READING),
        *kinds,
        Heading("Parts"),
        *_parts(material),
    ]
    blocks += [Heading("The winner"), *_winner(material)]
    return [*blocks, Heading("The last layer"), *_last(material)]


def _about(material: Material) -> str:
    configs = [t.config for t in material.finished if t.config]
    deep = sorted({len(c.channels) for c in configs if c.channels})
    cells = sorted({c.cell.upper() for c in configs if c.cell != "none"})
    task = task_of(material)
    if task is not None and task.picture is not None:
        return (
            "A network takes the paper off a page and cuts it into views; a trunk of convolutions or"
            " transformer blocks describes each in some numbers, and a last layer gives one logit a label."
        )
    said = "A network normalises and decimates the signal, then"
    parts = []
    if deep:
        layers_said = f"{deep[0]} to {deep[-1]}" if len(deep) > 1 else str(deep[0])
        parts.append(f"convolves in {layers_said} layers")
    if cells:
        parts.append(f"recurs ({listed(cells, 'or')})")
    both = " or both" if len(parts) > 1 else ""
    return (
        f"{said} {listed(parts, 'or')}{both}, pools over time, and ends in one linear layer."
        if parts
        else said
    )


def _parts(material: Material) -> list[Block]:
    task = task_of(material)
    if task is not None and task.picture is not None:
        return _of_pictures(material) or [Empty("No trial keeps its config, so its parts can't be compared.")]
    convolving = [t for t in material.finished if t.config and t.config.channels and t.config.activation]
    found = comparison(material.finished, lambda config: config.pool, "pooling over time", "poolings")
    activation = "activation of the convolutions"
    found += comparison(convolving, lambda config: config.activation, activation, "activations")
    return found or [Empty("No trial keeps its config, so its parts can't be compared.")]


def _of_pictures(material: Material) -> list[Block]:
    """Compare what networks of pages see, and how their views vote."""
    cut = [t for t in material.finished if t.config and t.config.views != "whole"]

    def views(config: ModelConfig) -> str:
        if config.views == "whole":
            return "the whole page"
        return f"three {config.views}{', a network each' if config.own_views else ''}"

    found = comparison(material.finished, views, "views", "kinds of views")
    if cut:
        found += comparison(cut, lambda config: config.vote, "vote of three views", "votes")
    return found


def _winner(material: Material) -> list[Block]:
    best, task = material.best, task_of(material)
    if best is None or best.config is None:
        return [Empty("No trial ran over every fold within its budget, so there is no winner to draw.")]
    if task is None:
        return [Empty(sentence(f"The winner can't be drawn: {material.task_gone}"))]
    if task.picture is not None:
        return [_table(best, best.config, task)]
    found = layers(best.config, task)
    what = best.config.describe().split(", lr")[0]
    says = (
        f"Trial {best.number}, {what}: {plural(len(found) - 1, 'step')} from"
        f" {task.window} samples to {plural(len(task.classes), 'logit')}; below each box is what it leaves"
    )
    says += " (channels × samples)."
    if best.cost:
        cost = best.cost
        says += (
            f" {cost.parameters:,} trained parameters, {cost.macs:,} multiply-accumulates a"
            f" {case_of(task).name}, at most {cost.peak_bytes / 1024:.1f} KiB of activations alive at once."
        )
    return [Drawing("winner-layers", drawing(found), says)]


def _table(best: TrialRecord, config: ModelConfig, task: Task) -> Block:
    """List the layers of a network of pictures, whose names say more than a box holds."""
    found = families.of(config).layers(config, task)
    rows = tuple(
        (one.name, " × ".join(map(str, one.shape)), f"{one.parameters:,}", f"{one.macs:,}") for one in found
    )
    says = f"Trial {best.number}, {config.describe().split(', lr')[0]}."
    if best.cost:
        says += (
            f" {best.cost.parameters:,} trained parameters, {best.cost.macs:,} multiply-accumulates a page,"
            f" at most {best.cost.peak_bytes / 1024:.1f} KiB of activations alive at once."
        )
    return Grid(("layer", "leaves", "parameters", "MACs"), rows, says)


def _last(material: Material) -> list[Block]:
    task = task_of(material)
    if task is None:
        return [Empty(sentence(f"The last layer can't be described: {material.task_gone}"))]
    softmax = Text(
        f"The last layer is linear and has no activation: it gives {plural(len(task.classes), 'logit')}."
        f" A {'sigmoid' if task.kind == MULTILABEL else 'softmax'} would change no decision, so the exported"
        " file has none."
    )
    said = report_kind.of(task).last_layer(task, material.winner.config if material.winner else {})
    return [
        softmax,
        Text(said) if said else Empty("There is no export of the winner to read its decision from."),
    ]
