"""A typical row of a data set, and what pages with each label look like."""

from __future__ import annotations

import numpy as np

from atml.arrays import Int64
from atml.data.cases import case_of
from atml.data.dataset import Dataset
from atml.formatting import plural
from atml.report import kind as report_kind
from atml.report import page_pictures
from atml.report.page import Block, Drawing, Empty
from atml.report.page_pictures import Shown
from atml.searching.plan import Plan
from atml.tasks.task import Task


def example(data: Dataset, rows: Int64) -> int:
    """Return a typical row: of the subject with most of ``rows``, the one in the middle."""
    names, count = np.unique(data.subject[rows], return_counts=True)
    mine = rows[data.subject[rows] == names[count.argmax()]]
    return int(mine[len(mine) // 2])


def named(data: Dataset, row: int) -> str:
    """Name the labels of a page and whose it is."""
    return f"{data.rhythm[row] or 'none'}, subject {data.subject[row]}"


def page_examples(plan: Plan, task: Task) -> list[Block]:
    """Show a page with each label, of those that have fewest others beside it."""
    data, blocks, absent = plan.dataset, list[Block](), list[str]()
    kind = report_kind.of(task)
    has, groups = kind.members(task, data.y), kind.groups(task)
    for group, name in enumerate(groups):
        rows = np.flatnonzero(has[:, group])
        if not len(rows):
            absent.append(name)
            continue
        beside = has[rows].sum(axis=1)
        row = example(data, rows[beside == beside.min()])
        svg = page_pictures.draw([Shown(np.array(data.x[row]), named(data, row))])
        people = len(np.unique(data.subject[rows]))
        says = (
            f"{name}: one of {case_of(task).count(len(rows))} of {plural(people, 'subject')}, at the"
            f" {data.x.shape[2]} x {data.x.shape[3]} pixels that are decided on."
        )
        blocks.append(Drawing(f"page-{group + 1}", svg, says))
    if absent:
        blocks.append(Empty(f"No page has {', '.join(absent)}."))
    return blocks
