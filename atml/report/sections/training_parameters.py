"""Every parameter: what it was drawn from, what the winner has, what the best tenth of the trials used."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from atml.data.cases import case_of
from atml.formatting import listed, plural, setting, share
from atml.models.config import ModelConfig
from atml.models.paper_config import PaperConfig
from atml.regions.space import Axis
from atml.report.comparable import best_tenth
from atml.report.material import Material
from atml.report.page import Block, Empty, Grid, Text
from atml.report.sections.task_description import task_of
from atml.report.training_facts import facts
from atml.tasks.task import Task
from atml.training.records import TrialRecord

NARROW = 0.25
"""A best tenth whose middle half covers less than this share of a range agrees on a value."""


def contents(material: Material) -> list[Block]:
    """Lay out every parameter that was searched."""
    axes = material.axes
    if not axes:
        return [Empty("No trial was given parameters yet.")]
    blocks: list[Block] = []
    best = material.best
    if best is not None and best.config is not None:
        words = (training_words(best.number, best.config, task_of(material)), _lengths(material))
        blocks.append(Text(" ".join(filter(None, words))))
        blocks += facts(material)
    top = best_tenth(material.standing) if material.standing else ()
    rows = tuple(
        (
            name,
            drawn_from(axis),
            setting(best.params.get(name)) if best else "-",
            used(axis, [t.params[name] for t in top if name in t.params], len(top)),
        )
        for name, axis in axes.items()
    )
    header = ("parameter", "drawn from", "winner", "best tenth")
    return [*blocks, Grid(header, rows, _says(material, top))]


def drawn_from(axis: Axis) -> str:
    """Say a range or the choices of a parameter."""
    if axis.kind == "categorical":
        return ", ".join(setting(choice) for choice in axis.choices)
    said = f"{setting(axis.low)} to {setting(axis.high)}"
    if axis.log:
        return f"{said}, logarithmic"
    return f"{said} in steps of {setting(axis.step)}" if axis.step not in (None, 1, 1.0) else said


def used(axis: Axis, values: Sequence[Any], of: int) -> str:
    """Say which values some trials have: the middle half of numbers, the two most common choices."""
    if not values:
        return "-"
    if axis.kind == "categorical":
        common = Counter(map(setting, values)).most_common(2)
        said = ", ".join(f"{name} {share(n, len(values))}" for name, n in common)
    elif len(values) < 4:
        said = ", ".join(setting(v) for v in sorted(set(values)))
    else:
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        said = f"{setting(_tidy(axis, middle))} ({setting(_tidy(axis, low))} to {setting(_tidy(axis, high))})"
    return said if len(values) == of else f"{said}; in {len(values)} of {of}"


def _tidy(axis: Axis, number: float) -> float | int:
    return round(number) if axis.kind == "int" and float(number).is_integer() else float(number)


def training_words(number: int, config: ModelConfig, task: Task | None = None) -> str:
    """Say how trial ``number`` was trained."""
    case = "window" if task is None else case_of(task).name
    case = "crop" if isinstance(config, PaperConfig) else case
    seen = config.steps * config.batch
    averaged = (
        f", its weights averaged with a decay of {config.averaging:.3f} a step" if config.averaging else ""
    )
    augmented = [
        words
        for on, words in (
            (config.scale, f"gain of {config.scale:.2f}"),
            (config.noise, f"noise of {config.noise:.2f}"),
            (config.wander, f"baseline wander of {config.wander:.2f}"),
            (config.shift, f"shifts up to {config.shift:.2f} of the {case}"),
            (config.stretch, f"changes of speed of {config.stretch:.2f}"),
            (config.filter, f"filters of up to {config.filter:.2f}"),
            (config.polarity, f"turning {config.polarity:.0%} of the windows upside down"),
            (config.rotation, f"rotation by up to {config.rotation:g} degrees"),
            (config.mixup, f"mixup of {config.mixup:.2f}"),
        )
        if on
    ]
    said = (
        f"The winner, trial {number}, was trained for {config.steps:,} optimiser steps of {config.batch}"
        f" {case}s ({seen:,} samples seen) with {config.optimizer}, a learning rate of"
        f" {config.learning_rate:.2g} on a {config.schedule} schedule and a weight decay of"
        f" {config.weight_decay:.2g}{averaged}."
    )
    if config.init == "data":
        said += " Its convolutions began with weights scaled to the training windows."
    return f"{said} Augmented by {listed(augmented)}." if augmented else said


def _lengths(material: Material) -> str:
    """Say what a longer training came to; "" where none was tried."""
    if not material.lengths:
        return ""
    tried = listed([f"{found:.4f} at {length}" for length, found in sorted(material.lengths.items())])
    return (
        f"Out of fold it has {tried} times as many optimiser steps; the exported model was trained with"
        f" {material.shipped_length} times as many."
    )


def _says(material: Material, top: Sequence[TrialRecord]) -> str:
    axes = material.axes
    conditional = sum(any(name not in t.params for t in material.finished) for name in axes)
    were = "was" if len(axes) == 1 else "were"
    said = f"{plural(len(axes), 'parameter')} {were} searched, {conditional} of them only where they matter."
    if not top:
        return f"{said} No trial was trained yet."
    agreed = [name for name, axis in axes.items() if _agrees(axis, [t.params.get(name) for t in top])]
    said += (
        f" The best tenth: {plural(len(top), 'trial')} of {len(material.standing):,} trained; of numbers the"
        " median and middle half are shown."
    )
    if agreed and len(top) >= 4:
        said += f" They agree most on {listed(agreed[:6])}."
    return said


def _agrees(axis: Axis, values: Sequence[Any]) -> bool:
    if any(value is None for value in values) or len(values) < 4:
        return False
    if axis.kind == "categorical":
        return len({setting(v) for v in values}) == 1 and len(axis.choices) > 1
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return axis.high > axis.low and not axis.log and (high - low) / (axis.high - axis.low) < NARROW
