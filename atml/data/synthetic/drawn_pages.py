"""Pages of synthetic hearts at a task's size, enough to run a search about pictures without any data.

Each is drawn like those of `atml data make pages`, straight at the size that is wanted, as it is printed or
as a careful photograph shows it. Results on them show that the tool works; they say nothing about patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from atml.arrays import UInt8
from atml.data.label_names import joined, of_sets
from atml.errors import DataError
from atml.pages.conditions import CONDITIONS, conditions_of
from atml.pages.dipole_heart import RATE, heart, strip
from atml.pages.page_drawing import page
from atml.pages.page_layout import LAYOUTS, PAPER_WIDTH
from atml.pages.page_style import style
from atml.pages.picture import take
from atml.pages.wear_ranges import drawn
from atml.tasks.task import MULTILABEL, Task
from atml.watching import Counter

VERSION = 1
"""Increased whenever the same seed draws something else."""

HEARTS = {"train": range(0, 60), "test": range(60, 84)}
"""Numbers of the hearts of each split: twelve in a row have each condition once as their first, and so five
folds can all hold each."""

PAGES = 2
"""Pages of a heart."""

KINDS = ("clean", "mild")
"""Kinds of picture, which take turns."""

LEAST = 160
"""Fewest pixels that a page is drawn wide; a smaller one is averaged over areas."""

NOTE = "synthetic pages from a generator, not from people: results say nothing about real recordings"

Label = Callable[[str], int | None]


def hearts(task: Task, label: Label, split: str, seed: int) -> dict[str, tuple[str, int]]:
    """Name the hearts of a split, each with the name of its labels and what the task takes that for.

    Raises:
        DataError: The hearts have none of one of the task's labels.
    """
    asked = of_sets(label) if task.kind == MULTILABEL else label
    known = {name: value for name in CONDITIONS if (value := asked(name)) is not None}
    known = dict(sorted(known.items(), key=lambda item: item[1]))
    found: dict[str, tuple[str, int]] = {}
    for number in HEARTS[split]:
        has = conditions_of(seed, number)
        name = joined({one: int(one in has) for one in CONDITIONS}, known)
        value = asked(name)
        if value is not None:
            found[f"h{number:04d}"] = (name, value)
    lacking = _lacking(task, known, [value for _, value in found.values()])
    if lacking:
        raise DataError(
            f"no synthetic pages for task {task.name!r}: its label() knows none of {', '.join(CONDITIONS)} as"
            f" {lacking[0]!r}; give --data"
        )
    return found


def _lacking(task: Task, known: Mapping[str, int], values: list[int]) -> list[str]:
    """Name the classes of which there is no heart."""
    if task.kind == MULTILABEL:
        told = 0
        for value in known.values():
            told |= value
        return [name for bit, name in enumerate(task.classes) if not told >> bit & 1]
    return [name for index, name in enumerate(task.classes) if index not in values]


def draw(task: Task, found: Mapping[str, tuple[str, int]], seed: int) -> tuple[UInt8, list[str]]:
    """Draw the pages of hearts: ``x (n, 3, rows, columns)`` and the name of each page."""
    assert task.picture is not None
    rows, columns = task.picture
    finer = -(-LEAST // columns)
    size = (rows * finer, columns * finer)
    x = np.empty((len(found) * PAGES, 3, rows, columns), np.uint8)
    names: list[str] = []
    counter = Counter(Path("synthetic pages"), doing="making")
    counter.expect(len(x), "pages")
    for name in found:
        number = int(name[1:])
        who = heart(np.random.default_rng([seed, 4, number]), conditions_of(seed, number))
        for version in range(PAGES):
            kind = KINDS[(number + version) % len(KINDS)]
            key = (seed, 5, number, version)
            random = np.random.default_rng(key)
            signal = strip(random, who).signal
            height = rows / columns * PAPER_WIDTH
            look = style(random, signal, layouts=tuple(LAYOUTS), height=height, rate=who.rate)
            wear = drawn(random, kind)
            wear.pop("jpeg", None)  # which takes Pillow
            rgb = take(page(signal, RATE, look, size), wear, key).rgb
            x[len(names)] = _smaller(rgb, finer)
            names.append(f"{name}_v{version:02d}_{look.layout}_{kind}")
            counter.passed()
    return x, names


def _smaller(rgb: UInt8, by: int) -> UInt8:
    """Average over squares of ``by`` x ``by`` pixels: ``(3, rows, columns)``."""
    tall, wide = rgb.shape[0] // by, rgb.shape[1] // by
    mean = rgb.reshape(tall, by, wide, by, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(mean.transpose(2, 0, 1)), np.uint8)
