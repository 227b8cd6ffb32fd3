"""Losses that were tried, and the one of the winner."""

from __future__ import annotations

from atml.data.cases import case_of
from atml.formatting import listed
from atml.models.config import ModelConfig
from atml.report.groups import comparison
from atml.report.material import Material
from atml.report.page import Block, Empty, Text
from atml.report.sections.task_description import task_of
from atml.tasks.task import MULTILABEL, Task

NAMES = {"cross_entropy": "cross entropy", "focal": "focal loss"}


def contents(material: Material) -> list[Block]:
    """Compare the losses, then say the winner's as a formula in words."""
    blocks: list[Block] = [Text(_about(material))]
    if not material.finished:
        return [*blocks, Empty("No trial has come to an end yet, so no loss can be compared.")]
    blocks += comparison(material.finished, _loss, "loss", "losses")
    blocks += comparison(material.finished, _weighting, "weighting of the classes", "weightings")
    if material.best is not None and material.best.config is not None:
        blocks.append(Text(_chosen(material.best.number, material.best.config, task_of(material))))
    return blocks


def _about(material: Material) -> str:
    named = material.spec.get("objective_name")
    decides = f"the objective {named}" if named else "the objective"
    return f"Training minimises a loss, which is a choice of the search; {decides} says which serves best."


def _loss(config: ModelConfig) -> str:
    return NAMES.get(config.loss, config.loss)


def _weighting(config: ModelConfig) -> str:
    return "inverse frequency" if config.class_weights == "balanced" else "equal"


def _chosen(number: int, config: ModelConfig, task: Task | None) -> str:
    """Say the winner's loss as `atml.training.optimizers.loss_of` computes it."""
    several = task is not None and task.kind == MULTILABEL
    one = "class" if not several else "label"
    many = "windows" if task is None else case_of(task).many
    parts = ["-t log p summed over the classes, p being the softmax of the logits"]
    if several:
        parts = [
            "-t log p - (1 - t) log(1 - p) summed over the labels, p being the sigmoid of a label's logit"
        ]
    if config.loss == "focal":
        parts.append(
            f"each term times (1 - p) to the power {config.focal_gamma:.2f}, so that easy {many} count less"
        )
    if config.label_smoothing:
        parts.append(f"labels smoothed by {config.label_smoothing:.3f}")
    if config.class_weights == "balanced":
        parts.append(f"each {one} weighted by its inverse frequency in the training rows")
    if config.positive_weight != 1 and several:
        parts.append(f"what has a label by a further {config.positive_weight:.2f}")
    elif config.positive_weight != 1 and (task is None or task.positive is not None):
        parts.append(f"the positive class by a further {config.positive_weight:.2f}")
    if config.sampling == "subject":
        parts.append(f"batches drawn evenly from subjects, however many {many} each has")
    if config.sampling == "class":
        of = "classes" if one == "class" else "labels"
        parts.append(f"batches drawn evenly from {of}, and of each {one} from the subjects that have it")
    elif config.thinning:
        of = "set of labels" if several else "class"
        parts.append(
            f"of the most frequent {of} {config.thinning:.2g} times as many {many} a pass as of all others"
        )
    return f"The winner, trial {number}, was trained with {_loss(config)}: {listed(parts)}."
