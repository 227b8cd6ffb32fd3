"""Architectures that were tried, the winner layer by layer, and what its last layer means."""

from __future__ import annotations

import math

from atml.formatting import listed, plural, sentence
from atml.report.comparable import family
from atml.report.groups import comparison
from atml.report.layers import drawing, layers
from atml.report.material import Material
from atml.report.page import Block, Drawing, Empty, Heading, Section, Text
from atml.report.sections.task_description import task_of
from atml.tasks import targets
from atml.tasks.task import Task
from atml.training.records import TrialRecord

TITLE = "Architectures and the last layer"


def section(material: Material) -> Section:
    """Compare families and parts of networks, draw the winner, explain its last layer."""
    if not material.finished:
        return Section("architectures", TITLE, (Empty("No trial has come to an end yet."),))
    blocks: list[Block] = [
        Text(_about(material)),
        *comparison(material.finished, _family, "family", "families"),
    ]
    blocks += [Heading("Parts"), *_parts(material)]
    blocks += [Heading("The winner"), *_winner(material)]
    blocks += [Heading("The last layer"), *_last(material)]
    return Section("architectures", TITLE, tuple(blocks))


def _about(material: Material) -> str:
    configs = [t.config for t in material.finished if t.config]
    deep = sorted({len(c.channels) for c in configs if c.channels})
    cells = sorted({c.cell.upper() for c in configs if c.cell != "none"})
    said = "A network normalises and thins out the signal, then"
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


def _family(record: TrialRecord) -> str | None:
    return None if record.config is None else family(record.config)


def _parts(material: Material) -> list[Block]:
    def convolving(name: str) -> list[TrialRecord]:
        return [t for t in material.finished if t.config and t.config.channels and getattr(t.config, name)]

    found = comparison(
        material.finished,
        lambda t: None if t.config is None else t.config.pool,
        "pooling over time",
        "poolings",
    )
    found += comparison(
        convolving("activation"),
        lambda t: None if t.config is None else t.config.activation,
        "activation of the convolutions",
        "activations",
    )
    return found or [Empty("No trial keeps its config, so its parts can't be compared.")]


def _winner(material: Material) -> list[Block]:
    best, task = material.best, task_of(material)
    if best is None or best.config is None:
        return [Empty("No trial ran over every fold within its budget, so there is no winner to draw.")]
    if task is None:
        return [Empty(sentence(f"The winner can't be drawn: {material.room_gone}"))]
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
        return [Empty(sentence(f"The last layer can't be described: {material.room_gone}"))]
    positive = targets.binary(task).positive_name
    blocks: list[Block] = [
        Text(
            f"The last layer is linear and has no activation: it gives {plural(len(task.classes), 'logit')}."
            " In training a softmax makes probabilities of them, inside the loss, where it is exact for"
            " large numbers too. In the exported file there is none, for it would change no decision: the"
            " largest logit is the largest probability, and a device is spared the exponentials."
        )
    ]
    threshold = material.winner.config.get("threshold") if material.winner else None
    if threshold is None:
        blocks.append(Empty("No export of the winner is there to read its threshold from."))
        return blocks
    blocks.append(Text(_folded(float(threshold), positive, task)))
    return blocks


def _folded(threshold: float, positive: str, task: Task) -> str:
    if threshold == 0:
        return (
            "The threshold is 0: tuning it did not carry over from fold to fold, so the plain rule is used"
            " and the last bias is as it was trained."
        )
    said = (
        f"The threshold is {threshold:+.3f}: a window is {positive} where its logit is at least that much"
        f" above the others. The bias of {positive} is lowered by it, so that the file decides by the"
        " largest logit."
    )
    if len(task.classes) == 2:
        # Margin m and softmax: p = 1 / (1 + exp(-m)).
        probability = 1 / (1 + math.exp(-threshold))
        said += (
            f" Before that, it stood for a probability of {probability:.2f} by the softmax, which is a score"
            " of the network and not the chance that a window is one, unless it is calibrated."
        )
    return said
