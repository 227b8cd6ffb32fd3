"""From a picture of an ECG page back to its signals: how near twelve leads come to the true ones."""

from atml import Predictions, Task, mean_snr, worst_snr

TASK = Task(
    name="paper",
    kind="waveform",
    classes=("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"),
    picture=(512, 672),
    leads=3,
)
"""Rows and columns of pixels, in red, green and blue; pages of other sizes are brought to it."""

GATE = {"recall": 0.5}
"""What a model worth exporting reaches: the share of leads that are read to 10 dB or better."""

QUALIFIES = 0.5
"""For files that know no GATE."""

FLOOR = {"snr": 1.0, "worst_pages": -10.0}
"""Value of each objective at the end of the first fold below which a random draw is given up."""

MAX_SIZE_KIB = 16_384.0
"""Largest ONNX file; `--max-size` asks for another."""

RULE = ""
"""None: `atml digitize --model` reads pages, and ``benchmarks/paper.py`` compares that with the truth."""


def label(name: str) -> int | None:
    """Return 0: what is drawn on a page comes with its signals."""
    return 0


def value(predictions: Predictions) -> float:
    """Signal over error in dB, the mean over pages and leads after alignment, higher is better.

    Alignment is that of the rule kaggle2025: by up to 0.2 s, and to the same mean. A lead that was not read
    has 0 dB. The summed loss of the training is no measure: it counts what is only a means.
    """
    return mean_snr(predictions)


def worst(predictions: Predictions) -> float:
    """Signal over error in dB, the mean over the worst fifth of the pages, higher is better."""
    return worst_snr(predictions)


OBJECTIVES = {"snr": value, "worst_pages": worst}
"""What `--objective NAME` can ask for; `value` is the default."""
