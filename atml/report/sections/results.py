"""What the winner reaches: on what it was trained on, out of fold, and on test data that were scored.

Test data are not opened here: what `atml score` wrote is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from atml.data.cases import case_of
from atml.ecg.changes import in_words
from atml.formatting import less_or_more, sentence
from atml.report import kind as report_kind
from atml.report.decisions import beyond_the_decision
from atml.report.figures import Figures, Source, averaged, baseline_title, interval_of
from atml.report.material import Material
from atml.report.matrix import Counted
from atml.report.page import Block, Empty, Fold, Grid, Heading, Text
from atml.report.sections.task_description import task_of
from atml.report.sizes import sizes
from atml.report.tested import alike, not_scored, official, seen, tested
from atml.tasks import targets
from atml.tasks.task import Task


def contents(material: Material) -> list[Block]:
    """Show decisions of each set, then what lies behind them, subject by subject and trial by trial."""
    source, task = material.outcome.source, task_of(material)
    if source is None or task is None:
        why = material.outcome.why or material.task_gone
        return [Empty(sentence(f"there is no result yet: {why}"))]
    blocks: list[Block] = [Text(_said(source, task)), *_decisions(material, source, task)]
    curves = list[Block]()
    if material.outcome.why:
        curves.append(Empty(sentence(f"the curves and the calibration are missing: {material.outcome.why}")))
    else:
        assert material.best is not None and material.best.config is not None
        runs = [predictions for _, predictions in material.out_of_fold]
        curves += beyond_the_decision(source, runs, material.best.config, task)
    blocks.append(Fold(report_kind.of(task).OTHER_DECISIONS, tuple(curves)))
    if task.picture is None:
        blocks.append(Fold("Under changes of the recording", (_changes(source, task),)))
    return [*blocks, Heading("Size against value"), *sizes(material)]


def _said(source: Source, task: Task) -> str:
    figures = source.figures
    return (
        f"Out of fold, on subjects that the deciding model never saw, the objective is"
        f" {figures['value']:.3f}; {report_kind.of(task).lead(figures)} (95% intervals over subjects)."
        f" These are {source.words}.{_beside_baseline(figures)}"
    )


def _beside_baseline(figures: Figures) -> str:
    """Say what a detector without a network reaches: no figure should be read without it."""
    baseline = figures.get("baseline")
    if not baseline or baseline.get("value") is None:
        return ""
    return (
        f" {baseline_title(baseline)}, a detector without a network, has"
        f" {baseline['value']:.3f} on the same folds,"
        f" {less_or_more(baseline['value'], figures['value'])}."
    )


# --- training, out of fold, test


def _decisions(material: Material, source: Source, task: Task) -> list[Block]:
    kind, target = report_kind.of(task), targets.of(task)
    found: list[Counted] = []
    columns: list[tuple[str, dict[str, str]]] = []
    blocks: list[Block] = []
    names = [*kind.over_all(task, list(source.figures["rates"])), *kind.METRICS]
    trained, why = material.outcome.on_training
    if trained is None:
        blocks.append(Empty(sentence(f"on the training data: {why}")))
    else:
        table = target.table(trained[1])
        found.append(Counted("trained on", kind.cells(table)))
        values = kind.figures_of(task, table)
        columns.append(("trained on", {name: f"{value:.3f}" for name, value in values.items()}))
    counted = kind.cells_of(source.figures, material.outcome.cross_validation)
    if counted is not None:
        found.append(Counted("out of fold", averaged(counted, source.runs)))
    else:
        blocks.append(Empty(sentence(f"decisions out of fold can't be counted: {material.outcome.why}")))
    columns.append(("out of fold", _cells(source.figures, source.figures["rates"], names)))
    baseline = source.figures.get("baseline")
    if baseline:
        columns.append(("baseline, out of fold", _cells(baseline, baseline["rates"], names)))
    for title, one in tested(material):
        if not alike(one):  # several classes: its F1 is not that of the other columns
            continue
        counted = kind.cells_of(one, None)
        if counted is not None:
            found.append(Counted(f"test, {title}", counted))
        columns.append((f"test, {title}", _cells(one, one.get("intervals", {}), names)))
    if found:
        blocks[:0] = kind.counted(found, source, task)
    rows = tuple(
        (kind.METRICS.get(name, name), *(cells.get(name, "-") for _, cells in columns))
        for name in names
        if any(name in cells for _, cells in columns)
    )
    blocks.append(
        Grid(
            ("metric", *(title for title, _ in columns)), rows, _beside(material, source, case_of(task).many)
        )
    )
    blocks += [block for title, one in tested(material) for block in official(title, one)]
    return blocks if tested(material) else [*blocks, Empty(not_scored(material.winner))]


def _cells(figures: Figures, intervals: Figures, names: Sequence[str]) -> dict[str, str]:
    """Write a file's own figures under the names of the card, with their intervals where it gives them."""
    under = {
        "sensitivity": "recall",
        "balanced accuracy": "balanced_accuracy",
        "always no": "always_no",
    }
    cells = {}
    for name in names:
        known = (*intervals, *figures, *figures.get("intervals", {}))
        keys = [key for key in (name, under.get(name, name)) if key in known]
        if not keys:
            continue
        found = next((i for key in keys if (i := interval_of(intervals.get(key)))), None)
        found = found or interval_of(figures.get("intervals", {}).get(keys[-1]))
        if found is not None:
            cells[name] = f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"
        elif any(key in figures for key in keys):
            cells[name] = f"{next(figures[key] for key in keys if key in figures):.3f}"
    return cells


def _beside(material: Material, source: Source, many: str) -> str:
    trained, _ = material.outcome.on_training
    said = f"Rates over all {many}, with 95% intervals over subjects."
    if trained is not None:
        rows, _ = trained
        data = material.dataset
        every = (
            "" if data is not None and len(rows) == len(data) else f" ({len(rows):,} of them, evenly chosen)"
        )
        said += (
            f" The first column is the file on the {many} it was trained on{every}: what it has memorised."
        )
    more = [
        f" Test, {title}: {one.get('data', 'test data')}, {seen(one)}, by rule {one['rule']}."
        for title, one in tested(material)
        if alike(one)
    ]
    return f"{said}{''.join(more)}"


# --- changes of the recording


def _changes(source: Source, task: Task) -> Block:
    found = source.figures.get("agreement") or {}
    if not found:
        return Empty(
            f"Changed {case_of(task).many} were not predicted: no finalist was trained again, or by a"
            f" version before."
        )
    words = in_words(task.around_beats)
    rows = tuple((kind, words.get(kind, kind), f"{share:.3f}") for kind, share in found.items())
    worst = min(found, key=lambda kind: found[kind])
    says = (
        f"Share of held-out {case_of(task).many} decided as before, rightly or wrongly, when the recording"
        f" is changed and"
        f" the heart is not. Lowest: {worst} with {found[worst]:.3f}."
    )
    return Grid(("change", "what is done", "decided as before"), rows, says)
