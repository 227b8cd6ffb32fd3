"""Architectures that were tried, the winner layer by layer, and how its last layer decides."""

from __future__ import annotations

from atml.formatting import listed, plural, sentence
from atml.report import kind as report_kind
from atml.report.comparable import family
from atml.report.groups import READING, comparison
from atml.report.layers import drawing, layers
from atml.report.material import Material
from atml.report.page import Block, Drawing, Empty, Heading, Text
from atml.report.sections.task_description import task_of


def contents(material: Material) -> list[Block]:
    """Compare families and parts of networks, draw the winner, explain its last layer."""
    if not material.finished:
        return [Empty("No trial has come to an end yet.")]
    families = comparison(material.finished, family, "family", "families")
    blocks: list[Block] = [
        Text(_about(material)),
        Text(READING),
        *families,
        Heading("Parts"),
        *_parts(material),
    ]
    blocks += [Heading("The winner"), *_winner(material)]
    return [*blocks, Heading("The last layer"), *_last(material)]


def _about(material: Material) -> str:
    configs = [t.config for t in material.finished if t.config]
    deep = sorted({len(c.channels) for c in configs if c.channels})
    cells = sorted({c.cell.upper() for c in configs if c.cell != "none"})
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
    convolving = [t for t in material.finished if t.config and t.config.channels and t.config.activation]
    found = comparison(material.finished, lambda config: config.pool, "pooling over time", "poolings")
    activation = "activation of the convolutions"
    found += comparison(convolving, lambda config: config.activation, activation, "activations")
    return found or [Empty("No trial keeps its config, so its parts can't be compared.")]


def _winner(material: Material) -> list[Block]:
    best, task = material.best, task_of(material)
    if best is None or best.config is None:
        return [Empty("No trial ran over every fold within its budget, so there is no winner to draw.")]
    if task is None:
        return [Empty(sentence(f"The winner can't be drawn: {material.task_gone}"))]
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
            f" {cost.parameters:,} trained parameters, {cost.macs:,} multiply-accumulates a window, at most"
            f" {cost.peak_bytes / 1024:.1f} KiB of activations alive at once."
        )
    return [Drawing("winner-layers", drawing(found), says)]


def _last(material: Material) -> list[Block]:
    task = task_of(material)
    if task is None:
        return [Empty(sentence(f"The last layer can't be described: {material.task_gone}"))]
    softmax = Text(
        f"The last layer is linear and has no activation: it gives {plural(len(task.classes), 'logit')}."
        " A softmax would change no decision, so the exported file has none."
    )
    said = report_kind.of(task).last_layer(task, material.winner.config if material.winner else {})
    return [
        softmax,
        Text(said) if said else Empty("There is no export of the winner to read its decision from."),
    ]
