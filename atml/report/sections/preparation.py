"""What is done to a window before the network sees it, and to batches in training, on real windows."""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32, Int64
from atml.data.cases import case_of
from atml.formatting import listed, sentence, share
from atml.models.config import ModelConfig
from atml.report import kind as report_kind
from atml.report import page_preparation, strips
from atml.report.material import Material
from atml.report.outcome import unit_of
from atml.report.page import Block, Drawing, Empty, Fold, Text
from atml.report.page_examples import example
from atml.report.sections.task_description import task_of
from atml.report.strips import Strip
from atml.searching.plan import Plan
from atml.tasks.task import Task

SEED = 7
"""Seed of the draws shown; training draws anew each time."""

WORDS = {
    "none": "taken as it is",
    "centre": "less its own mean",
    "zscore": "less its own mean, over its own standard deviation",
    "maxabs": "less its own mean, over its own largest magnitude",
    "rr": "turned into the series of its RR intervals, 3 log(RR / 0.8 s)",
    "beat": "compared with its beat: how like it each moment is, how large beside it, and its own shape",
}

LARGE = {"zscore": " standard deviations", "maxabs": " times the largest magnitude"}
UNITS = {"zscore": "SD", "maxabs": "of the largest", "rr": "3 log(RR / 0.8 s)"}


def contents(material: Material) -> list[Block]:
    """Show the winner's preparation and each of its augmentations before and after."""
    best, plan, task = material.best, material.plan, task_of(material)
    if best is None or best.config is None:
        return [Empty("No trial has run over every fold and kept the budget yet: there is no winner yet.")]
    config = best.config
    if task is not None and task.picture is not None:
        return page_preparation.contents(best.number, config, task, plan)
    told: list[Block] = [Text(f"In trial {best.number} {steps(config)}")]
    if plan is None:
        return [*told, Empty(sentence(f"nothing can be shown: {material.plan_gone}"))]
    rows = _chosen(plan)
    shown = Fold("Each augmentation on real windows", tuple(_augmented(plan, config, rows)))
    return [*told, *_prepared(plan, config, rows), shown]


def steps(config: ModelConfig) -> str:
    """Say what becomes of a window before the first layer."""
    thin = (
        f" Then every {config.decimation} neighbouring samples become their mean."
        if config.decimation > 1
        else " All its samples are kept."
    )
    turned = " A lead whose third central moment is negative is turned upside down." if config.upright else ""
    patches = f" The network reads {config.patch} samples at once." if config.patch > 1 else ""
    leads = " The network sees each lead by itself, in training one of them." if config.each_lead else ""
    return (
        f"each window and lead is {WORDS.get(config.normalise, config.normalise)}.{turned}{thin}{patches}"
        f"{leads} All of this is part of the exported file."
    )


def _chosen(plan: Plan) -> Int64:
    """Return a row of each group, the positive one first, each of another subject where there is one."""
    data, task = plan.dataset, plan.definition.task
    kind = report_kind.of(task)
    has = kind.members(task, data.y)
    chosen: list[int] = []
    # The positive class of a binary task is the last group.
    for group in reversed(range(has.shape[1])) if task.positive is not None else range(has.shape[1]):
        rows = np.flatnonzero(has[:, group])
        others = rows[~np.isin(data.subject[rows], data.subject[chosen])] if chosen else rows
        if len(rows):
            chosen.append(example(data, others if len(others) else rows))
    return np.array(chosen)


def _title(plan: Plan, row: int) -> str:
    data, task = plan.dataset, plan.definition.task
    rhythm = f", {data.rhythm[row]}" if data.rhythm[row] else ""
    return f"{task.classes[int(data.y[row])]}{rhythm}, subject {data.subject[row]}"


def _unit(plan: Plan, config: ModelConfig) -> str:
    return UNITS.get(config.normalise, unit_of(plan.origin))


def _prepared(plan: Plan, config: ModelConfig, rows: Int64) -> list[Block]:
    from atml.training.augmentation import prepared

    data, rate = plan.dataset, plan.dataset.sampling_rate
    raw = np.array(data.x[rows])
    seen = prepared(config, raw, plan.definition.task)
    before = [Strip(x=x, rate=rate, title=_title(plan, int(row))) for x, row in zip(raw, rows, strict=True)]
    after = [
        Strip(x=x, rate=rate / config.decimation, title=_title(plan, int(row)))
        for x, row in zip(seen, rows, strict=True)
    ]
    samples = (raw.shape[-1], seen.shape[-1])
    unit = unit_of(plan.origin)
    digits = max(0, 2 - int(np.floor(np.log10(max(float(raw.std()), 1e-9)))))
    offsets = listed([f"{round(float(x.mean()), digits) + 0.0:g}" for x in raw])
    spreads = listed([f"{round(float(x.std()), digits):g}" for x in raw])
    in_unit = f" {unit}" if unit else ", in the unit of the data,"
    return [
        Drawing(
            "prepared-before",
            strips.draw(before, unit=unit),
            f"{case_of(plan.definition.task).count(len(rows))} as recorded: {samples[0]} samples at"
            f" {rate:g} Hz, of"
            f" mean {offsets} and standard deviation {spreads}{in_unit} over all leads.",
        ),
        Drawing(
            "prepared-after",
            strips.draw(after, unit=_unit(plan, config)),
            f"The same as the first layer sees them: {samples[1]} samples at"
            f" {rate / config.decimation:g} Hz, from {seen.min():.3g} to {seen.max():.3g}"
            f"{LARGE.get(config.normalise, '')}.",
        ),
    ]


def _augmented(plan: Plan, config: ModelConfig, rows: Int64) -> list[Block]:
    from atml.training.augmentation import one_by_one, prepared

    data, task = plan.dataset, plan.definition.task
    seen = prepared(config, np.array(data.x[rows]), task)
    found = one_by_one(config, seen, sampling_rate=data.sampling_rate, seed=SEED)
    if not found:
        return [Empty("The winner was trained without augmentation: all of its strengths are 0.")]
    blocks: list[Block] = [
        Text(
            f"Training batches were augmented by {listed(list(found))}, drawn anew for every window; held-out"
            " data and devices are not. Each is shown by itself: before in grey, after on top, one draw"
            f" (seed {SEED})."
        )
    ]
    rate = data.sampling_rate / config.decimation
    for kind, (changed, shares) in found.items():
        titles = [_title(plan, int(row)) for row in rows]
        if kind == "mixup":
            titles = [_mixed(plan, task, rows, each) for each in shares]
        pair = [
            Strip(x=after, rate=rate, title=f"{kind}: {title}", under=before)
            for after, before, title in zip(changed, seen, titles, strict=True)
        ]
        svg = strips.draw(pair, unit=_unit(plan, config))
        blocks.append(Drawing(f"augmented-{kind}", svg, effect(kind, config, seen, changed, shares)))
    return blocks


def _mixed(plan: Plan, task: Task, rows: Int64, shares: Float32) -> str:
    order = np.argsort(-shares)
    parts = [(float(shares[at]), task.classes[int(plan.dataset.y[rows[at]])]) for at in order]
    return " + ".join(f"{share(part, 1.0)} {name}" for part, name in parts)


def effect(kind: str, config: ModelConfig, before: Float32, after: Float32, shares: Float32) -> str:
    """Say the rule, and what it did to these windows."""
    strength = float(getattr(config, kind))
    size = before.std(axis=(1, 2))
    if kind == "scale":
        gains = listed([f"{g:.2f}" for g in after.std(axis=(1, 2)) / np.maximum(size, 1e-9)])
        return (
            f"Scale: a random gain for each window, the standard deviation of its logarithm {strength:.3g};"
            f" here {gains}."
        )
    if kind == "shift":
        reach = strength * before.shape[-1]
        return (
            f"Shift: the window is rotated by up to {strength:.3g} of its length, {reach:.0f} samples"
            f" of {before.shape[-1]}; what leaves at one end comes in at the other, which leaves a seam."
        )
    if kind == "polarity":
        turned = int(((before * after).sum(axis=(1, 2)) < 0).sum())
        return (
            f"Polarity: a window is turned upside down with probability {strength:.3g}; here {turned} of"
            f" {len(before)} are."
        )
    if kind == "stretch":
        return (
            "Stretch: each window is played faster or slower about its middle, the standard deviation of the"
            f" logarithm of its speed {strength:.3g}; the values at its ends fill what is missing."
        )
    if kind == "mixup":
        largest = listed([share(float(part), 1.0) for part in shares.max(axis=1)])
        return (
            f"Mixup: each window is a mean of two, weighted by a draw from Beta({strength:.3g},"
            f" {strength:.3g}), and so is its label; here {largest} are the"
            " larger parts."
        )
    added = listed([f"{v:.2f}" for v in (after - before).std(axis=(1, 2)) / np.maximum(size, 1e-9)])
    if kind == "noise":
        thin = (
            f", less by the square root of {config.decimation} for the decimation"
            if config.decimation > 1
            else ""
        )
        return (
            f"Noise: white, its standard deviation {strength:.3g} of the window's own{thin}; what was added"
            f" here is {added} of it."
        )
    if kind == "filter":
        return (
            f"Filter: a random share of its second difference, {strength:.3g} at most, is added to each"
            " window or taken off, which softens or sharpens it; the change here has a standard deviation of"
            f" {added} of the window's."
        )
    return (
        f"Wander: a sine of 0.05 to 0.5 Hz, its amplitude {strength:.3g} of the window's standard deviation;"
        f" what was added here has a standard deviation of {added} of it."
    )
