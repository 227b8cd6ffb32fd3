"""Shock or no shock in five seconds of an intracardiac electrogram, as the ICCAD contests ask it."""

from atml import Predictions, Task, confusion, contest_points

TASK = Task(
    name="iccad",
    classes=("no shock", "shock"),
    positive=1,
    sampling_rate=250,
    window=1250,
)

SHOCK = {"VT", "VFb", "VFt", "VF", "VFIB", "VFL"}
NO_SHOCK = {
    # The contest's.
    *("SR", "SVT", "AFb", "AFt", "VPD"),
    # The same under the names of other sets, and what the generator has besides.
    *("N", "NSR", "SBR", "STACH", "AB", "B", "T", "PVC", "AFIB", "AF", "AFL", "SVTA", "NOD", "BI", "IVR"),
    *("PM", "P", "ASYS"),
}

GATE = {"sensitivity": 0.90, "specificity": 0.80}
"""What a model worth exporting reaches, whatever the objective: a device that misses more is no help however
fast it is, and one that shocks more often without need is not borne."""

QUALIFIES = 0.80
"""The lowest of F1, accuracy, precision and recall that a learned region counts as good."""

HOPELESS = {"f_beta": 0.2, "official": 50.0, "official_2023": 35.0}
"""Value of each objective at the end of the first fold below which a random draw is given up.

Fixed before any search.
"""

MAX_SIZE_KIB = 10.0
"""Largest ONNX file; `--max-size` asks for a smaller one."""

MAX_MACS = 20_000
"""Most multiply-accumulates for one window: about 2 ms on the contest's board."""

RULE = "iccad2022"
"""The official rule that test data are scored by."""

BASELINE = "peak_count"
"""The detector without a network that is scored beside every winner."""


def label(rhythm: str) -> int | None:
    """Return the class of a rhythm name, None for one that no list here knows."""
    if rhythm in SHOCK:
        return 1
    return 0 if rhythm in NO_SHOCK else None


def value(predictions: Predictions) -> float:
    """F-beta (beta 2) over all windows, less what the gate lacks to be reached, higher is better.

    F-beta is ICCAD 2022's. Alone it is fond of shocks: where half of the windows need one, a model that
    shocks always has 0.83, more than one that has begun to learn. Hence the second part, which is 0 for every
    model worth exporting.
    """
    found = confusion(predictions.truth(), predictions.decided())
    return found.f_beta(2.0) - max(0.0, *_lacking(predictions))


def official(predictions: Predictions) -> float:
    """ICCAD 2022's total, in points: F, and what the board's latency and size earn, higher is better.

    Both are those of the estimate for `--board`. A model that does not reach the gate gets nothing for them:
    no speed makes up for wrong decisions.
    """
    return contest_points(predictions, "iccad2022", qualified=_reaches_gate(predictions))


def official_2023(predictions: Predictions) -> float:
    """ICCAD 2023's total, in points: F and G by subject, and the board's latency and size, higher is better.

    As `official`, a model that does not reach the gate gets nothing for speed and size.
    """
    return contest_points(predictions, "iccad2023", qualified=_reaches_gate(predictions))


def _lacking(predictions: Predictions) -> tuple[float, float]:
    """Return what sensitivity and specificity lack of the gate; at or below 0 they reach it."""
    found = confusion(predictions.truth(), predictions.decided())
    return GATE["sensitivity"] - found.sensitivity, GATE["specificity"] - found.specificity


def _reaches_gate(predictions: Predictions) -> bool:
    return max(_lacking(predictions)) <= 0


OBJECTIVES = {"f_beta": value, "official": official, "official_2023": official_2023}
"""What `--objective NAME` can ask for; `value` is the default."""

AWARDED = ("official", "official_2023")
"""Objectives that count what the board takes for a window, and the size there: they need `--board`."""
