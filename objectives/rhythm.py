"""Normal rhythm, atrial fibrillation or another rhythm in one lead, as the CinC 2017 challenge asks it."""

from atml import Predictions, Task, macro_f1, mean_subject_accuracy

TASK = Task(
    name="rhythm",
    kind="multiclass",
    classes=("N", "AF", "O"),
    sampling_rate=100,
    window=1000,
)

WINDOWS = (5.0, 60.0)
"""Lengths in s that `--window` may ask for instead of the 10 s of TASK."""

N = {"N", "NSR", "SR"}
AF = {"AF", "AFIB"}
# Recordings that are too noisy to read are of no class: they are left out, and said.
O = {  # noqa: E741
    *("O", "SBR", "STACH", "SARRH", "AB", "SVTA", "SVT", "AFL", "NOD", "J", "PREX"),
    *("B", "T", "VPD", "PVC", "BI", "BII", "BIII", "IVR", "BBB", "VT", "P", "PM"),
}

QUALIFIES = 0.55
"""The lowest of macro F1, accuracy, macro precision and macro recall that a model worth exporting reaches."""

FLOOR = {"record": 0.35, "window": 0.30, "subject_accuracy": 0.40, "robust": 0.20}
"""Value of each objective at the end of the first fold below which a random draw is given up."""

MAX_SIZE_KIB = 256.0
"""Largest ONNX file; `--max-size` asks for a smaller one."""

RULE = "cinc2017"
"""The official rule that test data are scored by."""

BASELINE = "rr_regression"
"""The detector without a network that is scored beside every winner."""

_CLASS = {**dict.fromkeys(N, 0), **dict.fromkeys(AF, 1), **dict.fromkeys(O, 2)}


def label(rhythm: str) -> int | None:
    """Return the class of a rhythm name, None for one that no list here knows."""
    return _CLASS.get(rhythm)


def value(predictions: Predictions) -> float:
    """Macro F1 over recordings, each decided by the mean of its windows, higher is better.

    The challenge's figure: the mean over the classes of F1, a recording counting once whatever its length.
    It takes a subject for one recording, which holds where every recording has one rhythm throughout; for
    long recordings with changing rhythms `--objective window` is the one to ask for.
    """
    return macro_f1(predictions.by_subject())


def window(predictions: Predictions) -> float:
    """Macro F1 over all windows, higher is better."""
    return macro_f1(predictions)


def robust(predictions: Predictions) -> float:
    """Usual macro F1, with decisions that a change of the recording flips counted as wrong, higher is better.

    A window counts as right only where it is decided right as it is, with the electrodes exchanged, through
    another filter, with another gain, with some noise, and cut a moment later: the heart is the same.
    """
    return value(predictions.at_worst())


OBJECTIVES = {
    "record": value,
    "window": window,
    "subject_accuracy": mean_subject_accuracy,
    "robust": robust,
}
"""What `--objective NAME` can ask for; `value` is the default."""

AGREEMENT = ("robust",)
"""Objectives that ask what becomes of a decision when its window is changed; trials take longer for them."""
