"""Metrics: counts, rates and intervals of decisions, pooled and by subject; numpy and scipy, pure."""

from atml.metrics.binary import (
    DECIMALS,
    FOUR,
    Confusion,
    Counts,
    SubjectRow,
    bootstrap,
    confusion,
    counts,
    f_beta,
    four_metrics,
    mean_subject_f_beta,
    prediction_counts,
)
from atml.metrics.counting import ratio, subject_codes
from atml.metrics.intervals import Interval, clopper_pearson, resampled, wilson
from atml.metrics.multiclass import (
    ClassCounts,
    ClassSubjectRow,
    class_counts,
    class_f1,
    class_intervals,
    class_precision,
    class_recall,
    class_specificity,
    confusion_matrix,
    macro_f1,
    macro_four,
    mean_subject_accuracy,
    prediction_class_counts,
)
from atml.metrics.multilabel import LabelCounts, LabelSubjectRow, label_f1
from atml.metrics.predictions import Predictions
from atml.metrics.ranking import roc_auc
from atml.metrics.worst_subjects import subject_recall, worst_subjects

__all__ = [
    "DECIMALS",
    "FOUR",
    "ClassCounts",
    "ClassSubjectRow",
    "Confusion",
    "Counts",
    "Interval",
    "LabelCounts",
    "LabelSubjectRow",
    "Predictions",
    "SubjectRow",
    "bootstrap",
    "class_counts",
    "class_f1",
    "class_intervals",
    "class_precision",
    "class_recall",
    "class_specificity",
    "clopper_pearson",
    "confusion",
    "confusion_matrix",
    "counts",
    "f_beta",
    "four_metrics",
    "label_f1",
    "macro_f1",
    "macro_four",
    "mean_subject_accuracy",
    "mean_subject_f_beta",
    "prediction_class_counts",
    "prediction_counts",
    "ratio",
    "resampled",
    "roc_auc",
    "subject_codes",
    "subject_recall",
    "wilson",
    "worst_subjects",
]
