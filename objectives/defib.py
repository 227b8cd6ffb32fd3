"""Shock or no shock: ventricular fibrillation, flutter and tachycardia against every other rhythm."""

from atml import Predictions, Task, confusion, contest_points, mean_subject_f_beta, worst_subjects

TASK = Task(
    name="defib",
    classes=("no shock", "shock"),
    positive=1,
    sampling_rate=250,
    window=1000,
)

WINDOWS = (1.0, 8.0)
"""Lengths in s that `--window` may ask for instead of the 4 s of TASK."""

SHOCK = {"VF", "VFIB", "VFb", "VFL", "VFt", "VT"}
NO_SHOCK = {
    # Sinus rhythm, slow or with beats of other origin in between.
    *("N", "NSR", "SR", "SBR", "STACH", "SARRH", "AB", "B", "T", "VPD", "PVC", "HGEA", "BBB", "PREX"),
    # From the atria and the node.
    *("AFIB", "AF", "AFb", "AFL", "AFt", "SVTA", "SVT", "NOD", "J"),
    # Block, escape, pacing, standstill.
    *("BI", "BII", "BIII", "IVR", "VER", "P", "PM", "ASYS"),
}

GATE = {"sensitivity": 0.80, "specificity": 0.90}
"""What a model worth exporting reaches, whatever the objective: twice the errors that an AED goal allows.

Precision is none of them: it falls with the share of shockable windows at the very same errors.
"""

QUALIFIES = 0.80
"""Gate of studies that began before GATE: the lowest of F1, accuracy, precision and recall."""

HOPELESS = {
    "aed": -4.0,
    "balanced": 0.75,
    "f_beta": 0.6,
    "subject_f_beta": 0.6,
    "worst_subjects": 0.2,
    "robust": -8.0,
    "official": 60.0,
    "official_2023": 40.0,
}
"""Value of each objective at the end of the first fold below which a random draw is given up.

Fixed before any search. -4 is five times the errors that a goal allows: sensitivity 0.50 or specificity 0.75.
"""

MAX_SIZE_KIB = 64.0
"""Largest ONNX file; `--max-size` asks for a smaller one."""

RULE = "aha-aed"
"""The official rule that test data are scored by."""

BASELINE = "peak_count"
"""The detector without a network that is scored beside every winner."""

SENSITIVITY, SPECIFICITY = 0.90, 0.95
"""AED goals (AHA 1997): of coarse ventricular fibrillation, and of rhythms other than sinus rhythm."""


def label(rhythm: str) -> int | None:
    """Return the class of a rhythm name, None for one that no list here knows."""
    if rhythm in SHOCK:
        return 1
    return 0 if rhythm in NO_SHOCK else None


def value(predictions: Predictions) -> float:
    """Lower of the margins to the AED goals for sensitivity and specificity, higher is better.

    A margin is the share of the errors allowed by its goal that were not made: 1 without an error, 0 at the
    goal (sensitivity 0.90, specificity 0.95, over all windows), -1 with twice the errors allowed. The lower
    of the two counts, so that neither missed shocks nor false ones can be bought with the other. The
    standard holds sinus rhythm to 0.99 and tachycardia to 0.75: `--rule aha-aed` judges each category.
    """
    found = confusion(predictions.truth(), predictions.decided())
    missed, false = 1 - found.sensitivity, 1 - found.specificity
    return 1 - max(missed / (1 - SENSITIVITY), false / (1 - SPECIFICITY))


def balanced_accuracy(predictions: Predictions) -> float:
    """Balanced accuracy, the mean of sensitivity and specificity over all windows, higher is better."""
    found = confusion(predictions.truth(), predictions.decided())
    return (found.sensitivity + found.specificity) / 2


def f_beta(predictions: Predictions) -> float:
    """F-beta (beta 2) over all segments, as the ICCAD 2022 contest asks, higher is better."""
    return confusion(predictions.truth(), predictions.decided()).f_beta(2.0)


def subject_f_beta(predictions: Predictions) -> float:
    """Mean over subjects of F-beta (beta 2), as the ICCAD 2023 contest asks, higher is better."""
    return mean_subject_f_beta(predictions, beta=2.0)


def worst_fifth(predictions: Predictions) -> float:
    """Mean over the worst fifth of the subjects of the share of windows decided right, higher is better.

    The share of a subject is the mean of its sensitivity and its specificity, as far as it has both.
    """
    return worst_subjects(predictions)


def robust(predictions: Predictions) -> float:
    """Usual margin, with decisions that a change of the recording flips counted as wrong, higher is better.

    A window counts as right only where it is decided right as it is, with the electrodes exchanged, through
    another filter, with another gain, with some noise, and cut a moment later: the heart is the same.
    """
    return value(predictions.at_worst())


def official(predictions: Predictions) -> float:
    """ICCAD 2022's total, in points: F, and what the board's latency and size earn, higher is better.

    Both are those of the estimate for `--board`. A model that does not reach the gate gets nothing for them:
    no speed makes up for wrong decisions.
    """
    return contest_points(predictions, "iccad2022", qualified=_reaches_gate(predictions))


def official_2023(predictions: Predictions) -> float:
    """ICCAD 2023's total, in points: F and G by subject, latency and size as in "official"."""
    return contest_points(predictions, "iccad2023", qualified=_reaches_gate(predictions))


def _reaches_gate(predictions: Predictions) -> bool:
    found = confusion(predictions.truth(), predictions.decided())
    return found.sensitivity >= GATE["sensitivity"] and found.specificity >= GATE["specificity"]


OBJECTIVES = {
    "aed": value,
    "balanced": balanced_accuracy,
    "f_beta": f_beta,
    "subject_f_beta": subject_f_beta,
    "worst_subjects": worst_fifth,
    "robust": robust,
    "official": official,
    "official_2023": official_2023,
}
"""What `--objective NAME` can ask for; `value` is the default."""

AGREEMENT = ("robust",)
"""Objectives that ask what becomes of a decision when its window is changed; trials take longer for them."""

AWARDED = ("official", "official_2023")
"""Objectives that count what the board takes for a window, and the size there: they need `--board`."""
