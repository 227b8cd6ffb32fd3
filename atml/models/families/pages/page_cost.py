"""What a network for pages costs, and its layers as a model card prints them: from shapes alone."""

from __future__ import annotations

import math

from atml.models.budget import Cost
from atml.models.families.base import Layer
from atml.models.families.pages.page_plan import UNITS, PagePlan
from atml.models.pictures.steps import ARRAY_BYTES, NODE_BYTES, Shape

FLOAT = 4
GRAPH_BYTES = 4200
"""Header, input step, head, output, and metadata with up to 1 KiB of subjects' names."""
VIEWS_BYTES = 900
"""Cutting a page into three."""


def cost(plan: PagePlan) -> Cost:
    """Count parameters, multiply-accumulates and bytes of one picture.

    ``macs`` counts the products of convolutions and linear layers, as is usual, and no element-wise work.
    ``peak_bytes`` takes norm and activation as done in place, and the views of a shared trunk as one batch.
    """
    counted, views = plan.counted, plan.count
    head = plan.head_inputs * plan.labels
    voting = plan.voting - (UNITS if plan.vote == "concat" else 0)
    stored = plan.trunks * counted.stored + plan.voting + head + plan.labels
    overhead = GRAPH_BYTES + plan.trunks * (NODE_BYTES * counted.nodes + ARRAY_BYTES * counted.arrays)
    if views > 1:
        overhead += VIEWS_BYTES + plan.trunks * NODE_BYTES
    page = math.prod(plan.picture)
    seen = views * math.prod(plan.views.seen)
    # All views of a shared trunk pass a layer together.
    together = 1 if plan.own else views
    at_once = together * counted.peak + (seen if plan.own else 0)
    return Cost(
        parameters=plan.parameters,
        fixed=plan.trunks * counted.fixed,
        macs=views * counted.macs + (0 if plan.vote == "learned" else voting) + head + _votes(plan),
        size_bytes=FLOAT * stored + overhead,
        peak_bytes=FLOAT * max(2 * page, page + seen, at_once),
    )


def _votes(plan: PagePlan) -> int:
    """Products of voting beside those of weights that are used once."""
    if plan.vote == "max":  # the same weights for each view
        return (plan.count - 1) * plan.voting
    return plan.count * plan.features if plan.vote == "learned" else 0


def layers(plan: PagePlan) -> tuple[Layer, ...]:
    """List what a picture passes, from the input on; the sums are those of `cost`."""
    views = plan.views
    found = [Layer("input", plan.picture)]
    kind = "ink and grid" if views.rows == 2 else "colours, mean 0 and deviation 1"
    found.append(Layer(f"normalise: {kind}", (views.rows, *plan.picture[1:])))
    names = f"{plan.count} views: {', '.join(views.names)}" if plan.count > 1 else "view: the whole page"
    own = "" if plan.count == 1 else ", a network each" if plan.own else ", one network for all"
    found.append(Layer(names + own, views.seen))
    shape: Shape = views.seen
    for step in plan.trunk.steps:
        counted = step.count(shape)
        shape = step.out(shape)
        found.append(
            Layer(
                step.says(),
                shape,
                plan.trunks * counted.parameters,
                plan.trunks * counted.fixed,
                plan.count * counted.macs,
            )
        )
    found.append(Layer(f"pool: {plan.trunk.pool}", (plan.pooled,)))
    if plan.trunk.described:
        matrix = plan.pooled * plan.trunk.described
        bias = plan.trunk.described
        found.append(Layer("linear", (plan.features,), plan.trunks * (matrix + bias), 0, plan.count * matrix))
    if plan.vote == "concat":
        matrix = plan.voting - UNITS
        found.append(Layer("views joined, relu", (UNITS,), plan.voting, 0, matrix))
    elif plan.count > 1:
        said = {"mean": "mean of the views", "max": "linear; largest of the views"}
        name = said.get(plan.vote, "weighted mean of the views")
        macs = plan.count * (plan.voting if plan.vote == "max" else plan.features)
        found.append(Layer(name, (plan.head_inputs,), plan.voting, 0, macs * (plan.vote != "mean")))
    head = plan.head_inputs * plan.labels
    found.append(Layer("linear", (plan.labels,), head + plan.labels, 0, head))
    return tuple(found)
