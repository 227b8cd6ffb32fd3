"""What the winner reaches: on what it was trained on, out of fold, and on test data that were scored.

Test data are not opened here: what `atml score` wrote is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from atml.arrays import Int64
from atml.artifacts.card_baseline import class_of
from atml.ecg.changes import in_words
from atml.formatting import less_or_more, plural, sentence, value
from atml.metrics import FOUR
from atml.report import comparisons, matrix
from atml.report import kind as report_kind
from atml.report.comparisons import MOST
from atml.report.decisions import beyond_the_decision
from atml.report.figures import Figures, Source, averaged, interval_of
from atml.report.label_doubts import label_doubts
from atml.report.material import Material
from atml.report.page import Block, Chart, Drawing, Empty, Grid, Heading, Text
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
    binary = task.positive is not None
    blocks.append(Heading("At other thresholds" if binary else "Each class against the rest"))
    if material.outcome.why:
        blocks.append(Empty(sentence(f"the curves and the calibration are missing: {material.outcome.why}")))
    else:
        assert material.best is not None and material.best.config is not None
        runs = [predictions for _, predictions in material.out_of_fold]
        blocks += beyond_the_decision(source, runs, material.best.config, task)
    blocks += [Heading("By subject"), _subjects(source, task), Heading("By rhythm"), _rhythms(source, task)]
    blocks += label_doubts(source.figures, task)
    blocks += [Heading("Under changes of the recording"), _changes(source)]
    return [*blocks, Heading("Size against value"), *sizes(material)]


def _said(source: Source, task: Task) -> str:
    figures = source.figures
    lowest = min(FOUR, key=lambda name: figures[name])
    return (
        f"Out of fold, that is on subjects that the deciding model never saw, the objective is"
        f" {figures['value']:.3f}; {report_kind.of(task).lead(figures)}, with 95% intervals from resampling"
        f" subjects. The lowest of F1, accuracy, precision and recall is {lowest} with"
        f" {figures[lowest]:.3f}. These are {source.words}.{_beside_baseline(figures)}"
    )


def _beside_baseline(figures: Figures) -> str:
    """Say what a detector without a network reaches: no figure should be read without it."""
    baseline = figures.get("baseline")
    if not baseline or baseline.get("value") is None:
        return ""
    return (
        f" {baseline['name']}, a detector without a network, has {baseline['value']:.3f} on the same folds,"
        f" {less_or_more(baseline['value'], figures['value'])}."
    )


# --- training, out of fold, test


def _decisions(material: Material, source: Source, task: Task) -> list[Block]:
    kind, target = report_kind.of(task), targets.of(task)
    found: list[tuple[str, Int64]] = []
    columns: list[tuple[str, dict[str, str]]] = []
    blocks: list[Block] = []
    names = [*source.figures["rates"], *kind.METRICS]
    trained, why = material.outcome.on_training
    if trained is None:
        blocks.append(Empty(sentence(f"on the training data: {why}")))
    else:
        table = target.table(trained[1])
        found.append(("trained on", kind.cells(table)))
        values = {name: rate.value for name, rate in target.rates(table).items()} | target.four_of(table)
        columns.append(("trained on", {name: f"{value:.3f}" for name, value in values.items()}))
    counted = kind.cells_of(source.figures, material.outcome.cross_validation)
    if counted is not None:
        found.append(("out of fold", averaged(counted, source.runs)))
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
            found.append((f"test, {title}", counted))
        columns.append((f"test, {title}", _cells(one, one.get("intervals", {}), names)))
    if found:
        blocks.insert(0, _confusions(found, source, task))
    rows = tuple(
        (kind.METRICS.get(name, name), *(cells.get(name, "-") for _, cells in columns))
        for name in names
        if any(name in cells for _, cells in columns)
    )
    blocks.append(Grid(("metric", *(title for title, _ in columns)), rows, _beside(material, source)))
    blocks += [official(title, one) for title, one in tested(material)]
    return blocks if tested(material) else [*blocks, Empty(not_scored(material.winner))]


def _confusions(found: list[tuple[str, Int64]], source: Source, task: Task) -> Block:
    kind = report_kind.of(task)
    names = kind.groups(task)
    rows, columns = (list(order) for order in kind.shown(task))
    svg = matrix.confusions(
        [(title, cells[rows][:, columns]) for title, cells in found],
        [names[row] for row in rows],
        [names[column] for column in columns],
    )
    said = "; ".join(f"{title}: {kind.errors(cells, names)}" for title, cells in found)
    runs = f" Counts out of fold are means of {source.runs} trainings." if source.runs > 1 else ""
    return Drawing("confusion", svg, f"{sentence(said)} Shares are of each row.{runs}")


def _cells(figures: Figures, intervals: Figures, names: Sequence[str]) -> dict[str, str]:
    """Write a file's own figures under the names of the card, with their intervals where it gives them."""
    under = {"sensitivity": "recall", "balanced accuracy": "balanced_accuracy"}
    cells = {}
    for name in names:
        keys = [key for key in (name, under.get(name, name)) if key in intervals or key in figures]
        if not keys:
            continue
        found = next((i for key in keys if (i := interval_of(intervals.get(key)))), None)
        found = found or interval_of(figures.get("intervals", {}).get(keys[-1]))
        if found is not None:
            cells[name] = f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"
        elif any(key in figures for key in keys):
            cells[name] = f"{next(figures[key] for key in keys if key in figures):.3f}"
    return cells


def _beside(material: Material, source: Source) -> str:
    trained, _ = material.outcome.on_training
    said = "Rates over all windows, with 95% intervals over subjects where they are known."
    if trained is not None:
        rows, _ = trained
        data = material.dataset
        every = "all" if data is not None and len(rows) == len(data) else f"an even part, {len(rows):,},"
        said += (
            f" The first column is the exported file on {every} of the windows that it was trained on: it"
            " shows what it has memorised, and says nothing of other subjects."
        )
    more = [
        f" Test, {title}: {one.get('data', 'test data')}, {seen(one)}, by rule {one['rule']}."
        for title, one in tested(material)
        if alike(one)
    ]
    return f"{said} Out of fold: {source.words}.{''.join(more)}"


# --- subjects and rhythms


def _subjects(source: Source, task: Task) -> Block:
    rows = source.figures["subjects"]
    shown = rows[:MOST]
    rates, said = report_kind.of(task).by_subject(source, MOST, task)
    cut = f" Of {len(rows)} subjects the {len(shown)} worst are shown." if len(rows) > len(shown) else ""
    says = (
        f"{said}{cut} Whiskers are Wilson's 95% intervals, as if the windows of a subject were independent:"
        " they are not, and the true intervals are wider."
    )
    if any(one is None for found in rates.values() for one in found):
        says += " A subject without windows of a class has no bar for its rate."
    return Chart("subjects", comparisons.subjects([str(row["subject"]) for row in shown], rates), says)


def _changes(source: Source) -> Block:
    found = source.figures.get("agreement") or {}
    if not found:
        return Empty(
            "Changed windows were not predicted: no finalist was trained again, or by a version before."
        )
    words = in_words()
    rows = tuple((kind, words.get(kind, kind), f"{share:.3f}") for kind, share in found.items())
    worst = min(found, key=lambda kind: found[kind])
    says = (
        "Share of held-out windows that are decided as before when the recording is changed and the heart is"
        f" not, whether the decision is right or wrong. Lowest: {worst} with {found[worst]:.3f}."
    )
    return Grid(("change", "what is done", "decided as before"), rows, says)


def _rhythms(source: Source, task: Task) -> Block:
    rows = source.figures.get("rhythms") or []
    if not rows:
        return Empty("Rhythms are not known in these data, or this export is of a version that kept none.")
    baseline = source.figures.get("baseline") or {}

    def key(row: Figures) -> tuple[str, int]:
        # Version 0.1 wrote down no labels; all its tasks have a positive class.
        positive = -1 if task.positive is None else task.positive
        return row["rhythm"], row.get("label", positive if row["positive"] else -1)

    other = {key(row): row["right"] for row in baseline.get("rhythms", ())}
    cells = [
        (
            row["rhythm"] or "(no name)",
            class_of(task, key(row)[1]),
            f"{row['segments']:,}",
            f"{row['subjects']:,}",
            f"{row['right']:.3f}",
            *([value(other.get(key(row)))] if other else []),
        )
        for row in rows
    ]
    worst = min(rows, key=lambda row: row["right"])
    header = ("rhythm", "class", "windows", "subjects", "right", *(["baseline right"] if other else []))
    says = (
        "Share of each rhythm's windows that was decided right out of fold. Weakest:"
        f" {worst['rhythm'] or '(no name)'} with {worst['right']:.3f}, from"
        f" {plural(worst['subjects'], 'subject')}."
    )
    return Grid(header, tuple(cells), says)
