"""Decisions that were right and that were wrong, each with its strip and what it hung on.

Right and wrong are out of fold: decided by models that never saw the subject. The saliency is that of the
exported file, which was trained on all subjects, these included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64, Strings
from atml.artifacts.model import ExportedModel
from atml.errors import ExportError
from atml.formatting import sentence
from atml.report import saliency, strips
from atml.report.material import Material
from atml.report.outcome import negative_of, unit_of
from atml.report.page import Block, Drawing, Empty, Heading, Section, Text
from atml.report.strips import Strip
from atml.searching.study import Plan
from atml.tasks import targets

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """A row of the data set with its out-of-fold margins, one a run, and why it was taken."""

    row: int
    margins: tuple[float, ...]
    sure: bool
    """Whether it is the surest of its kind, or else the least sure."""


def section(material: Material) -> Section:
    """Show the surest and the least sure decisions of each kind, from different subjects."""
    return Section("examples", "Examples of decisions", tuple(_blocks(material)))


def choose(
    rows: Int64, margins: Floats, truth: npt.NDArray[np.bool_], subject: Strings, *, right: bool
) -> list[Example]:
    """Choose up to four decisions, the same each time: of either class the surest and the least sure.

    ``rows (n,)`` with ``margins (runs, n)``, ``truth (n,)`` and ``subject (n,)``. Only rows that all runs
    decide alike count; the mean margin says how sure. No subject is taken twice while there are others.
    """
    positive = margins >= 0
    alike = (positive == positive[0]).all(axis=0)
    size = np.abs(margins.mean(axis=0))
    taken: list[int] = []
    found = []
    for sure in (True, False):
        for label in (True, False):
            here = np.flatnonzero(alike & (truth == label) & ((positive[0] == truth) == right))
            order = here[np.lexsort((rows[here], -size[here] if sure else size[here]))]
            order = np.array([at for at in order if at not in taken], np.int64)
            if not len(order):
                continue
            others = order[~np.isin(subject[order], subject[taken])] if taken else order
            at = int((others if len(others) else order)[0])
            taken.append(at)
            found.append(Example(int(rows[at]), tuple(float(m) for m in margins[:, at]), sure))
    return found


def _blocks(material: Material) -> list[Block]:
    plan, outcome = material.plan, material.outcome
    if outcome.why or plan is None:
        return [Empty(sentence(f"no decisions can be shown: {outcome.why or material.plan_gone}"))]
    rows, margins = outcome.margins
    data, positive = plan.dataset, plan.definition.task.positive
    truth, subject = data.y[rows] == positive, data.subject[rows]
    exported, why = outcome.exported
    blocks: list[Block] = [Text(_said(margins, truth, exported is not None))]
    blocks.append(Text(saliency.LIMITS) if exported else Empty(sentence(f"no saliency can be drawn: {why}")))
    for right, title in ((True, "Right"), (False, "Wrong")):
        found = choose(rows, margins, truth, subject, right=right)
        blocks.append(Heading(title))
        if not found:
            blocks.append(Empty(f"No decision is {title.lower()} in every training: there is none to show."))
        blocks += [_drawn(plan, one, exported, right, number) for number, one in enumerate(found, 1)]
    return blocks


def _said(margins: Floats, truth: npt.NDArray[np.bool_], salient: bool) -> str:
    positive = margins >= 0
    right = (positive == truth).all(axis=0)
    wrong = (positive != truth).all(axis=0)
    runs = {1: "the training", 2: "both trainings"}.get(len(margins), f"all {len(margins)} trainings")
    mixed = len(truth) - int(right.sum()) - int(wrong.sum())
    split = f", {mixed:,} are decided one way by one and the other by another" if mixed else ""
    said = (
        f"Of {len(truth):,} segments {int(right.sum()):,} are decided right by {runs}, out of fold, and"
        f" {int(wrong.sum()):,} wrong{split}. Shown are, of each class, the surest and the least sure, by"
        " rule and from different subjects where there are several. A margin at or above 0 calls the segment"
        " positive; thresholds are those of other folds."
    )
    if not salient:
        return said
    return (
        f"{said} Right and wrong are the out-of-fold models' doing. The coloured trace is not: it is that of"
        " the exported file, the one that would be used, which was trained on every subject, on these too,"
        " and may decide otherwise."
    )


def _drawn(plan: Plan, one: Example, exported: ExportedModel | None, right: bool, number: int) -> Block:
    data, task = plan.dataset, plan.definition.task
    x = np.array(data.x[one.row])
    truth = int(data.y[one.row]) == task.positive
    called = truth == right
    names = (targets.binary(task).positive_name, negative_of(task))
    rhythm = f" ({data.rhythm[one.row]})" if data.rhythm[one.row] else ""
    title = f"is {names[0] if truth else names[1]}{rhythm}, called {names[0] if called else names[1]}"
    words = " and ".join(f"{margin:+.2f}" for margin in one.margins)
    how = "Surest" if one.sure else "Least sure"
    kind = {(True, True): "hit", (True, False): "miss", (False, True): "false alarm"}.get(
        (truth, called), "right rejection"
    )
    margins = "margins" if len(one.margins) > 1 else "margin"
    says = f"{how} {kind}: subject {data.subject[one.row]}, out of fold {margins} {words}."
    found = None
    if exported is not None:
        try:
            margin, found = saliency.saliency(exported, x)
        except ExportError as error:
            says += f" No saliency: {error}."
        else:
            says += f" {_read(margin, found, data.sampling_rate, called, targets.binary(task).positive_name)}"
    strip = Strip(
        x=x,
        rate=data.sampling_rate,
        title=f"Subject {data.subject[one.row]}: {title}",
        saliency=found,
        leads=plan.origin.leads,
    )
    svg = strips.draw(
        [strip],
        unit=unit_of(plan.origin),
        legend=targets.binary(task).positive_name if found is not None else "",
    )
    return Drawing(f"example-{'right' if right else 'wrong'}-{number}", svg, says)


def _read(margin: float, found: Floats, rate: float, called: bool, positive: str) -> str:
    """Say what the exported file makes of it, and where."""
    agrees = (margin >= 0) == called
    at = int(np.abs(found).argmax())
    weight = float(found[at])
    return (
        f"The exported file, trained on this subject too, says {margin:+.2f}"
        f"{' as well' if agrees else ', the other way'}; what weighs most with it lies around"
        f" {at / rate:.1f} s, {'for' if weight > 0 else 'against'} {positive} ({weight:+.2g})."
    )
