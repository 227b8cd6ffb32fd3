"""What the winner reaches: on what it was trained on, out of fold, and on test data that were scored.

Test data are not opened here: what `atml score` wrote is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.formatting import between, plural, sentence
from atml.metrics import FOUR, Confusion, Interval, confusion, wilson
from atml.report import comparisons, matrix
from atml.report.comparisons import MOST
from atml.report.decisions import beyond_the_threshold
from atml.report.material import Material
from atml.report.outcome import Source, confusion_of, interval_of, negative_of
from atml.report.page import Block, Chart, Drawing, Empty, Grid, Heading, Section, Text
from atml.report.sections.task_description import task_of
from atml.report.sizes import sizes
from atml.report.tested import alike, not_scored, official, seen, tested
from atml.tasks import targets
from atml.tasks.targets.binary import RATES
from atml.tasks.task import Task

Figures = Mapping[str, Any]


def section(material: Material) -> Section:
    """Show decisions of each set, then what lies behind them, subject by subject and trial by trial."""
    return Section("results", "Results", tuple(_blocks(material)))


def _blocks(material: Material) -> list[Block]:
    source, task = material.outcome.source, task_of(material)
    if source is None or task is None:
        why = material.outcome.why or material.room_gone
        return [Empty(sentence(f"there is no result yet: {why}"))]
    blocks: list[Block] = [Text(_said(source)), *_decisions(material, source, task)]
    blocks.append(Heading("At other thresholds"))
    if material.outcome.why:
        blocks.append(Empty(sentence(f"the curves and the calibration are missing: {material.outcome.why}")))
    else:
        assert material.best is not None and material.best.config is not None
        runs = [predictions for _, predictions in material.out_of_fold]
        blocks += beyond_the_threshold(source, runs, material.best.config, task)
    blocks += [Heading("By subject"), _subjects(source, task), Heading("By rhythm"), _rhythms(source, task)]
    return [*blocks, Heading("Size against value"), *sizes(material)]


def _said(source: Source) -> str:
    figures = source.figures
    lowest = min(FOUR, key=lambda name: figures[name])
    rates = [(name, interval_of(figures["rates"][name])) for name in RATES]
    told = ", ".join(f"{name} {i.value:.3f} ({between(i)})" for name, i in rates if i is not None)
    return (
        f"Out of fold, that is on subjects that the deciding model never saw, the objective is"
        f" {figures['value']:.3f}; {told}, with 95% intervals from resampling subjects. The lowest of F1,"
        f" accuracy, precision and recall is {lowest} with {figures[lowest]:.3f}. These are {source.words}."
        f"{_beside_baseline(figures)}"
    )


def _beside_baseline(figures: Figures) -> str:
    """Say at once what a detector without a network reaches, for nobody reads a figure without it."""
    rival = figures.get("baseline")
    if not rival or rival.get("value") is None:
        return ""
    than = "more than" if rival["value"] > figures["value"] else "less than"
    return (
        f" {rival['name']}, a detector without a network, has {rival['value']:.3f} on the same folds,"
        f" {than if round(rival['value'] - figures['value'], 3) else 'the same as'} the network."
    )


# --- training, out of fold, test


def _decisions(material: Material, source: Source, task: Task) -> list[Block]:
    found: list[tuple[str, Confusion]] = []
    columns: list[tuple[str, dict[str, str]]] = []
    blocks: list[Block] = []
    trained, why = material.outcome.on_training
    if trained is None:
        blocks.append(Empty(sentence(f"on the training data: {why}")))
    else:
        _, predictions = trained
        counts = confusion(predictions.truth(), predictions.decided())
        found.append(("trained on", counts))
        columns.append(("trained on", {k: f"{v:.3f}" for k, v in _pooled(counts).items()}))
    pooled = confusion_of(source.figures)
    if pooled is not None:
        found.append(("out of fold", _mean(pooled, source.runs)))
    columns.append(("out of fold", _cells(source.figures, source.figures["rates"])))
    rival = source.figures.get("baseline")
    if rival:
        columns.append(("baseline, out of fold", _cells(rival, rival["rates"])))
    for title, one in tested(material):
        if not alike(one):  # several classes: its F1 is not that of the other columns
            continue
        counts_there = confusion_of(one)
        if counts_there is not None:
            found.append((f"test, {title}", counts_there))
        columns.append((f"test, {title}", _cells(one, one.get("intervals", {}))))
    positive, negative = targets.binary(task).positive_name, negative_of(task)
    blocks.insert(
        0,
        Drawing("confusion", matrix.confusions(found, positive, negative), _errors(found, source, positive)),
    )
    names = [name for name in (*RATES, *FOUR[:3]) if any(name in cells for _, cells in columns)]
    rows = tuple((name, *(cells.get(name, "-") for _, cells in columns)) for name in names)
    blocks.append(Grid(("metric", *(title for title, _ in columns)), rows, _beside(material, source)))
    blocks += [official(title, one) for title, one in tested(material)]
    return blocks if tested(material) else [*blocks, Empty(not_scored(material.winner))]


def _mean(counts: Confusion, runs: int) -> Confusion:
    """Divide counts by runs so that a class still has as many segments as it has."""
    fn, fp = round(counts.fn / runs), round(counts.fp / runs)
    tp = round((counts.tp + counts.fn) / runs) - fn
    return Confusion(tp, fp, fn, round((counts.tn + counts.fp) / runs) - fp)


def _pooled(counts: Confusion) -> dict[str, float]:
    rates = (counts.sensitivity, counts.specificity, (counts.sensitivity + counts.specificity) / 2)
    return {**dict(zip(RATES, rates, strict=True)), **counts.four()}


def _cells(figures: Figures, intervals: Figures) -> dict[str, str]:
    """Write a file's own figures under the names of the card, with their intervals where it gives them."""
    under = {"sensitivity": "recall", "balanced accuracy": "balanced_accuracy"}
    cells = {}
    for name in (*RATES, *FOUR[:3]):
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


def _errors(found: list[tuple[str, Confusion]], source: Source, positive: str) -> str:
    told = [f"{title}: {c.fn:,} of {c.tp + c.fn:,} missed, {c.fp:,} of {c.fp + c.tn:,} called in vain"
            for title, c in found]  # fmt: skip
    runs = f" Counts out of fold are means of {source.runs} trainings." if source.runs > 1 else ""
    return f"Segments with {positive}, {'; '.join(told)}. Shares are of each row.{runs}"


def _beside(material: Material, source: Source) -> str:
    trained, _ = material.outcome.on_training
    said = "Rates over all segments, with 95% intervals over subjects where they are known."
    if trained is not None:
        rows, _ = trained
        data = material.dataset
        every = "all" if data is not None and len(rows) == len(data) else f"an even part, {len(rows):,},"
        said += (
            f" The first column is the exported file on {every} of the segments that it was trained on: it"
            " says what it has learned by heart, and nothing of others."
        )
    looks = [
        f" Test, {title}: {one.get('data', 'test data')}, {seen(one)}, by rule {one['rule']}."
        for title, one in tested(material)
        if alike(one)
    ]
    return f"{said} Out of fold: {source.words}.{''.join(looks)}"


# --- subjects and rhythms


def _subjects(source: Source, task: Task) -> Block:
    rows = source.figures["subjects"]
    shown = rows[:MOST]

    def rate(row: Figures, right: str, wrong: str) -> Interval | None:
        # Runs repeat the same segments: they make nothing surer.
        good, n = row[right] / source.runs, (row[right] + row[wrong]) / source.runs
        return wilson(good, n) if n else None

    rates = {
        "sensitivity": [rate(row, "tp", "fn") for row in shown],
        "specificity": [rate(row, "tn", "fp") for row in shown],
    }
    worst = shown[0]
    cut = f" Of {len(rows)} subjects the {len(shown)} worst are shown." if len(rows) > len(shown) else ""
    values = np.array([row["f_beta"] for row in rows])
    has = np.array([row["tp"] + row["fn"] > 0 for row in rows])
    positive, below = targets.binary(task).positive_name, int((values[has] < 0.8).sum())
    without = int((~has).sum())
    none = (
        f" The other {without} have no {positive} and count 1 by convention, whatever was called in vain:"
        " of these the specificity tells."
        if without
        else ""
    )
    says = (
        f"Worst first, by F-beta (beta 2), as in the card: subject {worst['subject']} has"
        f" {worst['f_beta']:.3f}; of the {plural(int(has.sum()), 'subject')} with {positive} the median is"
        f" {np.median(values[has]):.3f}, and {below} {'is' if below == 1 else 'are'} below"
        f" 0.8.{none}{_least_specific(rows)}{cut} Whiskers are Wilson's 95% intervals, as if the"
        " segments of a subject were independent: they are not, and the truth is wider. No bar: no segment of"
        " that class."
    )
    names = [str(row["subject"]) for row in shown]
    return Chart("subjects", comparisons.subjects(names, rates), says)


def _least_specific(rows: Sequence[Figures]) -> str:
    """Name the subject with most false alarms among its negatives: F-beta with beta 2 hardly shows it."""
    rates = [
        (row["tn"] / (row["tn"] + row["fp"]), str(row["subject"])) for row in rows if row["tn"] + row["fp"]
    ]
    if not rates:
        return ""
    lowest, who = min(rates)
    half = sum(rate < 0.5 for rate, _ in rates)
    return f" The lowest specificity is {lowest:.3f} ({who}); {half} of {len(rates)} have less than 0.5."


def _rhythms(source: Source, task: Task) -> Block:
    rows = source.figures.get("rhythms") or []
    if not rows:
        return Empty("Rhythms are not known in these data, or this export is of a version that kept none.")
    rival = source.figures.get("baseline") or {}
    other = {(row["rhythm"], row["positive"]): row["right"] for row in rival.get("rhythms", ())}
    names = (targets.binary(task).positive_name, negative_of(task))
    cells = [
        (
            row["rhythm"] or "(no name)",
            names[0] if row["positive"] else names[1],
            f"{row['segments']:,}",
            f"{row['subjects']:,}",
            f"{row['right']:.3f}",
            *(
                [f"{other[key]:.3f}" if (key := (row["rhythm"], row["positive"])) in other else "-"]
                if other
                else []
            ),
        )
        for row in rows
    ]
    worst = min(rows, key=lambda row: row["right"])
    header = ("rhythm", "class", "segments", "subjects", "right", *(["baseline right"] if other else []))
    says = (
        "Share of each rhythm's segments that was decided right out of fold. Weakest:"
        f" {worst['rhythm'] or '(no name)'} with {worst['right']:.3f}, from"
        f" {plural(worst['subjects'], 'subject')}."
    )
    return Grid(header, tuple(cells), says)
