"""Labels that network and baseline both contradict, and the figures without them."""

from __future__ import annotations

import math

from atml.artifacts.card_label_doubts import header, rows
from atml.data.cases import case_of
from atml.evaluation.label_doubts import BOTH, LEAST, LabelDoubt
from atml.report.figures import Figures, interval_of
from atml.report.page import Block, Grid, Heading, Text
from atml.tasks.task import Task


def label_doubts(figures: Figures, task: Task) -> list[Block]:
    """Write the part; nothing for exports that were not asked, as those of earlier versions."""
    found = figures.get("label_doubts")
    if not found:
        return []
    head = Heading("Labels to look at again")
    case = case_of(task)
    how = (
        f"A person's {case.many} of one {case.kind}, at least {LEAST}, of which network and baseline each"
        f" call"
        f" {BOTH:.0%} or more another class, out of fold"
    )
    doubts = [LabelDoubt(**one) for one in found["doubts"]]
    if not doubts:
        return [head, Text(f"{how}: none.")]
    windows = sum(one.windows for one in doubts)
    says = f"{how}: {case.count(windows)}. Labels are wrong there, or both are; nothing was changed."
    columns = (*header(task), "network", "baseline")
    blocks: list[Block] = [head, Grid(columns, tuple(rows(doubts, task)), says, right=columns[3:4])]
    if found["value"] is not None and not math.isnan(found["value"]):
        blocks.append(Text(_without(figures, found, case.many)))
    return blocks


def _without(figures: Figures, found: Figures, many: str) -> str:
    parts = [_beside("the objective is", found["value"], figures["value"])]
    for name, of in found["rates"].items():
        less, all_of = interval_of(of), interval_of(figures["rates"].get(name))
        if less is not None and all_of is not None:
            parts.append(_beside(name, less.value, all_of.value))
    return f"Without these {many} {', '.join(parts)}."


def _beside(name: str, less: float, all_of: float) -> str:
    """Say what a figure is without some windows, and what it was with them."""
    same = f"{less:.3f}" == f"{all_of:.3f}"
    return f"{name} {less:.3f} as before" if same else f"{name} {less:.3f} and not {all_of:.3f}"
