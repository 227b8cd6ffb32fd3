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
from atml.metrics.predictions import Predictions

__all__ = [
    "DECIMALS",
    "FOUR",
    "Confusion",
    "Counts",
    "Interval",
    "Predictions",
    "SubjectRow",
    "bootstrap",
    "clopper_pearson",
    "confusion",
    "counts",
    "f_beta",
    "four_metrics",
    "mean_subject_f_beta",
    "prediction_counts",
    "ratio",
    "resampled",
    "subject_codes",
    "wilson",
]
