"""The data: subjects, rhythms, length, what was left out, how they were split, how they look.

The test split is never opened here.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from atml.arrays import Bools, Int64
from atml.artifacts.record import DataFacts
from atml.data.cases import beat_at, case_of, kind_in_words, signal
from atml.data.dataset import Dataset
from atml.formatting import clock, listed, plural, sentence, share, shares
from atml.metrics.label_sets import truth
from atml.report import comparisons, strips
from atml.report import kind as report_kind
from atml.report.material import Material
from atml.report.outcome import unit_of
from atml.report.page import Block, Chart, Drawing, Empty, Fold, Grid, Heading, Text
from atml.report.page_examples import example, page_examples
from atml.report.sections.task_description import task_of
from atml.report.strips import Strip
from atml.searching.plan import Plan
from atml.tasks.task import MULTILABEL, Task

MOST_STRIPS = 12
"""Rhythms that are drawn."""


def contents(material: Material) -> list[Block]:
    """Describe what the search saw; from an export's config.json where the data are gone."""
    task, plan = task_of(material), material.plan
    facts = _facts(material, task)
    if task is None or facts is None:
        return [Empty(sentence(f"the data are not known: {material.plan_gone}"))]
    blocks: list[Block] = [Text(_words(facts, task))]
    if plan is None:
        blocks.append(Empty(sentence(f"the rest of this part is missing: {material.plan_gone}")))
        return [*blocks, _left_out(facts)]
    data = plan.dataset
    blocks += [_rhythms(data, task), *_subjects(data, task), Heading("What was left out"), _left_out(facts)]
    return [
        *blocks,
        Fold("Split by subject", tuple(_split(plan, task))),
        Fold(
            f"What each {case_of(task).kind} looks like",
            tuple(page_examples(plan, task) if task.picture is not None else _examples(plan, task)),
        ),
    ]


def _facts(material: Material, task: Task | None) -> DataFacts | None:
    """Count the data as the card does, or read the counts that a card was made of."""
    if material.plan is not None and task is not None:
        return DataFacts.of(material.plan.dataset, task, material.plan.origin)
    for export in reversed(material.exports):
        fields: dict[str, Any] = dict(export.config.get("data", {}))
        if fields:
            return DataFacts.from_dict(fields)
    return None


def _words(facts: DataFacts, task: Task) -> str:
    case = case_of(task)
    if task.kind == MULTILABEL:  # shares of labels need not add up
        percents = [share(count, facts.windows) for count in facts.classes.values()]
    else:
        percents = shares(list(facts.classes.values()))
    parts = zip(facts.classes.items(), percents, strict=True)
    classes = [f"{count:,} {name} ({percent})" for (name, count), percent in parts]
    kind = "ECG made by a generator, not recorded from people" if facts.synthetic else "recordings as given"
    rhythms = sum(bool(name) for name in facts.rhythms)
    windows = f"{case.count(facts.windows)}, each {'' if task.picture else 'with '}{signal(task)}"
    if not task.around_beats and task.picture is None:
        seconds = clock(facts.windows * task.seconds)
        windows = f"{case.count(facts.windows)} of {task.seconds:g} s, {seconds} in all"
    by = "label" if task.kind == MULTILABEL else "class"
    return (
        f"{facts.name}, {kind}: {windows}, from {plural(len(facts.subjects), 'subject')}"
        f" with {plural(rhythms, f'named {kind_in_words(task)}')}. By {by}: {listed(classes)}."
        f" {case.many.capitalize()} of one subject are much alike: subjects count, not {case.many}."
    )


def _kinds(data: Dataset, task: Task) -> list[tuple[str, int, Int64]]:
    """Return each rhythm with its class and rows, positive ones first, the most frequent first.

    Of a multilabel task each set of labels, whose class is -1.
    """
    found = []
    if task.kind == MULTILABEL:
        for name in np.unique(data.rhythm):
            found.append((str(name), -1, np.flatnonzero(data.rhythm == name)))
        return sorted(found, key=lambda kind: (-len(kind[2]), kind[0]))
    for name in np.unique(data.rhythm):
        for label in range(len(task.classes)):
            rows = np.flatnonzero((data.rhythm == name) & (data.y == label))
            if len(rows):
                found.append((str(name), label, rows))
    return sorted(found, key=lambda kind: (kind[1] != task.positive, -len(kind[2]), kind[0]))


def _rhythms(data: Dataset, task: Task) -> Block:
    kinds, case = _kinds(data, task), case_of(task)
    timed = not task.around_beats and task.picture is None  # windows round beats overlap
    classed = task.kind != MULTILABEL
    none = "none" if task.kind == MULTILABEL else "(no name)"
    rows = tuple(
        (
            name or none,
            *([task.classes[label]] if classed else []),
            f"{len(rows):,}",
            *([f"{len(rows) * task.seconds:,.0f}"] if timed else []),
            f"{len(np.unique(data.subject[rows]))}",
            f"{100 * len(rows) / len(data):.1f}",
        )
        for name, label, rows in kinds
    )
    few = [name or none for name, _, rows in kinds if len(np.unique(data.subject[rows])) < 5]
    thin = (
        f" Fewer than five subjects have {listed(few, 'or')}: their figures say little of others."
        if few
        else ""
    )
    name, _, most = max(kinds, key=lambda kind: len(kind[2]))
    kind = kind_in_words(task)
    says = f"The most frequent {kind} is {name or none}, {share(len(most), len(data))} of all.{thin}"
    seconds, of = ("seconds",) if timed else (), ("class",) if classed else ()
    return Grid((kind, *of, case.many, *seconds, "subjects", "share, %"), rows, says)


def _subjects(data: Dataset, task: Task) -> list[Block]:
    many = case_of(task).many
    names, code = np.unique(data.subject, return_inverse=True)
    of = _labels(data, task)
    table = np.stack([np.bincount(code, has, len(names)) for has in of.T])
    sizes = np.bincount(code, minlength=len(names))
    order = np.lexsort((names, -sizes))
    shown = order[: comparisons.MOST]
    cut = (
        f" Of {len(names)} the {len(shown)} subjects with the most {many} are shown."
        if len(names) > len(shown)
        else ""
    )
    says = (
        f"Of {plural(len(names), 'subject')} {report_kind.of(task).people(table.astype(np.int64), task)}; a"
        f" subject has {int(sizes.min())} to {int(sizes.max())} {many}, half of them"
        f" at most {int(np.median(sizes))}.{cut}"
    )
    if task.kind == MULTILABEL:
        says += (
            f" {many.capitalize()} with several labels are drawn once for each, those with none not at all."
        )
    labels = sorted(range(len(task.classes)), key=lambda label: label == task.positive)
    parts = {task.classes[label]: table[label, shown].astype(int).tolist() for label in labels}
    return [Chart("data-subjects", comparisons.stacked(names[shown].tolist(), parts, many), says)]


def _labels(data: Dataset, task: Task) -> Bools:
    """Which rows have which class or label, ``(n, classes)``."""
    if task.kind == MULTILABEL:
        return truth(data.y, len(task.classes))
    return np.asarray(data.y[:, None] == np.arange(len(task.classes)))


def _left_out(facts: DataFacts) -> Block:
    notes = [*facts.notes]
    if facts.held_out:
        notes.append(f"held out of the search, for `atml score` alone: {', '.join(facts.held_out)}")
    if not notes:
        return Text("Nothing was left out when these data were opened, and nobody was held out.")
    rows = tuple((sentence(note),) for note in notes)
    says = (
        f"{plural(len(rows), 'remark')} from opening the data; `atml data inspect` lists every fault by file."
    )
    return Grid(("what was left out, and other remarks",), rows, says)


def _split(plan: Plan, task: Task) -> list[Block]:
    data, kind = plan.dataset, report_kind.of(task)
    groups = kind.groups(task)
    # Of two groups one share says both.
    told = range(1, 2) if len(groups) == 2 else range(len(groups))
    rows, names, counts = [], [], []
    sizes: list[int] = []
    for number, fold in enumerate(plan.folds, 1):
        people = sorted({str(name) for name in data.subject[fold.held_out]})
        here = kind.members(task, data.y[fold.held_out]).sum(axis=0)
        sizes.append(len(fold.held_out))
        names.append(f"fold {number}: {plural(len(people), 'subject')}")
        counts.append(here)
        who = ", ".join(people[:20]) + (f" and {len(people) - 20} more" if len(people) > 20 else "")
        shares = (f"{100 * here[g] / max(1, sizes[-1]):.0f}" for g in told)
        rows.append((str(number), str(len(people)), f"{sizes[-1]:,}", *shares, who))
    table = np.array(counts)
    share = 100 * table / np.maximum(np.array(sizes)[:, None], 1)
    runs = listed([f"{groups[g]} from {share[:, g].min():.0f}% to {share[:, g].max():.0f}%" for g in told])
    held = len(plan.origin.held_out)
    says = (
        f"Each of {len(plan.folds)} folds holds out other subjects, none of them in its training part; the"
        f" share held out runs for {runs}."
    )
    outside = (
        f"{plural(held, 'subject')} {'was' if held == 1 else 'were'} held out of the search altogether."
        if held
        else "No subject of these data was held out of the search altogether."
    )
    parts = {name: table[:, g].tolist() for g, name in enumerate(groups)}
    many = case_of(task).many
    columns = ("fold", "subjects", many, *(f"{groups[g]}, %" for g in told), "held out")
    return [
        Chart("data-folds", comparisons.stacked(names, parts, f"{many} held out"), says),
        Grid(columns, tuple(rows), outside),
    ]


def _examples(plan: Plan, task: Task) -> list[Block]:
    data, unit = plan.dataset, unit_of(plan.origin)
    kinds = _kinds(data, task)
    blocks: list[Block] = []
    used: set[str] = set()
    for name, label, rows in kinds[:MOST_STRIPS]:
        row = example(data, rows)
        x = np.array(data.x[row])
        title = f"{name or '(no name)'}, {task.classes[label]}: subject {data.subject[row]}"
        strip = Strip(x=x, rate=data.sampling_rate, title=title, leads=plan.origin.leads, mark=beat_at(task))
        svg = strips.draw([strip], unit=unit)
        figure = file_name("strip", name, task.classes[label])
        # Rhythms may be called anything, and look alike in the name of a file.
        figure = figure if figure not in used else f"{figure}-{len(used) + 1}"
        used.add(figure)
        blocks.append(Drawing(figure, svg, _said(data, rows, row, unit, task)))
    if len(kinds) > MOST_STRIPS:
        rest = ", ".join(name or "(no name)" for name, _, _ in kinds[MOST_STRIPS:])
        blocks.append(Empty(f"Only {MOST_STRIPS} {case_of(task).kinds} are drawn; the others are {rest}."))
    return blocks


def _said(data: Dataset, rows: Int64, row: int, unit: str, task: Task) -> str:
    x = np.asarray(data.x[row], np.float64)
    span = float(np.ptp(x, axis=-1).max())
    people = len(np.unique(data.subject[rows]))
    size = f"{span:.3g} {unit}" if unit else f"{span:.3g}"
    return (
        f"One of {case_of(task).count(len(rows))} of {plural(people, 'subject')}, of the one that has most;"
        f" lowest to highest {size}."
    )


def file_name(*words: str) -> str:
    """Make a name for a figure of words that may hold anything."""
    text = "-".join(re.sub(r"[^A-Za-z0-9]+", "-", word).strip("-") or "none" for word in words)
    return text[:60]
