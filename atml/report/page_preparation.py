"""What is done to a page before the network sees it, and to pages in training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atml.data.cases import case_of
from atml.formatting import listed, plural, sentence
from atml.models.config import ModelConfig
from atml.models.pictures.page_views import ViewPlan, view_plan
from atml.report import page_pictures
from atml.report.page import Block, Drawing, Empty, Text
from atml.report.page_examples import example, named
from atml.report.page_pictures import Shown
from atml.searching.plan import Plan
from atml.tasks.task import Task

WORDS = {
    "ink": "turned into ink: how much darker and more coloured each point is than the paper round it",
    "zscore": "taken colour by colour less its own mean, over its own standard deviation",
}

VOTES = {
    "mean": "the mean of their logits decides",
    "max": "the largest of their logits decides",
    "learned": "a learned mean of their logits decides",
    "concat": "what describes all of them goes through 256 ReLU units into the logits",
}


def contents(number: int, config: ModelConfig, task: Task, plan: Plan | None) -> list[Block]:
    """Say what the network of trial ``number`` makes of a page, show its views, and how pages are varied."""
    views = view_plan(config, task)
    blocks: list[Block] = [Text(f"In trial {number} {steps(config, views)}")]
    if plan is None:
        blocks.append(Empty("No page can be shown: the data can't be opened any more."))
    elif len(plan.dataset):
        row = example(plan.dataset, np.arange(len(plan.dataset)))
        blocks += _shown(np.array(plan.dataset.x[row]), named(plan.dataset, row), views)
    return [*blocks, Text(augmented(config)), Text(balanced(config, task))]


def steps(config: ModelConfig, views: ViewPlan) -> str:
    """Say what becomes of a page before the first layer."""
    rows, columns = views.shape
    if len(views.boxes) == 1:
        cut = f"The whole page is brought to {rows} x {columns} pixels."
    else:
        each = "a network of its own for each" if config.own_views else "one network for all"
        cut = (
            f"Three views, {listed(views.names)}, each {rows} x {columns} pixels, are cut from it and"
            f" overlap; {each}, and {VOTES.get(config.vote, config.vote)}."
        )
    return (
        f"each page is {WORDS.get(config.normalise, config.normalise)}. {cut} All of this is part of the"
        " exported file."
    )


def augmented(config: ModelConfig) -> str:
    """Say how training batches were varied."""
    parts = [
        words
        for on, words in (
            (config.rotation, f"turned by up to {config.rotation:g} degrees to either side"),
            (config.noise, f"given noise of {config.noise:.1%} of full scale"),
            (config.shift, f"moved by up to {config.shift:.1%} of their size"),
            (config.stretch, f"resized, the logarithm by a standard deviation of {config.stretch:.3g}"),
            (
                config.scale,
                f"changed in contrast, the logarithm by a standard deviation of {config.scale:.3g}",
            ),
            (config.mixup, f"mixed with each other (mixup, {config.mixup:.2g})"),
        )
        if on
    ]
    if not parts:
        return "The winner was trained without augmentation: all of its strengths are 0."
    return (
        f"Pages of training batches were {listed(parts)}, drawn anew for every page; held-out pages and those"
        " to be decided are not. None is ever mirrored."
    )


def balanced(config: ModelConfig, task: Task) -> str:
    """Say how rare labels were made up for, in training alone."""
    many = case_of(task).many
    parts = [
        words
        for on, words in (
            (config.class_weights != "none", f"each label weighs by its rarity ({config.class_weights})"),
            (config.sampling == "class", f"{many} are drawn so that labels come alike"),
            (config.sampling == "subject", f"{many} are drawn so that subjects come alike"),
            (
                config.thinning,
                f"the surplus of the most frequent set of labels is deleted ({config.thinning:g})",
            ),
            (
                config.positive_weight != 1,
                f"what has a label weighs {config.positive_weight:g} times as much",
            ),
        )
        if on
    ]
    if not parts:
        return "Training rows were not balanced: every page counts once, as it comes."
    return sentence(f"training rows were balanced, and only those: {listed(parts)}")


def _shown(x: npt.NDArray[np.generic], title: str, views: ViewPlan) -> list[Block]:
    """Show a page with its views marked, and each view at the size that the network sees."""
    _, rows, columns = x.shape
    frames = tuple(
        (b.left / columns, b.top / rows, (b.right - b.left) / columns, (b.bottom - b.top) / rows)
        for b in views.boxes
    )
    several = len(views.boxes) > 1
    where = f", with its {plural(len(frames), 'view')} framed" if several else ""
    whole = page_pictures.draw([Shown(x, title, frames=frames if several else ())])
    seen = [
        Shown(resized(x[:, b.top : b.bottom, b.left : b.right], views.shape), name)
        for name, b in zip(views.names, views.boxes, strict=True)
    ]
    size = f"{views.shape[0]} x {views.shape[1]}"
    return [
        Drawing("prepared-before", whole, f"A page as it comes, {rows} x {columns} pixels{where}."),
        Drawing(
            "prepared-after",
            page_pictures.draw(seen, across=len(seen)),
            f"What the network sees of it, {size} pixels{' a view' if several else ''}, before the paper is"
            " taken off: what can't be read here can't be decided on.",
        ),
    ]


def resized(x: npt.NDArray[np.generic], shape: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Bring ``x (3, rows, columns)`` to ``shape`` by means over areas.

    Example:
        >>> resized(np.ones((3, 8, 6)), (4, 4)).shape
        (3, 4, 4)
    """
    out = np.asarray(x, np.float64)
    for axis, wanted in ((1, shape[0]), (2, shape[1])):
        edges = np.linspace(0, out.shape[axis], wanted + 1)
        total = np.concatenate([np.zeros_like(out.take([0], axis)), np.cumsum(out, axis)], axis)
        low = np.floor(edges).astype(int).clip(0, out.shape[axis] - 1)
        part = (edges - low).reshape([-1 if one == axis else 1 for one in range(3)])
        at = total.take(low, axis) + part * (total.take(low + 1, axis) - total.take(low, axis))
        out = np.diff(at, axis=axis) / (edges[1] - edges[0])
    return out
