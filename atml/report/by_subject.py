"""Which subjects and which rhythms a model fails on."""

from __future__ import annotations

from atml.artifacts.card_baseline import class_of
from atml.data.cases import case_of
from atml.formatting import plural, value
from atml.report import comparisons
from atml.report import kind as report_kind
from atml.report.comparisons import MOST
from atml.report.figures import Figures, Source
from atml.report.page import Block, Chart, Empty, Fold, Grid
from atml.tasks.task import MULTILABEL, Task


def subjects(source: Source, task: Task) -> list[Block]:
    """List every subject, the worst first; the bars of the worst are folded."""
    rows = source.figures["subjects"]
    shown = rows[:MOST]
    kind = report_kind.of(task)
    rates, said = kind.by_subject(source, MOST, task)
    cut = f"Of {len(rows)} subjects the {len(shown)} worst are shown. " if len(rows) > len(shown) else ""
    says = (
        f"{cut}Whiskers are Wilson's 95% intervals, as if {case_of(task).many} of a subject were"
        f" independent: the"
        " true ones are wider."
    )
    if any(one is None for found in rates.values() for one in found):
        says += f" A subject without {case_of(task).many} of a class has no bar for its rate."
    chart = Chart("subjects", comparisons.subjects([str(row["subject"]) for row in shown], rates), says)
    columns, cells = kind.subject_table(source, task)
    mean = f" Counts are means of {source.runs} trainings." if source.runs > 1 else ""
    return [Grid(columns, cells, said + mean), Fold("The same as bars", (chart,))]


def rhythms(source: Source, task: Task) -> Block:
    """Say how much of each rhythm, or of beats of each symbol, was decided right, by network and baseline."""
    case = case_of(task)
    rows = source.figures.get("rhythms") or []
    if not rows:
        return Empty(
            f"{case.kinds.capitalize()} are not known in these data, or this export is of a version that"
            f" kept none."
        )
    baseline = source.figures.get("baseline") or {}

    def key(row: Figures) -> tuple[str, int]:
        # Version 0.1 wrote down no labels; all its tasks have a positive class.
        positive = -1 if task.positive is None else task.positive
        return row["rhythm"], row.get("label", positive if row["positive"] else -1)

    other = {key(row): row["right"] for row in baseline.get("rhythms", ())}
    several = task.kind == MULTILABEL
    none = "none" if several else "(no name)"
    cells = [
        (
            row["rhythm"] or none,
            *([] if several else [class_of(task, key(row)[1])]),
            f"{row['segments']:,}",
            f"{row['subjects']:,}",
            f"{row['right']:.3f}",
            *([value(other.get(key(row)))] if other else []),
        )
        for row in rows
    ]
    worst = min(rows, key=lambda row: row["right"])
    kind = "set of labels" if several else case.kind
    of = () if several else ("class",)
    header = (kind, *of, case.many, "subjects", "right", *(["baseline right"] if other else []))
    how = "decided right in every label" if several else "decided right"
    says = (
        f"Share of the {case.many} of each {kind} that was {how} out of fold. Weakest:"
        f" {worst['rhythm'] or none} with {worst['right']:.3f}, from"
        f" {plural(worst['subjects'], 'subject')}."
    )
    return Grid(header, tuple(cells), says)
