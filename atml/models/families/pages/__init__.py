"""Families for pictures of pages: one trunk for each view, or one for all, joined or voting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atml.errors import ConfigError
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.models.families.base import Layer
from atml.models.families.pages import large_trunks, small_trunks
from atml.models.families.pages.page_cost import cost, layers
from atml.models.families.pages.page_plan import PagePlan, page_plan
from atml.models.pictures.steps import Trunk
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.models.families.pages.page_net import PageNet

LARGEST = 100_000_000
"""Trained parameters above which a network is refused before anything is built."""


@dataclass(frozen=True)
class PageFamily:
    """See `atml.models.families.base.Family`.

    A picture becomes ink and grid, is cut into views, and each view passes a trunk, ``drawn`` from the
    config: one for all views, or ``own_views``. What describes the views is joined by 256 units (``vote``
    "concat"), or each view gives its labels, of which the mean, the largest or a learned mean is taken.
    """

    name: str
    drawn: Callable[[ModelConfig], Trunk]
    checked: Callable[[ModelConfig], None]

    def plan(self, config: ModelConfig, task: Task) -> PagePlan:
        """Work out every shape; raises ConfigError or ShapeError where a config can't be built."""
        self.checked(config)
        plan = page_plan(config, task, self.drawn(config))
        if plan.parameters > LARGEST:
            hint = "; share one network among the views with own_views=False" if config.own_views else ""
            raise ConfigError(
                f"{config.describe()}: {plan.parameters / 1e6:.1f} M parameters, and {LARGEST / 1e6:.0f} M is"
                f" the most{hint}"
            )
        return plan

    def check(self, config: ModelConfig, task: Task) -> None:
        """Raise ConfigError or ShapeError where a config can't be built."""
        self.plan(config, task)

    def cost(self, config: ModelConfig, task: Task) -> Cost:
        """Count parameters, products and bytes of one picture."""
        return cost(self.plan(config, task))

    def layers(self, config: ModelConfig, task: Task) -> tuple[Layer, ...]:
        """List what a picture passes, from the input on."""
        return layers(self.plan(config, task))

    def density(self, config: ModelConfig, task: Task) -> float:
        """Multiply-accumulates for each value that the convolutions put out; 0 for transformers.

        Those take half as long again in bfloat16 on a CPU; convolutions take 1.5 to 2.2 times as long in
        float32.
        """
        plan = self.plan(config, task)
        if len(plan.last) == 2:
            return 0.0
        return plan.counted.macs / max(1, self._outputs(plan))

    @staticmethod
    def _outputs(plan: PagePlan) -> int:
        shape, outputs = plan.views.seen, 0
        found: tuple[int, ...] = shape
        for step in plan.trunk.steps:
            found = step.out(found)
            outputs += math.prod(found)
        return outputs

    def build(self, config: ModelConfig, task: Task) -> PageNet:
        """Return a network with fresh weights."""
        from atml.models.families.pages.page_net import PageNet

        return PageNet(config, task, self.plan(config, task))


PAGES = tuple(
    PageFamily(f"page_{drawn.__name__}", drawn, module.check)
    for module, trunks in (
        (
            small_trunks,
            (
                small_trunks.plain,
                small_trunks.residual,
                small_trunks.dense,
                small_trunks.fused_mbconv,
                small_trunks.vit,
            ),
        ),
        (
            large_trunks,
            (
                large_trunks.densenet121,
                large_trunks.efficientnetv2_s,
                large_trunks.resnet50,
                large_trunks.vit_b16,
            ),
        ),
    )
    for drawn in trunks
)
"""Every family for pages."""
