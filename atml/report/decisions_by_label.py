"""Curves and calibration of a multilabel task: each label by its own logit, read through a sigmoid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.data.cases import case_of
from atml.formatting import between
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.report import charts, operating
from atml.report.calibration import calibrated
from atml.report.figures import Source
from atml.report.operating import Areas
from atml.report.page import Block, Chart, Empty, Grid, Heading
from atml.tasks.task import Task

ANY = "a label"


def each_label(source: Source, runs: Sequence[Predictions], config: ModelConfig, task: Task) -> list[Block]:
    """Draw the curves of each label, with the rates of the card, then areas and calibration by label."""
    true = runs[0].truths()
    there = [i for i in range(len(task.classes)) if 0 < true[:, i].sum() < len(true)]
    if not there:
        return [Empty("No label is there on some pages and not on others: there is no curve to draw.")]
    of = {task.classes[i]: [operating.of_label(run, i) for run in runs] for i in there}
    lines = [(name, operating.curve(run)) for name, mine in of.items() for run in mine]
    areas = {name: operating.areas(mine) for name, mine in of.items()}
    marks = charts.as_decided(source.figures["rates"], list(of))
    mean = float(np.mean([one.roc.value for one in areas.values()]))
    found = {ANY: operating.calibration([operating.of_any_label(run) for run in runs])}
    folded = (
        " The exported file has the thresholds in its last biases, which shift them once more."
        if any(source.figures["offsets"])
        else ""
    )
    return [
        Chart(
            "roc",
            charts.operating(lines, marks, recall=False),
            f"Each label by its own logit. Area under the ROC curve, mean over labels, {mean:.3f}; by label"
            " in the table. The points are the rates of the card, at the decision that ships.",
        ),
        Chart(
            "precision-recall",
            charts.operating(lines, (), recall=True, prevalences=[_share(mine) for mine in of.values()]),
            f"Precision over sensitivity of each label. Chance is its share of all {case_of(task).many}, and"
            " precision holds for these shares alone.",
        ),
        _areas(areas, of),
        Heading("Calibration"),
        *calibrated(found, runs, config, folded, by="sigmoid", many="yes-or-no decisions"),
        _by_label(of),
    ]


def _share(mine: Sequence[Predictions]) -> float:
    return float(mine[0].truth().mean())


def _areas(areas: Mapping[str, Areas], of: Mapping[str, Any]) -> Block:
    rows = tuple(
        (
            name,
            f"{one.roc.value:.3f} ({between(one.roc)})",
            f"{one.precision_recall.value:.3f} ({between(one.precision_recall)})",
            f"{_share(of[name]):.3f}",
        )
        for name, one in areas.items()
    )
    low = min(areas, key=lambda name: areas[name].roc.value)
    says = f"Areas of each label with 95% intervals over subjects. {low} is told apart worst."
    columns = ("label", "area under the ROC curve", "average precision", "average precision of chance")
    return Grid(columns, rows, says, right=columns[1:])


def _by_label(of: Mapping[str, Sequence[Predictions]]) -> Block:
    found = {name: operating.calibration(mine) for name, mine in of.items()}
    rows = tuple(
        (
            name,
            f"{one.error.value:.3f} ({between(one.error)})",
            f"{float(np.mean([operating.probability(run).mean() for run in of[name]])):.3f}",
            f"{_share(of[name]):.3f}",
        )
        for name, one in found.items()
    )
    worst = max(found, key=lambda name: found[name].error.value)
    says = (
        f"Expected calibration error by label; the largest is that of {worst}. A mean output above the share"
        " says that the label is called too readily at an output of 0.5."
    )
    columns = ("label", "calibration error", "mean output", "share that has it")
    return Grid(columns, rows, says, right=columns[1:])
