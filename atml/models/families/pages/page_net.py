"""The network of every family for pages: trunks, vote, head."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from atml.models.config import ModelConfig
from atml.models.families.pages.page_plan import UNITS, PagePlan
from atml.models.graph import Graph
from atml.models.network import Network
from atml.models.pictures.step_layers import Steps
from atml.models.pictures.steps import Shape, Trunk
from atml.tasks.task import Task


class TrunkLayer(nn.Module):
    """See `atml.models.pictures.steps.Trunk`: ``(n, numbers, rows, columns)`` to ``(n, features)``."""

    def __init__(self, trunk: Trunk, shape: Shape) -> None:
        super().__init__()
        self.steps = Steps(trunk.steps, shape)
        self.pool = trunk.pool
        self.described = nn.Linear(trunk.pooled(shape), trunk.described) if trunk.described else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        x = self.steps(x).float()
        x = self._pooled(x)
        return x if self.described is None else self.described(x)

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool == "first":
            return x[:, 0]
        axes = (2, 3) if x.dim() == 4 else (1,)
        if self.pool == "mean":
            return x.mean(axes)
        if self.pool == "max":
            return x.amax(axes)
        return torch.cat([x.mean(axes), x.amax(axes)], 1)

    def nodes(self, g: Graph, x: str, name: str, *, tokens: bool) -> str:
        """Write it."""
        x = self.steps.nodes(g, x, name)
        axes = [1] if tokens else [2, 3]
        if self.pool == "first":
            x = g.add("Gather", [x, g.store("first", np.array(0))], f"{name}pooled", axis=1)
        elif self.pool == "mean_max":
            mean = g.add("ReduceMean", [x], f"{name}mean", axes=axes, keepdims=0)
            largest = g.add("ReduceMax", [x], f"{name}max", axes=axes, keepdims=0)
            x = g.add("Concat", [mean, largest], f"{name}pooled", axis=1)
        else:
            op = "ReduceMean" if self.pool == "mean" else "ReduceMax"
            x = g.add(op, [x], f"{name}pooled", axes=axes, keepdims=0)
        return x if self.described is None else _gemm(g, self.described, x, f"{name}described")


class PageNet(Network):
    """Views, a trunk for each or for all, the vote, a linear layer.

    With ``vote`` "mean" and "learned" the mean is taken of what describes the views: a linear layer of a mean
    is the mean of linear layers. With "max" each view has its labels, and ``head`` begins as the identity.
    """

    def __init__(self, config: ModelConfig, task: Task, plan: PagePlan) -> None:
        super().__init__(config, task)
        self.plan = plan
        self.trunks = nn.ModuleList(TrunkLayer(plan.trunk, plan.views.seen) for _ in range(plan.trunks))
        self.dropout = nn.Dropout(config.dropout)
        self.joined = nn.Linear(plan.count * plan.features, UNITS) if plan.vote == "concat" else None
        self.votes = nn.Linear(plan.features, plan.labels, bias=False) if plan.vote == "max" else None
        self.shares = nn.Parameter(torch.zeros(plan.count)) if plan.vote == "learned" else None
        self.head = nn.Linear(plan.head_inputs, plan.labels)
        if plan.vote == "max":
            nn.init.eye_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def decide(self, x: Tensor, *, half: bool = False) -> Tensor:
        """From ``(n, views, numbers, rows, columns)`` to logits; ``half`` computes trunks in bfloat16."""
        n, views = x.shape[:2]
        cast = torch.autocast(x.device.type, dtype=torch.bfloat16) if half else nullcontext()
        with cast:
            if self.plan.own:
                parts = [trunk(_packed(x[:, at])) for at, trunk in enumerate(self.trunks)]
                described = torch.stack([part.float() for part in parts], 1)
            else:
                described = self.trunks[0](_packed(x.flatten(0, 1))).float().unflatten(0, (n, views))
        described = self.dropout(described)
        if self.joined is not None:
            described = self.dropout(torch.relu(self.joined(described.flatten(1))))
        elif self.votes is not None:
            described = self.votes(described).amax(1)
        elif self.shares is not None:
            described = (described * self.shares.softmax(0)[:, None]).sum(1)
        else:
            described = described.mean(1)
        logits: Tensor = self.head(described)
        return logits

    def nodes(self, graph: Graph, x: str) -> str:
        """Write trunks and vote; ``x`` names the views of all pages, one below the other."""
        plan = self.plan
        x = self._trunk_nodes(graph, x)
        beside = graph.store("beside", np.array([-1, plan.count * plan.features]))
        if self.joined is not None:
            if plan.count > 1:
                x = graph.add("Reshape", [x, beside], "described")
            return graph.add("Relu", [_gemm(graph, self.joined, x, "joined")], "joined.relu")
        if plan.count == 1:
            return x
        width = plan.features
        if self.votes is not None:
            x = graph.add("Gemm", [x, graph.store("votes.weight", self.votes.weight)], "votes", transB=1)
            width = plan.labels
        each = graph.store("each", np.array([-1, plan.count, width]))
        x = graph.add("Reshape", [x, each], "by_view")
        if self.votes is not None:
            return graph.add("ReduceMax", [x], "voted", axes=[1], keepdims=0)
        if self.shares is None:
            return graph.add("ReduceMean", [x], "voted", axes=[1], keepdims=0)
        shares = graph.store("shares", self.shares.softmax(0)[:, None])
        weighed = graph.add("Mul", [x, shares], "weighed")
        return graph.add(
            "ReduceSum", [weighed, graph.store("views_axis", np.array([1]))], "voted", keepdims=0
        )

    def _trunk_nodes(self, g: Graph, x: str) -> str:
        """What describes every view, ``(n * views, features)``."""
        plan, tokens = self.plan, len(self.plan.last) == 2
        trunks = [trunk for trunk in self.trunks if isinstance(trunk, TrunkLayer)]
        if not plan.own:
            return trunks[0].nodes(g, x, "layer", tokens=tokens)
        shape = g.store("apart", np.array([-1, plan.count, *plan.views.seen]))
        x = g.add("Reshape", [x, shape], "views.apart")
        found = []
        for at, (name, trunk) in enumerate(zip(plan.views.names, trunks, strict=True)):
            view = g.add("Gather", [x, g.store(f"view{at}", np.array(at))], f"{name}.seen", axis=1)
            found.append(trunk.nodes(g, view, f"{name}.", tokens=tokens))
        x = g.add("Concat", found, "described.beside", axis=1)
        return g.add("Reshape", [x, g.store("below", np.array([-1, plan.features]))], "described.below")


def _packed(x: Tensor) -> Tensor:
    """The same with the channels innermost, which convolutions on a CPU are faster with."""
    return x.contiguous(memory_format=torch.channels_last)


def _gemm(g: Graph, linear: nn.Linear, x: str, name: str) -> str:
    assert linear.bias is not None
    stored = [g.store(f"{name}.weight", linear.weight), g.store(f"{name}.bias", linear.bias)]
    return g.add("Gemm", [x, *stored], name, transB=1)
