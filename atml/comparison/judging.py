"""Several models judged on the same windows of people whom none was trained on, figure by figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml import metrics
from atml.artifacts.model import ExportedModel
from atml.comparison.result import LABEL_MEASURES, WAVEFORM_MEASURES
from atml.errors import DataError
from atml.formatting import plural
from atml.metrics import paired
from atml.metrics.label_sets import truth
from atml.metrics.multilabel import binary_accuracy, label_counts
from atml.metrics.waveform import READ_DB
from atml.scoring.evaluation import judge_export
from atml.scoring.leakage import Paths
from atml.scoring.recording import Pending
from atml.tasks import targets
from atml.tasks.task import MULTILABEL, WAVEFORM, Task

OFFICIAL = {"iesd2024": ("F-beta", 5), "iccad2023": ("F-beta", None)}
"""Rules whose official figure is a mean over subjects: that figure, and the decimals it is rounded to."""


def official_of(rule: str, task: Task, *, kept: bool = False) -> str:
    """Return the figure of a subject that is tested where nobody names one: that of the rule, or accuracy.

    Of leads that are read it is their decibels; with ``kept``, of what exports keep, how many were read.
    """
    if task.kind == WAVEFORM:
        return WAVEFORM_MEASURES[kept]
    if task.kind == MULTILABEL:
        return LABEL_MEASURES[0]
    return OFFICIAL.get(rule, ("accuracy", None))[0]


def judged_together(
    exports: Sequence[ExportedModel], data_paths: Paths, asked: Mapping[str, Any]
) -> tuple[list[Pending], list[str]]:
    """Judge the models on the subjects that none of them was trained on; with what to say of these."""
    places = [one.folder or one.path for one in exports]
    pending = [judge_export(place, data_paths, **asked) for place in places]
    subjects = [set(one.judged.subject.tolist()) for one in pending]
    common = set.intersection(*subjects)
    if all(some == common for some in subjects):
        return pending, []
    if not common:
        raise DataError(
            f"there is nobody in {pending[0].report.data_name} whom none of these models was trained on;"
            " give other test data"
        )
    pending = [judge_export(place, data_paths, **asked, only=common) for place in places]
    note = (
        f"only the {plural(len(common), 'subject')} whom none of the models was trained on are judged;"
        " alone, some could be judged on more"
    )
    return pending, [note, *_missing_classes(pending[0])]


def _missing_classes(pending: Pending) -> list[str]:
    """Say which classes have no windows of those who are left; of two classes both are needed.

    Raises DataError where one of two has none.
    """
    task, report = pending.judged.task, pending.report
    there = np.atleast_1d(targets.having(task, pending.judged.y_true).any(axis=0)).tolist()
    missing = [name for name, known in zip(task.classes, there, strict=True) if not known]
    if missing and len(task.classes) == 2:
        raise DataError(
            f"of the {plural(report.subjects, 'subject')} of {report.data_name} whom none of these models was"
            f" trained on none has {missing[0]}; give other test data"
        )
    return [f"nobody who is judged has {name}" for name in missing]


def same_windows(pending: Sequence[Pending]) -> None:
    """Raise DataError where models were not judged on the very same windows."""
    first = pending[0]
    for other in pending[1:]:
        same = (
            len(other.judged.y_true) == len(first.judged.y_true)
            and np.array_equal(other.judged.y_true, first.judged.y_true)
            and np.array_equal(other.judged.subject, first.judged.subject)
            and np.array_equal(other.judged.x, first.judged.x)
        )
        if not same:
            raise DataError(
                f"{first.report.exported.path} and {other.report.exported.path} see other windows of"
                f" {first.report.data_name}; name the lead that both are to be judged on with --lead"
            )


def by_subject(pending: Pending, rule: str) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the subjects and each figure of them, ``(subjects,)``.

    They are of whole recordings where the rule's figures are.
    """
    judged = pending.judged
    true, called, subject = judged.y_true, judged.y_pred, judged.subject
    if pending.report.score.records is not None:
        found = judged.records()
        true, called, subject = found.predictions.y, found.labels(), found.predictions.subject
    if judged.task.kind == MULTILABEL:
        labels = len(judged.task.classes)
        counted = label_counts(truth(true, labels), truth(called, labels), subject)
        each = (counted.f1(), binary_accuracy(counted.cells))
        return counted.names.tolist(), dict(zip(LABEL_MEASURES, each, strict=True))
    if judged.task.kind == WAVEFORM and judged.logits is not None:
        names, code = metrics.subject_codes(subject)
        drawn = truth(true, len(judged.task.classes))
        return names.tolist(), {
            name: np.bincount(code, np.where(drawn, one, 0).sum(1)) / np.bincount(code, drawn.sum(1))
            for name, one in zip(
                WAVEFORM_MEASURES, (judged.logits + READ_DB, judged.logits >= 0), strict=True
            )
        }
    if len(judged.task.classes) > 2:
        names, code = metrics.subject_codes(subject)
        return names.tolist(), {"accuracy": paired.accuracy(true == called, code, names)}
    positive = judged.task.positive
    table = metrics.counts(true == positive, called == positive, subject)
    decimals = OFFICIAL.get(rule, ("", metrics.DECIMALS))[1]
    return table.names.tolist(), dict(paired.of_subjects(table, decimals=decimals))
