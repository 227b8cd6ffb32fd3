"""How often what outputs stand for comes true, and what in a training keeps them from being shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atml.formatting import between, listed
from atml.metrics.predictions import Predictions
from atml.models.config import ModelConfig
from atml.report import charts, operating
from atml.report.operating import Calibration
from atml.report.page import Block, Chart, Empty, Text


def calibrated(
    found: Mapping[str, Calibration],
    runs: Sequence[Predictions],
    config: ModelConfig,
    folded: str,
    *,
    by: str = "softmax",
    many: str = "windows",
) -> list[Block]:
    """Compare the outputs of each class with how often they come true.

    ``by`` is what makes probabilities of outputs, ``many`` what is counted.
    """
    found = {name: one for name, one in found.items() if one.bins}
    if not found:
        return [Empty("There are no outputs to compare.")]
    moved = _moved(config, weighted=runs[0].positive is not None or runs[0].multilabel)
    why = f" Training with {listed(moved)} moves them away from shares on purpose." if moved else ""
    mean = f", the mean of {len(runs)} trainings" if len(runs) > 1 else ""
    errors = listed(
        [
            f"{f'{name} ' if len(found) > 1 else ''}{one.error.value:.3f} ({between(one.error)})"
            for name, one in found.items()
        ]
    )
    name, off = max(
        ((name, b) for name, one in found.items() for b in one.bins),
        key=lambda item: abs(item[1].seen.value - item[1].said) * item[1].windows,
    )
    lean = f"too sure of {name}" if off.said > off.seen.value else f"not sure enough of {name}"
    says = (
        f"Expected calibration error {errors} in {operating.BINS} bins{mean}. Furthest off, by"
        f" {off.windows:,} {many} a training, is a mean output of {off.said:.2f} where {off.seen.value:.2f}"
        f" come true: {lean}."
    )
    return [
        Text(
            f"Nothing calibrates the outputs: read their {by} as a rank, not as probabilities.{why}{folded}"
        ),
        Chart("calibration", charts.reliability(found, by=by, many=many), says),
    ]


def _moved(config: ModelConfig, *, weighted: bool) -> list[str]:
    """Name what in a training keeps outputs from being shares of what comes true."""
    found: Mapping[str, Any] = {
        f"label smoothing of {config.label_smoothing:.3g}": config.label_smoothing,
        f"the {config.loss} loss": config.loss not in ("cross_entropy", "mse"),
        f"{config.class_weights} class weights": config.class_weights != "none",
        f"a factor of {config.positive_weight:.3g} on what is positive": weighted
        and config.positive_weight != 1,
        "mixup": config.mixup,
        "drawing subjects alike": config.sampling == "subject",
        "drawing classes alike": config.sampling == "class",
        "thinning the most frequent class": config.thinning,
    }
    return [words for words, on in found.items() if on]
