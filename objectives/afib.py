"""Atrial fibrillation in five seconds of one lead, as the IESD 2024 contest asks it."""

from atml import Predictions, Task, four_metrics, mean_subject_f_beta, worst_subjects

TASK = Task(
    name="afib",
    classes=("other", "AF"),
    positive=1,
    sampling_rate=250,
    window=1250,
)

AF = {"AFIB", "AF"}
# "" is a published segment whose name leaves the rhythm out; all of them are from a non-AF recording.
# "O" is what CinC 2017 calls every rhythm but normal and AF.
OTHER = {"N", "NSR", "SR", "SBR", "B", "AB", "T", "SVTA", "PREX", "NOD", "IVR", "P", "O", ""}
# What the statements on 12-lead recordings call them: PTB-XL, Chapman-Shaoxing, CinC 2020 and 2021. Sinus and
# atrial rhythms but fibrillation, junctional rhythms, tachycardia by re-entry, bigeminy.
OTHER |= {"STACH", "SARRH", "SAAWR", "ATACH", "SVT", "AVRT", "AVNRT", "AP", "WAP", "ARH", "AAR"}
OTHER |= {"JTACH", "AJR", "JE", "AVJR", "AIVR", "BIGU", "TRIGU"}
# Left out, as is every name that no list has: flutter ("AFL", "AFAFL"), which some count with AF and some do
# not; "SVARR" and "BTS", which may be AF; ventricular tachycardia and fibrillation, which are for defib.

QUALIFIES = 0.80
"""The lowest of F1, accuracy, precision and recall that a model worth exporting reaches."""

HOPELESS = {"value": 0.60, "worst_subjects": 0.20, "robust": 0.40}
"""Value of each objective at the end of the first fold below which a random draw is given up.

Fixed before any search.
"""

MAX_SIZE_KIB = 256.0
"""Largest ONNX file; `--max-size` asks for a smaller one."""

RULE = "iesd2024"
"""The official rule that test data are scored by."""

BASELINE = "rr_irregularity"
"""The detector without a network that is scored beside every winner."""


def label(rhythm: str) -> int | None:
    """Return the class of a rhythm name, None for one that no list here knows."""
    if rhythm in AF:
        return 1
    return 0 if rhythm in OTHER else None


def value(predictions: Predictions) -> float:
    """Mean over subjects of F-beta (beta 2), less what the lowest metric lacks to qualify, higher is better.

    F-beta is the contest's but for subjects without AF: they count with their specificity, where the contest
    gives them 1 whatever the false alarms. Beta 2 alone is fond of alarms: on the contest's own data a
    model that calls everything AF has 0.78, more than one that has begun to learn. Hence the second part,
    which is 0 for every model worth exporting.
    """
    f_beta = mean_subject_f_beta(predictions, beta=2.0, without_positives="specificity")
    lowest = min(four_metrics(predictions).values())
    return f_beta - max(0.0, QUALIFIES - lowest)


def worst_fifth(predictions: Predictions) -> float:
    """Mean over the worst fifth of the subjects of the share of windows decided right, higher is better.

    The share of a subject is the mean over its classes: AF in one window of twenty counts as much as the
    other nineteen. A mean over all subjects can rise while some are given up; this one can't.
    """
    return worst_subjects(predictions)


def robust(predictions: Predictions) -> float:
    """Usual value, with decisions that a change of the recording flips counted as wrong, higher is better.

    A window counts as right only where it is decided right as it is, with the electrodes exchanged, through
    another filter, with another gain, with some noise, and cut a moment later: the heart is the same.
    """
    return value(predictions.at_worst())


OBJECTIVES = {"worst_subjects": worst_fifth, "robust": robust}
"""What `--objective NAME` can ask for besides `value`, the default."""

AGREEMENT = ("robust",)
"""Objectives that ask what becomes of a decision when its window is changed; trials take longer for them."""
