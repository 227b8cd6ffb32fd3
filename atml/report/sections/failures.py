"""Where a model fails: subjects, rhythms, every misjudged window, and what some decisions depended on.

Right and wrong are out of fold: decided by models that never saw the subject. The saliency is that of the
exported file, which was trained on all subjects, these included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Strings
from atml.artifacts.model import ExportedModel
from atml.data.cases import case_of, kind_in_words
from atml.errors import ExportError
from atml.formatting import sentence
from atml.report import beat_strips, by_subject, error_browser, page_pictures, page_saliency, saliency, strips
from atml.report import kind as report_kind
from atml.report.label_doubts import label_doubts
from atml.report.material import Material
from atml.report.outcome import Decided, unit_of
from atml.report.page import Block, Drawing, Empty, Fold, Heading, Text
from atml.report.page_pictures import Shown
from atml.report.sections.task_description import task_of
from atml.report.strips import Strip
from atml.searching.plan import Plan
from atml.tasks.task import MULTILABEL

MOST = 12
"""Most decisions of a kind, wrong or right, that are drawn."""


@dataclass(frozen=True)
class Example:
    """A row of the data set, a true and a called answer, the margins, one a run, and why it was taken."""

    row: int
    truth: int
    called: int
    margins: tuple[float, ...]
    sure: bool
    """Whether it is the surest of its kind, or else the least sure."""


def choose(
    found: Decided, subject: Strings, pairs: Sequence[tuple[int, int]], ends: Sequence[bool] = (True, False)
) -> list[Example]:
    """Choose decisions, the same each time: of each pair ``(true, called)`` the surest and the least sure.

    ``subject (n,)`` belongs to the rows of ``found``; ``ends`` asks for the surest (True), the least sure
    (False) or both. Only rows that all runs decide alike count; the mean margin says how sure. No subject is
    taken twice while there are others.
    """
    alike = (found.called == found.called[0]).all(axis=0)
    size = np.abs(found.margins.mean(axis=0))
    taken: list[int] = []
    chosen = []
    for sure in ends:
        for truth, called in pairs:
            here = np.flatnonzero(alike & (found.truth == truth) & (found.called[0] == called))
            order = here[np.lexsort((found.rows[here], -size[here] if sure else size[here]))]
            order = order[~np.isin(order, taken)]
            if not len(order):
                continue
            others = order[~np.isin(subject[order], subject[taken])] if taken else order
            at = int((others if len(others) else order)[0])
            taken.append(at)
            margins = tuple(float(m) for m in found.margins[:, at])
            chosen.append(Example(int(found.rows[at]), truth, called, margins, sure))
    return chosen


def contents(material: Material) -> list[Block]:
    """Show subjects and rhythms, all misjudged windows to look through, and some decisions with saliency."""
    source, task = material.outcome.source, task_of(material)
    if source is None or task is None:
        why = material.outcome.why or material.task_gone
        return [Empty(sentence(f"there is no result yet: {why}"))]
    blocks: list[Block] = [Heading("By subject"), *by_subject.subjects(source, task)]
    case = case_of(task)
    blocks += [Heading(f"By {kind_in_words(task)}"), by_subject.rhythms(source, task)]
    blocks += label_doubts(source.figures, task)
    what = "decision that was wrong" if task.kind == MULTILABEL else f"misjudged {case.name}"
    blocks += [Heading(f"Every {what}"), error_browser.browser(material)]
    if task.around_beats:
        return [
            *blocks,
            Heading("Wrong beats, and what the network reacted to"),
            *beat_strips.examples(material),
        ]
    return [*blocks, Heading("What decisions depended on"), *_examples(material)]


def _examples(material: Material) -> list[Block]:
    """Show the surest and the least sure decisions of each kind, wrong ones first."""
    plan, outcome = material.plan, material.outcome
    found = outcome.decided
    if outcome.why or plan is None or found is None:
        return [Empty(sentence(f"no decisions can be shown: {outcome.why or material.plan_gone}"))]
    task, subject = plan.definition.task, plan.dataset.subject[found.rows]
    kind = report_kind.of(task)
    exported, why = outcome.exported
    limits = "" if exported is None else saliency.LIMITS if task.picture is None else page_saliency.LIMITS
    total = kind.count(task, len(found.truth))
    blocks: list[Block] = [Text(f"{_said(found, total, kind.how_shown())} {limits}".strip())]
    if exported is None:
        blocks.append(Empty(sentence(f"no saliency can be drawn: {why}")))
    for title, (pairs, ends) in (("Wrong", kind.wrong(task)), ("Right", kind.right(task))):
        examples = choose(found, subject, pairs, ends)[:MOST]
        drawn: list[Block] = [
            _drawn(plan, one, exported, f"example-{title.lower()}-{number}")
            for number, one in enumerate(examples, 1)
        ]
        if not drawn:
            drawn.append(Empty(f"No decision is {title.lower()} in every training: there is none to show."))
        blocks += drawn if title == "Wrong" else [Fold("Right decisions", tuple(drawn))]
    return blocks


def _said(found: Decided, total: str, shown: str) -> str:
    right = (found.called == found.truth).all(axis=0)
    wrong = (found.called != found.truth).all(axis=0)
    runs = {1: "the training", 2: "both trainings"}.get(
        len(found.called), f"all {len(found.called)} trainings"
    )
    mixed = len(found.truth) - int(right.sum()) - int(wrong.sum())
    split = f"; {mixed:,} are right in some" if mixed else ""
    return (
        f"Of {total} {int(right.sum()):,} are decided right out of fold by {runs} and"
        f" {int(wrong.sum()):,} wrong{split}. {shown}"
    )


def _drawn(plan: Plan, one: Example, exported: ExportedModel | None, name: str) -> Block:
    data, task = plan.dataset, plan.definition.task
    kind = report_kind.of(task)
    names = kind.answers(task)
    x = np.array(data.x[one.row])
    rhythm = f" ({data.rhythm[one.row]})" if data.rhythm[one.row] else ""
    title = f"is {names[one.truth]}{rhythm}, called {names[one.called]}"
    how = "Surest" if one.sure else "Least sure"
    margins = kind.margins(one.margins, names[one.called])
    says = f"{how} {kind.outcome(one.truth, one.called)}: out of fold {margins}."
    found = None
    label = kind.salient(task, one.truth, one.called)
    if exported is not None:
        try:
            of = saliency.saliency if task.picture is None else page_saliency.saliency
            margin, found = of(exported, x, label)
        except ExportError as error:
            says += f" No saliency: {error}."
        else:
            says = f"{says[:-1]}; the exported file, trained on this subject too, has {margin:+.2f}"
            says += f" for {task.classes[label]}."
    legend = task.classes[label] if found is not None else ""
    if task.picture is not None:
        shown = Shown(x, f"Subject {data.subject[one.row]}: {title}", weights=found)
        return Drawing(name, page_pictures.draw([shown], legend=legend), says)
    strip = Strip(
        x=x,
        rate=data.sampling_rate,
        title=f"Subject {data.subject[one.row]}: {title}",
        saliency=found,
        leads=plan.origin.leads,
    )
    return Drawing(name, strips.draw([strip], unit=unit_of(plan.origin), legend=legend), says)
