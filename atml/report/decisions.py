"""What the winner's outputs say out of fold beyond its threshold: ROC, precision and recall, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.formatting import between, listed, plural
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.report import charts, operating
from atml.report.operating import Curve
from atml.report.outcome import Source
from atml.report.page import Block, Chart, Empty, Heading, Text
from atml.report.theme import GREEN, ORANGE, RED
from atml.tasks import targets
from atml.tasks.task import Task


def beyond_the_threshold(
    source: Source, runs: Sequence[Predictions], config: ModelConfig, task: Task
) -> list[Block]:
    """Draw the curves of every run with the points that are used, then the calibration."""
    curves = [operating.curve(run) for run in runs]
    areas = operating.areas(runs)
    subjects = len(np.unique(runs[0].subject))
    positive, share = targets.binary(task).positive_name, float(np.mean([run.truth().mean() for run in runs]))
    trained = (
        f"{plural(len(runs), 'training')} over the folds, one line each; areas are their mean"
        if len(runs) > 1
        else "one training over the folds"
    )
    said = (
        f"The curves are of {trained}. Margins of different folds come from different models and are laid on"
        f" one scale. Intervals are 95% percentiles over {operating.DRAWS:,} resamplings of the {subjects}"
        " subjects."
    )
    roc = (
        f"Area under the ROC curve {areas.roc.value:.3f} (95% interval {between(areas.roc)}): the chance that"
        f" a segment with {positive} has the larger margin of a pair. {_used(source)}"
    )
    precise = (
        f"Average precision {areas.precision_recall.value:.3f} (95% interval"
        f" {between(areas.precision_recall)}), where a model that knows nothing has {share:.3f}, the share of"
        f" {positive} in these data: precision holds for that share alone."
    )
    return [
        Text(said),
        Chart("roc", charts.operating(curves, _marks(source, curves, recall=False), recall=False), roc),
        Chart(
            "precision-recall",
            charts.operating(curves, _marks(source, curves, recall=True), recall=True, prevalence=share),
            precise,
        ),
        Heading("Calibration"),
        *_calibration(source, runs, config),
    ]


def _threshold(source: Source) -> float:
    return float(source.figures["threshold"])


def _used(source: Source) -> str:
    threshold = _threshold(source)
    rates = source.figures["rates"]
    at = "0, as trained" if threshold == 0 else f"{threshold:+.3f}"
    return (
        f"The threshold chosen is {at}; with thresholds chosen on other folds than the one they are used on,"
        f" the sensitivity is {rates['sensitivity']['value']:.3f} and the specificity"
        f" {rates['specificity']['value']:.3f}."
    )


def _marks(source: Source, curves: Sequence[Curve], *, recall: bool) -> charts.Marks:
    """Return the points in use: the threshold on each line, the card's figures, the baseline's."""

    def point(sensitivity: float, specificity: float, precision: float) -> tuple[float, float]:
        return (sensitivity, precision) if recall else (1 - specificity, sensitivity)

    threshold, figures = _threshold(source), source.figures
    marks: list[tuple[str, str, str, float, float]] = []
    for curve in curves:
        marks.append(
            (
                f"threshold {threshold:+.3f}" if threshold else "threshold 0",
                GREEN,
                "circle",
                *point(*curve.at(threshold)),
            )
        )
    rates, rival = figures["rates"], figures.get("baseline")
    own = (rates["sensitivity"]["value"], rates["specificity"]["value"], float(figures["precision"]))
    marks.append(("thresholds of other folds", ORANGE, "diamond", *point(*own)))
    if rival:
        rates = rival["rates"]
        theirs = (rates["sensitivity"]["value"], rates["specificity"]["value"], float(rival["precision"]))
        marks.append((f"baseline {rival['name']}", RED, "x", *point(*theirs)))
    return marks


def _calibration(source: Source, runs: Sequence[Predictions], config: ModelConfig) -> list[Block]:
    found = operating.calibration(runs)
    if not found.bins:
        return [Empty("There are no outputs to compare.")]
    moved = _moved(config)
    why = (
        f" What is more, {listed(moved)} {'moves' if len(moved) == 1 else 'move'} them away from shares on"
        " purpose."
        if moved
        else ""
    )
    threshold = _threshold(source)
    folded = (
        f" The exported file has the threshold {threshold:+.3f} in its last bias, which shifts every one of"
        " them once more: its softmax is no probability at all."
        if threshold
        else ""
    )
    off = max(found.bins, key=lambda one: abs(one.seen.value - one.said) * one.segments)
    mean = f", the mean of {len(runs)} trainings" if len(runs) > 1 else ""
    lean = "too sure of the positive class" if off.said > off.seen.value else "too little sure of it"
    says = (
        f"Expected calibration error {found.error.value:.3f} (95% interval over subjects"
        f" {between(found.error)}) in {operating.BINS} bins of equal width{mean}. The bin that is furthest"
        f" off, times its segments, says {off.said:.2f} where {off.seen.value:.2f} come true"
        f" ({off.segments:,} segments a training): there the outputs are {lean}."
    )
    return [
        Text(
            "The softmax of the outputs as trained, out of fold, against how often they come true. No step of"
            f" the training calibrates them: read them as a rank, not as probabilities.{why}{folded}"
        ),
        Chart("calibration", charts.reliability(found), says),
    ]


def _moved(config: ModelConfig) -> list[str]:
    """Name what in a training keeps outputs from being shares of what comes true."""
    found: Mapping[str, Any] = {
        f"label smoothing of {config.label_smoothing:.3g}": config.label_smoothing,
        f"the {config.loss} loss": "focal" in config.loss,
        f"{config.class_weights} class weights": config.class_weights != "none",
        f"a factor of {config.positive_weight:.3g} on the positive class": config.positive_weight != 1,
        "mixup": config.mixup,
        "drawing subjects alike": config.sampling == "subject",
    }
    return [words for words, on in found.items() if on]
