"""Normal, supraventricular or ventricular: the class of each heartbeat in two leads, as EC57 judges it."""

import numpy as np

from atml import Predictions, Task, macro_f1, worst_subjects

TASK = Task(
    name="beats_2lead",
    kind="multiclass",
    classes=("N", "S", "V"),
    sampling_rate=125,
    window=438,
    after_beat=1.2,
    leads=2,
)
"""Windows of 3.5 s that end 1.2 s after their beat: the next one tells of the pause that may follow.

Beats are found in the first lead.
"""

N = set("NLRBej")
"""Escape beats of atrium and node (``e``, ``j``) are trained as normal, as in papers since de Chazal 2004.

They come late and look alike. The standard's own table counts them as S, and its second one as N.
"""
S = set("AaJSn")
V = set("VEr")
# Fusion beats (F), paced ones and what nobody could tell (/ f Q ?) teach nothing: they are left out.

GATE = {"sensitivity V": 0.80, "specificity V": 0.95}
"""What a model worth exporting reaches, whatever the objective.

Supraventricular beats are none of it: half of them come from two or three people of a database.
"""

QUALIFIES = 0.40
"""For files that know no GATE: the lowest of macro F1, accuracy, macro precision and macro recall."""

FLOOR = {"ec57": 0.20, "veb": 0.25, "sveb": 0.02, "macro": 0.40, "patients": 0.20, "worst_subjects": 0.15}
"""Value of each objective at the end of the first fold below which a random draw is given up."""

TUNED = ("ec57", "veb", "sveb", "macro", "patients", "worst_subjects")
"""Objectives by which a trial is judged at the decision that suits its own predictions best.

The balance of classes is searched, and shifts the decision of a network as trained.
"""

MAX_SIZE_KIB = 64.0
"""Largest ONNX file; `--max-size` asks for a smaller one."""

RULE = "ec57"
"""The official rule that test data are scored by."""

BASELINE = "beat_regression"
"""The detector without a network that is scored beside every winner."""

VEB_SHARE = 2 / 3
"""How much the figure of ventricular beats counts in `value`; that of supraventricular ones has the rest."""

_CLASS = {**dict.fromkeys(N, 0), **dict.fromkeys(S, 1), **dict.fromkeys(V, 2)}


def label(beat: str) -> int | None:
    """Return the class of a beat by its symbol in WFDB annotations, None for one that is left out."""
    return _CLASS.get(beat)


def value(predictions: Predictions) -> float:
    """Two thirds of F1 of ventricular beats and one third of F1 of supraventricular ones, higher is better.

    Over all beats, as the standard's gross figures: F1 is the harmonic mean of its sensitivity and its
    positive predictivity. Normal beats need no figure of their own: they are what is falsely called.
    """
    return VEB_SHARE * veb(predictions) + (1 - VEB_SHARE) * sveb(predictions)


def veb(predictions: Predictions) -> float:
    """F1 of ventricular beats over all beats, higher is better."""
    return _f1(predictions, 2)


def sveb(predictions: Predictions) -> float:
    """F1 of supraventricular beats over all beats, higher is better."""
    return _f1(predictions, 1)


def macro(predictions: Predictions) -> float:
    """Macro F1 over all beats, the three classes alike, higher is better."""
    return macro_f1(predictions)


def patients(predictions: Predictions) -> float:
    """Mean over people of F1 of ventricular beats, higher is better.

    As the standard's average figures: who has a thousand of them counts as much as who has three. People
    without any count by the beats called so in error: 1 without one, 0.5 with one in a hundred beats.
    """
    called, found = predictions.labels() == 2, []
    for person in np.unique(predictions.subject):
        of = predictions.subject == person
        true = predictions.y[of] == 2
        if true.any():
            both = 2 * (true & called[of]).sum()
            found.append(both / (true.sum() + called[of].sum()))
        else:
            found.append(1 / (1 + 100 * called[of].mean()))
    return float(np.mean(found)) if found else 0.0


def worst(predictions: Predictions) -> float:
    """Mean over the worst fifth of people of the share of beats decided right, higher is better.

    The share of a person is the mean over the classes that he or she has.
    """
    return worst_subjects(predictions)


def _f1(predictions: Predictions, index: int) -> float:
    true, called = predictions.y == index, predictions.labels() == index
    both = int(true.sum() + called.sum())
    return 2 * int((true & called).sum()) / both if both else 0.0


OBJECTIVES = {
    "ec57": value,
    "veb": veb,
    "sveb": sveb,
    "macro": macro,
    "patients": patients,
    "worst_subjects": worst,
}
"""What `--objective NAME` can ask for; `value` is the default."""
