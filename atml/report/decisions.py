"""What the winner's outputs say out of fold beyond its decision: ROC, precision and recall, calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atml.formatting import between, listed, plural
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.report import charts, operating
from atml.report.calibration import calibrated
from atml.report.decisions_by_label import each_label
from atml.report.figures import Source
from atml.report.operating import Curve
from atml.report.page import Block, Chart, Heading, Text
from atml.report.theme import GREEN, ORANGE, RED
from atml.tasks import targets
from atml.tasks.task import MULTILABEL, Task


def beyond_the_decision(
    source: Source, runs: Sequence[Predictions], config: ModelConfig, task: Task
) -> list[Block]:
    """Draw the curves of every run with the points that are used, then the calibration."""
    subjects = len(np.unique(runs[0].subject))
    trained = (
        f"{plural(len(runs), 'training')} over the folds, one line each; areas are their mean"
        if len(runs) > 1
        else "one training over the folds"
    )
    said = (
        f"The curves are of {trained}; outputs of different folds come from different models. Intervals are"
        f" 95% over {operating.DRAWS:,} resamplings of the {subjects} subjects."
    )
    if task.positive is not None:
        drawn = _one_class(source, runs, config, task)
    elif task.kind == MULTILABEL:
        drawn = each_label(source, runs, config, task)
    else:
        drawn = _each_class(source, runs, config, task)
    return [Text(said), *drawn]


def _one_class(source: Source, runs: Sequence[Predictions], config: ModelConfig, task: Task) -> list[Block]:
    """Of a binary task: a curve a run, the threshold on it, and the softmax of the positive class."""
    curves, areas = [operating.curve(run) for run in runs], operating.areas(runs)
    names = [f"training {i + 1}" for i in range(len(runs))] if len(runs) > 1 else ["out of fold"]
    lines = list(zip(names, curves, strict=True))
    positive, share = targets.binary(task).positive_name, float(np.mean([run.truth().mean() for run in runs]))
    roc = (
        f"Area under the ROC curve {areas.roc.value:.3f} ({between(areas.roc)}): the chance that a"
        f" window with {positive} has a larger margin than one without. {_used(source)}"
    )
    precise = (
        f"Average precision {areas.precision_recall.value:.3f} ({between(areas.precision_recall)});"
        f" chance has {share:.3f}, the share of {positive}: precision holds for that share alone."
    )
    found = {positive: operating.calibration(runs)}
    threshold = _threshold(source)
    folded = (
        f" The exported file has the threshold {threshold:+.3f} in its last bias, which shifts them once"
        " more."
        if threshold
        else ""
    )
    return [
        Chart("roc", charts.operating(lines, _marks(source, curves, recall=False), recall=False), roc),
        Chart(
            "precision-recall",
            charts.operating(lines, _marks(source, curves, recall=True), recall=True, prevalences=[share]),
            precise,
        ),
        Heading("Calibration"),
        *calibrated(found, runs, config, folded),
    ]


def _each_class(source: Source, runs: Sequence[Predictions], config: ModelConfig, task: Task) -> list[Block]:
    """Of a multiclass task: the curves of each class against the rest, by its share of the softmax."""
    there = [i for i in range(len(task.classes)) if 0 < (runs[0].y == i).sum() < len(runs[0].y)]
    of = {task.classes[i]: [operating.against_rest(run, i) for run in runs] for i in there}
    lines = [(name, operating.curve(run)) for name, mine in of.items() for run in mine]
    areas = {name: operating.areas(mine) for name, mine in of.items()}
    shares = {name: float(mine[0].truth().mean()) for name, mine in of.items()}
    marks = charts.as_decided(source.figures["rates"], list(of))
    roc = listed([f"{name} {one.roc.value:.3f} ({between(one.roc)})" for name, one in areas.items()])
    precise = listed(
        [
            f"{name} {one.precision_recall.value:.3f} ({between(one.precision_recall)}), chance"
            f" {shares[name]:.3f}"
            for name, one in areas.items()
        ]
    )
    offsets = source.figures["offsets"]
    folded = (
        " The exported file has the offsets in its last biases, which shift them once more."
        if any(offsets)
        else ""
    )
    return [
        Chart(
            "roc",
            charts.operating(lines, marks, recall=False),
            f"Each class against the rest, by its share of the softmax. Area under the ROC curve, with 95%"
            f" intervals: {roc}. The decision compares all classes at once, so the points of the card's"
            " rates need not lie on the lines.",
        ),
        Chart(
            "precision-recall",
            charts.operating(lines, (), recall=True, prevalences=list(shares.values())),
            f"Average precision of each class against the rest: {precise}. Precision holds for these shares"
            " of the classes alone.",
        ),
        Heading("Calibration"),
        *calibrated({name: operating.calibration(mine) for name, mine in of.items()}, runs, config, folded),
    ]


def _threshold(source: Source) -> float:
    return float(source.figures["threshold"])


def _used(source: Source) -> str:
    threshold = _threshold(source)
    rates = source.figures["rates"]
    judged = (
        "The threshold is 0, as trained:"
        if threshold == 0
        else f"The threshold chosen is {threshold:+.3f}; with thresholds chosen on other folds than the one"
        " they are used on,"
    )
    return (
        f"{judged} the sensitivity is {rates['sensitivity']['value']:.3f} and the specificity"
        f" {rates['specificity']['value']:.3f}."
    )


def _marks(source: Source, curves: Sequence[Curve], *, recall: bool) -> charts.Marks:
    """Return the points in use: the threshold on each line, the card's figures, the baseline's."""

    def point(sensitivity: float, specificity: float, precision: float) -> tuple[float, float]:
        return (sensitivity, precision) if recall else (1 - specificity, sensitivity)

    threshold, figures = _threshold(source), source.figures
    used = f"threshold {threshold:+.3f}" if threshold else "threshold 0"
    marks = [(used, GREEN, "circle", *point(*curve.at(threshold))) for curve in curves]
    rates, baseline = figures["rates"], figures.get("baseline")
    own = (rates["sensitivity"]["value"], rates["specificity"]["value"], float(figures["precision"]))
    marks.append(("the figures of the card", ORANGE, "diamond", *point(*own)))
    if baseline:
        rates = baseline["rates"]
        theirs = (rates["sensitivity"]["value"], rates["specificity"]["value"], float(baseline["precision"]))
        marks.append((f"baseline {baseline['name']}", RED, "x", *point(*theirs)))
    return marks
