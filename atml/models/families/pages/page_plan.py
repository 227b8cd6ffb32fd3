"""Everything about a network for pages that follows from its config: views, shapes, counts."""

from __future__ import annotations

from dataclasses import dataclass

from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.models.pictures.page_views import ViewPlan, view_plan
from atml.models.pictures.steps import Count, Shape, Trunk, after, total
from atml.tasks.task import Task

VOTES = ("mean", "max", "learned", "concat")
UNITS = 256
"""Units that join what describes three views."""


@dataclass(frozen=True)
class PagePlan:
    """A network for pages: ``views`` of a ``picture``, a ``trunk`` for each or for all, a ``vote``, a head.

    ``counted`` is what one trunk costs for one view, pool and description included; ``last`` the shape before
    its pool, ``features`` what describes a view.
    """

    picture: Shape
    views: ViewPlan
    trunk: Trunk
    own: bool
    vote: str
    labels: int
    counted: Count
    last: Shape
    pooled: int
    features: int

    @property
    def count(self) -> int:
        """Number of views."""
        return len(self.views.boxes)

    @property
    def trunks(self) -> int:
        """Number of trunks with weights of their own."""
        return self.count if self.own else 1

    @property
    def head_inputs(self) -> int:
        """Inputs of the last linear layer."""
        return {"concat": UNITS, "max": self.labels}.get(self.vote, self.features)

    @property
    def voting(self) -> int:
        """Trained numbers between trunk and head."""
        if self.vote == "concat":
            return (self.count * self.features + 1) * UNITS
        return {"max": self.features * self.labels, "learned": self.count}.get(self.vote, 0)

    @property
    def parameters(self) -> int:
        """Trained numbers of the whole network."""
        head = (self.head_inputs + 1) * self.labels
        return self.trunks * self.counted.parameters + self.voting + head


def page_plan(config: ModelConfig, task: Task, trunk: Trunk) -> PagePlan:
    """Follow one picture through views, trunk and vote.

    Raises:
        ConfigError: A value that can't be, or a task without pictures.
        ShapeError: Layers that leave nothing of a view.
    """
    views = view_plan(config, task)
    if config.vote not in VOTES:
        raise ConfigError(f"unknown vote {config.vote!r}; known: {', '.join(VOTES)}")
    if len(views.boxes) == 1:
        if config.own_views:
            raise ConfigError("own_views=True needs views='columns' or 'rows'; a whole page is one view")
        if config.vote in ("max", "learned"):
            raise ConfigError(
                f"vote={config.vote!r} is over three views; with views='whole' use 'mean' or 'concat'"
            )
    if not 0.0 <= config.dropout < 1.0:
        raise ConfigError(f"dropout={config.dropout} must be at least 0 and below 1")
    if len(task.classes) < 2:
        raise ConfigError(f"task {task.name!r} has {len(task.classes)} labels; it needs two or more")
    last = after(trunk.steps, views.seen)
    counted = total(trunk.steps, views.seen)
    pooled = trunk.pooled(views.seen)
    if trunk.described:
        numbers = (pooled + 1) * trunk.described
        counted += Count(parameters=numbers, macs=pooled * trunk.described, stored=numbers, arrays=2, nodes=1)
    return PagePlan(
        picture=task.shape,
        views=views,
        trunk=trunk,
        own=config.own_views,
        vote=config.vote,
        labels=len(task.classes),
        counted=counted,
        last=last,
        pooled=pooled,
        features=trunk.features(views.seen),
    )
