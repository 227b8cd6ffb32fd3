"""Which parts of a page a network sees, and how many pixels of each: worked out without torch."""

from __future__ import annotations

from dataclasses import dataclass

from atml.errors import ConfigError, ShapeError
from atml.models.config import ModelConfig
from atml.tasks.task import Task

VIEWS = {"whole": ("page",), "columns": ("left", "centre", "right"), "rows": ("top", "centre", "bottom")}
"""Names of the views of each kind; three overlap."""

SHARE = 0.4
"""Share of the page's width, or height, that each of three views covers."""

ROWS = {"zscore": 3, "ink": 2}
"""Ways to normalise a picture, and how many rows of numbers become of its three colours."""

SMALLEST = 16
"""Fewest pixels of a view's longer side."""


@dataclass(frozen=True)
class Box:
    """A part of a page in pixels: rows ``top`` to ``bottom``, columns ``left`` to ``right``."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class ViewPlan:
    """The views of one page: ``boxes`` of one size, each averaged over ``factor`` pixels, then resized.

    ``pooled`` and ``shape`` are rows and columns after each of the two.
    """

    rows: int
    boxes: tuple[Box, ...]
    names: tuple[str, ...]
    factor: int
    pooled: tuple[int, int]
    shape: tuple[int, int]

    @property
    def seen(self) -> tuple[int, int, int]:
        """Rows of numbers, rows and columns of pixels of one view."""
        return self.rows, *self.shape


def view_plan(config: ModelConfig, task: Task) -> ViewPlan:
    """Work out the views of a config on pictures of a task.

    A view keeps its proportions; its longer side has ``config.size`` pixels, or its own where that is less.

    Raises:
        ConfigError: A task without pictures, or a value that can't be.
        ShapeError: A picture too small to be cut.

    Example:
        >>> task = Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(256, 336), leads=3)
        >>> plan = view_plan(ModelConfig(views="columns", normalise="ink", size=128), task)
        >>> plan.boxes[1], plan.shape
        (Box(top=0, bottom=256, left=101, right=235), (128, 67))
    """
    if task.picture is None:
        raise ConfigError(
            f"family {config.family!r} reads pictures, and task {task.name!r} is about signals;"
            " use conv_recurrent, or one of your own"
        )
    if config.views not in VIEWS:
        raise ConfigError(f"unknown views {config.views!r}; known: {', '.join(VIEWS)}")
    if config.normalise not in ROWS:
        raise ConfigError(f"unknown normalise {config.normalise!r} for a picture; known: {', '.join(ROWS)}")
    if config.size < SMALLEST:
        raise ConfigError(f"size={config.size} is too small; a view's longer side has {SMALLEST} or more")
    height, width = task.picture
    boxes = _boxes(config.views, height, width)
    part = (boxes[0].bottom - boxes[0].top, boxes[0].right - boxes[0].left)
    if min(part) < SMALLEST:
        raise ShapeError(
            f"views={config.views!r} of a picture of {height} x {width} pixels are {part[0]} x {part[1]};"
            f" {SMALLEST} are the fewest"
        )
    longer = max(part)
    size = min(config.size, longer)
    factor = longer // size
    shape = (max(1, round(part[0] * size / longer)), max(1, round(part[1] * size / longer)))
    return ViewPlan(
        rows=ROWS[config.normalise],
        boxes=boxes,
        names=VIEWS[config.views],
        factor=factor,
        pooled=(part[0] // factor, part[1] // factor),
        shape=shape,
    )


def _boxes(views: str, height: int, width: int) -> tuple[Box, ...]:
    if views == "whole":
        return (Box(0, height, 0, width),)
    whole = width if views == "columns" else height
    part = round(SHARE * whole)
    starts = (0, (whole - part) // 2, whole - part)
    if views == "columns":
        return tuple(Box(0, height, at, at + part) for at in starts)
    return tuple(Box(at, at + part, 0, width) for at in starts)
