"""What a picture of an ECG page shows: ten conditions, any of them at once."""

from atml import Predictions, Task, label_f1, macro_f1, worst_subjects

TASK = Task(
    name="pages",
    kind="multilabel",
    classes=("AF", "PVC", "TACHY", "BRADY", "RBBB", "LBBB", "AVB1", "STE_ANT", "STE_INF", "STE_LAT"),
    picture=(256, 336),
    leads=3,
)
"""Rows and columns of pixels, in red, green and blue; pages of other sizes are brought to it."""

GATE = {"balanced accuracy": 0.75}
"""What a model worth exporting reaches: the mean, over the labels, of sensitivity and specificity.

Accuracy is no part of it: labels are rare, and who calls none of them is right nine times of ten.
"""

QUALIFIES = 0.50
"""For files that know no GATE: the lowest of macro F1, accuracy, macro precision and macro recall."""

FLOOR = {"macro": 0.15, "rarest": 0.01, "worst_subjects": 0.02}
"""Value of each objective at the end of the first fold below which a random draw is given up."""

TUNED = ("macro", "rarest", "worst_subjects")
"""Objectives by which a trial is judged at the decision that suits its own predictions best.

The balance of labels is searched, and shifts the decision of a network as trained.
"""

MAX_SIZE_KIB = 2048.0
"""Largest ONNX file; `--max-size` asks for another."""

RULE = "labels"
"""The rule that test data are scored by."""


def label(names: str) -> int | None:
    """Return a page's labels as bits, of their names with "+" between; None where one is not known.

    "" is a page without any.
    """
    bits = 0
    for name in filter(None, names.split("+")):
        if name not in TASK.classes:
            return None
        bits |= 1 << TASK.classes.index(name)
    return bits


def value(predictions: Predictions) -> float:
    """Macro F1: the mean over the labels of F1 over all pages, higher is better."""
    return macro_f1(predictions)


def rarest(predictions: Predictions) -> float:
    """F1 of the label that is found worst, higher is better."""
    return min(label_f1(predictions))


def worst(predictions: Predictions) -> float:
    """Mean over the worst fifth of people of F1 over all their labels, higher is better."""
    return worst_subjects(predictions)


OBJECTIVES = {"macro": value, "rarest": rarest, "worst_subjects": worst}
"""What `--objective NAME` can ask for; `value` is the default."""
